"""Where on the hand what skin is: palm and back, knuckles, creases and nails.

Made once in the rest pose; the shader paints by it.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from hand_pose_ros.hand import skeleton
from hand_pose_ros.hand.kinematics import forward_kinematics
from hand_pose_ros.hand.mesh import HandMesh

Array = npt.NDArray[np.float64]

# Half length and half breadth [m] of the nails, thumb to little finger, and their middle behind
# the keypoint of the tip.
_NAILS = ((0.0080, 0.0078), (0.0066, 0.0060), (0.0068, 0.0063), (0.0066, 0.0060), (0.0052, 0.0046))
_NAIL_BEHIND = 0.0048
_BASE_CREASE = 0.019


def skin_map(mesh: HandMesh, rest: Array, normals: Array) -> npt.NDArray[np.float32]:
    """Return (M, 10) of the points (M, 3) of the resting hand, as `DrawnSurface.attributes`."""
    placed = forward_kinematics(mesh.rest_hand)
    joints, frames = placed.positions.numpy(), placed.rotations.numpy()
    finger_of, along = _nearest_bone(rest, joints)
    # Palmar is where the skin faces out of the palm of the bone it covers.
    back = frames[finger_of][:, :, 2]
    facing = np.einsum("ij,ij->i", normals, back)
    palm = _smoothstep((0.25 - facing) / 0.7) * _smoothstep((rest[:, 0] + 0.065) / 0.08)
    crease, strength = _creases(rest, joints, finger_of, along)
    knuckle = _knuckles(rest, joints) * _smoothstep((facing - 0.1) / 0.5)
    nails = _nail_coordinates(rest, normals, joints, frames)
    columns = (rest, palm[:, None], knuckle[:, None], crease[:, None], strength[:, None], nails)
    return np.concatenate(columns, axis=1).astype(np.float32)


def _nearest_bone(points: Array, joints: Array) -> tuple[npt.NDArray[np.int64], Array]:
    """Return the node whose bone is nearest to each point and the point's place along it [m]."""
    ends = joints[1:]
    starts = joints[list(skeleton.PARENTS[1:])]
    axes = ends - starts
    lengths = np.linalg.norm(axes, axis=1)
    along = np.einsum("pbk,bk->pb", points[:, None] - starts, axes / lengths[:, None])
    inside = np.clip(along, 0.0, lengths)
    foot = starts + (axes / lengths[:, None]) * inside[..., None]
    nearest = np.linalg.norm(points[:, None] - foot, axis=2).argmin(1)
    return nearest + 1, along[np.arange(len(points)), nearest]


def _creases(
    points: Array, joints: Array, node_of: npt.NDArray[np.int64], along: Array
) -> tuple[Array, Array]:
    """Return the distance (M,) [m] to the next crease and its strength (M,).

    Its sign changes at each crease and nowhere else, so that it can be interpolated.
    """
    lengths = np.linalg.norm(joints[1:] - joints[list(skeleton.PARENTS[1:])], axis=1)[node_of - 1]
    depth = (node_of - 1) % 4
    to_end = lengths - along
    proximal = (depth == 1) & (node_of > 4)
    from_start = np.where(proximal, along - _BASE_CREASE, along)
    distance = np.where(depth == 3, from_start, np.minimum(from_start, to_end))
    # Metacarpals have no crease, but the base of the finger follows theirs; nor have the tips.
    distance = np.where(depth == 0, to_end + _BASE_CREASE, distance)
    # Nor has the thumb one where it leaves the wrist.
    distance = np.where(node_of == 2, to_end, distance)
    strength = np.where(depth == 0, 0.0, _smoothstep((0.014 - np.abs(distance)) / 0.007))
    strength = np.where((depth == 3) & (to_end < 0.012), 0.0, strength)
    return np.where(depth % 2 == 0, distance, -distance), strength


def _knuckles(points: Array, joints: Array) -> Array:
    knuckles = joints[[2, 3, *(node for base in (5, 9, 13, 17) for node in range(base, base + 3))]]
    reach = np.array([0.011, 0.009] + [0.012, 0.0095, 0.0075] * 4)
    distance = np.linalg.norm(points[:, None] - knuckles, axis=2)
    return np.exp(
        -(((distance - reach * 0.8) / (0.7 * reach)) ** 2) * (distance > reach * 0.8)
    ).max(1)


def _nail_coordinates(points: Array, normals: Array, joints: Array, frames: Array) -> Array:
    nails = np.full((len(points), 3), 3.0)
    nails[:, 2] = 0.0
    for finger, (half_length, half_breadth) in enumerate(_NAILS):
        tip = 4 * (finger + 1)
        local = (points - joints[tip]) @ frames[tip]
        near = (np.abs(local[:, 0] + _NAIL_BEHIND) < 0.014) & (
            np.linalg.norm(local, axis=1) < 0.02
        )
        nails[near, 0] = (local[near, 0] + _NAIL_BEHIND) / half_length
        nails[near, 1] = local[near, 1] / half_breadth
        nails[near, 2] = normals[near] @ frames[tip][:, 2]
    return nails


def _smoothstep(value: Array) -> Array:
    value = np.clip(value, 0.0, 1.0)
    return value * value * (3.0 - 2.0 * value)
