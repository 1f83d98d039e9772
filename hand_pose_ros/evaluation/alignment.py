"""What is taken away from an estimate before it is measured: place, size, direction.

All fits take points (*batch, point, 3) [m] and return what moves the predicted ones onto the true
ones. Points of which the truth is NaN take no part. A hand that lacks what a fit needs, such as
its root, gets a fit of NaN: it cannot be scored.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hand_pose_ros.errors import InputError
from hand_pose_ros.evaluation.points import Array, checked_pair, first_marked
from hand_pose_ros.hand.skeleton import KEYPOINTS

WRIST = KEYPOINTS.index("wrist")
MIDDLE_MCP = KEYPOINTS.index("middle_mcp")
MIDDLE_PIP = KEYPOINTS.index("middle_pip")
RING_MCP = KEYPOINTS.index("ring_mcp")

Root = tuple[int, ...]
"""Keypoints whose middle is put at the origin."""

Bone = tuple[int, int]
"""The keypoints at its two ends."""

LEAST_POINTS = 3
"""Points below which a similarity is not determined."""


@dataclass(frozen=True)
class Similarity:
    """Scales, turns and then moves points.

    Attributes:
        scale: (*batch,).
        rotation: (*batch, 3, 3).
        translation: (*batch, 3) [m].
    """

    scale: Array
    rotation: Array
    translation: Array

    def apply(self, points: npt.ArrayLike) -> Array:
        """Return points (*batch, point, 3) moved."""
        turned = np.asarray(points, np.float64) @ np.swapaxes(self.rotation, -1, -2)
        scale = np.asarray(self.scale)[..., None, None]
        return np.asarray(scale * turned + self.translation[..., None, :])


def fit_root(predicted: npt.ArrayLike, true: npt.ArrayLike, root: Root = (WRIST,)) -> Similarity:
    """Return the shift that puts the predicted root onto the true one."""
    predicted, true = checked_pair(predicted, true)
    return _about_root(predicted, true, root, np.ones(true.shape[:-2]))


def fit_bone(
    predicted: npt.ArrayLike,
    true: npt.ArrayLike,
    root: Root = (WRIST,),
    bone: Bone = (WRIST, MIDDLE_MCP),
) -> Similarity:
    """Return the scale that makes a bone as long as the true one, and the shift of the root.

    Raises:
        InputError: a hand whose bone has no length; or as `checked_pair`.
    """
    predicted, true = checked_pair(predicted, true)
    lengths = []
    for name, points in (("predicted", predicted), ("true", true)):
        length = np.linalg.norm(points[..., bone[1], :] - points[..., bone[0], :], axis=-1)
        if (length <= 0.0).any():
            raise InputError(
                f"{name} hand {first_marked(length <= 0.0)} has its {KEYPOINTS[bone[1]]} on its "
                f"{KEYPOINTS[bone[0]]}"
            )
        lengths.append(length)
    return _about_root(predicted, true, root, np.asarray(lengths[1] / lengths[0]))


def fit_similarity(
    predicted: npt.ArrayLike, true: npt.ArrayLike, points: int | None = len(KEYPOINTS)
) -> Similarity:
    """Return the scale, rotation and shift with the least squares of what remains.

    Reflections are not allowed. With fewer than `LEAST_POINTS` known points it is NaN.

    Args:
        predicted: (*batch, point, 3) [m].
        true: likewise.
        points: how many there must be; None for any number, as of a surface.

    Raises:
        InputError: all points of a hand coincide; or as `checked_pair`.

    Source: Umeyama 1991, equations 40 to 43.
    """
    predicted, true = checked_pair(predicted, true, points)
    known = ~np.isnan(true[..., 0])
    count = known.sum(-1)
    enough = np.asarray(count >= LEAST_POINTS)
    share = (known / np.maximum(count, 1)[..., None])[..., None]
    guess, truth = np.nan_to_num(predicted), np.nan_to_num(true)
    mean_guess = (guess * share).sum(-2, keepdims=True)
    mean_truth = (truth * share).sum(-2, keepdims=True)
    source = (guess - mean_guess) * known[..., None]
    target = (truth - mean_truth) * known[..., None]
    spread = np.asarray(np.square(source).sum((-2, -1)))
    _refuse_one_place(spread, enough, "predicted")
    _refuse_one_place(np.asarray(np.square(target).sum((-2, -1))), enough, "true")
    left, stretch, right = np.linalg.svd(np.swapaxes(target, -1, -2) @ source)
    sign = np.where(np.linalg.det(left @ right) < 0.0, -1.0, 1.0)
    left[..., :, 2] *= sign[..., None]
    stretch[..., 2] *= sign
    rotation = left @ right
    scale = np.where(enough, stretch.sum(-1) / np.where(spread > 0.0, spread, 1.0), np.nan)
    moved = (mean_guess @ np.swapaxes(rotation, -1, -2))[..., 0, :]
    return Similarity(scale, rotation, mean_truth[..., 0, :] - scale[..., None] * moved)


def align_similarity(predicted: npt.ArrayLike, true: npt.ArrayLike) -> Array:
    """Return the predicted points (*batch, 21, 3) [m] moved, turned and scaled onto the true ones.

    Raises:
        InputError: as `fit_similarity`.
    """
    return fit_similarity(predicted, true).apply(predicted)


def _about_root(predicted: Array, true: Array, root: Root, scale: Array) -> Similarity:
    joints = list(root)
    shift = true[..., joints, :].mean(-2) - scale[..., None] * predicted[..., joints, :].mean(-2)
    rotation = np.broadcast_to(np.eye(3), (*true.shape[:-2], 3, 3))
    return Similarity(scale, rotation, shift)


def _refuse_one_place(spread: Array, enough: npt.NDArray[np.bool_], name: str) -> None:
    shrunk = (spread <= 1e-18) & enough
    if shrunk.any():
        raise InputError(f"{name} hand {first_marked(shrunk)} has all its points in one place")
