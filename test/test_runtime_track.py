"""The tracker: ids, sides, duplicates, lost and found."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from runtime_stubs import FRAME_NS, moved, true_hand

from hand_pose_ros.errors import ConfigError
from hand_pose_ros.runtime.config import TrackConfig
from hand_pose_ros.runtime.track import Tracker, distance

RIGHT = true_hand("right", place=(0.12, 0.05, 0.5)).detection
LEFT = true_hand("left", place=(-0.12, 0.05, 0.5)).detection


def feed(tracker, frames, start=0):
    return [
        tracker.update(frame, (start + index) * FRAME_NS) for index, frame in enumerate(frames)
    ]


def test_ids_stay_with_two_moving_hands_in_any_order():
    frames = [
        [moved(RIGHT, 5.0 * i), moved(LEFT, -4.0 * i)][:: 1 if i % 2 else -1] for i in range(30)
    ]
    seen = feed(Tracker(), frames)
    sides = {(hand.id, hand.side) for frame in seen for hand in frame}
    assert len(sides) == 2
    assert {side for _, side in sides} == {"left", "right"}
    assert all(len(frame) == 2 for frame in seen)


def test_hands_that_swap_places_fast_keep_their_sides():
    apart = 120.0
    frames = [[moved(RIGHT, -apart * i / 20), moved(LEFT, apart * i / 20)] for i in range(40)]
    seen = feed(Tracker(), frames)
    assert {(h.id, h.side) for h in seen[0]} == {(h.id, h.side) for h in seen[-1]}


@pytest.mark.parametrize("side", ["right", "left"])
def test_one_hand_reported_twice_comes_out_once(side):
    twin = replace(moved(RIGHT, 8.0), side=side, score=0.9)
    seen = feed(Tracker(), [[RIGHT], [twin, RIGHT], [RIGHT, twin], [RIGHT]])
    assert [[hand.id for hand in frame] for frame in seen] == [["0"]] * 4


def test_of_two_reports_of_one_hand_the_surer_stays():
    surer = replace(moved(RIGHT, 8.0), score=1.0)
    (hand,) = Tracker().update([replace(RIGHT, score=0.6), surer], 0)
    np.testing.assert_array_equal(hand.detection.keypoints_px, surer.keypoints_px)


def test_a_hand_in_front_of_another_is_not_a_duplicate():
    near = true_hand("left", place=(0.1, 0.05, 0.45), turn=(-1.4, 0.3, 0.2)).detection
    assert distance(near, RIGHT) > TrackConfig().duplicate_distance
    assert len(Tracker().update([RIGHT, near], 0)) == 2


def test_a_few_frames_of_the_other_side_do_not_flip_it():
    wrong = replace(RIGHT, side="left", side_score=0.95)
    seen = feed(Tracker(), [[RIGHT]] * 20 + [[wrong]] * 5 + [[RIGHT]] * 5)
    assert {hand.side for frame in seen for hand in frame} == {"right"}
    assert {hand.detection.side for frame in seen for hand in frame} == {"right"}
    assert sum(hand.is_new for frame in seen for hand in frame) == 1


def test_a_side_taken_wrongly_at_first_is_corrected_and_said_to_be_new():
    wrong = replace(RIGHT, side="left", side_score=0.7)
    seen = feed(Tracker(), [[wrong]] + [[RIGHT]] * 20)
    assert seen[0][0].side == "left"
    assert seen[-1][0].side == "right"
    assert {frame[0].id for frame in seen} == {"0"}
    assert sum(frame[0].is_new for frame in seen) == 2
    assert seen[-1][0].side_score > 0.95


def test_a_lost_hand_found_soon_keeps_its_id_and_is_silent_in_between():
    seen = feed(Tracker(), [[RIGHT], [], [], [], [moved(RIGHT, 40.0)]])
    assert [[hand.id for hand in frame] for frame in seen] == [["0"], [], [], [], ["0"]]


def test_a_hand_lost_for_long_is_a_new_one():
    tracker = Tracker(TrackConfig(keep_lost_s=0.2))
    tracker.update([RIGHT], 0)
    assert tracker.update([], 300_000_000) == []
    assert tracker.ids == ()
    (hand,) = tracker.update([RIGHT], 310_000_000)
    assert hand.id == "1"
    assert hand.is_new


def test_a_hand_far_away_is_another_one():
    seen = feed(Tracker(), [[RIGHT], [moved(RIGHT, -3.0 * RIGHT.size_px)]])
    assert [hand.id for hand in seen[1]] == ["1"]


def test_a_hand_that_comes_where_one_of_the_other_side_left_is_another_one():
    other = replace(RIGHT, side="left", side_score=0.99)
    seen = feed(Tracker(), [[RIGHT]] * 10 + [[]] * 5 + [[other]] * 3)
    assert [(hand.id, hand.side) for hand in seen[-1]] == [("1", "left")]
    doubted = replace(other, side_score=0.7)
    seen = feed(Tracker(), [[RIGHT]] * 10 + [[]] * 5 + [[doubted]] * 3)
    assert [(hand.id, hand.side) for hand in seen[-1]] == [("0", "right")]


def test_reset_forgets_everything():
    tracker = Tracker()
    feed(tracker, [[RIGHT, LEFT]] * 3)
    tracker.reset()
    assert tracker.ids == ()
    (hand,) = tracker.update([LEFT], 0)
    assert (hand.id, hand.is_new) == ("0", True)


def test_the_evidence_for_a_side_is_bounded():
    other = replace(RIGHT, side="left")
    seen = feed(Tracker(), [[RIGHT]] * 1000 + [[other]] * 20)
    assert seen[-1][0].side == "left"


def test_a_setting_out_of_range_is_refused():
    with pytest.raises(ConfigError, match=r"keep_lost_s is -1.*0.0\.\.60"):
        TrackConfig(keep_lost_s=-1.0)
