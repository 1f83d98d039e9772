"""The hand's skin made ready to draw: a forearm behind it, subdivided, and where what skin is.

Everything here is the same for every hand and pose and is made once; `DrawnSurface.shape` then
turns posed vertices into what the renderer uploads.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy import sparse

from hand_pose_ros.data.synthetic.subdivision import loop_subdivision
from hand_pose_ros.hand import skeleton
from hand_pose_ros.hand.kinematics import forward_kinematics
from hand_pose_ros.hand.mesh import HandMesh, load_hand_mesh

Array = npt.NDArray[np.float64]

# The forearm: how far behind the cut [m] its rings lie and how much wider they are than the cut.
_RINGS = ((0.012, 1.0), (0.03, 1.0), (0.06, 1.06), (0.10, 1.18), (0.16, 1.34), (0.25, 1.5))
# Half length and half breadth [m] of the nails, thumb to little finger, and their middle behind
# the keypoint of the tip.
_NAILS = ((0.0080, 0.0078), (0.0066, 0.0060), (0.0068, 0.0063), (0.0066, 0.0060), (0.0052, 0.0046))
_NAIL_BEHIND = 0.0048
_BASE_CREASE = 0.019


@dataclass(frozen=True)
class Shaped:
    """One hand to draw: positions and normals (M, 3) in the camera frame, openness (M,)."""

    positions: npt.NDArray[np.float32]
    normals: npt.NDArray[np.float32]
    openness: npt.NDArray[np.float32]


class DrawnSurface:
    """Topology and skin of the drawn hand.

    Attributes:
        faces: (F, 3) of the right hand, outward.
        attributes: (M, 10) per vertex: rest position [m] 3, palm, knuckle, distance to the next
            crease [m], its strength, nail coordinates 2 (inside where both are in -1..1) and
            how much the vertex faces as a nail does.
    """

    def __init__(self, mesh: HandMesh) -> None:
        self._loop = mesh.wrist_loop.numpy()
        self._base_count = len(mesh.rest_vertices)
        faces = np.concatenate((mesh.skin_faces().numpy(), self._ring_faces()))
        self._control_count = self._base_count + len(_RINGS) * len(self._loop)
        self._subdivide, self.faces = loop_subdivision(faces, self._control_count)
        self._face_sum = _face_to_vertex(self.faces, self._subdivide.shape[0])
        rest = mesh.rest_vertices.double().numpy()
        self._occluders = _Occluders(mesh, rest)
        shaped = self.shape(rest, "right", np.array([-1.0, 0.0, 0.0]))
        self.attributes = _attributes(mesh, shaped)

    def shape(self, vertices: Array, side: str, forearm: Array) -> Shaped:
        """Return the drawn surface of one posed hand.

        Args:
            vertices: (V, 3) from `HandMesh.pose`, in the camera frame [m].
            side: "right" or "left".
            forearm: (3,) unit direction from the wrist to the elbow.
        """
        positions = self._subdivide @ np.concatenate((vertices, self._rings(vertices, forearm)))
        corner, first, second = (positions[self.faces[:, i]] for i in range(3))
        normals = self._face_sum @ np.cross(first - corner, second - corner)
        normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
        if side == "left":
            normals = -normals
        openness = self._occluders.openness(vertices, normals[: self._base_count])
        rest = np.ones(self._control_count)
        rest[: self._base_count] = openness
        return Shaped(
            positions.astype(np.float32),
            normals.astype(np.float32),
            (self._subdivide @ rest).astype(np.float32),
        )

    def _rings(self, vertices: Array, forearm: Array) -> Array:
        cut = vertices[self._loop]
        middle = cut.mean(0)
        spread = cut - middle
        along = (spread @ forearm)[:, None] * forearm
        rings = []
        for distance, scale in _RINGS:
            # The cut is not plane; its rings become so over the first three centimetres.
            left = max(0.0, 1.0 - distance / 0.03)
            rings.append(middle + forearm * distance + (spread - along) * scale + along * left)
        return np.concatenate(rings)

    def _ring_faces(self) -> npt.NDArray[np.int64]:
        size = len(self._loop)
        starts = self._base_count + size * np.arange(len(_RINGS))
        rings = [self._loop, *(start + np.arange(size) for start in starts)]
        faces = []
        for near, far in itertools.pairwise(rings):
            next_near, next_far = np.roll(near, -1), np.roll(far, -1)
            faces += [np.stack((next_near, near, far), 1), np.stack((next_near, far, next_far), 1)]
        return np.concatenate(faces)


class _Occluders:
    """Spheres along the fingers and in the palm that take the sky from each other's skin."""

    def __init__(self, mesh: HandMesh, rest: Array) -> None:
        joints = forward_kinematics(mesh.rest_hand).positions.numpy()
        centres, radii, own = [], [], []
        for node, parent in enumerate(skeleton.PARENTS[1:], start=1):
            for share in (0.35, 0.8) if parent else (0.45, 0.8):
                centre = joints[parent] + share * (joints[node] - joints[parent])
                distance = np.linalg.norm(rest - centre, axis=1)
                centres.append(np.argsort(distance)[:12])
                radii.append(0.95 * np.sort(distance)[:12].mean())
                own.append(distance < 2.2 * radii[-1])
        rows = np.repeat(np.arange(len(centres)), 12)
        columns = np.concatenate(centres)
        self._to_centres = sparse.csr_matrix(
            (np.full(len(rows), 1 / 12), (rows, columns)), (len(centres), len(rest))
        )
        self._radii = np.array(radii)
        self._foreign = 1.0 - np.array(own, dtype=float)

    def openness(self, vertices: Array, normals: Array) -> Array:
        """Return (V,) in 0..1, how much of the sky each vertex sees past the spheres."""
        to_sphere = (self._to_centres @ vertices)[:, None] - vertices
        squared = np.einsum("svk,svk->sv", to_sphere, to_sphere)
        facing = np.einsum("svk,vk->sv", to_sphere, normals)
        covered = np.maximum(facing, 0.0) / np.sqrt(squared)
        covered *= np.minimum(self._radii[:, None] ** 2 / squared, 1.0) * self._foreign
        return np.exp(-1.1 * covered.sum(0))


