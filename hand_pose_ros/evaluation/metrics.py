"""Errors between estimated and true hands, per sample, in millimetres.

All take points in metres, (*batch, 21, 3) in the order of `skeleton.KEYPOINTS`, and compute in
float64. What is compared in which frame is the protocol; each docstring states it, and a number is
worth nothing without it.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from hand_pose_ros.errors import InputError, ShapeError
from hand_pose_ros.hand.skeleton import KEYPOINTS

MM_PER_M = 1000.0
WRIST = KEYPOINTS.index("wrist")
MIDDLE_MCP = KEYPOINTS.index("middle_mcp")

AUC_RANGE_MM = (20.0, 50.0)
"""The thresholds that PCK curves of hands are integrated between."""

AUC_STEPS = 100
"""Thresholds on the PCK curve, as in the evaluation scripts of Zimmermann and Brox 2017."""

Array = npt.NDArray[np.float64]
Errors = Array | np.float64  # one number per sample of a batch, or of one hand


def joint_errors(predicted: npt.ArrayLike, true: npt.ArrayLike) -> Array:
    """Return each joint's distance to its true place (*batch, 21) [mm], the points as they are.

    Raises:
        ShapeError: the two differ in shape, or are not (*batch, 21, 3).
        InputError: a value is not finite.
    """
    predicted, true = _checked_pair(predicted, true)
    return np.linalg.norm(predicted - true, axis=-1) * MM_PER_M


def mpjpe_absolute(predicted: npt.ArrayLike, true: npt.ArrayLike) -> Errors:
    """Return the mean joint error (*batch,) [mm] in the camera frame, nothing aligned."""
    return joint_errors(predicted, true).mean(-1)


def mpjpe_root(predicted: npt.ArrayLike, true: npt.ArrayLike) -> Errors:
    """Return the mean joint error (*batch,) [mm] with both wrists at the origin.

    The wrist counts among the 21 joints, with error 0.
    """
    return mpjpe_absolute(*_root_relative(predicted, true))


def mpjpe_scaled(predicted: npt.ArrayLike, true: npt.ArrayLike) -> Errors:
    """Return the mean joint error (*batch,) [mm], wrists at the origin, at the true hand's scale.

    The predicted hand is scaled so that its wrist to middle MCP is as long as the true one's.

    Raises:
        InputError: a hand whose wrist and middle MCP coincide has no scale; or as `joint_errors`.
    """
    predicted, true = _root_relative(predicted, true)
    return mpjpe_absolute(predicted * _anchor_scale(predicted, true), true)


def pa_mpjpe(predicted: npt.ArrayLike, true: npt.ArrayLike) -> Errors:
    """Return the mean joint error (*batch,) [mm] after the best similarity alignment.

    Rotation, translation and scale of the predicted hand are fitted to the true one by least
    squares; reflections are not allowed.

    Raises:
        InputError: all points of a hand coincide; or as `joint_errors`.

    Source: Umeyama 1991.
    """
    return mpjpe_absolute(align_similarity(predicted, true), true)


def align_similarity(predicted: npt.ArrayLike, true: npt.ArrayLike) -> Array:
    """Return the predicted points (*batch, 21, 3) [m] moved, turned and scaled onto the true ones.

    Raises:
        InputError: all points of a hand coincide; or as `joint_errors`.

    Source: Umeyama 1991, equations 40 to 43.
    """
    predicted, true = _checked_pair(predicted, true)
    mean_predicted = predicted.mean(-2, keepdims=True)
    mean_true = true.mean(-2, keepdims=True)
    source, target = predicted - mean_predicted, true - mean_true
    spread = np.square(source).sum((-2, -1))
    _refuse_points(spread, "predicted")
    _refuse_points(np.square(target).sum((-2, -1)), "true")
    left, stretch, right = np.linalg.svd(np.swapaxes(target, -1, -2) @ source)
    sign = np.sign(np.linalg.det(left @ right))
    left[..., :, 2] *= sign[..., None]
    stretch[..., 2] *= sign
    rotation = left @ right
    scale = (stretch.sum(-1) / spread)[..., None, None]
    return scale * source @ np.swapaxes(rotation, -1, -2) + mean_true


def pck(errors_mm: npt.ArrayLike, thresholds_mm: npt.ArrayLike) -> Array:
    """Return the share of joints (threshold,) whose error is at most each threshold [mm].

    `errors_mm` is what `joint_errors` made of the points, aligned as the protocol at hand says.
    """
    errors = np.asarray(errors_mm, dtype=np.float64).ravel()
    _refuse_empty_or_nan(errors, "errors_mm")
    thresholds = np.asarray(thresholds_mm, dtype=np.float64)
    return np.searchsorted(np.sort(errors), thresholds, side="right") / errors.size


def pck_auc(
    errors_mm: npt.ArrayLike, low_mm: float = AUC_RANGE_MM[0], high_mm: float = AUC_RANGE_MM[1]
) -> float:
    """Return the area under the PCK curve between two thresholds, 0 to 1 (trapezoids)."""
    if not 0.0 <= low_mm < high_mm:
        raise InputError(f"PCK thresholds are {low_mm}, {high_mm}; they must rise from 0 or more")
    thresholds = np.linspace(low_mm, high_mm, AUC_STEPS)
    curve = pck(errors_mm, thresholds)
    return float((curve[1:] + curve[:-1]).mean() / 2.0)


def acceleration(points: npt.ArrayLike, rate_hz: float | None = None) -> Array:
    """Return each frame's mean joint acceleration (frame - 2,) of a sequence (frame, 21, 3).

    The second difference of consecutive frames: in mm per frame squared, or, with a frame rate, in
    mm/s^2. Without ground truth, on calm motion, this is the jitter.
    """
    points = _checked_sequence(points, "points")
    return np.linalg.norm(_second_difference(points, rate_hz), axis=-1).mean(-1)


def acceleration_error(
    predicted: npt.ArrayLike, true: npt.ArrayLike, rate_hz: float | None = None
) -> Array:
    """Return the mean distance (frame - 2,) between estimated and true joint accelerations.

    Both are sequences (frame, 21, 3) in the same frame of reference; in mm per frame squared, or,
    with a frame rate, in mm/s^2.

    Source: Kanazawa et al. 2019, Learning 3D human dynamics from video, section 5.
    """
    predicted, true = _checked_pair(predicted, true)
    _checked_sequence(true, "points")
    difference = _second_difference(predicted - true, rate_hz)
    return np.linalg.norm(difference, axis=-1).mean(-1)


def _second_difference(points: Array, rate_hz: float | None) -> Array:
    return np.diff(points, n=2, axis=0) * MM_PER_M * (1.0 if rate_hz is None else rate_hz**2)


def _checked(values: npt.ArrayLike, name: str) -> Array:
    points = np.asarray(values, dtype=np.float64)
    if points.shape[-2:] != (len(KEYPOINTS), 3):
        raise ShapeError(f"{name} points have shape {points.shape}; they must be (*, 21, 3)")
    finite = np.isfinite(points)
    if not finite.all():
        where = tuple(int(i) for i in np.argwhere(~finite)[0])
        raise InputError(f"{name} points have a value that is not finite, the first at {where}")
    return points


def _checked_pair(predicted: npt.ArrayLike, true: npt.ArrayLike) -> tuple[Array, Array]:
    predicted, true = _checked(predicted, "predicted"), _checked(true, "true")
    if predicted.shape != true.shape:
        raise ShapeError(
            f"predicted points have shape {predicted.shape}, true points {true.shape}; "
            "they must be alike"
        )
    return predicted, true


def _checked_sequence(values: npt.ArrayLike, name: str) -> Array:
    points = _checked(values, name)
    if points.ndim != 3 or len(points) < 3:
        raise ShapeError(f"{name} have shape {points.shape}; a sequence is (3 or more, 21, 3)")
    return points


def _root_relative(predicted: npt.ArrayLike, true: npt.ArrayLike) -> tuple[Array, Array]:
    predicted, true = _checked_pair(predicted, true)
    return predicted - predicted[..., WRIST, None, :], true - true[..., WRIST, None, :]


def _anchor_scale(predicted: Array, true: Array) -> Array:
    lengths = []
    for name, points in (("predicted", predicted), ("true", true)):
        length = np.linalg.norm(points[..., MIDDLE_MCP, :], axis=-1)
        if (length <= 0.0).any():
            raise InputError(
                f"{name} hand {_first(length <= 0.0)} has its middle MCP on its wrist"
            )
        lengths.append(length)
    return (lengths[1] / lengths[0])[..., None, None]


def _refuse_points(spread: Errors, name: str) -> None:
    shrunk = spread <= 1e-18
    if np.any(shrunk):
        raise InputError(f"{name} hand {_first(shrunk)} has all its points in one place")


def _refuse_empty_or_nan(errors: Array, name: str) -> None:
    if errors.size == 0 or not np.isfinite(errors).all():
        raise InputError(f"{name} must be finite numbers, at least one; {errors.size} came")


def _first(mask: npt.ArrayLike) -> tuple[int, ...]:
    """Return the batch index of the first hand that is marked, () for a single hand."""
    return tuple(int(i) for i in np.argwhere(np.asarray(mask))[0])
