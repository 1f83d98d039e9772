"""Errors between estimated and true hands, per sample, in millimetres.

All take points in metres, (*batch, 21, 3) in the order of `skeleton.KEYPOINTS`, and compute in
float64. A joint whose truth is NaN is not known: its error is NaN, and means pass it over. What is
compared in which frame is the protocol; each docstring states it, and a number is worth nothing
without it.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from hand_pose_ros.errors import InputError, ShapeError
from hand_pose_ros.evaluation.alignment import align_similarity, fit_bone, fit_root
from hand_pose_ros.evaluation.points import (
    MM_PER_M,
    Array,
    Errors,
    checked_pair,
    checked_sequence,
    mean_known,
)

AUC_RANGE_MM = (20.0, 50.0)
"""The thresholds that PCK curves of hands are integrated between."""

AUC_STEPS = 100
"""Thresholds on the PCK curve, as in FreiHAND's evaluation script (Zimmermann et al. 2019)."""


def joint_errors(predicted: npt.ArrayLike, true: npt.ArrayLike) -> Array:
    """Return each joint's distance to its true place (*batch, 21) [mm], the points as they are.

    Raises:
        ShapeError: the two differ in shape, or are not (*batch, 21, 3).
        InputError: a predicted value is not finite, or a true one infinite.
    """
    return distances(*checked_pair(predicted, true))


def distances(predicted: Array, true: Array) -> Array:
    """Return how far points (*batch, point, 3) [m] are apart (*batch, point) [mm]."""
    return np.asarray(np.linalg.norm(predicted - true, axis=-1) * MM_PER_M)


def mpjpe_absolute(predicted: npt.ArrayLike, true: npt.ArrayLike) -> Errors:
    """Return the mean joint error (*batch,) [mm] in the camera frame, nothing aligned."""
    return mean_known(joint_errors(predicted, true))


def mpjpe_root(predicted: npt.ArrayLike, true: npt.ArrayLike) -> Errors:
    """Return the mean joint error (*batch,) [mm] with both wrists at the origin.

    The wrist counts among the 21 joints, with error 0. Without a known wrist it is NaN.
    """
    predicted, true = checked_pair(predicted, true)
    return mean_known(distances(fit_root(predicted, true).apply(predicted), true))


def mpjpe_scaled(predicted: npt.ArrayLike, true: npt.ArrayLike) -> Errors:
    """Return the mean joint error (*batch,) [mm], wrists at the origin, at the true hand's scale.

    The predicted hand is scaled so that its wrist to middle MCP is as long as the true one's.

    Raises:
        InputError: a hand whose wrist and middle MCP coincide has no scale; or as `joint_errors`.
    """
    predicted, true = checked_pair(predicted, true)
    return mean_known(distances(fit_bone(predicted, true).apply(predicted), true))


def pa_mpjpe(predicted: npt.ArrayLike, true: npt.ArrayLike) -> Errors:
    """Return the mean joint error (*batch,) [mm] after the best similarity alignment.

    Rotation, translation and scale of the predicted hand are fitted to the true one by least
    squares; reflections are not allowed.

    Raises:
        InputError: all points of a hand coincide; or as `joint_errors`.

    Source: Umeyama 1991.
    """
    predicted, true = checked_pair(predicted, true)
    return mean_known(distances(align_similarity(predicted, true), true))


def root_place_error(
    predicted: npt.ArrayLike,
    true: npt.ArrayLike,
    predicted_other: npt.ArrayLike,
    true_other: npt.ArrayLike,
) -> Errors:
    """Return how far off one wrist is from the other (*batch,) [mm]: MRRPE is its mean.

    Args:
        predicted: (*batch, 21, 3) [m], camera frame, one hand of a pair.
        true: likewise.
        predicted_other: the other hand; the error is the same either way round.
        true_other: likewise.

    Source: Moon et al. 2020, InterHand2.6M, section 6: mean relative-root position error.
    """
    first = checked_pair(predicted, true)
    second = checked_pair(predicted_other, true_other)
    guess, truth = (a[..., 0, :] - b[..., 0, :] for a, b in zip(first, second, strict=True))
    return np.asarray(np.linalg.norm(guess - truth, axis=-1) * MM_PER_M)[()]


def pck(errors_mm: npt.ArrayLike, thresholds_mm: npt.ArrayLike) -> Array:
    """Return the share of joints (threshold,) whose error is at most each threshold [mm].

    `errors_mm` is what `joint_errors` made of the points, aligned as the protocol at hand says;
    those that are NaN are not known and not counted.

    Raises:
        InputError: no error is known, or one is infinite.
    """
    errors = np.asarray(errors_mm, dtype=np.float64).ravel()
    known = errors[~np.isnan(errors)]
    if known.size == 0 or np.isinf(known).any():
        raise InputError(f"errors_mm must be finite numbers, at least one; {known.size} came")
    thresholds = np.asarray(thresholds_mm, dtype=np.float64)
    return np.searchsorted(np.sort(known), thresholds, side="right") / known.size


def pck_auc(
    errors_mm: npt.ArrayLike, low_mm: float = AUC_RANGE_MM[0], high_mm: float = AUC_RANGE_MM[1]
) -> float:
    """Return the area under the PCK curve between two thresholds, 0 to 1 (trapezoids)."""
    if not 0.0 <= low_mm < high_mm:
        raise InputError(f"PCK thresholds are {low_mm}, {high_mm}; they must rise from 0 or more")
    return area(pck(errors_mm, np.linspace(low_mm, high_mm, AUC_STEPS)))


def area(curve: npt.ArrayLike) -> float:
    """Return the area under a curve at evenly spaced places (trapezoids), over its width."""
    values = np.asarray(curve, np.float64)
    return float((values[1:] + values[:-1]).mean() / 2.0)


def acceleration(points: npt.ArrayLike, rate_hz: float | None = None) -> Array:
    """Return each frame's mean joint acceleration (frame - 2,) of a sequence (frame, 21, 3).

    The second difference of consecutive frames: in mm per frame squared, or, with a frame rate, in
    mm/s^2. Without ground truth, on calm motion, this is the jitter.
    """
    points = checked_sequence(points, "points")
    return np.asarray(np.linalg.norm(_second_difference(points, rate_hz), axis=-1).mean(-1))


def acceleration_error(
    predicted: npt.ArrayLike, true: npt.ArrayLike, rate_hz: float | None = None
) -> Array:
    """Return the mean distance (frame - 2,) between estimated and true joint accelerations.

    Both are sequences (frame, 21, 3) in the same frame of reference; in mm per frame squared, or,
    with a frame rate, in mm/s^2. Joints that are not known in all three frames are passed over.

    Source: Kanazawa et al. 2019, Learning 3D human dynamics from video, section 5.
    """
    predicted, true = checked_pair(predicted, true)
    if true.ndim != 3 or len(true) < 3:
        raise ShapeError(f"points have shape {true.shape}; a sequence is (3 or more, 21, 3)")
    difference = _second_difference(predicted - true, rate_hz)
    return np.asarray(mean_known(np.linalg.norm(difference, axis=-1)))


def _second_difference(points: Array, rate_hz: float | None) -> Array:
    return np.diff(points, n=2, axis=0) * MM_PER_M * (1.0 if rate_hz is None else rate_hz**2)
