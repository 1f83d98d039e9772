"""A recording over time, to be drawn: errors, ages, answered images, ids and sides."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from hand_pose_ros.evaluation.association import NONE, associate, period_ns
from hand_pose_ros.evaluation.hand_matching import FORGOTTEN_NS
from hand_pose_ros.evaluation.points import Array
from hand_pose_ros.evaluation.recording import RecordedHand, Stamps, Times
from hand_pose_ros.evaluation.timing import GAP
from hand_pose_ros.evaluation.truth_score import PROTOCOLS, Frames


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
        image_s, answered: (K,) time of each image and whether it was answered. Where nobody knows
            of images, those that would fill the gaps between the answers count as some.
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
        images: times of what was to be answered; None where nobody knows.
        slop_ns: how far their stamps may be apart [ns].
    """

    answers: Times
    images: Times | None
    slop_ns: int
    _segments: list[Segment] = field(default_factory=list)
    _open: dict[int, Segment] = field(default_factory=dict)
    _frames: Frames = field(default_factory=lambda: np.zeros(0, np.int64))
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

    def set_errors(self, frames: Frames, errors_mm: Array) -> None:
        """Take the errors (N, protocol) [mm] of found hands and the answers that they are of."""
        self._frames, self._errors = frames, errors_mm

    def series(self) -> Series:
        """Return what was collected."""
        stamps = self.answers.stamps_ns
        images, answered = self._images()
        start_ns = int(min(stamps.min(), images[0]))
        end_ns = int(max(stamps.max(), images[-1]))
        order = np.argsort(stamps, kind="stable")
        return Series(
            start_ns=start_ns,
            end_s=(end_ns - start_ns) * 1e-9,
            age_s=(stamps[order] - start_ns) * 1e-9,
            age_ms=(self.answers.recorded_ns - stamps)[order] * 1e-6,
            error_s=(stamps[self._frames] - start_ns) * 1e-9,
            errors_mm=self._errors,
            image_s=(images - start_ns) * 1e-9,
            answered=answered,
            segments=tuple(self._segments),
        )

    def _images(self) -> tuple[Stamps, npt.NDArray[np.bool_]]:
        stamps = np.unique(self.answers.stamps_ns)
        if self.images is None:
            return fill_gaps(stamps)
        images = np.unique(self.images.stamps_ns)
        return images, associate(images, stamps, self.slop_ns) != NONE

    def _forget(self, stamp_ns: int) -> None:
        self._open = {
            number: segment
            for number, segment in self._open.items()
            if stamp_ns - segment.end_ns <= FORGOTTEN_NS
        }


def fill_gaps(stamps_ns: Stamps) -> tuple[Stamps, npt.NDArray[np.bool_]]:
    """Return stamps, those between them that a steady camera would have had, and which are which.

    Args:
        stamps_ns: (N,) rising [ns].

    Returns:
        (M,) stamps [ns]; (M,) True for those that came in.
    """
    period = period_ns(stamps_ns)
    if period is None:
        return stamps_ns, np.ones(len(stamps_ns), bool)
    steps = np.diff(stamps_ns)
    counts = np.where(steps > GAP * period, np.round(steps / period), 1).astype(np.int64)
    place = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    filled = np.repeat(stamps_ns[:-1], counts) + place * np.repeat(steps // counts, counts)
    return np.append(filled, stamps_ns[-1]), np.append(place == 0, True)
