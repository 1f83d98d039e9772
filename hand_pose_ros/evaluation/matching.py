"""Which estimate means which true hand: those that lie nearest in the image."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.optimize import linear_sum_assignment

from hand_pose_ros.evaluation.points import Array

REACH = 1.0
"""How far from a true hand its estimate may be: in sizes of its box, mean over the keypoints."""

_FAR = 1e3


def match_hands(true_px: Sequence[Array], guess_px: Sequence[Array]) -> list[tuple[int, int]]:
    """Return pairs of a true hand and its estimate by their numbers.

    Args:
        true_px: (21, 2) keypoints of each true hand [px]; NaN where not known.
        guess_px: likewise of each estimate.
    """
    if not true_px or not guess_px:
        return []
    costs = np.array([[_apart(known, guess) for guess in guess_px] for known in true_px])
    rows, columns = linear_sum_assignment(costs)
    return [
        (int(row), int(column))
        for row, column in zip(rows, columns, strict=True)
        if costs[row, column] <= REACH
    ]


def _apart(known: Array, guess: Array) -> float:
    """Return the mean distance over the longer side of the true hand's box."""
    both = np.isfinite(known).all(-1) & np.isfinite(guess).all(-1)
    if not both.any():
        return _FAR
    placed = known[np.isfinite(known).all(-1)]
    size = max(float(np.ptp(placed, axis=0).max()), 1.0)
    return min(float(np.linalg.norm(known[both] - guess[both], axis=-1).mean()) / size, _FAR)
