"""Boxes around hands: x, y, width, height in pixels."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

LEAST_OVERLAP = 0.5
"""Intersection over union from which a box is that of a hand."""


def box_around(points: Array) -> Array:
    """Return x, y, width, height (*batch, 4) of the box around points (*batch, point, 2)."""
    low = points.min(axis=-2)
    return np.concatenate((low, points.max(axis=-2) - low), axis=-1)


def overlap(first: Array, second: Array) -> float:
    """Return intersection over union of two boxes x, y, width, height."""
    low = np.maximum(first[:2], second[:2])
    high = np.minimum(first[:2] + first[2:], second[:2] + second[2:])
    both = float(np.prod(np.maximum(high - low, 0.0)))
    union = float(np.prod(first[2:]) + np.prod(second[2:])) - both
    return both / union if union > 0.0 else 0.0
