"""The metrics against a second opinion, their invariances, and what they refuse."""

from __future__ import annotations

import numpy as np
import pytest
from hand_samples import random_hands
from scipy.spatial import procrustes
from scipy.spatial.transform import Rotation

from hand_pose_ros.errors import InputError, ShapeError
from hand_pose_ros.evaluation import alignment, metrics
from hand_pose_ros.hand.kinematics import forward_kinematics

SCALED = [metrics.mpjpe_scaled, metrics.pa_mpjpe]
ALL = [metrics.mpjpe_absolute, metrics.mpjpe_root, *SCALED]


def pairs(count: int = 8) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    true = forward_kinematics(random_hands(count)).positions.numpy() + (0.1, -0.1, 0.5)
    return true + generator.normal(0.0, 0.008, true.shape) + (0.01, 0.0, 0.05), true


def moved(points: np.ndarray, scale: float = 1.0) -> np.ndarray:
    turn = Rotation.from_euler("xyz", (0.7, -1.2, 2.0)).as_matrix()
    return scale * points @ turn.T + (0.3, -0.2, 1.0)


def test_pa_mpjpe_agrees_with_scipy() -> None:
    predicted, true = pairs()
    for index, error in enumerate(metrics.pa_mpjpe(predicted, true)):
        # scipy returns both hands centred and the true one at norm 1, so its size goes back in.
        target, fitted, _ = procrustes(true[index], predicted[index])
        size = np.linalg.norm(true[index] - true[index].mean(0))
        by_scipy = np.linalg.norm(target - fitted, axis=-1).mean() * size * 1000.0
        assert error == pytest.approx(by_scipy, abs=1e-6)


def test_the_errors_in_a_loop() -> None:
    predicted, true = pairs()
    for sample in range(len(true)):
        absolute = root = scaled = 0.0
        p, t = predicted[sample], true[sample]
        scale = np.linalg.norm(t[9] - t[0]) / np.linalg.norm(p[9] - p[0])
        for joint in range(21):
            absolute += np.sqrt(sum((p[joint][axis] - t[joint][axis]) ** 2 for axis in range(3)))
            root += np.linalg.norm((p[joint] - p[0]) - (t[joint] - t[0]))
            scaled += np.linalg.norm((p[joint] - p[0]) * scale - (t[joint] - t[0]))
        for metric, total in zip(ALL[:3], (absolute, root, scaled), strict=True):
            expected = total / 21 * 1000.0
            assert metric(predicted, true)[sample] == pytest.approx(expected, abs=1e-6)


def test_one_joint_off_by_hand() -> None:
    # One of 21 joints 21 mm away: 1 mm in the mean.
    _, true = pairs(1)
    predicted = true.copy()
    predicted[0, 4, 0] += 0.021
    assert metrics.mpjpe_root(predicted, true)[0] == pytest.approx(1.0, abs=1e-9)
    assert metrics.joint_errors(predicted, true)[0, 4] == pytest.approx(21.0, abs=1e-9)


@pytest.mark.parametrize("metric", ALL)
def test_no_error_is_zero_and_batch_equals_loop(metric) -> None:
    predicted, true = pairs()
    np.testing.assert_allclose(metric(true, true), 0.0, atol=1e-9)
    alone = [metric(p, t) for p, t in zip(predicted, true, strict=True)]
    np.testing.assert_allclose(metric(predicted, true), alone, atol=1e-12)
    square = metric(predicted.reshape(2, 4, 21, 3), true.reshape(2, 4, 21, 3))
    np.testing.assert_allclose(square.ravel(), alone, atol=1e-12)


def test_pa_mpjpe_does_not_see_similarities_but_sees_mirror_images() -> None:
    predicted, true = pairs()
    expected = metrics.pa_mpjpe(predicted, true)
    np.testing.assert_allclose(metrics.pa_mpjpe(moved(predicted, 3.0), true), expected, atol=1e-8)
    assert (metrics.pa_mpjpe(true * (-1.0, 1.0, 1.0), true) > 1.0).all()


def test_root_relative_errors_do_not_see_what_they_align() -> None:
    predicted, true = pairs()
    shifted = metrics.mpjpe_root(predicted + 0.3, true)
    np.testing.assert_allclose(shifted, metrics.mpjpe_root(predicted, true), atol=1e-9)
    resized = metrics.mpjpe_scaled(predicted * 1.7, true)
    np.testing.assert_allclose(resized, metrics.mpjpe_scaled(predicted, true), atol=1e-9)


