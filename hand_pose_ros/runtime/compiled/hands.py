"""Loops over hands: what lies between two matrix products of the IK-MLP, and FK."""

from __future__ import annotations

import numpy as np

from hand_pose_ros.hand import skeleton
from hand_pose_ros.hand.kinematics import EULER_SLOTS
from hand_pose_ros.hand.rotations import SQUARINGS
from hand_pose_ros.models.heads import FROM_ANCHOR_FIRST, PALM
from hand_pose_ros.runtime.compiled.jit import EPSILON, Array, Wide, compiled

ANGLES, OFFSETS = len(skeleton.ARTICULATION), len(skeleton.OFFSETS)
BONES, POINTS = len(skeleton.BONES), len(skeleton.KEYPOINTS)
_PARENTS, _SLOTS = np.array(skeleton.PARENTS), np.array(EULER_SLOTS).reshape(BONES, 3)
_WRIST, _INDEX, _MIDDLE, _LITTLE = PALM
_FROM_ANCHOR_FIRST = np.array(FROM_ANCHOR_FIRST)
_TINY = np.float32(1e-12)
_ONE, _TWO = np.float32(1.0), np.float32(2.0)


@compiled
def seen_from_palm(points: Array, palms: Array, features: Array) -> None:
    """Write the frame of each palm, and the points in it.

    Args:
        points: (hand, 21, 3).
        palms: (hand, 3, 3) what `models.heads.palm_frame` says of them, written.
        features: (hand, 63) written.
    """
    x, y = np.empty(3, np.float32), np.empty(3, np.float32)
    for h in range(points.shape[0]):
        for axis in range(3):
            x[axis] = points[h, _MIDDLE, axis] - points[h, _WRIST, axis]
            y[axis] = points[h, _INDEX, axis] - points[h, _LITTLE, axis]
        _shorten(x)
        along = x[0] * y[0] + x[1] * y[1] + x[2] * y[2]
        for axis in range(3):
            y[axis] -= along * x[axis]
        _shorten(y)
        for axis in range(3):
            after, last = (axis + 1) % 3, (axis + 2) % 3
            palms[h, axis, 0], palms[h, axis, 1] = x[axis], y[axis]
            palms[h, axis, 2] = x[after] * y[last] - x[last] * y[after]
        for p in range(POINTS):
            for axis in range(3):
                total = np.float32(0.0)
                for k in range(3):
                    total += points[h, p, k] * palms[h, k, axis]
                features[h, 3 * p + axis] = total


@compiled
def layer_norm(x: Array, weight: Array, shift: Array, out: Array) -> None:
    """Write rows (hand, feature) of mean 0 and variance 1, scaled and shifted."""
    width = x.shape[1]
    for h in range(x.shape[0]):
        total, squares = np.float32(0.0), np.float32(0.0)
        for i in range(width):
            total += x[h, i]
        mean = total / np.float32(width)
        for i in range(width):
            squares += (x[h, i] - mean) * (x[h, i] - mean)
        scale = _ONE / np.sqrt(squares / np.float32(width) + np.float32(EPSILON))
        for i in range(width):
            out[h, i] = (x[h, i] - mean) * scale * weight[i] + shift[i]


@compiled
def hands_of(
    read: Array,
    palms: Array,
    limits: Array,
    roots: Array,
    articulation: Array,
    lengths: Array,
    offsets: Array,
) -> None:
    """Write the hands that a head says, see `models.heads.KinematicHead`.

    Args:
        read: (hand, 9 + limited) what it says: a matrix, then angles, offsets and ratios.
        palms: (hand, 3, 3) frames in which it says so.
        limits: (limited, 2) of those that have limits.
        roots: (hand, 3, 3) written, as are the others.
        articulation: (hand, 23).
        lengths: (hand, 20).
        offsets: (hand, 15).
    """
    turn, limited = np.empty((3, 3), np.float32), np.empty(limits.shape[0], np.float32)
    for h in range(read.shape[0]):
        _nearest_rotation(read, h, turn)
        _multiplied(palms[h], turn, roots[h])
        for i in range(limits.shape[0]):
            unit = (np.sin(read[h, 9 + i]) + _ONE) / _TWO
            limited[i] = unit * (limits[i, 1] - limits[i, 0]) + limits[i, 0]
        for i in range(ANGLES):
            articulation[h, i] = limited[i]
        for i in range(OFFSETS):
            offsets[h, i] = limited[ANGLES + i]
        for bone in range(BONES):
            place = _FROM_ANCHOR_FIRST[bone]
            lengths[h, bone] = limited[ANGLES + OFFSETS + place - 1] if place > 0 else _ONE


