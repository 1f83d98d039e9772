"""The square around a hand, upright, that a landmark network is shown; and the way back."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt

from hand_pose_ros.data.boxes import box_around
from hand_pose_ros.hand import skeleton
from hand_pose_ros.runtime.detect import Detection

MARGIN = 1.7
"""Side of the square over the box around `_CROP_POINTS`. MediaPipe takes 2.0. On real hands the 2D
error of one view is 3.57, 3.54, 3.67, 3.85, 4.30 % of the hand's size at 1.6, 1.8, 2, 2.2, 2.5."""

SHIFT = 0.1
"""How far its centre lies from the box's towards the finger tips, in box heights (MediaPipe's)."""

_CROP_POINTS = (0, 1, 2, 3, 5, 6, 9, 10, 13, 14, 17, 18)
"""Keypoints around which MediaPipe crops: all but the outer finger joints."""

OTHER_SIDE = dict(zip(skeleton.SIDES, reversed(skeleton.SIDES), strict=True))
"""The side that a mirror shows, by the side."""


@dataclass(frozen=True)
class Region:
    """A square of an image that holds a hand.

    Attributes:
        x, y: its centre [px].
        side: length of its sides [px].
        turn: where its upright points: clockwise from the image's upright [rad].
    """

    x: float
    y: float
    side: float
    turn: float = 0.0

    @classmethod
    def of_keypoints(cls, keypoints_px: npt.NDArray[np.float64], margin: float = MARGIN) -> Region:
        """Return the region of keypoints (21, 2): fingers up, palm in its middle."""
        index, middle, ring = (keypoints_px[i] for i in (5, 9, 13))
        up = 0.25 * index + 0.5 * middle + 0.25 * ring - keypoints_px[0]
        turn = math.atan2(up[0], -up[1])
        c, s = math.cos(turn), math.sin(turn)
        to_upright = np.array([[c, s], [-s, c]])
        upright = keypoints_px[list(_CROP_POINTS)] @ to_upright.T
        x, y, width, height = box_around(upright)
        centre = to_upright.T @ (x + width / 2.0, y + (0.5 - SHIFT) * height)
        return cls(float(centre[0]), float(centre[1]), max(width, height, 1.0) * margin, turn)

    def turned(self, degrees: float) -> Region:
        """Return the region turned clockwise about its centre."""
        return replace(self, turn=self.turn + math.radians(degrees))

    def to_patch(self, size: int, mirrored: bool = False) -> npt.NDArray[np.float64]:
        """Return the 2x3 matrix from image pixels to the pixels of a square patch."""
        scale = size / self.side
        c, s = math.cos(self.turn) * scale, math.sin(self.turn) * scale
        linear = np.array([[c, s], [-s, c]])
        if mirrored:
            linear[0] *= -1.0
        middle = np.full(2, (size - 1) / 2.0)
        return np.column_stack((linear, middle - linear @ (self.x, self.y)))


def warp(
    image_rgb: npt.NDArray[np.uint8],
    to_patch: npt.NDArray[np.float64],
    size: tuple[int, int],
    smooth_from: float = 1.5,
) -> npt.NDArray[np.uint8]:
    """Return the patch (size is width, height) of an image, black beyond it, without aliasing.

    The image is smoothed before if it shrinks by more than `smooth_from`.
    """
    shrink = 1.0 / patch_scale(to_patch)
    if shrink > smooth_from:
        deviation = 0.4 * shrink
        image_rgb, to_patch = _seen_part(image_rgb, to_patch, size, 3.0 * deviation)
        image_rgb = np.asarray(cv2.GaussianBlur(image_rgb, (0, 0), deviation), np.uint8)
    return np.asarray(cv2.warpAffine(image_rgb, to_patch, size, flags=cv2.INTER_LINEAR), np.uint8)


def _seen_part(
    image_rgb: npt.NDArray[np.uint8],
    to_patch: npt.NDArray[np.float64],
    size: tuple[int, int],
    margin: float,
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float64]]:
    """Return the part of an image that a patch shows, with so many pixels around, and its matrix.

    The whole image is returned where the patch shows nothing of it.
    """
    width, height = size
    corners = np.array(((0.0, 0.0), (width, 0.0), (0.0, height), (width, height)))
    at = out_of_patch(corners, to_patch)
    rows, columns = image_rgb.shape[:2]
    low = np.clip(np.floor(at.min(axis=0) - margin - 2.0), 0, (columns, rows)).astype(int)
    high = np.clip(np.ceil(at.max(axis=0) + margin + 2.0), 0, (columns, rows)).astype(int)
    if (high <= low).any():
        return image_rgb, to_patch
    moved = to_patch.copy()
    moved[:, 2] += to_patch[:, :2] @ low
    return image_rgb[low[1] : high[1], low[0] : high[0]], moved


def out_of_patch(
    points: npt.NDArray[np.float64], to_patch: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Return points (N, 2) of a patch as those of the image that it was taken from [px]."""
    return np.asarray((points - to_patch[:, 2]) @ np.linalg.inv(to_patch[:, :2]).T)


def patch_scale(to_patch: npt.NDArray[np.float64]) -> float:
    """Return how many pixels of a patch one of the image is long."""
    return math.sqrt(abs(np.linalg.det(to_patch[:, :2])))


def from_patch(detection: Detection, to_patch: npt.NDArray[np.float64]) -> Detection:
    """Return what was detected in a patch as a detection in the image that it was taken from."""
    linear = to_patch[:, :2]
    scale = patch_scale(to_patch)
    mirrored = np.linalg.det(linear) < 0.0
    keypoints = out_of_patch(detection.keypoints_px, to_patch)
    world = detection.world.copy()
    world[:, :2] = world[:, :2] @ (np.linalg.inv(linear) * scale).T
    return replace(
        detection,
        side=OTHER_SIDE[detection.side] if mirrored else detection.side,
        keypoints_px=keypoints,
        depth_px=detection.depth_px / scale,
        world=world,
        box=box_around(keypoints),
    )
