"""How steady recorded hands are: jitter, constancy of the bones, angles that no hand has."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from hand_pose_ros.evaluation.alignment import WRIST
from hand_pose_ros.evaluation.hand_matching import FORGOTTEN_NS
from hand_pose_ros.evaluation.points import MM_PER_M, Array
from hand_pose_ros.evaluation.recording import NS_PER_S, RecordedHand
from hand_pose_ros.hand import skeleton

SETTLE_NS = NS_PER_S
"""Bone lengths are held to be constant from this age of a hand on [ns]."""

LIMIT_TOLERANCE = 1e-6
"""How far an angle may lie outside its limits for rounding [rad]."""

STEP_TOLERANCE = 1.5
"""Images that are more than so many periods apart do not follow one another."""

_PARENTS = np.array(skeleton.PARENTS[1:])


def accelerations(
    points: npt.NDArray[np.float64], stamps_ns: Sequence[int], frames: Sequence[int]
) -> npt.NDArray[np.float64]:
    """Return the mean acceleration of the points in the middle of each three frames [mm/s^2].

    Args:
        points: (T, 21, 3) [m].
        stamps_ns: T times [ns].
        frames: T numbers of images; only three that follow one another count.
    """
    numbers, times = np.asarray(frames), np.asarray(stamps_ns) * 1e-9
    if len(numbers) < 3:
        return np.zeros(0)
    before, after = np.diff(times)[:-1, None, None], np.diff(times)[1:, None, None]
    follow = (numbers[2:] - numbers[:-2] == 2) & (before[:, 0, 0] > 0) & (after[:, 0, 0] > 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        change = np.diff(points, axis=0)[1:] / after - np.diff(points, axis=0)[:-1] / before
        length = np.linalg.norm(change / ((before + after) / 2.0), axis=-1).mean(axis=-1)
    return np.asarray(length[follow] * MM_PER_M)


def angles_outside(angles: npt.NDArray[np.floating]) -> int:
    """Return how many of 26 angles [rad] lie outside their limits, or are not finite."""
    low, high = np.array(skeleton.ARTICULATION_LIMITS).T
    inner = angles[skeleton.WRIST_DOFS :]
    outside = (inner < low - LIMIT_TOLERANCE) | (inner > high + LIMIT_TOLERANCE)
    return int((outside | ~np.isfinite(inner)).sum())


@dataclass
class _Followed:
    """The last three places of one hand, and the running moments of its bone lengths."""

    since_ns: int
    stamps_ns: list[int] = field(default_factory=list)
    points: list[Array] = field(default_factory=list)
    count: int = 0
    mean: Array = field(default_factory=lambda: np.zeros(len(skeleton.BONES)))
    spread: Array = field(default_factory=lambda: np.zeros(len(skeleton.BONES)))

    def settled(self, lengths: Array) -> None:
        """Take one more set of bone lengths (Welford 1962)."""
        self.count += 1
        change = lengths - self.mean
        self.mean = self.mean + change / self.count
        self.spread = self.spread + change * (lengths - self.mean)

    def variation(self) -> float | None:
        """Return std/mean of the least constant bone; None where too little was seen."""
        if self.count < 2 or not (self.mean > 0.0).all():
            return None
        return float((np.sqrt(self.spread / self.count) / self.mean).max())


class Motion:
    """Takes hands by rising stamps, keeps sums; a hand goes by any name that does not change.

    Args:
        period_ns: time from image to image [ns]; None where it is not known.

    Attributes:
        triples: how often three images in a row had a hand: what the jitter is a mean of.
    """

    def __init__(self, period_ns: float | None) -> None:
        self._longest_ns = STEP_TOLERANCE * period_ns if period_ns else 0.0
        self._hands: dict[Hashable, _Followed] = {}
        self.triples = 0
        self._sum = 0.0
        self._outside: int | None = None
        self._variation: float | None = None

    def add(self, stamp_ns: int, name: Hashable, hand: RecordedHand) -> None:
        """Take one hand of one image."""
        if np.isfinite(hand.angles).any():
            self._outside = (self._outside or 0) + angles_outside(hand.angles)
        if not np.isfinite(hand.keypoints).all():
            return
        if name not in self._hands:
            self._retire(stamp_ns)
            self._hands[name] = _Followed(stamp_ns)
        followed = self._hands[name]
        if stamp_ns >= followed.since_ns + SETTLE_NS:
            bones = hand.keypoints[1:] - hand.keypoints[_PARENTS]
            followed.settled(np.linalg.norm(bones, axis=-1))
        followed.stamps_ns = [*followed.stamps_ns[-2:], stamp_ns]
        followed.points = [*followed.points[-2:], hand.keypoints - hand.keypoints[WRIST]]
        steps = np.diff(followed.stamps_ns)
        if len(steps) == 2 and steps.max() <= self._longest_ns:
            values = accelerations(np.array(followed.points), followed.stamps_ns, range(3))
            self.triples += len(values)
            self._sum += float(values.sum())

    @property
    def jitter(self) -> float | None:
        """Mean acceleration of the wrist-relative joints, each three images in a row [m/s^2]."""
        return self._sum / self.triples / MM_PER_M if self.triples else None

    @property
    def bone_length_variation(self) -> float | None:
        """Std/mean of the least constant bone of the least constant hand, once they settled."""
        values = [self._variation, *(each.variation() for each in self._hands.values())]
        return max((value for value in values if value is not None), default=None)

    @property
    def angles_outside(self) -> int | None:
        """Angles outside their limits; None where no hand has angles."""
        return self._outside

    def _retire(self, stamp_ns: int) -> None:
        """Keep of hands that have long gone only how constant they were."""
        self._variation = self.bone_length_variation
        self._hands = {
            name: each
            for name, each in self._hands.items()
            if stamp_ns - each.stamps_ns[-1] <= FORGOTTEN_NS
        }