def _attributes(mesh: HandMesh, shaped: Shaped) -> npt.NDArray[np.float32]:
    placed = forward_kinematics(mesh.rest_hand)
    joints, frames = placed.positions.numpy(), placed.rotations.numpy()
    rest, normals = shaped.positions.astype(float), shaped.normals.astype(float)
    finger_of, along = _nearest_bone(rest, joints)
    # Palmar is where the skin faces out of the palm of the bone it covers.
    back = frames[finger_of][:, :, 2]
    facing = np.einsum("ij,ij->i", normals, back)
    palm = _smoothstep((0.25 - facing) / 0.7) * _smoothstep((rest[:, 0] + 0.035) / 0.04)
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
    """Return the signed distance (M,) [m] to the next crease and its strength (M,)."""
    lengths = np.linalg.norm(joints[1:] - joints[list(skeleton.PARENTS[1:])], axis=1)[node_of - 1]
    depth = (node_of - 1) % 4
    from_end = along - lengths
    distance = np.where(np.abs(along) < np.abs(from_end), along, from_end)
    proximal = (depth == 1) & (node_of > 4)
    base = along - _BASE_CREASE
    distance = np.where(proximal & (np.abs(base) < np.abs(from_end)), base, distance)
    # The DIP crease lies behind its joint; metacarpals have none, nor have the tips.
    strength = np.where(depth == 0, 0.0, 1.0)
    strength = np.where((depth == 3) & (from_end > -0.012), 0.0, strength)
    return distance, strength


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


def _face_to_vertex(faces: npt.NDArray[np.int64], count: int) -> sparse.csr_matrix:
    columns = np.repeat(np.arange(len(faces)), 3)
    return sparse.csr_matrix(
        (np.ones(len(columns)), (faces.ravel(), columns)), (count, len(faces))
    )


def _smoothstep(value: Array) -> Array:
    value = np.clip(value, 0.0, 1.0)
    return value * value * (3.0 - 2.0 * value)


@lru_cache(maxsize=1)
def drawn_surface() -> DrawnSurface:
    """Return the surface of the shipped hand; made once."""
    return DrawnSurface(load_hand_mesh())