@compiled
def joints_of(
    roots: Array, articulation: Array, lengths: Array, offsets: Array, joints: Array
) -> None:
    """Write the joints (hand, 21, 3) about the wrist, as `hand.kinematics` places them."""
    rotations = np.empty((POINTS, 3, 3), np.float32)
    local = np.empty((3, 3), np.float32)
    inputs = np.zeros(ANGLES + OFFSETS + 1, np.float32)  # the last is where nothing turns
    for h in range(roots.shape[0]):
        for i in range(ANGLES):
            inputs[i] = articulation[h, i]
        for i in range(OFFSETS):
            inputs[ANGLES + i] = offsets[h, i]
        for i in range(3):
            joints[h, 0, i] = np.float32(0.0)
            for j in range(3):
                rotations[0, i, j] = roots[h, i, j]
        for bone in range(BONES):
            node, parent = bone + 1, _PARENTS[bone + 1]
            _from_euler(inputs, bone, local)
            _multiplied(rotations[parent], local, rotations[node])
            for i in range(3):
                step = rotations[node, i, 0] * lengths[h, bone]
                joints[h, node, i] = joints[h, parent, i] + step


FIELDS = {
    "root_rotation": (3, 3),
    "articulation": (ANGLES,),
    "ratios": (BONES,),
    "offsets": (OFFSETS,),
    "std": (POINTS,),
}
"""Shapes of what a hand is but for its hypotheses, in this order."""


def memory_size(hands: int) -> int:
    """Return how many numbers `fields_of` writes beside its answer for so many hands."""
    return hands * (9 + ANGLES + BONES + OFFSETS + 3 * POINTS)


@compiled
def fields_of(
    read: Array, palms: Array, limits: Array, R: Array, memory: Array, fields: Wide
) -> None:
    """Write the fields of a hand.

    Args:
        read: (1 + hypothesis, 9 + limited), see `hands_of`, as the next two.
        palms: (1 + hypothesis, 3, 3).
        limits: (limited, 2).
        R: (3, 3); all is turned by its transpose.
        memory: of `memory_size`, written.
        fields: `FIELDS` and then the hypotheses (hypothesis, 21, 3), written.
    """
    count = read.shape[0]
    ends = count * np.array((9, ANGLES, BONES, OFFSETS, 3 * POINTS)).cumsum()
    roots = memory[: ends[0]].reshape((count, 3, 3))
    articulation = memory[ends[0] : ends[1]].reshape((count, ANGLES))
    lengths = memory[ends[1] : ends[2]].reshape((count, BONES))
    offsets = memory[ends[2] : ends[3]].reshape((count, OFFSETS))
    placed = memory[ends[3] : ends[4]].reshape((count, POINTS, 3))
    hands_of(read, palms, limits, roots, articulation, lengths, offsets)
    joints_of(roots, articulation, lengths, offsets, placed)
    for i in range(3):
        for j in range(3):
            total = np.float32(0.0)
            for k in range(3):
                total += R[k, i] * roots[0, k, j]
            fields[3 * i + j] = total
    start = 9
    for field in (articulation[0], lengths[0], offsets[0]):
        for i in range(len(field)):
            fields[start + i] = field[i]
        start += len(field)
    std = fields[start : start + POINTS]
    hypotheses = fields[start + POINTS :].reshape((count - 1, POINTS, 3))
    turned_with_spread(placed, R, hypotheses, std)


@compiled
def turned_with_spread(placed: Array, R: Array, hypotheses: Wide, std: Wide) -> None:
    """Write all joints but those of the first hand, turned, and how far they spread.

    Args:
        placed: (1 + hypothesis, 21, 3).
        R: (3, 3); joints are turned by its transpose.
        hypotheses: (hypothesis, 21, 3) written.
        std: (21,) root of the summed variances, written.
    """
    count = hypotheses.shape[0]
    for p in range(placed.shape[1]):
        variance = np.float32(0.0)
        for axis in range(3):
            mean = np.float32(0.0)
            for h in range(count):
                mean += placed[1 + h, p, axis] / np.float32(count)
            for h in range(count):
                beside = placed[1 + h, p, axis] - mean
                variance += beside * beside / np.float32(count)
                total = np.float32(0.0)
                for k in range(3):
                    total += placed[1 + h, p, k] * R[k, axis]
                hypotheses[h, p, axis] = total
        std[p] = np.sqrt(variance)


