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

_LEVELS = [np.array(nodes) - 1 for nodes in skeleton.LEVELS]


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
    local = _matrices(slots[EULER_SLOTS].reshape(-1, 3))
    rotations, positions = root_rotation[None], np.zeros((1, 3))
    level_rotations, level_positions = [rotations], [positions]
    for nodes in _LEVELS:
        rotations = rotations @ local[nodes]
        positions = positions + rotations[..., 0] * bone_lengths[nodes, None]
        level_rotations.append(rotations)
        level_positions.append(positions)
    return (
        np.concatenate(level_positions)[FROM_LEVELS],
        np.concatenate(level_rotations)[FROM_LEVELS],
    )


def euler_angles(rotation: Array) -> Array:
    """Return (yaw, pitch, roll) [rad] of a rotation (3, 3), as `rotations.euler_from_matrix`."""
    ((a, b, _), (c, d, _), (e, f, g)) = rotation.tolist()
    sine = min(max(-e, -1.0), 1.0)
    if abs(sine) > 1.0 - 1e-6:
        return np.array((math.atan2(-b, d), math.asin(sine), 0.0))
    return np.array((math.atan2(c, a), math.asin(sine), math.atan2(f, g)))


def _matrices(angles: Array) -> Array:
    """Return rotations (n, 3, 3) of (yaw, pitch, roll), as `rotations.matrix_from_euler`."""
    (cz, cy, cx), (sz, sy, sx) = np.cos(angles).T, np.sin(angles).T
    rows = (
        *(cz * cy, cz * sy * sx - sz * cx, cz * sy * cx + sz * sx),
        *(sz * cy, sz * sy * sx + cz * cx, sz * sy * cx - cz * sx),
        *(-sy, cy * sx, cy * cx),
    )
    return np.stack(rows, axis=-1).reshape(-1, 3, 3)
