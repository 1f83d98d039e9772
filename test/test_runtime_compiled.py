"""The sampler on compiled loops: its numbers are those of the networks in PyTorch."""

from __future__ import annotations

import logging

import numpy as np
import pytest
import torch

from hand_pose_ros.models.lifter import Lifter, LifterConfig, SamplingConfig, balanced_noise
from hand_pose_ros.runtime import lift_program
from hand_pose_ros.runtime.lift import ModelLift, lift_network
from hand_pose_ros.runtime.lift_program import SamplerNetwork, compile_sampler
from hand_pose_ros.runtime.weights import load_model

pytest.importorskip("numba")
pytest.importorskip("threadpoolctl")

from hand_pose_ros.runtime.compiled.hands import joints_of, seen_from_palm
from hand_pose_ros.runtime.compiled.jit import silu
from hand_pose_ros.runtime.compiled.products import product
from hand_pose_ros.runtime.compiled.sampler import CompiledSampler, can_compile

EXACT = 2e-5
"""In anchor lengths, 2 um: what float32 leaves after two passes of the U-Net, IK and FK."""


def seen(config: LifterConfig, hands: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    conditions = torch.randn(hands, config.condition, generator=generator)
    turns, _ = torch.linalg.qr(torch.randn(hands, 3, 3, generator=generator))
    return conditions, turns.contiguous()


def differences(lifter: Lifter, sampling: SamplingConfig, hands: int = 2) -> list[float]:
    """Return how far each field of compiled hands is from that of the network."""
    lifter = lifter.eval().requires_grad_(False)
    encoder, _ = load_model("keypoints")
    noise = balanced_noise(sampling.hypotheses, torch.Generator().manual_seed(3))
    network = lift_network(encoder, lifter, sampling, "keypoints")
    network.noise = noise
    inputs = seen(lifter.config, hands)
    wanted = network.lift(*inputs)
    came = CompiledSampler(lifter, sampling, noise)(*(each.numpy() for each in inputs))
    assert [each.shape for each in came] == [tuple(each.shape) for each in wanted]
    return [float(np.abs(a - b.numpy()).max()) for a, b in zip(came, wanted, strict=True)]


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"steps": 1},
        {"steps": 5},
        {"steps": 3, "share_first": False},
        {"hypotheses": 1},
        {"hypotheses": 5},
    ],
)
def test_the_lifter_that_ships_gives_the_same_hands(settings) -> None:
    _, lifter = load_model("keypoints")
    assert max(differences(lifter, SamplingConfig(**settings))) < EXACT


@pytest.mark.parametrize(
    "sizes",
    [
        {"unet_widths": (8, 16)},
        {"unet_widths": (16, 16, 24, 40)},
        {"condition": 30, "head_width": 50, "head_blocks": 1},
        {"point_scale": 2.5},
        {"schedule": "linear", "diffusion_steps": 20},
    ],
)
def test_lifters_of_other_sizes_do(sizes) -> None:
    torch.manual_seed(1)
    lifter = Lifter(LifterConfig(**sizes))
    for parameter in lifter.parameters():  # norms and biases that do something, too
        parameter.data += 0.1 * torch.randn_like(parameter)
    assert max(differences(lifter, SamplingConfig())) < 5.0 * EXACT


def test_an_answer_is_not_overwritten_by_the_next_and_repeats() -> None:
    _, lifter = load_model("keypoints")
    sampling = SamplingConfig()
    sampler = CompiledSampler(lifter, sampling, balanced_noise(8, torch.Generator()))
    conditions, turns = (each.numpy() for each in seen(lifter.config, 3))
    first = sampler(conditions[:1], turns[:1])
    kept = [field.copy() for field in first]
    sampler(conditions[1:], turns[1:])
    for field, copy, again in zip(first, kept, sampler(conditions, turns), strict=True):
        np.testing.assert_array_equal(field, copy)
        np.testing.assert_array_equal(again[:1], copy)


@pytest.mark.parametrize(
    "settings", [{"method": "d"}, {"method": "baseline"}, {"sampler": "ddpm"}, {"eta": 0.5}]
)
def test_other_samplings_are_left_to_the_engine(settings) -> None:
    _, lifter = load_model("keypoints")
    assert can_compile(lifter, SamplingConfig())
    assert not can_compile(lifter, SamplingConfig(**settings))
    assert not can_compile(Lifter(LifterConfig(prediction="noise")), SamplingConfig())


@pytest.mark.parametrize("engine", ["torchscript", "eager"])
def test_engines_that_take_loops_take_them(engine) -> None:
    lift = ModelLift(*load_model("keypoints"), engine=engine)
    inputs = seen(lift.network.lifter.config, 2)
    program = compile_sampler(engine, lift.network, inputs)
    assert isinstance(program, CompiledSampler) == (engine == "torchscript")
    for came, wanted in zip(
        program(*(each.numpy() for each in inputs)),
        SamplerNetwork(lift.network)(*inputs),
        strict=True,
    ):
        np.testing.assert_allclose(came, wanted.numpy(), atol=EXACT)


def test_without_numba_the_engine_samples_and_says_so_once(monkeypatch, caplog) -> None:
    monkeypatch.setattr(lift_program, "MODULES", ("a_module_that_is_not",))
    lift_program._warn_of_missing.cache_clear()
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            lift = ModelLift(*load_model("keypoints"), engine="torchscript")
    assert [r.message for r in caplog.records if "a_module_that_is_not" in r.message] == [
        "engine torchscript samples, too; compiled loops: pip install a_module_that_is_not"
    ]
    inputs = seen(lift.network.lifter.config, 2)
    program = compile_sampler("torchscript", lift.network, inputs)
    assert not isinstance(program, CompiledSampler)


# --- loops ------------------------------------------------------------------------------------


def test_silu_of_any_number() -> None:
    x = np.concatenate((np.linspace(-30.0, 30.0, 5001), [-1e30, -200.0, 0.0, 200.0, 1e30]))
    came = x.astype(np.float32)
    silu(came)
    wanted = torch.nn.functional.silu(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(came, wanted, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("shape", [(1, 4, 8), (9, 63, 5), (7, 2, 3), (3, 12, 1)])
def test_products_of_few_rows(shape) -> None:
    rows, size, width = shape
    generator = np.random.default_rng(0)
    a, weight, bias = (
        generator.standard_normal(s).astype(np.float32)
        for s in ((rows, size), (size, width), (width,))
    )
    out = np.full((rows, width), np.nan, np.float32)
    product(a, weight, bias, out)
    np.testing.assert_allclose(out, a @ weight + bias, rtol=1e-5, atol=1e-5)


def test_points_in_one_place_give_no_nan() -> None:
    palms, features = np.empty((1, 3, 3), np.float32), np.empty((1, 63), np.float32)
    seen_from_palm(np.zeros((1, 21, 3), np.float32), palms, features)
    assert np.isfinite(features).all()


def test_joints_without_length_are_the_wrist() -> None:
    joints = np.full((2, 21, 3), np.nan, np.float32)
    roots = np.tile(np.eye(3, dtype=np.float32), (2, 1, 1))
    angles, offsets = np.ones((2, 23), np.float32), np.ones((2, 15), np.float32)
    joints_of(roots, angles, np.zeros((2, 20), np.float32), offsets, joints)
    np.testing.assert_array_equal(joints, np.zeros_like(joints))
