"""Fitting finds the hand behind its joints, stays within the limits, and says how well it did."""

from __future__ import annotations

import inspect
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hand_samples import random_hands
from torch import Tensor

from hand_pose_ros.data.folder import read_folder
from hand_pose_ros.errors import ConfigError, InputError, ShapeError
from hand_pose_ros.hand import skeleton
from hand_pose_ros.hand.fitting import FitOptions, FitResult, fit_hand
from hand_pose_ros.hand.fitting_problem import FitProblem, FitState, prior_of
from hand_pose_ros.hand.initial import initial_hand
from hand_pose_ros.hand.jacobian import angle_jacobian, length_jacobian
from hand_pose_ros.hand.kinematics import HandParameters, forward_kinematics, mirror
from hand_pose_ros.hand.least_squares import minimize
from hand_pose_ros.hand.limits import HandLimits
from hand_pose_ros.hand.rotations import matrix_from_euler

MM = 1e-3


def joints(count: int, seed: int = 0) -> Tensor:
    return forward_kinematics(random_hands(count, seed=seed)).positions


def assert_within_limits(fit: FitResult, slack: float = 1e-9) -> None:
    ratios = fit.hand.bone_lengths / fit.hand.bone_lengths[..., [skeleton.ANCHOR_BONE]]
    for values, limits in (
        (fit.hand.articulation, skeleton.ARTICULATION_LIMITS),
        (fit.hand.offsets, skeleton.OFFSET_LIMITS),
        (ratios, skeleton.RATIO_LIMITS),
    ):
        low, high = torch.tensor(limits, dtype=values.dtype).unbind(-1)
        assert (values >= low - slack).all()
        assert (values <= high + slack).all()


def test_hands_of_the_kinematics_are_recovered() -> None:
    points = joints(150) + torch.tensor([0.1, -0.2, 0.6], dtype=torch.float64)
    fit = fit_hand(points)
    assert float(fit.residual.mean()) < 0.1 * MM
    assert float(fit.residual.mean(-1).quantile(0.95)) < 0.1 * MM
    assert fit.converged.double().mean() > 0.95
    assert_within_limits(fit)


def test_the_residual_is_the_distance_to_the_points() -> None:
    points = joints(10) + 0.005 * torch.randn(10, 21, 3, dtype=torch.float64)
    fit = fit_hand(points)
    distance = (forward_kinematics(fit.hand).positions + fit.translation[:, None] - points).norm(
        dim=-1
    )
    assert torch.allclose(fit.residual, distance, atol=1e-12)
    assert torch.allclose((fit.positions - points).norm(dim=-1), distance, atol=1e-12)


def test_real_hands_fit_to_two_millimetres(shared_data: Path) -> None:
    samples = read_folder(shared_data / "real_hands", require=("side", "keypoints"))
    points = mirror(torch.from_numpy(np.stack([sample.keypoints for sample in samples])))
    fit = fit_hand(points)
    assert float(fit.residual.mean()) < 1.0 * MM
    assert float(fit.residual.mean(-1).max()) < 2.0 * MM
    assert_within_limits(fit)


def test_observable_angles_come_back_when_the_shape_is_known() -> None:
    hands = random_hands(60, seed=3)
    fit = fit_hand(
        forward_kinematics(hands).positions, bone_lengths=hands.bone_lengths, offsets=hands.offsets
    )
    assert torch.allclose(fit.hand.bone_lengths, hands.bone_lengths, atol=1e-12)
    assert torch.allclose(fit.hand.offsets, hands.offsets, atol=1e-12)
    flexions = [i for i, dof in enumerate(skeleton.ARTICULATION) if i > 6 and "flexion" in dof]
    off = (fit.hand.articulation - hands.articulation)[:, flexions].abs()
    assert float(off.quantile(0.99)) < math.radians(1.0)
    turned = fit.hand.root_rotation.mT @ hands.root_rotation
    assert float((turned.diagonal(dim1=-2, dim2=-1).sum(-1) - 3.0).abs().max()) < 1e-4


def test_turning_and_moving_the_points_turns_and_moves_the_fit() -> None:
    points = joints(8)
    turn = matrix_from_euler(torch.randn(8, 3, dtype=torch.float64))
    shift = torch.randn(8, 1, 3, dtype=torch.float64)
    to_the_end = FitOptions(tolerance=1e-10, max_iterations=200)
    fit = fit_hand(points, options=to_the_end)
    moved = fit_hand(points @ turn.mT + shift, options=to_the_end)
    assert torch.allclose(moved.hand.articulation, fit.hand.articulation, atol=1e-3)
    assert torch.allclose(moved.hand.root_rotation, turn @ fit.hand.root_rotation, atol=1e-3)
    expected = (turn @ fit.translation.unsqueeze(-1)).squeeze(-1) + shift.squeeze(1)
    assert torch.allclose(moved.translation, expected, atol=1e-4)


