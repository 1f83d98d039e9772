"""Hands that move and detectors that follow them: laws of the draws and of the movements."""

from __future__ import annotations

import pytest
import torch

from hand_pose_ros.data.synthetic.draws import Lasting, SeparateDraws, TrackDraws
from hand_pose_ros.data.synthetic.keypoints import NoiseConfig, radius_of
from hand_pose_ros.data.synthetic.tracks import TrackConfig, interpolate, sample_tracks
from hand_pose_ros.errors import ConfigError, InputError, ShapeError
from hand_pose_ros.hand import skeleton
from hand_pose_ros.hand.kinematics import forward_kinematics

TRACKS, FRAMES = 400, 12


def draws(shake=0.0, step=0.05, seed=0):
    clock = (torch.arange(FRAMES) * step).expand(TRACKS, -1)
    generator = torch.Generator().manual_seed(seed)
    return TrackDraws(clock, torch.full((TRACKS,), shake), generator)


def drawn(source, lasting, *each):
    return source.normal(TRACKS * FRAMES, *each, lasting=lasting).unflatten(0, (TRACKS, FRAMES))


@pytest.mark.parametrize("lasting", list(Lasting))
def test_numbers_along_tracks_are_standard_normal_at_all_times(lasting):
    values = drawn(draws(shake=0.5), lasting, 10)
    torch.testing.assert_close(values.mean((0, 2)), torch.zeros(FRAMES), atol=0.1, rtol=0.0)
    torch.testing.assert_close(values.var((0, 2)), torch.ones(FRAMES), atol=0.2, rtol=0.0)


def test_uniform_numbers_fill_the_unit_interval_evenly():
    values = draws().uniform(TRACKS * FRAMES, 10, lasting=Lasting.POSE)
    counts = torch.histc(values, 4, 0.0, 1.0) / values.numel()
    torch.testing.assert_close(counts, torch.full((4,), 0.25), atol=0.02, rtol=0.0)


def test_what_lasts_a_track_is_the_same_in_all_of_it():
    values = drawn(draws(shake=1.0), Lasting.TRACK, 3)
    torch.testing.assert_close(values, values[:, :1].expand_as(values), rtol=0.0, atol=0.0)


def test_what_lasts_until_the_hand_moves_changes_little_by_little():
    values = drawn(draws(step=0.05), Lasting.POSE, 5)
    near = (values[:, 1] - values[:, 0]).square().mean()
    far = (values[:, -1] - values[:, 0]).square().mean()
    assert near < 0.02 < 0.2 < far < 2.2
    still = drawn(draws(step=0.0), Lasting.POSE, 5)
    torch.testing.assert_close(still, still[:, :1].expand_as(still))


def test_the_share_that_shakes_is_new_in_every_frame():
    values = drawn(draws(shake=0.3, step=0.0), Lasting.SHAKING, 20)
    step = values.diff(dim=1).square().mean()
    assert step.item() == pytest.approx(2 * 0.3, rel=0.1)


def test_all_of_a_hand_shakes_in_the_same_frames():
    values = drawn(draws(shake=1.0, step=0.0), Lasting.SHAKING, 2, 50)
    loud = values.square().mean(-1)
    first, second = loud[..., 0].flatten(), loud[..., 1].flatten()
    assert torch.corrcoef(torch.stack((first.log(), second.log())))[0, 1] > 0.9


def test_separate_hands_have_nothing_in_common():
    values = SeparateDraws(torch.Generator().manual_seed(0)).normal(4000, 2, lasting=Lasting.TRACK)
    assert abs(torch.corrcoef(values.T)[0, 1]) < 0.05
    assert abs((values[1:, 0] * values[:-1, 0]).mean()) < 0.05


