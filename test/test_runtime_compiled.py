"""The sampler on compiled loops: its numbers are those of the networks in PyTorch."""

from __future__ import annotations

import logging
import os
import sys
import threading

import numpy as np
import pytest
import torch

from hand_pose_ros.models.lifter import Lifter, LifterConfig, SamplingConfig, balanced_noise
from hand_pose_ros.runtime import lift_program
from hand_pose_ros.runtime.lift import ModelLift, lift_network
from hand_pose_ros.runtime.lift_program import SamplerNetwork, compile_sampler
from hand_pose_ros.runtime.weights import load_model

pytest.importorskip("numba")

from hand_pose_ros.runtime.compiled.hands import joints_of, seen_from_palm
from hand_pose_ros.runtime.compiled.jit import silu
from hand_pose_ros.runtime.compiled.packing import Packed, in_8_bits, next_part
from hand_pose_ros.runtime.compiled.products import dense, multiply_row
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


def test_weights_of_8_bits_change_hands_a_little() -> None:
    _, lifter = load_model("keypoints")
    sampling, noise = SamplingConfig(), balanced_noise(8, torch.Generator())
    inputs = [each.numpy() for each in seen(lifter.config, 2)]
    exact = CompiledSampler(lifter, sampling, noise)(*inputs)
    rounded = CompiledSampler(lifter, sampling, noise, rounds=True)(*inputs)
    apart = np.linalg.norm(exact[5] - rounded[5], axis=-1)
    assert 0.0 < apart.mean() < 5e-3 and apart.max() < 5e-2


def test_another_may_read_hands_off_features() -> None:
    _, lifter = load_model("keypoints")
    sampling, noise = SamplingConfig(), balanced_noise(8, torch.Generator())
    inputs = [each.numpy() for each in seen(lifter.config, 2)]
    network, asked = lifter.inverse_kinematics, []

    def read(features: np.ndarray) -> np.ndarray:
        asked.append(features.shape)
        hidden = network.trunk(torch.from_numpy(features))
        both = network.head.root(hidden), network.head.limited(hidden)
        return torch.cat(both, dim=-1).detach().numpy()

    own = CompiledSampler(lifter, sampling, noise)(*inputs)
    other = CompiledSampler(lifter, sampling, noise, reading=read)(*inputs)
    assert asked == [(9, 63)] * 2
    for a, b in zip(own, other, strict=True):
        np.testing.assert_allclose(a, b, atol=EXACT)


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


@pytest.mark.parametrize(
    ("modules", "broken", "said"),
    [
        (("a_module_that_is_not",), "", "faster: pip install a_module_that_is_not"),
        (("numba",), "broken for a test", "compiled loops fail here: broken for a test"),
    ],
)
def test_where_loops_cannot_be_the_engine_samples_and_says_so_once(
    modules, broken, said, monkeypatch, caplog
) -> None:
    def fail(*_) -> None:
        raise ImportError(broken)

    monkeypatch.setattr(lift_program, "MODULES", modules)
    if broken:
        monkeypatch.setattr(CompiledSampler, "warm_up", fail)
    lift_program._warn_once.cache_clear()
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            lift = ModelLift(*load_model("keypoints"), engine="torchscript")
    assert [r.message for r in caplog.records if "engines sample" in r.message] == [
        f"engines sample by themselves; {'' if broken else 'compiled loops would be '}{said}"
    ]
    inputs = seen(lift.network.lifter.config, 2)
    program = compile_sampler("torchscript", lift.network, inputs)
    assert not isinstance(program, CompiledSampler)


