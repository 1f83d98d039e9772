"""Scores of one or several estimators on one set of images, as numbers, a table and JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt

from hand_pose_ros.errors import InputError
from hand_pose_ros.evaluation.alignment import align_similarity
from hand_pose_ros.evaluation.metrics import (
    AUC_RANGE_MM,
    joint_errors,
    mpjpe_absolute,
    mpjpe_root,
    mpjpe_scaled,
    pa_mpjpe,
    pck_auc,
)

PROTOCOLS = {
    "pa_mpjpe_mm": "similarity (Procrustes) aligned",
    "mpjpe_scaled_mm": "wrists aligned, at the true wrist to middle MCP length",
    "mpjpe_root_mm": "wrists aligned, at the estimated size",
    "mpjpe_absolute_mm": "camera frame, nothing aligned",
    "pa_auc": f"area under PCK {AUC_RANGE_MM[0]:.0f}-{AUC_RANGE_MM[1]:.0f} mm, Procrustes aligned",
}
"""Each number of a `Score` and what is aligned before it is taken."""


@dataclass(frozen=True)
class Score:
    """Means over the answered images; NaN where none was answered, or it has no meaning.

    Attributes:
        images: how many were asked.
        answered: how many got a hand.
        pa_mpjpe_mm, mpjpe_scaled_mm, mpjpe_root_mm, mpjpe_absolute_mm, pa_auc: see `PROTOCOLS`.
    """

    images: int
    answered: int
    pa_mpjpe_mm: float
    mpjpe_scaled_mm: float
    mpjpe_root_mm: float
    mpjpe_absolute_mm: float
    pa_auc: float

    def as_dict(self) -> dict[str, float | int | None]:
        """Return the fields by name, None for NaN: JSON has no NaN."""
        return {name: None if value != value else value for name, value in asdict(self).items()}


Points = npt.NDArray[np.float64]


def score(
    predicted: Mapping[str, Points | None], true: Mapping[str, Points], *, placed: bool = True
) -> Score:
    """Return the score of predictions against the truth, both (21, 3) [m] by image name.

    Args:
        predicted: None for an image without a hand.
        true: what is asked for.
        placed: whether predictions have a place in the camera frame; without one there is no
            absolute error.

    Raises:
        InputError: an image of the truth that the predictions do not mention.
    """
    missing = [name for name in true if name not in predicted]
    if missing:
        raise InputError(
            f"{len(missing)} of {len(true)} images are not among the predictions, "
            f"the first {missing[0]!r}; an image without a hand must be there as null"
        )
    found = {name: points for name in true if (points := predicted[name]) is not None}
    if not found:
        return Score(len(true), 0, *([float("nan")] * len(PROTOCOLS)))
    guess, truth = np.stack(list(found.values())), np.stack([true[name] for name in found])
    aligned_errors = joint_errors(align_similarity(guess, truth), truth)
    return Score(
        len(true),
        len(found),
        float(pa_mpjpe(guess, truth).mean()),
        float(mpjpe_scaled(guess, truth).mean()),
        float(mpjpe_root(guess, truth).mean()),
        float(mpjpe_absolute(guess, truth).mean()) if placed else float("nan"),
        float(pck_auc(aligned_errors)),
    )


def markdown_table(scores: Mapping[str, Score]) -> str:
    """Return one row an estimator, with the protocol of each column below."""
    columns = ("answered", *PROTOCOLS)
    lines = ["| estimator | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
    for name, row in scores.items():
        values = row.as_dict()
        cells = [f"{row.answered}/{row.images}"]
        cells += [_cell(c, values[c]) for c in PROTOCOLS]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    lines += ["", *(f"- {name}: {meaning}" for name, meaning in PROTOCOLS.items())]
    return "\n".join(lines)


def _cell(name: str, value: float | int | None) -> str:
    if value is None:
        return "-"
    return f"{value:.3f}" if name == "pa_auc" else f"{value:.2f}"