def test_the_unit_of_length_does_not_matter() -> None:
    points = joints(5)
    metres, millimetres = fit_hand(points), fit_hand(points * 1000.0)
    assert torch.allclose(millimetres.hand.articulation, metres.hand.articulation, atol=1e-6)
    assert torch.allclose(
        millimetres.hand.bone_lengths, metres.hand.bone_lengths * 1000, rtol=1e-6
    )


def test_batch_equals_loop() -> None:
    points = joints(6).reshape(2, 3, 21, 3)
    together = fit_hand(points)
    assert together.residual.shape == (2, 3, 21)
    assert together.converged.shape == (2, 3)
    for i in range(2):
        for j in range(3):
            alone = fit_hand(points[i, j])
            assert torch.allclose(together.positions[i, j], alone.positions, atol=1e-9)


def test_more_hands_than_a_chunk_are_all_fitted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hand_pose_ros.hand.fitting._CHUNK", 4)
    hands = random_hands(10)
    points = forward_kinematics(hands).positions
    weights = torch.linspace(0.5, 1.0, 10, dtype=torch.float64).unsqueeze(-1).expand(10, 21)
    fit = fit_hand(points, weights=weights, offsets=hands.offsets)
    assert torch.allclose(fit.hand.offsets, hands.offsets)
    assert float(fit.residual.mean()) < 0.1 * MM


def test_no_hands_are_no_fits() -> None:
    fit = fit_hand(joints(1)[:0])
    assert fit.residual.shape == (0, 21)


def test_dtype_is_kept() -> None:
    fit = fit_hand(joints(2).float())
    assert fit.residual.dtype == fit.hand.articulation.dtype == torch.float32
    assert float(fit.residual.mean()) < 0.1 * MM


def test_a_joint_without_weight_is_ignored() -> None:
    points = joints(20)
    tip = skeleton.KEYPOINTS.index("index_tip")
    points[:, tip] += 0.1
    weights = torch.ones(21, dtype=torch.float64)
    weights[tip] = 0.0
    others = [joint for joint in range(21) if joint != tip]
    assert float(fit_hand(points, weights=weights).residual[:, others].mean()) < 0.1 * MM
    assert float(fit_hand(points).residual[:, others].mean()) > 1.0 * MM


def test_impossible_points_end_at_the_limits() -> None:
    """Fingers folded back onto the back of the hand: MCPs hyperextended to their limit."""
    hands = random_hands(1)
    angles = torch.zeros_like(hands.articulation)
    bent = [i for i, d in enumerate(skeleton.ARTICULATION) if d.endswith("mcp_flexion") and i > 6]
    angles[:, bent] = math.radians(-90.0)
    fit = fit_hand(forward_kinematics(replace(hands, articulation=angles)).positions)
    assert_within_limits(fit)
    lowest = torch.tensor(skeleton.ARTICULATION_LIMITS, dtype=torch.float64)[bent, 0]
    assert torch.allclose(fit.hand.articulation[0, bent], lowest, atol=1e-6)
    assert float(fit.residual.mean()) > 3.0 * MM


def test_a_stronger_prior_pulls_toward_the_mean_hand() -> None:
    points = joints(20)
    loose, firm = (fit_hand(points, options=FitOptions(noise=noise)) for noise in (0.003, 0.3))
    mean = torch.tensor(skeleton.DEFAULT_OFFSETS, dtype=torch.float64)
    assert (firm.hand.offsets - mean).abs().mean() < 0.5 * (loose.hand.offsets - mean).abs().mean()
    assert firm.residual.mean() > loose.residual.mean()


def test_other_limits_are_obeyed() -> None:
    tight = HandLimits(articulation=tuple((-0.2, 0.2) for _ in skeleton.ARTICULATION))
    fit = fit_hand(joints(5), options=FitOptions(limits=tight))
    assert float(fit.hand.articulation.abs().max()) <= 0.2


def test_the_first_guess_is_near_and_within_the_limits() -> None:
    points = joints(200)
    guess = initial_hand(points, HandLimits())
    assert float((forward_kinematics(guess).positions - points).norm(dim=-1).mean()) < 15.0 * MM
    low, high = torch.tensor(skeleton.ARTICULATION_LIMITS, dtype=torch.float64).unbind(-1)
    assert ((guess.articulation >= low) & (guess.articulation <= high)).all()


