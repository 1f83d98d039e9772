"""Which hand was that before: stable ids and sides, no hand twice, lost hands found again."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from hand_pose_ros.runtime.config import TrackConfig
from hand_pose_ros.runtime.detect import Detection

OTHER_SIDE_COST = 0.3
"""What it costs, in hand sizes, to take a hand of one side for one of the other."""

SURE_SIDE, FORGIVEN_S = 0.9, 0.1
"""A hand found again after more than so long [s] is not taken for one of the other side if the
side seen is so sure: one hand has left and another one come."""

MAX_EVIDENCE = 2.0
"""Log odds that one image may add for or against a side; a detector is surer than it should be."""

_MOST_TRUST = 4.0
"""Bound of the gathered log odds for a side, in `MAX_EVIDENCE`."""


@dataclass(frozen=True, eq=False)
class Tracked:
    """A hand that is seen in the image at hand.

    Attributes:
        id: its name, for as long as it is followed.
        side: its side, which a few images to the contrary do not change.
        side_score: how sure that is, 0.5..1.
        detection: what was seen, with that side.
        is_new: True in the first image, and where the side has changed.
    """

    id: str
    side: str
    side_score: float
    detection: Detection
    is_new: bool


class Tracker:
    """Follows hands from image to image; only hands seen in the image at hand come out."""

    def __init__(self, config: TrackConfig | None = None) -> None:
        self.config = config or TrackConfig()
        self.reset()

    def configure(self, config: TrackConfig) -> None:
        """Take other settings; the hands that are followed go on."""
        self.config = config
        for track in self._tracks:
            track.flip_evidence = config.flip_evidence

    def reset(self) -> None:
        """Forget all hands; ids start at "0" again."""
        self._tracks: list[_Track] = []
        self._next_id = 0

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids that are still in use, of hands in view and of hands not lost for long."""
        return tuple(track.id for track in self._tracks)

    def update(self, detections: Sequence[Detection], stamp_ns: int) -> list[Tracked]:
        """Return the hands of the next image, each once, ordered by age."""
        self._forget(stamp_ns)
        costs = [[track.cost(seen, stamp_ns) for track in self._tracks] for seen in detections]
        kept = self._without_duplicates(detections, costs)
        found = [detections[index] for index in kept]
        pairs = self._assign([costs[index] for index in kept], stamp_ns)
        tracked = [self._tracks[row].see(found[column], stamp_ns) for row, column in pairs]
        taken = {column for _, column in pairs}
        for column, detection in enumerate(found):
            if column not in taken:
                track = _Track(str(self._next_id), self.config.flip_evidence)
                self._next_id += 1
                self._tracks.append(track)
                tracked.append(track.see(detection, stamp_ns))
        return tracked

    def _forget(self, stamp_ns: int) -> None:
        oldest = stamp_ns - round(self.config.keep_lost_s * 1e9)
        self._tracks = [track for track in self._tracks if track.stamp_ns >= oldest]

    def _without_duplicates(
        self, detections: Sequence[Detection], costs: Sequence[Sequence[float]]
    ) -> list[int]:
        """Return which detections are not of a hand that another one shows better, best first."""
        strangeness = [
            min(row, default=0.0) - 0.1 * detection.score
            for row, detection in zip(costs, detections, strict=True)
        ]
        kept: list[int] = []
        for index in sorted(range(len(detections)), key=strangeness.__getitem__):
            apart = (distance(detections[index], detections[other]) for other in kept)
            if all(each > self.config.duplicate_distance for each in apart):
                kept.append(index)
        return kept

    def _assign(self, costs: Sequence[Sequence[float]], stamp_ns: int) -> list[tuple[int, int]]:
        """Return (track, detection) pairs of least total cost; no track moves impossibly far.

        The costs are those of each detection for every track.
        """
        if not self._tracks or not costs:
            return []
        table = np.array(costs).T
        reach = np.array([self._reach(track, stamp_ns) for track in self._tracks])
        possible = table <= reach[:, None]
        rows, columns = linear_sum_assignment(np.where(possible, table, 1e3))
        return [(int(r), int(c)) for r, c in zip(rows, columns, strict=True) if possible[r, c]]

    def _reach(self, track: _Track, stamp_ns: int) -> float:
        unseen_s = max(stamp_ns - track.stamp_ns, 0) * 1e-9
        return self.config.max_motion + OTHER_SIDE_COST + self.config.max_speed * unseen_s


def distance(first: Detection, second: Detection) -> float:
    """Return the mean distance of the keypoints of two hands over their mean size."""
    apart = _mean_distance(first.keypoints_px, second.keypoints_px)
    return apart / max((first.size_px + second.size_px) / 2.0, 1.0)


class _Track:
    """One hand that is followed."""

    def __init__(self, track_id: str, flip_evidence: float) -> None:
        self.id, self.flip_evidence = track_id, flip_evidence
        self.stamp_ns = -1
        self.side = ""
        self._evidence = 0.0
        self._last: Detection | None = None

    def cost(self, detection: Detection, stamp_ns: int) -> float:
        """Return how far a detection is from where the hand was, in hand sizes, side counted."""
        if self._last is None:
            return math.inf
        apart = distance(self._last, detection)
        if detection.side == self.side:
            return apart
        unseen_s = (stamp_ns - self.stamp_ns) * 1e-9
        if unseen_s > FORGIVEN_S and detection.side_score >= SURE_SIDE:
            return math.inf
        return apart + OTHER_SIDE_COST * (2.0 * detection.side_score - 1.0)

    def see(self, detection: Detection, stamp_ns: int) -> Tracked:
        """Take the detection for this hand."""
        before = self.side
        self._vote(detection)
        self._last, self.stamp_ns = detection, stamp_ns
        sure = 1.0 / (1.0 + math.exp(-abs(self._evidence)))
        score = sure if (self._evidence > 0.0) == (self.side == "right") else 0.5
        named = replace(detection, side=self.side, side_score=score)
        return Tracked(self.id, self.side, score, named, is_new=self.side != before)

    def _vote(self, detection: Detection) -> None:
        """Add the evidence of one image; the side flips once enough stands against it."""
        odds = detection.side_score / max(1.0 - detection.side_score, 1e-9)
        gain = min(math.log(max(odds, 1.0)), MAX_EVIDENCE)
        bound = max(_MOST_TRUST * MAX_EVIDENCE, self.flip_evidence)
        signed = gain if detection.side == "right" else -gain
        self._evidence = min(max(self._evidence + signed, -bound), bound)
        against = -self._evidence if self.side == "right" else self._evidence
        if not self.side or against >= self.flip_evidence:
            self.side = detection.side


def _mean_distance(first: npt.NDArray[np.float64], second: npt.NDArray[np.float64]) -> float:
    difference = first - second
    squares = difference * difference
    return float(np.sqrt(squares[:, 0] + squares[:, 1]).sum()) / len(difference)
