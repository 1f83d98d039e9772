"""When answers came: rate, gaps, age, and the images that got none."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hand_pose_ros.evaluation.association import NONE, associate, period_ns
from hand_pose_ros.evaluation.recording import Stamps, Times

GAP = 1.5
"""A step between answers that is longer than so many periods is a gap."""

PERCENTILES = {"p50": 50.0, "p95": 95.0, "p99": 99.0, "max": 100.0}


@dataclass(frozen=True)
class Timing:
    """How a recording of answers went.

    Attributes:
        duration_s: from the first to the last image, one period more; of the images that were to
            be answered where they are known, else of the answers.
        period_s: from image to image; None for less than two.
        rate_hz: answers a second, from the first to the last.
        gaps: steps between answers of more than `GAP` periods.
        missing_in_gaps: images that would have been in them.
        longest_gap_s: the longest step between two answers, gap or not.
        repeated: answers with a stamp that was answered before.
        images: that were to be answered; None where nobody knows.
        dropped: those that got no answer.
        unasked: answers to none of them.
        age_ms: from the image's stamp to the recording of the answer, see `PERCENTILES`.
        latency_ms: from the recording of the image to that of the answer; None where the images
            are not in the same recording.
    """

    duration_s: float
    period_s: float | None
    rate_hz: float | None
    gaps: int
    missing_in_gaps: int
    longest_gap_s: float | None
    repeated: int
    images: int | None
    dropped: int | None
    unasked: int | None
    age_ms: dict[str, float]
    latency_ms: dict[str, float] | None


def time_answers(
    answers: Times, images: Times | None, slop_ns: int, *, together: bool = False
) -> Timing:
    """Return how a recording of answers went; it has at least one.

    Args:
        answers: their times.
        images: those of the images that were to be answered; None where nobody knows.
        slop_ns: how far the stamps of image and answer may be apart [ns].
        together: whether images and answers were recorded by the same clock.
    """
    stamps = np.unique(answers.stamps_ns)
    reference = stamps if images is None else np.unique(images.stamps_ns)
    period = period_ns(reference)
    steps = np.diff(stamps)
    long = steps[steps > GAP * period] if period else steps[:0]
    dropped = unasked = latency = None
    if images is not None:
        partners = associate(answers.stamps_ns, images.stamps_ns, slop_ns)
        known = partners != NONE
        dropped = len(reference) - int(known.sum())
        unasked = len(stamps) - int(known.sum())
        if together and known.any():
            waited = answers.recorded_ns[known] - images.recorded_ns[partners[known]]
            latency = percentiles_ms(waited)
    return Timing(
        duration_s=(int(reference[-1] - reference[0]) + (period or 0.0)) * 1e-9,
        period_s=None if period is None else period * 1e-9,
        rate_hz=len(steps) / (int(steps.sum()) * 1e-9) if steps.size else None,
        gaps=len(long),
        missing_in_gaps=int((np.round(long / period) - 1).sum()) if period else 0,
        longest_gap_s=float(steps.max()) * 1e-9 if steps.size else None,
        repeated=len(answers.stamps_ns) - len(stamps),
        images=None if images is None else len(reference),
        dropped=dropped,
        unasked=unasked,
        age_ms=percentiles_ms(answers.recorded_ns - answers.stamps_ns),
        latency_ms=latency,
    )


def percentiles_ms(times_ns: Stamps | npt.NDArray[np.float64]) -> dict[str, float]:
    """Return the `PERCENTILES` [ms] of times [ns], of which there is at least one."""
    values = np.percentile(times_ns, list(PERCENTILES.values())) * 1e-6
    return dict(zip(PERCENTILES, values.tolist(), strict=True))
