"""What every metric asks of the points that it is given."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from hand_pose_ros.errors import InputError, ShapeError
from hand_pose_ros.hand.skeleton import KEYPOINTS

MM_PER_M = 1000.0

Array = npt.NDArray[np.float64]
Errors = Array | np.float64  # one number per sample of a batch, or of one hand


def checked_pair(
    predicted: npt.ArrayLike, true: npt.ArrayLike, points: int | None = len(KEYPOINTS)
) -> tuple[Array, Array]:
    """Return both as float64; what is NaN in the truth is not known and NaN in both.

    Args:
        predicted: (*batch, point, 3).
        true: likewise.
        points: how many there must be; None for any number.

    Raises:
        ShapeError: the two differ in shape, or are not of that shape.
        InputError: a predicted value is not finite, or a true one infinite.
    """
    guess = _checked(predicted, "predicted", points)
    truth = _checked(true, "true", points)
    if guess.shape != truth.shape:
        raise ShapeError(
            f"predicted points have shape {guess.shape}, true points {truth.shape}; "
            "they must be alike"
        )
    _refuse(np.isinf(truth), "true points have an infinite value")
    unknown = np.isnan(truth).any(-1, keepdims=True)
    _refuse(~np.isfinite(guess) & ~unknown, "predicted points have a value that is not finite")
    return np.where(unknown, np.nan, guess), np.where(unknown, np.nan, truth)


def mean_known(errors: npt.ArrayLike) -> Errors:
    """Return the mean over the last axis of what is known; NaN where nothing is."""
    values = np.asarray(errors, np.float64)
    known = ~np.isnan(values)
    count = known.sum(-1)
    total = np.where(known, values, 0.0).sum(-1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)[()]


def checked_sequence(values: npt.ArrayLike, name: str) -> Array:
    """Return points of consecutive frames (frame, 21, 3) as float64.

    Raises:
        ShapeError: there are fewer than three frames.
        InputError: a value is not finite.
    """
    points = _checked(values, name, len(KEYPOINTS))
    if points.ndim != 3 or len(points) < 3:
        raise ShapeError(f"{name} have shape {points.shape}; a sequence is (3 or more, 21, 3)")
    _refuse(~np.isfinite(points), f"{name} have a value that is not finite")
    return points


def first_marked(mask: npt.ArrayLike) -> tuple[int, ...]:
    """Return the index of the first entry that is marked, () for a single one."""
    return tuple(int(i) for i in np.argwhere(np.asarray(mask))[0])


def _checked(values: npt.ArrayLike, name: str, points: int | None) -> Array:
    array = np.asarray(values, np.float64)
    wanted = array.shape[-2:-1] if points is None else (points,)
    if array.ndim < 2 or array.shape[-2:] != (*wanted, 3) or not array.shape[-2]:
        shape = f"(*, {points or 'n'}, 3)"
        raise ShapeError(f"{name} points have shape {array.shape}; they must be {shape}")
    return array


def _refuse(wrong: npt.NDArray[np.bool_], message: str) -> None:
    if wrong.any():
        raise InputError(f"{message}, the first at {first_marked(wrong)}")
