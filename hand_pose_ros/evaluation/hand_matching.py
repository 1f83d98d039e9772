"""Which hand of an image is which: those that lie nearest as the camera sees them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.optimize import linear_sum_assignment

from hand_pose_ros.data.boxes import box_around
from hand_pose_ros.evaluation.recording import NS_PER_S, Array, RecordedHand

REACH = 1.0
"""How far a hand may be from the one that it is taken for: in sizes of that one's box, mean over
the keypoints."""

FORGOTTEN_NS = NS_PER_S // 2
"""A hand that was away for longer [ns] is another one when it comes back."""

MOST_MISSED = 3
"""Nor is one that was not in so many images and one more the same, for all that can be seen."""

_OUT_OF_REACH = 1e3


def match_hands(
    known: Sequence[RecordedHand], hands: Sequence[RecordedHand]
) -> list[tuple[int, int]]:
    """Return pairs of numbers, of a known hand and of the one taken for it; sides do not count."""
    if not known or not hands:
        return []
    costs = np.array([[_apart(true, hand) for hand in hands] for true in known])
    rows, columns = linear_sum_assignment(np.minimum(costs, _OUT_OF_REACH))
    return [
        (int(row), int(column))
        for row, column in zip(rows, columns, strict=True)
        if costs[row, column] <= REACH
    ]


class Continuity:
    """Tells hands apart by where they were an image ago, whatever their ids and sides say."""

    def __init__(self) -> None:
        self._last: dict[int, tuple[int, int, RecordedHand]] = {}
        self._next = self._images = 0

    def add(self, stamp_ns: int, hands: Sequence[RecordedHand]) -> list[int]:
        """Return a number for each hand of an image, the same for as long as it is followed.

        Args:
            stamp_ns: time of the image [ns], rising from call to call.
            hands: all of that image.
        """
        self._images += 1
        self._last = {
            number: last
            for number, last in self._last.items()
            if stamp_ns - last[0] <= FORGOTTEN_NS and self._images - last[1] <= MOST_MISSED + 1
        }
        before = list(self._last)
        pairs = match_hands([self._last[number][2] for number in before], hands)
        found = {column: before[row] for row, column in pairs}
        numbers = []
        for index, hand in enumerate(hands):
            if index not in found:
                found[index] = self._next
                self._next += 1
            numbers.append(found[index])
            self._last[found[index]] = stamp_ns, self._images, hand
        return numbers


def _apart(known: RecordedHand, hand: RecordedHand) -> float:
    points = _pixels(known), _pixels(hand)
    if points[0] is None or points[1] is None:
        points = _bearings(known), _bearings(hand)
    if points[0] is None or points[1] is None:
        return _OUT_OF_REACH
    size = float(box_around(points[0])[2:].max())
    distance = float(np.linalg.norm(points[0] - points[1], axis=-1).mean())
    return distance / size if size > 0.0 else _OUT_OF_REACH


def _pixels(hand: RecordedHand) -> Array | None:
    return hand.keypoints_px if np.isfinite(hand.keypoints_px).all() else None


def _bearings(hand: RecordedHand) -> Array | None:
    """Return x/z and y/z (21, 2): what a camera sees, however wrong the distance is."""
    depth = hand.keypoints[:, 2:]
    if not (np.isfinite(hand.keypoints).all() and (depth > 0.0).all()):
        return None
    return np.asarray(hand.keypoints[:, :2] / depth)
