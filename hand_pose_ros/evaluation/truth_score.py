"""Hands against the true hands of the same image: found or not, which side, how far off."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from hand_pose_ros.evaluation.alignment import MIDDLE_MCP, WRIST
from hand_pose_ros.evaluation.hand_matching import match_recorded
from hand_pose_ros.evaluation.metrics import (
    mpjpe_absolute,
    mpjpe_root,
    mpjpe_scaled,
    pa_mpjpe,
)
from hand_pose_ros.evaluation.points import Array, Errors
from hand_pose_ros.evaluation.recording import RecordedHand

Frames = npt.NDArray[np.int64]

PROTOCOLS: dict[str, tuple[Callable[[Array, Array], Errors], str]] = {
    "root_relative": (mpjpe_root, "wrists at the origin"),
    "scaled": (mpjpe_scaled, "wrists at the origin, at the true size"),
    "pa": (pa_mpjpe, "after the best similarity alignment"),
    "absolute": (mpjpe_absolute, "in the camera frame, nothing aligned"),
}
"""Mean joint errors by name, and what is aligned before."""

SMALLEST_M = 1e-6
"""A hand whose wrist and middle MCP are nearer has no size that it could be scaled by [m]."""

_BATCH = 512


class TruthScore:
    """Collects counts and errors; hands without a place in space count, but have no error.

    Attributes:
        true, found, extra, wrong_side: hands so far; `found` have an estimate, `extra` no truth.
    """

    def __init__(self) -> None:
        self.true = self.found = self.extra = self.wrong_side = 0
        self._waiting: list[tuple[int, Array, Array]] = []
        self._errors: list[Array] = []
        self._frames = array("q")

    def add(
        self, true: Sequence[RecordedHand], hands: Sequence[RecordedHand], frame: int = 0
    ) -> list[tuple[int, int]]:
        """Score the hands of one image; return pairs of numbers, of a true hand and its estimate.

        Args:
            true: all hands that are there.
            hands: all that were answered.
            frame: number of the image, for `errors_by_frame`.
        """
        pairs = match_recorded(true, hands)
        self.true += len(true)
        self.found += len(pairs)
        self.extra += len(hands) - len(pairs)
        for known, seen in pairs:
            sides = true[known].side, hands[seen].side
            self.wrong_side += None not in sides and sides[0] != sides[1]
            guess, truth = hands[seen].keypoints, true[known].keypoints
            if np.isfinite(guess).all() and _has_size(guess) and _has_size(truth):
                self._waiting.append((frame, guess, truth))
        if len(self._waiting) >= _BATCH:
            self._compute()
        return pairs

    def errors_by_frame(self) -> tuple[Frames, Array]:
        """Return the frame of each hand that has errors, and these (N, protocol) [mm].

        NaN stands where the truth lacks the joints that a protocol needs.
        """
        self._compute()
        errors = np.concatenate(self._errors) if self._errors else np.zeros((0, len(PROTOCOLS)))
        return np.array(self._frames, np.int64), errors

    def as_dict(self) -> dict[str, Any] | None:
        """Return counts and mean errors [mm]; None where no image had a true hand."""
        if not self.true:
            return None
        _, errors = self.errors_by_frame()
        known = [column[~np.isnan(column)] for column in errors.T]
        means = [float(column.mean()) if column.size else None for column in known]
        return {
            "true_hands": self.true,
            "found": self.found,
            "wrong_side": self.wrong_side,
            "hands_without_truth": self.extra,
            "errors_mm": dict(zip(PROTOCOLS, means, strict=True)),
        }

    def _compute(self) -> None:
        if not self._waiting:
            return
        frames, guesses, truths = zip(*self._waiting, strict=True)
        guess, truth = np.stack(guesses), np.stack(truths)
        columns = [np.asarray(metric(guess, truth)) for metric, _ in PROTOCOLS.values()]
        self._errors.append(np.stack(columns, axis=-1))
        self._frames.extend(frames)
        self._waiting = []


def _has_size(points: Array) -> bool:
    """Return whether a hand, as far as it is known, has a size that it could be scaled by."""
    known = points[np.isfinite(points).all(-1)]
    apart = float(np.linalg.norm(points[MIDDLE_MCP] - points[WRIST]))
    spread = float(np.ptp(known, axis=0).max()) if len(known) else 0.0
    return spread >= SMALLEST_M and not apart < SMALLEST_M
