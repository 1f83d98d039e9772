"""Recorded hands told apart: those are the same that lie nearest as the camera sees them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hand_pose_ros.evaluation.matching import match_hands
from hand_pose_ros.evaluation.points import Array
from hand_pose_ros.evaluation.recording import NS_PER_S, RecordedHand

FORGOTTEN_NS = NS_PER_S // 2
"""A hand that was away for longer [ns] is another one when it comes back."""

LONGEST_STEP = 4.5
"""So is, as far as images alone can tell, one that was away for more image periods than these."""

_FOCAL_PX = 1000.0


def match_recorded(
    known: Sequence[RecordedHand], hands: Sequence[RecordedHand]
) -> list[tuple[int, int]]:
    """Return pairs of numbers, of a known hand and of the one taken for it; sides do not count.

    They are compared in pixels where all have some, else along their bearings from the camera.
    """
    both = [*known, *hands]
    in_pixels = all(np.isfinite(hand.keypoints_px).all() for hand in both)
    points = [hand.keypoints_px if in_pixels else _bearings(hand) for hand in both]
    return match_hands(points[: len(known)], points[len(known) :])


class Continuity:
    """Tells hands apart by where they were an image ago, whatever their ids and sides say.

    Args:
        period_ns: time from image to image [ns]; None where it is not known.
    """

    def __init__(self, period_ns: float | None) -> None:
        longest_ns = FORGOTTEN_NS if period_ns is None else LONGEST_STEP * period_ns
        self._longest_ns = min(FORGOTTEN_NS, longest_ns)
        self._last: dict[int, tuple[int, RecordedHand]] = {}
        self._next = 0

    def add(self, stamp_ns: int, hands: Sequence[RecordedHand]) -> list[int]:
        """Return a number for each hand of an image, the same for as long as it is followed.

        Args:
            stamp_ns: time of the image [ns], rising from call to call.
            hands: all of that image.
        """
        self._last = {
            number: (seen_ns, hand)
            for number, (seen_ns, hand) in self._last.items()
            if stamp_ns - seen_ns <= self._longest_ns
        }
        before = list(self._last)
        pairs = match_recorded([self._last[number][1] for number in before], hands)
        found = {column: before[row] for row, column in pairs}
        for index, hand in enumerate(hands):
            if index not in found:
                found[index] = self._next
                self._next += 1
            self._last[found[index]] = stamp_ns, hand
        return [found[index] for index in range(len(hands))]


def _bearings(hand: RecordedHand) -> Array:
    """Return where a camera sees the joints (21, 2) [px], however wrong their distance is."""
    depth = hand.keypoints[:, 2:]
    return _FOCAL_PX * hand.keypoints[:, :2] / np.where(depth > 0.0, depth, np.nan)