def test_draws_that_do_not_fit_their_tracks_are_refused():
    generator = torch.Generator()
    with pytest.raises(ShapeError, match=r"shake \(3,\)"):
        TrackDraws(torch.zeros(2, 5), torch.zeros(3), generator)
    with pytest.raises(InputError, match=r"outside 0\.\.1"):
        TrackDraws(torch.zeros(2, 5), torch.tensor([0.0, 1.5]), generator)
    with pytest.raises(ShapeError, match="11 rows"):
        TrackDraws(torch.zeros(2, 5), torch.zeros(2), generator).normal(11, lasting=Lasting.POSE)


def test_a_movement_rests_at_its_keys_and_is_halfway_in_the_middle():
    keys = torch.tensor([[[0.0], [1.0], [1.0], [3.0]]])
    at = torch.tensor([[0.0, 1.0, 2.0, 4.0]])
    times = torch.tensor([[-1.0, 0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 9.0]])
    path = interpolate(keys, at, times.unsqueeze(-1))[0, :, 0]
    torch.testing.assert_close(path, torch.tensor([0.0, 0.0, 0.5, 1.0, 1.0, 1.0, 2.0, 3.0, 3.0]))


def test_a_movement_of_other_shapes_is_refused():
    with pytest.raises(ShapeError, match="keys have shape"):
        interpolate(torch.zeros(1, 3, 2), torch.zeros(1, 3), torch.zeros(1, 5, 1))


@pytest.fixture(scope="module")
def tracks():
    config = TrackConfig(frames=20)
    return sample_tracks(24, torch.Generator().manual_seed(1), NoiseConfig(), config)


def test_tracks_are_valid_hands_of_one_person_each(tracks):
    hand = tracks.hands.hand
    low, high = torch.tensor(skeleton.ARTICULATION_LIMITS).unbind(-1)
    assert (hand.articulation >= low).all() and (hand.articulation <= high).all()
    for shape in (hand.bone_lengths, hand.offsets, tracks.hands.anchor):
        rows = shape.unflatten(0, (24, 20))
        torch.testing.assert_close(rows, rows[:, :1].expand_as(rows), rtol=0.0, atol=0.0)
    torch.testing.assert_close(tracks.hands.joints, forward_kinematics(hand).positions)
    assert (tracks.hands.placed[..., 2] > 0.079).all()


def test_times_rise_and_stay_near_their_slots(tracks):
    assert (tracks.times.diff(dim=1) > 0.0).all()
    slots = tracks.times * 30.0 - torch.arange(20)
    assert slots.abs().max() < 0.45
    is_even = (slots.abs() < 1e-4).all(dim=1)
    assert is_even.any() and not is_even.all()


def test_hands_move_smoothly_and_some_rest(tracks):
    joints = tracks.hands.joints.unflatten(0, (24, 20))
    step = joints.diff(dim=1).norm(dim=-1).mean(-1)
    assert step.max() < 0.5
    assert step.min() < 0.01 < 0.05 < step.max()


def test_errors_are_like_those_of_the_frame_before(tracks):
    placed, seen = tracks.hands.placed, tracks.hands.observation.rays
    true = placed[..., :2] / placed[..., 2:]
    error = ((seen - true) / radius_of(true)).unflatten(0, (24, 20))
    error = error - error.mean(dim=2, keepdim=True)
    step = error.diff(dim=1).square().mean()
    assert step < 0.6 * 2.0 * error.square().mean()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"frames": 1}, "frames is 1"),
        ({"slot_s": 0.0}, "slot_s is 0"),
        ({"uneven": 0.5}, "uneven is 0.5"),
        ({"shake": 2.0}, "shake is 2"),
        ({"worst": 0.5}, "worst is 0.5"),
    ],
)
def test_tracks_that_cannot_be_are_refused(values, message):
    with pytest.raises(ConfigError, match=message):
        TrackConfig(**values)


def test_worse_pictures_have_larger_errors():
    worse = NoiseConfig().scaled(2.0)
    assert (worse.white, worse.focal) == (2.0 * NoiseConfig().white, NoiseConfig().focal)
    assert NoiseConfig(tilt=0.8).scaled(2.0).tilt == 1.0
