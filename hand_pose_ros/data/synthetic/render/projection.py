"""Clip matrices of the camera and of the lamp, and depths back from clip space."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from hand_pose_ros.data.synthetic.render.solids import cross
from hand_pose_ros.hand.camera import Camera

NEAR, FAR = 0.03, 5.0
"""What is drawn lies between these depths [m]."""


def camera_matrix(camera: Camera) -> npt.NDArray[np.float64]:
    """Return the clip matrix (4, 4) under which the first row read is the top of the image."""
    K, width, height = camera.K, camera.width, camera.height
    depth = (FAR + NEAR) / (FAR - NEAR)
    return np.array(
        [
            [2 * K[0, 0] / width, 2 * K[0, 1] / width, (2 * K[0, 2] + 1) / width - 1, 0],
            [0, 2 * K[1, 1] / height, (2 * K[1, 2] + 1) / height - 1, 0],
            [0, 0, depth, -2 * FAR * NEAR / (FAR - NEAR)],
            [0, 0, 1, 0],
        ]
    )


def window_from_depth(depth: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return what a depth buffer holds (0 near, 1 far) at z [m]; 1 where z is 0, for nothing."""
    scale = np.float32(1 / (1 / NEAR - 1 / FAR))
    inverse = 1 / np.where(depth > 0, depth, np.float32(FAR))
    window = (np.float32(1 / NEAR) - inverse) * scale
    return np.where(depth > 0, window, np.float32(1.0))


def light_matrix(
    points: npt.NDArray[np.floating], direction: tuple[float, float, float]
) -> tuple[npt.NDArray[np.float64], float]:
    """Return the parallel projection (4, 4) that sees all points (N, 3) from the lamp.

    The second result is half of the length [m] that its depths and sides span.
    """
    if not len(points):
        points = np.zeros((1, 3))
    columns = np.ascontiguousarray(points.T)
    middle = (columns.min(1) + columns.max(1)) / 2
    spread = columns - middle[:, None]
    radius = max(math.sqrt(np.einsum("ij,ij->j", spread, spread).max()), 1e-3)
    forward = -np.asarray(direction, float)
    forward /= np.linalg.norm(forward)
    side = cross(forward, np.eye(3)[1 if abs(forward[1]) < 0.9 else 0])
    side /= np.linalg.norm(side)
    axes = np.stack((side, cross(forward, side), forward)) / radius
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = axes, -axes @ middle
    return matrix, radius
