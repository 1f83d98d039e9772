"""Forward kinematics of the few hands of an image on numpy: `kinematics` without its start-up.

PyTorch takes microseconds to begin each operation, which for one hand is nearly all of its time.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from hand_pose_ros.hand import skeleton
from hand_pose_ros.hand.kinematics import EULER_SLOTS, FROM_LEVELS

Array = npt.NDArray[np.float64]

MIRROR_POINTS = np.array((-1.0, 1.0, 1.0))
"""Factor that makes points in the camera's axes those of the mirror image."""
MIRROR_FRAMES = MIRROR_POINTS[:, None] * np.array((1.0, -1.0, 1.0))
"""Factor that makes a hand's frames those of its mirror image: `kinematics.mirror_rotation`."""

_LEVELS = np.array(skeleton.LEVELS)
"""(4, 5) nodes by depth: all fingers are chains of as many bones."""
_SLOTS = np.array(EULER_SLOTS).reshape(-1, 3)[_LEVELS.ravel() - 1].T
"""(3, 20) which input feeds yaw, pitch and roll of the nodes in that order."""
_FROM_LEVELS = np.array(FROM_LEVELS)
_SIGNS = np.array(((-1.0, 1.0), (1.0, -1.0)))[..., None]


def place_joints(
    root_rotation: Array, articulation: Array, bone_lengths: Array, offsets: Array
) -> tuple[Array, Array]:
    """Return positions (21, 3) and rotations (21, 3, 3) of a hand, as `forward_kinematics`.

    Args:
        root_rotation: (3, 3) wrist frame to camera frame.
        articulation: (23,) [rad].
        bone_lengths: (20,).
        offsets: (15,) [rad].
    """
    slots = np.concatenate((articulation, offsets, (0.0,)))
    rotations, positions = np.empty((1 + _LEVELS.size, 3, 3)), np.zeros((1 + _LEVELS.size, 3))
    rotations[0] = root_rotation
    levels = rotations[1:].reshape(*_LEVELS.shape, 3, 3)
    before = rotations[:1]
    for level, turns in zip(levels, _matrices(slots[_SLOTS]).reshape(levels.shape), strict=True):
        before = np.matmul(before, turns, out=level)
    steps = levels[..., 0] * bone_lengths[_LEVELS - 1, None]
    steps.cumsum(axis=0, out=positions[1:].reshape(steps.shape))
    return positions[_FROM_LEVELS], rotations[_FROM_LEVELS]


def euler_angles(rotation: Array) -> Array:
    """Return (yaw, pitch, roll) [rad] of a rotation (3, 3), as `rotations.euler_from_matrix`."""
    ((a, b, _), (c, d, _), (e, f, g)) = rotation.tolist()
    sine = min(max(-e, -1.0), 1.0)
    if abs(sine) > 1.0 - 1e-6:
        return np.array((math.atan2(-b, d), math.asin(sine), 0.0))
    return np.array((math.atan2(c, a), math.asin(sine), math.atan2(f, g)))


def quaternion(rotation: Array) -> tuple[float, float, float, float]:
    """Return the unit quaternion x, y, z, w, with w >= 0, of a rotation (3, 3).

    Source: Shepperd 1978: from the largest of its parts, which no rounding spoils.
    """
    ((a, b, c), (d, e, f), (g, h, i)) = rotation.tolist()
    parts = (1.0 + a - e - i, 1.0 - a + e - i, 1.0 - a - e + i, 1.0 + a + e + i)
    largest = parts.index(max(parts))
    x, y, z, w = (
        (parts[0], b + d, c + g, h - f),
        (b + d, parts[1], f + h, c - g),
        (c + g, f + h, parts[2], d - b),
        (h - f, c - g, d - b, parts[3]),
    )[largest]
    length = math.copysign(math.sqrt(x * x + y * y + z * z + w * w), w)
    return x / length, y / length, z / length, w / length


def _matrices(angles: Array) -> Array:
    """Return rotations (n, 3, 3) of yaw, pitch and roll (3, n), as `rotations.matrix_from_euler`.

    With u = (cos yaw, sin yaw) and v = (sin roll, cos roll) the upper right of a rotation is
    u v sin pitch, plus or minus the same of the other u and the other v.
    """
    (cz, cy, cx), (sz, sy, sx) = np.cos(angles), np.sin(angles)
    u, v = np.stack((cz, sz)), np.stack((sx, cx))
    products = u[:, None] * v
    matrices = np.empty((angles.shape[1], 3, 3))
    rows = matrices.transpose(1, 2, 0)
    rows[:2, 0], rows[2, 0], rows[2, 1:] = u * cy, -sy, v * cy
    rows[:2, 1:] = products * sy + _SIGNS * products[::-1, ::-1]
    return matrices
