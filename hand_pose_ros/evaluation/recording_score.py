"""A recording of hands scored, with or without a truth."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from hand_pose_ros.errors import InputError
from hand_pose_ros.evaluation.association import period_ns
from hand_pose_ros.evaluation.hand_matching import Continuity
from hand_pose_ros.evaluation.identity import IdentityCount
from hand_pose_ros.evaluation.motion import Motion
from hand_pose_ros.evaluation.points import Array
from hand_pose_ros.evaluation.recording import RecordedFrame, RecordedHand, Recording, Times
from hand_pose_ros.evaluation.recording_series import Series, SeriesWriter
from hand_pose_ros.evaluation.timing import Timing, time_answers
from hand_pose_ros.evaluation.truth_beside import TruthBeside
from hand_pose_ros.evaluation.truth_score import PROTOCOLS, TruthScore

Hands = tuple[RecordedHand, ...]
S_PER_MIN = 60.0


@dataclass(frozen=True)
class ErrorSummary:
    """Errors of one protocol over the hands that were found [mm]."""

    mean: float
    median: float
    p95: float


@dataclass(frozen=True)
class Accuracy:
    """Answers against the true hands of their images.

    Attributes:
        frames: answers whose image has a truth.
        true_hands: hands that are in these images.
        found, missed: with and without an estimate.
        extra: estimates without a true hand.
        wrong_side: found hands of which the other side is said.
        unanswered_hands: true hands in images without an answer; not among the missed.
        errors_mm: see `PROTOCOLS`; None where no found hand has a place in space.
    """

    frames: int
    true_hands: int
    found: int
    missed: int
    extra: int
    wrong_side: int
    unanswered_hands: int
    errors_mm: dict[str, ErrorSummary | None]


@dataclass(frozen=True)
class Identities:
    """Changes of names and sides, each hand counted for itself.

    Attributes:
        by: "truth" where the true hands have ids and are followed, "continuity" where the nearest
            hand in the image before is taken for the same.
        side_flips, id_switches, id_transfers: see `IdentityCount`; the last is None where nobody
            knows whose hands they are.
        side_flips_per_min, id_switches_per_min: per minute of `Timing.duration_s`.
    """

    by: str
    side_flips: int
    id_switches: int
    id_transfers: int | None
    side_flips_per_min: float | None
    id_switches_per_min: float | None


@dataclass(frozen=True)
class RecordingScore:
    """What a recording of hands amounts to.

    Attributes:
        answers: frames that were recorded, those without hands included.
        with_hand: those in which a hand was seen.
        hands: in all of them.
        timing, identities: see there.
        accuracy: None without a truth.
        jitter, triples, bone_length_variation, angles_outside: see `Motion`.
        notes: what a reader should know of these numbers.
        series: what can be drawn over time.
    """

    answers: int
    with_hand: int
    hands: int
    timing: Timing
    identities: Identities
    accuracy: Accuracy | None
    jitter: float | None
    triples: int
    bone_length_variation: float | None
    angles_outside: int | None
    notes: tuple[str, ...]
    series: Series

    def as_dict(self) -> dict[str, Any]:
        """Return all but the series in plain numbers, ready for JSON."""
        fields = {name: value for name, value in vars(self).items() if name != "series"}
        return {
            name: asdict(value) if hasattr(value, "__dataclass_fields__") else value
            for name, value in fields.items()
        }


def score_recording(
    recording: Recording,
    truth: Recording | None = None,
    images: Times | None = None,
    slop_ns: int = 0,
    *,
    together: bool = False,
) -> RecordingScore:
    """Score a recording.

    Args:
        recording: the answers of an estimator.
        truth: how the hands truly were, or the answers of another estimator.
        images: what was to be answered; without it the images of the truth.
        slop_ns: how far stamps that belong together may be apart [ns].
        together: whether images and answers were recorded by the same clock.

    Raises:
        InputError: the recording is empty, cannot be read, or the slop is negative.
    """
    if not len(recording.times.stamps_ns):
        raise InputError(f"{recording.name} has no answers")
    if images is None and truth is not None:
        images = truth.times
    timing = time_answers(recording.times, images, slop_ns, together=together)
    run = _Run(recording, truth, timing, images, slop_ns)
    for index, frame in recording.first_of_each():
        run.add(index, frame)
    return run.score()


class _Run:
    """One pass over a recording and its truth."""

    def __init__(
        self,
        recording: Recording,
        truth: Recording | None,
        timing: Timing,
        images: Times | None,
        slop_ns: int,
    ) -> None:
        self._recording, self._timing = recording, timing
        self._truth = None if truth is None else TruthBeside(recording, truth, slop_ns)
        self._errors = TruthScore()
        # Of the images, where they are known: jitter at a lower rate would seem less.
        times = recording.times if images is None else images
        self._motion = Motion(period_ns(times.stamps_ns))
        self._continuity = Continuity(period_ns(recording.times.stamps_ns))
        self._followed, self._continued = IdentityCount(), IdentityCount()
        self._answers = self._with_hand = self._hands = self._scored = 0
        self._series = SeriesWriter(recording.times, images, slop_ns)
        self._frame_ids: set[tuple[str, str]] = set()

    def add(self, index: int, frame: RecordedFrame) -> None:
        """Take the next answer by stamp."""
        stamp_ns = frame.stamp_ns
        self._answers += 1
        self._with_hand += bool(frame.hands)
        self._hands += len(frame.hands)
        numbers = self._continuity.add(stamp_ns, frame.hands)
        for number, hand in zip(numbers, frame.hands, strict=True):
            self._motion.add(stamp_ns, number, hand)
            self._series.add_hand(index, number, hand)
            self._continued.add(number, hand)
        true = None if self._truth is None else self._truth.of(index)
        if true is None:
            return
        known, names = true
        self._frame_ids.add((frame.frame_id, known.frame_id))
        self._scored += 1
        for which, seen in self._errors.add(known.hands, frame.hands, index):
            self._followed.add(names[which], frame.hands[seen], names[which][0])

    def score(self) -> RecordingScore:
        """Return what it amounts to."""
        self._series.set_errors(*self._errors.errors_by_frame())
        return RecordingScore(
            answers=len(self._recording.times.stamps_ns),
            with_hand=self._with_hand,
            hands=self._hands,
            timing=self._timing,
            identities=self._counted(),
            accuracy=self._accuracy(),
            jitter=self._motion.jitter,
            triples=self._motion.triples,
            bone_length_variation=self._motion.bone_length_variation,
            angles_outside=self._motion.angles_outside,
            notes=tuple(self._notes()),
            series=self._series.series(),
        )

    def _counted(self) -> Identities:
        known = self._truth is not None and self._truth.named and self._scored > 0
        count = self._followed if known else self._continued
        minutes = self._timing.duration_s / S_PER_MIN
        return Identities(
            by="truth" if known else "continuity",
            side_flips=count.side_flips,
            id_switches=count.id_switches,
            id_transfers=count.id_transfers if known else None,
            side_flips_per_min=count.side_flips / minutes if minutes else None,
            id_switches_per_min=count.id_switches / minutes if minutes else None,
        )

    def _accuracy(self) -> Accuracy | None:
        if self._truth is None:
            return None
        errors = self._errors
        _, values = errors.errors_by_frame()
        return Accuracy(
            frames=self._scored,
            true_hands=errors.true,
            found=errors.found,
            missed=errors.true - errors.found,
            extra=errors.extra,
            wrong_side=errors.wrong_side,
            unanswered_hands=self._truth.rest(),
            errors_mm={name: _summary(values[:, column]) for column, name in enumerate(PROTOCOLS)},
        )

    def _notes(self) -> Iterator[str]:
        for ours, theirs in sorted(self._frame_ids):
            if ours and theirs and ours != theirs:
                yield (
                    f"hands are in frame {ours!r}, the truth in {theirs!r}: absolute errors "
                    "mean nothing unless these are the same"
                )
        if self._truth is not None and not self._scored:
            yield f"not one answer belongs to an image of {self._truth.name}"


def _summary(errors: Array) -> ErrorSummary | None:
    errors = errors[~np.isnan(errors)]
    if not errors.size:
        return None
    median, p95 = np.percentile(errors, (50.0, 95.0))
    return ErrorSummary(float(errors.mean()), float(median), float(p95))
