"""A recording over time, to be drawn: errors, ages, answered images, ids and sides."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from hand_pose_ros.evaluation.association import NONE, associate
from hand_pose_ros.evaluation.hand_matching import FORGOTTEN_NS
from hand_pose_ros.evaluation.points import Array
from hand_pose_ros.evaluation.recording import RecordedHand, Times
from hand_pose_ros.evaluation.truth_score import PROTOCOLS


@dataclass
class Segment:
    """A stretch of time in which one hand kept its id and its side.

    Attributes:
        hand: number of the hand, as continuity in the image tells hands apart.
        id, side: as the estimator said; None for an unknown side.
        start_ns, end_ns: stamps of its first and last image [ns].
    """

    hand: int
    id: str
    side: str | None
    start_ns: int
    end_ns: int


@dataclass(frozen=True, eq=False)
class Series:
    """Numbers over time; all times in seconds since `start_ns`.

    Attributes:
        start_ns: stamp of the first image [ns].
        end_s: time of the last.
        age_s, age_ms: (N,) time and age of each answer.
        error_s, errors_mm: (M,), (M, protocol) time and errors of each found hand.
        image_s, answered: (K,) time of each image and whether it was answered.
        segments: who was seen when.
    """

    start_ns: int
    end_s: float
    age_s: Array
    age_ms: Array
    error_s: Array
    errors_mm: Array
    image_s: Array
    answered: npt.NDArray[np.bool_]
    segments: tuple[Segment, ...]

    def seconds(self, stamp_ns: int) -> float:
        """Return a stamp [ns] as seconds since the start."""
        return (stamp_ns - self.start_ns) * 1e-9


@dataclass
class SeriesWriter:
    """Collects a `Series`.

    Args:
        answers: times of the answers.
        images: times of what was to be answered, or of the answers themselves.
        slop_ns: how far their stamps may be apart [ns].
    """

    answers: Times
    images: Times
    slop_ns: int
    _segments: list[Segment] = field(default_factory=list)
    _open: dict[int, Segment] = field(default_factory=dict)
    _frames: array[int] = field(default_factory=lambda: array("q"))
    _errors: Array = field(default_factory=lambda: np.zeros((0, len(PROTOCOLS))))

    def add_hand(self, index: int, number: int, hand: RecordedHand) -> None:
        """Take a hand of answer `index`, by rising stamps."""
        stamp_ns = int(self.answers.stamps_ns[index])
        segment = self._open.get(number)
        if segment is None or (segment.id, segment.side) != (hand.id, hand.side):
            segment = Segment(number, hand.id, hand.side, stamp_ns, stamp_ns)
            self._segments.append(segment)
            self._forget(stamp_ns)
            self._open[number] = segment
        segment.end_ns = stamp_ns

    def set_errors(self, frames: list[int], errors_mm: Array) -> None:
        """Take the errors (N, protocol) [mm] of found hands and the answers that they are of."""
        self._frames, self._errors = array("q", frames), errors_mm

    def series(self) -> Series:
        """Return what was collected."""
        stamps, images = self.answers.stamps_ns, np.unique(self.images.stamps_ns)
        start_ns = int(min(stamps.min(), images[0]))
        end_ns = int(max(stamps.max(), images[-1]))
        frames = np.array(self._frames, np.int64)
        return Series(
            start_ns=start_ns,
            end_s=(end_ns - start_ns) * 1e-9,
            age_s=(stamps - start_ns) * 1e-9,
            age_ms=(self.answers.recorded_ns - stamps) * 1e-6,
            error_s=(stamps[frames] - start_ns) * 1e-9,
            errors_mm=self._errors,
            image_s=(images - start_ns) * 1e-9,
            answered=associate(images, stamps, self.slop_ns) != NONE,
            segments=tuple(self._segments),
        )

    def _forget(self, stamp_ns: int) -> None:
        self._open = {
            number: segment
            for number, segment in self._open.items()
            if stamp_ns - segment.end_ns <= FORGOTTEN_NS
        }
