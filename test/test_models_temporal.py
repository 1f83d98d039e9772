"""Laws of the temporal transformer: what it may see, what it may not, and valid hands."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from hand_pose_ros.data.synthetic.body.poses import sample_articulation, sample_wrist_rotation
from hand_pose_ros.data.synthetic.body.shapes import sample_offsets, sample_ratios
from hand_pose_ros.errors import ConfigError, ShapeError
from hand_pose_ros.hand import skeleton
from hand_pose_ros.hand.kinematics import HandParameters, forward_kinematics
from hand_pose_ros.models.temporal import (
    HandWindow,
    TemporalConfig,
    TemporalTransformer,
    positions,
)

SLOTS = 9
TINY = TemporalConfig(width=16, heads=2, layers=2, feedforward=24, window=SLOTS)
NAMES = ("root_rotation", "articulation", "bone_lengths", "offsets")


@pytest.fixture
def transformer():
    """A transformer that has learnt something, whatever it is."""
    torch.manual_seed(0)
    network = TemporalTransformer(TINY).eval()
    torch.nn.init.normal_(network.correction.weight, std=0.1)
    return network.requires_grad_(False)


def window_of(count=3, slots=SLOTS, seed=0, seen=None):
    generator = torch.Generator().manual_seed(seed)
    rows = count * slots
    hand = HandParameters(
        sample_wrist_rotation(rows, generator).unflatten(0, (count, slots)),
        sample_articulation(rows, generator).unflatten(0, (count, slots)),
        sample_ratios(rows, generator).unflatten(0, (count, slots)),
        sample_offsets(rows, generator).unflatten(0, (count, slots)),
    )
    view = torch.randn(count, slots, 3, generator=generator)
    view = torch.nn.functional.normalize(view + torch.tensor((0.0, 0.0, 4.0)), dim=-1)
    late = 0.4 * (torch.rand(count, slots, generator=generator) - 0.5)
    if seen is None:
        seen = torch.ones(count, slots, dtype=torch.bool)
    return HandWindow(hand, view, torch.arange(slots) + late, seen)


def each(hand, change):
    return HandParameters(*(change(getattr(hand, name)) for name in NAMES))


def assert_same(first, second, slots=slice(None), **tolerance):
    for name in NAMES:
        a, b = getattr(first, name)[:, slots], getattr(second, name)[:, slots]
        torch.testing.assert_close(a, b, **(tolerance or {"rtol": 0.0, "atol": 0.0}))


def differ(first, second, slots):
    a, b = first.articulation[:, slots], second.articulation[:, slots]
    return bool((a - b).abs().amax() > 1e-4)


@pytest.mark.parametrize("causal", [True, False])
def test_every_slot_gets_a_hand_within_the_limits(transformer, causal):
    hand = transformer(window_of(), causal)
    for name, axes in zip(NAMES, ((3, 3), (23,), (20,), (15,)), strict=True):
        assert getattr(hand, name).shape == (3, SLOTS, *axes)
    for values, limits in (
        (hand.articulation, skeleton.ARTICULATION_LIMITS),
        (hand.offsets, skeleton.OFFSET_LIMITS),
    ):
        low, high = torch.tensor(limits).unbind(-1)
        assert (values >= low - 1e-5).all() and (values <= high + 1e-5).all()
    unit = hand.root_rotation @ hand.root_rotation.transpose(-1, -2)
    torch.testing.assert_close(unit, torch.eye(3).expand_as(unit), atol=1e-5, rtol=0.0)
    assert (torch.linalg.det(hand.root_rotation) > 0.99).all()


def changed_from(window, slot):
    """Return a window with other hands from a slot on."""
    other = window_of(seed=1)
    parts = []
    for mine, theirs in zip(vars(window.hand).values(), vars(other.hand).values(), strict=True):
        parts.append(torch.cat((mine[:, :slot], theirs[:, slot:]), dim=1))
    view = torch.cat((window.view[:, :slot], other.view[:, slot:]), dim=1)
    times = torch.cat((window.times[:, :slot], other.times[:, slot:]), dim=1)
    seen = window.seen.clone()
    seen[:, -1] = False
    return HandWindow(HandParameters(*parts), view, times, seen)


def test_the_causal_variant_never_sees_later_frames(transformer):
    window = window_of()
    before, after = transformer(window), transformer(changed_from(window, 5))
    assert_same(before, after, slice(0, 5))
    assert differ(before, after, slice(5, None))


def test_the_centred_variant_sees_later_frames(transformer):
    window = window_of()
    before = transformer(window, causal=False)
    assert differ(before, transformer(changed_from(window, 5), causal=False), slice(0, 5))


@pytest.mark.parametrize("causal", [True, False])
def test_what_stands_in_a_masked_slot_is_never_read(transformer, causal):
    seen = torch.tensor([[1, 0, 1, 1, 0, 0, 1, 1, 0]] * 3).bool()
    window = window_of(seen=seen)
    index = torch.arange(SLOTS, dtype=torch.float32)
    window = replace(window, times=torch.where(seen, window.times, index))
    nan = torch.tensor(float("nan"))

    def spoil(values):
        return torch.where(seen.reshape(3, SLOTS, *(1,) * (values.ndim - 2)), values, nan)

    spoiled = replace(window, hand=each(window.hand, spoil), view=spoil(window.view))
    assert_same(transformer(window, causal), transformer(spoiled, causal))


def test_a_masked_frame_matters_and_leaves_its_place_in_time(transformer):
    """Left out and moved up is something else than masked: the gap is seen."""
    window = window_of(slots=SLOTS)
    seen = torch.ones(3, SLOTS, dtype=torch.bool)
    seen[:, 4] = False
    masked = transformer(replace(window, seen=seen), causal=False)
    assert differ(masked, transformer(window, causal=False), slice(0, 4))
    kept = [i for i in range(SLOTS) if i != 4]
    closed = HandWindow(
        each(window.hand, lambda part: part[:, kept]),
        window.view[:, kept],
        torch.arange(SLOTS - 1.0).expand(3, -1),
        torch.ones(3, SLOTS - 1, dtype=torch.bool),
    )
    assert differ(masked, transformer(closed, causal=False), slice(0, 4))


@pytest.mark.parametrize("causal", [True, False])
def test_a_turned_window_gives_the_turned_hands(transformer, causal):
    window = window_of()
    R = sample_wrist_rotation(3, torch.Generator().manual_seed(5)).unsqueeze(1)
    turned = replace(
        window,
        hand=replace(window.hand, root_rotation=R @ window.hand.root_rotation),
        view=(R @ window.view.unsqueeze(-1)).squeeze(-1),
    )
    plain, result = transformer(window, causal), transformer(turned, causal)
    expected = replace(plain, root_rotation=R @ plain.root_rotation)
    assert_same(result, expected, atol=1e-4, rtol=0.0)


def test_bone_lengths_are_the_mean_of_what_was_seen(transformer):
    seen = torch.tensor([[1, 0, 1, 1, 1, 1, 0, 1, 1]] * 3).bool()
    window = window_of(seen=seen)
    mean = window.hand.bone_lengths[:, seen[0]].mean(dim=1, keepdim=True)
    centred = transformer(window, causal=False)
    torch.testing.assert_close(centred.bone_lengths, mean.expand(-1, SLOTS, -1))
    joints = forward_kinematics(centred).positions
    lengths = (joints[:, :, 1:] - joints[:, :, list(skeleton.PARENTS[1:])]).norm(dim=-1)
    torch.testing.assert_close(lengths, lengths[:, :1].expand_as(lengths), atol=1e-5, rtol=0.0)
    begun = window.hand.bone_lengths[:, [0, 2]].mean(dim=1)
    torch.testing.assert_close(transformer(window).bone_lengths[:, 2], begun)


def test_untrained_it_keeps_a_hand_that_rests():
    torch.manual_seed(0)
    window = window_of()
    rest = replace(
        window,
        hand=each(window.hand, lambda part: part[:, :1].expand_as(part)),
        view=window.view[:, :1].expand_as(window.view),
    )
    hand = TemporalTransformer(TINY).eval()(rest)
    torch.testing.assert_close(hand.root_rotation, rest.hand.root_rotation, atol=1e-4, rtol=0.0)
    # The sine is left alone at the ends of the ranges.
    torch.testing.assert_close(hand.articulation, rest.hand.articulation, atol=5e-3, rtol=0.0)


def test_a_batch_equals_its_rows_one_by_one(transformer):
    window = window_of()
    together = transformer(window)
    for row in range(3):
        part = slice(row, row + 1)
        alone = transformer(
            HandWindow(
                each(window.hand, lambda values, part=part: values[part]),
                window.view[part],
                window.times[part],
                window.seen[part],
            )
        )
        assert_same(alone, each(together, lambda v, part=part: v[part]), atol=1e-5, rtol=0.0)


def test_gradients_are_finite_where_slots_are_masked():
    torch.manual_seed(0)
    network = TemporalTransformer(TINY)
    seen = torch.tensor([[1, 0, 0, 1, 0, 1, 1, 0, 0]] * 3).bool()
    for causal in (True, False):
        forward_kinematics(
            network(window_of(seen=seen), causal)
        ).positions.square().sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None and torch.isfinite(parameter.grad).all(), name


def test_positions_are_those_of_the_paper():
    """Golden: sin and cos of t / 10000^(2 i / width)."""
    encoded = positions(torch.tensor([[0.0, 1.5]]), 4)
    expected = torch.tensor([[0.0, 0.0, 1.0, 1.0], [0.997495, 0.014999, 0.070737, 0.999888]])
    torch.testing.assert_close(encoded[0], expected, atol=1e-5, rtol=0.0)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"width": 18}, "multiple of heads, 4"),
        ({"layers": 0}, "layers is 0"),
        ({"dropout": 1.0}, "dropout is 1.0"),
        ({"slot_s": -1.0}, "slot_s is -1.0"),
    ],
)
def test_sizes_that_make_no_network_are_refused(values, message):
    with pytest.raises(ConfigError, match=message):
        TemporalConfig(**values)


def test_a_window_that_is_too_long_is_refused(transformer):
    with pytest.raises(ShapeError, match=r"10 slots; at most 9"):
        transformer(window_of(slots=10))


def test_a_window_whose_parts_differ_is_refused():
    window = window_of()
    with pytest.raises(ShapeError, match=r"times is of \(3, 8\) slots"):
        replace(window, times=window.times[:, :-1])