def test_threads_that_share_a_sampler_get_their_own_answers() -> None:
    _, lifter = load_model("keypoints")
    sampler = CompiledSampler(lifter, SamplingConfig(), balanced_noise(8, torch.Generator()))
    conditions, turns = (each.numpy() for each in seen(lifter.config, 2))
    wanted = [sampler(conditions[i : i + 1], turns[i : i + 1]) for i in range(2)]
    wrong = []

    def ask(hand: int) -> None:
        for _ in range(60):
            came = sampler(conditions[hand : hand + 1], turns[hand : hand + 1])
            same = (np.array_equal(a, b) for a, b in zip(came, wanted[hand], strict=True))
            wrong.append(not all(same))

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        threads = [threading.Thread(target=ask, args=(hand,)) for hand in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert len(wrong) == 120 and not any(wrong)


def test_no_hands_are_no_rows() -> None:
    _, lifter = load_model("keypoints")
    sampler = CompiledSampler(lifter, SamplingConfig(), balanced_noise(8, torch.Generator()))
    none = sampler(
        np.zeros((0, lifter.config.condition), np.float32), np.zeros((0, 3, 3), np.float32)
    )
    assert [len(field) for field in none] == [0] * 6


def test_machine_code_is_kept_by_source_and_only_of_a_few_versions(tmp_path, monkeypatch) -> None:
    from hand_pose_ros.runtime.compiled import jit

    for number in range(6):
        monkeypatch.setattr(jit, "source_checksum", lambda number=number: str(number))
        monkeypatch.setenv("HAND_POSE_CACHE", str(tmp_path))
        jit._folder.cache_clear()
        folder = jit._folder()
        assert folder is not None and folder.is_dir()
        os.utime(folder, (number, number))
    assert len(list(tmp_path.iterdir())) == jit._KEPT
    twice = jit.compiled(lambda x: 2 * x)
    assert twice(2) == 4
    assert list(folder.rglob("*.nbi"))
    monkeypatch.setenv("HAND_POSE_CACHE", "off")
    jit._folder.cache_clear()
    assert jit._folder() is None
    monkeypatch.setenv("HAND_POSE_CACHE", "/proc/nowhere")
    jit._folder.cache_clear()
    assert jit._folder() is None
    jit._folder.cache_clear()


# --- loops ------------------------------------------------------------------------------------


def test_silu_of_any_number() -> None:
    x = np.concatenate((np.linspace(-30.0, 30.0, 5001), [-1e30, -200.0, 0.0, 200.0, 1e30]))
    came = x.astype(np.float32)
    silu(came)
    wanted = torch.nn.functional.silu(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(came, wanted, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("shape", [(1, 4, 8), (9, 63, 5), (7, 2, 3), (3, 12, 1), (700, 50, 60)])
def test_products(shape) -> None:
    rows, size, width = shape
    generator = np.random.default_rng(0)
    a, weight, bias = (
        generator.standard_normal(s).astype(np.float32)
        for s in ((rows, size), (size, width), (width,))
    )
    out = np.full((rows, width), np.nan, np.float32)
    dense(a, weight, bias, out)
    np.testing.assert_allclose(out, a @ weight + bias, rtol=1e-4, atol=1e-4)
    row = np.full(width, np.nan, np.float32)
    multiply_row(a[0], weight, row)
    np.testing.assert_allclose(row + bias, out[0], rtol=1e-4, atol=1e-4)


def test_packed_arrays_come_out_as_they_went_in() -> None:
    packed = Packed()
    shapes = [(3, 5), (1, 16), (2, 40)]
    arrays = [np.random.default_rng(0).random(shape, np.float32) for shape in shapes]
    starts = [packed.add(array) for array in arrays]
    memory, start = packed.array(), 0
    assert memory.ctypes.data % 64 == 0 and all(start % 16 == 0 for start in starts)
    for array, begin in zip(arrays, starts, strict=True):
        assert start == begin
        came, start = next_part(memory, start, *array.shape)
        np.testing.assert_array_equal(came, array)
    assert start == len(memory)


def test_matrices_in_8_bits() -> None:
    weight = np.random.default_rng(0).standard_normal((30, 7)).astype(np.float32)
    weight[:, 3] = 0.0
    whole, steps = in_8_bits(weight)
    assert whole.dtype == np.int8 and np.abs(whole).max() == 127
    assert (np.abs(whole * steps - weight) <= 0.501 * steps).all()
    row = np.empty(7, np.float32)
    multiply_row(weight[:, 0], whole, row)
    np.testing.assert_allclose(row, weight[:, 0] @ whole.astype(float), rtol=1e-4, atol=1e-3)


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
