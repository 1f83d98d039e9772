"""Counting found hands: what a perfect, a blind and a dreaming detector get."""

import math

import numpy as np
import pytest

from hand_pose_ros.data.boxes import box_around, overlap
from hand_pose_ros.errors import ShapeError
from hand_pose_ros.evaluation.detection import DetectionScore

NOWHERE = np.zeros((0, 4))


def hand(x=0.0, size=30.0):
    grid = np.stack(np.meshgrid(np.linspace(0, 1, 7), np.linspace(0, 1, 3)), -1).reshape(21, 2)
    return grid * size + x


def scored(seen, true, ignored=NOWHERE):
    score = DetectionScore()
    score.add(seen, true, ignored, 100.0)
    return score


def test_a_perfect_detector_misses_nothing():
    true = [(hand(), True), (hand(50.0, 8.0), False)]
    score = scored(true, true)
    assert score.hands == score.found == [1, 0, 1, 0]
    assert score.recall[0] == score.recall[2] == score.precision == score.right_side == 1.0
    assert math.isnan(score.recall[1])
    assert max(score.errors) == 0.0


def test_a_blind_one_finds_nothing():
    score = scored([], [(hand(), True)])
    assert score.recall[2] == 0.0
    assert math.isnan(score.precision)
    assert math.isnan(score.right_side)


def test_a_hand_is_found_once_and_a_second_box_is_false():
    score = scored([(hand(), False), (hand(1.0), True)], [(hand(), True)])
    assert (sum(score.found), score.false, score.wrong_side) == (1, 1, 1)
    assert score.precision == 0.5


def test_what_is_seen_where_nothing_is_counts_unless_it_does_not_matter():
    assert scored([(hand(), True)], []).false_in_empty == 1
    place = np.array([[0.0, 0.0, 40.0, 40.0]])
    score = scored([(hand(), True)], [], place)
    assert (score.false, score.empty) == (0, 0)


def test_hands_too_small_to_count_are_neither_missed_nor_false():
    tiny = (hand(0.0, 3.0), True)
    score = scored([tiny], [tiny])
    assert (sum(score.hands), sum(score.found), score.false) == (0, 0, 0)


def test_boxes_overlap_by_what_they_share():
    """Golden: two squares of 2, shifted by 1, share 2 of 6."""
    first, second = np.array([0.0, 0.0, 2.0, 2.0]), np.array([1.0, 0.0, 2.0, 2.0])
    assert overlap(first, second) == overlap(second, first) == pytest.approx(2 / 6)
    assert overlap(first, first + [5.0, 0.0, 0.0, 0.0]) == 0.0
    np.testing.assert_array_equal(box_around(hand(2.0)), [2.0, 2.0, 30.0, 30.0])


def test_places_of_another_shape_are_refused():
    with pytest.raises(ShapeError, match=r"it must be \(places, 4\)"):
        scored([], [], np.zeros((2, 3)))