@compiled
def _shorten(vector: Array) -> None:
    """Scale a vector of three to length 1."""
    squares = vector[0] * vector[0] + vector[1] * vector[1] + vector[2] * vector[2]
    length = max(np.sqrt(squares), _TINY)
    for axis in range(3):
        vector[axis] /= length


@compiled
def _from_euler(inputs: Array, bone: int, out: Array) -> None:
    """Write the rotation of a bone, as `hand.rotations.matrix_from_euler`."""
    yaw, pitch, roll = inputs[_SLOTS[bone, 0]], inputs[_SLOTS[bone, 1]], inputs[_SLOTS[bone, 2]]
    cz, cy, cx = np.cos(yaw), np.cos(pitch), np.cos(roll)
    sz, sy, sx = np.sin(yaw), np.sin(pitch), np.sin(roll)
    out[0, 0], out[0, 1], out[0, 2] = cz * cy, cz * sy * sx - sz * cx, cz * sy * cx + sz * sx
    out[1, 0], out[1, 1], out[1, 2] = sz * cy, sz * sy * sx + cz * cx, sz * sy * cx - cz * sx
    out[2, 0], out[2, 1], out[2, 2] = -sy, cy * sx, cy * cx


@compiled
def _scaled(matrix: Array) -> None:
    """Scale a 4x4 matrix to a Frobenius norm of 1."""
    squares = np.float32(0.0)
    for i in range(4):
        for j in range(4):
            squares += matrix[i, j] * matrix[i, j]
    norm = max(np.sqrt(squares), np.float32(1e-20))
    for i in range(4):
        for j in range(4):
            matrix[i, j] /= norm


@compiled
def _multiplied(first: Array, second: Array, out: Array) -> None:
    """Write the product of two square matrices; it is neither of them."""
    size = first.shape[0]
    for i in range(size):
        for j in range(size):
            total = np.float32(0.0)
            for k in range(size):
                total += first[i, k] * second[k, j]
            out[i, j] = total


@compiled
def _nearest_rotation(read: Array, h: int, out: Array) -> None:
    """Write the rotation nearest to the matrix in a row, as `hand.rotations.nearest_rotation`."""
    xx, xy, xz = read[h, 0], read[h, 1], read[h, 2]
    yx, yy, yz = read[h, 3], read[h, 4], read[h, 5]
    zx, zy, zz = read[h, 6], read[h, 7], read[h, 8]
    powers, squares = np.empty((4, 4), np.float32), np.empty((4, 4), np.float32)
    powers[0, 0], powers[1, 1] = xx + yy + zz, xx - yy - zz
    powers[2, 2], powers[3, 3] = yy - xx - zz, zz - xx - yy
    powers[0, 1], powers[0, 2], powers[0, 3] = zy - yz, xz - zx, yx - xy
    powers[1, 2], powers[1, 3], powers[2, 3] = xy + yx, zx + xz, yz + zy
    for i in range(4):
        for j in range(i):
            powers[i, j] = powers[j, i]
    _scaled(powers)
    for i in range(4):
        powers[i, i] += _ONE
    for _ in range(SQUARINGS // 2):
        _multiplied(powers, powers, squares)
        _multiplied(squares, squares, powers)
        _scaled(powers)
    best = 0
    for i in range(1, 4):
        if powers[i, i] > powers[best, best]:
            best = i
    w, x, y, z = powers[0, best], powers[1, best], powers[2, best], powers[3, best]
    length = max(np.sqrt(w * w + x * x + y * y + z * z), _TINY)
    w, x, y, z = w / length, x / length, y / length, z / length
    out[0, 0], out[1, 1] = _ONE - _TWO * (y * y + z * z), _ONE - _TWO * (x * x + z * z)
    out[2, 2] = _ONE - _TWO * (x * x + y * y)
    out[0, 1], out[1, 0] = _TWO * (x * y - w * z), _TWO * (x * y + w * z)
    out[0, 2], out[2, 0] = _TWO * (x * z + w * y), _TWO * (x * z - w * y)
    out[1, 2], out[2, 1] = _TWO * (y * z - w * x), _TWO * (y * z + w * x)
