"""Forward kinematics of the few hands of an image in plain Python: `kinematics` for one hand.

PyTorch takes microseconds to begin each operation, which for one hand is nearly all of its time.
So does NumPy where the caches hold the networks that ran in between: it then took 0.29 ms for a
hand, plain numbers 0.20 ms.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from hand_pose_ros.hand import skeleton
from hand_pose_ros.hand.kinematics import EULER_SLOTS

Array = npt.NDArray[np.float64]

MIRROR_POINTS = np.array((-1.0, 1.0, 1.0))
"""Factor that makes points in the camera's axes those of the mirror image."""
MIRROR_FRAMES = MIRROR_POINTS[:, None] * np.array((1.0, -1.0, 1.0))
"""Factor that makes a hand's frames those of its mirror image: `kinematics.mirror_rotation`."""

_MIXED = ((0, 1), (2, 0), (1, 2))
"""Columns of a frame that yaw, pitch and roll mix."""


def _turns() -> list[list[tuple[int, int, int]]]:
    """Return for each node but the wrist which inputs turn which columns, in their order."""
    unused = len(skeleton.ARTICULATION) + len(skeleton.OFFSETS)
    rows = [EULER_SLOTS[start : start + 3] for start in range(0, len(EULER_SLOTS), 3)]
    return [
        [(slot, *mixed) for slot, mixed in zip(slots, _MIXED, strict=True) if slot != unused]
        for slots in rows
    ]


_TURNS = _turns()


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
    angles = (*articulation.tolist(), *offsets.tolist())
    frames, positions = [root_rotation.T.tolist()], [[0.0, 0.0, 0.0]]
    nodes = zip(skeleton.PARENTS[1:], _TURNS, bone_lengths.tolist(), strict=True)
    for parent, turns, length in nodes:
        frame = frames[parent].copy()
        for source, first, second in turns:
            c, s = math.cos(angles[source]), math.sin(angles[source])
            (x, y, z), (u, v, w) = frame[first], frame[second]
            frame[first] = [c * x + s * u, c * y + s * v, c * z + s * w]
            frame[second] = [c * u - s * x, c * v - s * y, c * w - s * z]
        (x, y, z), (u, v, w) = positions[parent], frame[0]
        positions.append([x + length * u, y + length * v, z + length * w])
        frames.append(frame)
    return np.array(positions), np.array(frames).swapaxes(1, 2).copy()


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
