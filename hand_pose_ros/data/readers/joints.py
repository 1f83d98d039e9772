"""Joints in a dataset's own order brought into ours, and the hand that they make."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from hand_pose_ros.data.boxes import box_around
from hand_pose_ros.data.sample import LabelledHand
from hand_pose_ros.errors import InputError
from hand_pose_ros.hand.camera import Camera
from hand_pose_ros.hand.skeleton import KEYPOINTS

Array = npt.NDArray[np.float64]

UNKNOWN = -1
"""Place of a joint that a dataset does not have."""


def places(order: Sequence[str]) -> tuple[int, ...]:
    """Return where each of `skeleton.KEYPOINTS` stands in a dataset's order; `UNKNOWN` if nowhere.

    Args:
        order: names of the dataset's joints in its order; one that we do not have (such as a palm
            centre) has any other name.

    Raises:
        InputError: a name stands there twice.
    """
    if len(set(order)) != len(order):
        raise InputError(f"order is {tuple(order)}; no joint may stand in it twice")
    return tuple(order.index(name) if name in order else UNKNOWN for name in KEYPOINTS)


def reordered(joints: npt.NDArray[Any], joint_places: Sequence[int]) -> npt.NDArray[Any]:
    """Return joints (n, ...) in the order of `skeleton.KEYPOINTS`: (21, ...).

    A joint that the dataset does not have is NaN, or False where the joints are bool.
    """
    index = np.asarray(joint_places)
    ours = joints[np.maximum(index, 0)]
    ours[index == UNKNOWN] = False if ours.dtype == bool else np.nan
    return ours


def labelled_hand(
    side: str | None,
    keypoints: Array | None,
    camera: Camera | None,
    *,
    keypoints_px: Array | None = None,
    visible: npt.NDArray[np.bool_] | None = None,
    box: tuple[float, float, float, float] | None = None,
    vertices: Array | None = None,
) -> LabelledHand:
    """Return a hand; pixels and box that a dataset does not give are worked out.

    Args:
        side: as for `LabelledHand`, like all that follow.
        keypoints: (21, 3) [m].
        camera: projects the keypoints where `keypoints_px` is None; None leaves them None.
        keypoints_px: (21, 2) [px], where the dataset has its own.
        visible: (21,).
        box: x, y, width, height [px]; where None, that around the known pixels.
        vertices: (V, 3) [m].
    """
    if keypoints_px is None and keypoints is not None and camera is not None:
        keypoints_px = camera.project(keypoints)
    labelled = box is not None
    if box is None and keypoints_px is not None:
        box = box_of(keypoints_px)
    return LabelledHand(side, keypoints, keypoints_px, visible, box, vertices, labelled)


def box_of(points_px: Array) -> tuple[float, float, float, float] | None:
    """Return x, y, width, height around the known of points (n, 2); None where they span none."""
    known = points_px[np.isfinite(points_px).all(axis=-1)]
    if len(known) < 2:
        return None
    x, y, width, height = box_around(known).tolist()
    return (x, y, width, height) if width > 0 and height > 0 else None