def test_steps_that_run_out_are_reported() -> None:
    fit = fit_hand(joints(5), options=FitOptions(max_iterations=1))
    assert not fit.converged.any()


def test_the_jacobian_matches_autograd() -> None:
    hand = random_hands()

    def place(angles: Tensor, lengths: Tensor) -> Tensor:
        moved = HandParameters(hand.root_rotation, angles[:23], lengths, angles[23:])
        return forward_kinematics(moved).positions

    angles = torch.cat((hand.articulation, hand.offsets))
    by_angle, by_length = torch.autograd.functional.jacobian(place, (angles, hand.bone_lengths))
    placed = forward_kinematics(hand)
    assert torch.allclose(angle_jacobian(hand, placed), by_angle.movedim(-1, 0), atol=1e-12)
    assert torch.allclose(length_jacobian(placed), by_length.movedim(-1, 0), atol=1e-12)


def test_the_gradient_of_the_problem_matches_finite_differences() -> None:
    unit = torch.tensor([0.08, 0.1], dtype=torch.float64)
    hands, points = random_hands(2), joints(2, seed=1) / unit[:, None, None]
    state = FitState.of(hands, unit, points[:, 0] + 0.1)
    limits = HandLimits().widened(1.0, 0.5)
    problem = FitProblem(
        points, torch.rand(2, 21, dtype=torch.float64), unit, prior_of(limits, state, False, False)
    )
    _, gradient = problem.linearize(state)
    fixed = 6 + 39 + skeleton.ANCHOR_BONE
    for variable in (index for index in range(65) if index != fixed):
        step = torch.zeros(2, 65, dtype=torch.float64)
        step[:, variable] = 1e-6
        ahead, behind = (problem.cost(problem.retract(state, s)) for s in (step, -step))
        assert torch.allclose((ahead - behind) / 2e-6, gradient[:, variable], atol=1e-6)


class _Bowl:
    """Half squared distance of x to a target, x at most 1: the answer is known."""

    def __init__(self, target: Tensor) -> None:
        self.target = target

    def cost(self, x: Tensor) -> Tensor:
        return 0.5 * (x - self.target).square().sum(-1)

    def linearize(self, x: Tensor) -> tuple[Tensor, Tensor]:
        identity = torch.eye(x.shape[-1], dtype=x.dtype).expand(len(x), -1, -1)
        return identity.clone(), x - self.target

    def blocked(self, x: Tensor, gradient: Tensor) -> Tensor:
        return (x >= 1.0) & (gradient <= 0)

    def retract(self, x: Tensor, step: Tensor) -> Tensor:
        return (x + step).clamp_max(1.0)

    def select(self, index: Tensor) -> _Bowl:
        return _Bowl(self.target[index])

    def take(self, x: Tensor, index: Tensor) -> Tensor:
        return x[index]

    def put(self, x: Tensor, index: Tensor, part: Tensor) -> Tensor:
        return x.index_copy(0, index, part)


def test_the_solver_finds_a_bounded_minimum() -> None:
    target = torch.tensor([[0.5, 3.0], [-2.0, 0.0]], dtype=torch.float64)
    found, converged = minimize(_Bowl(target), torch.zeros_like(target), 30, 1e-10)
    assert converged.all()
    assert torch.allclose(found, target.clamp_max(1.0), atol=1e-6)


@pytest.mark.parametrize("name", ["noise", "max_iterations", "tolerance"])
def test_options_must_be_above_zero(name: str) -> None:
    with pytest.raises(ConfigError, match=name):
        replace(FitOptions(), **{name: type(getattr(FitOptions(), name))(0)})


def test_points_that_are_no_hand_are_refused() -> None:
    with pytest.raises(InputError, match="not finite"):
        fit_hand(joints(2) * math.nan)
    with pytest.raises(InputError, match="one place"):
        fit_hand(torch.ones(2, 21, 3))


@pytest.mark.parametrize("bad", [-1.0, math.nan])
def test_bad_weights_are_refused(bad: float) -> None:
    with pytest.raises(InputError, match="weights"):
        fit_hand(joints(1), weights=torch.full((1, 21), bad))


def test_wrong_shapes_are_named() -> None:
    fit = inspect.unwrap(fit_hand)  # the tests' own check of shapes would come first
    with pytest.raises(ShapeError, match="points"):
        fit(torch.zeros(2, 20, 3))
    for name, size in (("weights", 20), ("bone_lengths", 21), ("offsets", 14)):
        with pytest.raises(ShapeError, match=name):
            fit(joints(2), **{name: torch.ones(size)})