def test_alignment_never_makes_it_worse() -> None:
    predicted, true = pairs(50)
    aligned = alignment.align_similarity(predicted, true)

    def squares(points: np.ndarray) -> np.ndarray:
        return np.square(points - true).sum((-2, -1))

    assert (squares(aligned) <= squares(predicted)).all()
    assert (squares(aligned) <= squares(aligned * 1.01)).all()


def test_pck_counts_and_its_area_by_hand() -> None:
    errors = np.array([10.0, 30.0, 40.0, 100.0])
    np.testing.assert_allclose(metrics.pck(errors, [5.0, 10.0, 35.0, 100.0]), [0, 0.25, 0.5, 1])
    # 25 % up to 30, 50 % up to 40, 75 % up to 50: mean 50 %, give or take one step of the curve.
    assert metrics.pck_auc(errors) == pytest.approx(0.5, abs=0.005)
    assert metrics.pck_auc([0.0, 1.0]) == 1.0
    assert metrics.pck_auc([51.0, 80.0]) == 0.0


def test_acceleration_of_a_known_motion() -> None:
    frames = np.arange(6.0)[:, None, None]
    steady = np.zeros((6, 21, 3)) + frames * (0.01, 0.0, 0.0)
    np.testing.assert_allclose(metrics.acceleration(steady), 0.0, atol=1e-9)
    # x = 0.5 a t^2 with a = 2 mm per frame squared; at 30 Hz that is 2 * 900 mm/s^2.
    falling = steady + 0.001 * frames**2 * (1.0, 0.0, 0.0)
    np.testing.assert_allclose(metrics.acceleration(falling), 2.0, atol=1e-9)
    np.testing.assert_allclose(metrics.acceleration_error(falling, steady, 30.0), 1800.0)


@pytest.mark.parametrize("metric", [*ALL, metrics.joint_errors, alignment.align_similarity])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_values_that_are_not_finite_are_located(metric, bad: float) -> None:
    predicted, true = pairs()
    predicted[3, 4, 1] = bad
    with pytest.raises(InputError, match=r"predicted .* \(3, 4, 1\)"):
        metric(predicted, true)


@pytest.mark.parametrize("metric", [*ALL, metrics.joint_errors, alignment.align_similarity])
def test_true_joints_at_infinity_are_located(metric) -> None:
    predicted, true = pairs()
    true[3, 4, 1] = np.inf
    with pytest.raises(InputError, match=r"true .* \(3, 4, 1\)"):
        metric(predicted, true)


@pytest.mark.parametrize("metric", SCALED)
def test_hands_in_one_place_are_located(metric) -> None:
    predicted, true = pairs()
    shrunk = predicted.copy()
    shrunk[5] = (0.1, 0.2, 0.3)
    with pytest.raises(InputError, match=r"predicted hand \(5,\)"):
        metric(shrunk, true)
    with pytest.raises(InputError, match=r"true hand \(5,\)"):
        metric(true, shrunk)


@pytest.mark.parametrize("metric", ALL)
def test_shapes_are_checked(metric) -> None:
    predicted, true = pairs()
    with pytest.raises(ShapeError, match="alike"):
        metric(predicted[:3], true)
    with pytest.raises(ShapeError, match="predicted"):
        metric(predicted[:, :20], true[:, :20])


@pytest.mark.parametrize("errors", [[], [np.nan, np.nan], [1.0, np.inf]])
def test_pck_of_nothing_is_refused(errors: list[float]) -> None:
    with pytest.raises(InputError, match="errors_mm"):
        metrics.pck_auc(errors)


@pytest.mark.parametrize("ends", [(50.0, 20.0), (20.0, 20.0), (-1.0, 20.0)])
def test_pck_thresholds_must_rise(ends: tuple[float, float]) -> None:
    with pytest.raises(InputError, match="thresholds"):
        metrics.pck_auc([1.0], *ends)


def test_two_frames_have_no_acceleration() -> None:
    _, true = pairs(2)
    with pytest.raises(ShapeError, match="sequence"):
        metrics.acceleration(true)
    with pytest.raises(ShapeError, match="sequence"):
        metrics.acceleration_error(true, true)
