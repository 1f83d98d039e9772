"""The hand's skin made ready to draw: a forearm behind it, subdivided, and where what skin is.

Topology and skin are the same for every hand and pose and are made once; `DrawnSurface.shape`
then turns posed vertices into what the renderer uploads.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy import sparse

from hand_pose_ros.data.synthetic.render.occlusion import Occluders
from hand_pose_ros.data.synthetic.render.skin_map import skin_map
from hand_pose_ros.data.synthetic.render.solids import cross
from hand_pose_ros.data.synthetic.render.subdivision import loop_subdivision
from hand_pose_ros.hand.mesh import HandMesh, load_hand_mesh

Array = npt.NDArray[np.float32]
Indices = npt.NDArray[np.int64]

# The forearm: how far behind the cut [m] its rings lie, how much wider than the cut they are, and
# the scale of the one that rounds off its end.
_RINGS = (
    *((0.012, 1.0), (0.03, 1.0), (0.06, 1.06), (0.10, 1.18), (0.16, 1.34), (0.22, 1.46)),
    *((0.30, 1.5), (0.45, 1.5), (0.70, 1.6), (0.73, 1.3), (0.74, 0.5)),
)
_ROUNDING = 0.03
FOREARM = tuple(distance for distance, _ in _RINGS)
"""How far behind the cut at the wrist [m] the rings of the forearm lie."""
_SHADOWED = 0.06


@dataclass(frozen=True)
class Shaped:
    """One hand to draw: positions and normals (M, 3) in the camera frame, openness (M,).

    It is `fine` with all vertices of the drawn surface, and coarse with only its first ones.
    """

    positions: Array
    normals: Array
    openness: Array
    fine: bool = True


class DrawnSurface:
    """Topology and skin of the drawn hand.

    Attributes:
        faces: (F, 3) of the right hand, outward.
        coarse_faces: (F / 4, 3) over the first vertices only: the same hand, less round, which
            takes half the time.
        attributes: (M, 10) per vertex: rest position [m] 3, palm, knuckle, distance to the next
            crease [m], its strength, nail coordinates 2 (inside where both are in -1..1) and
            how much the vertex faces as a nail does.
        compact: (N,) vertices without the far end of the forearm.
        forearm: (len(FOREARM), L) vertices of the rings of the forearm.
    """

    def __init__(self, mesh: HandMesh) -> None:
        self._loop = mesh.wrist_loop.numpy()
        self._base_count = len(mesh.rest_vertices)
        faces = np.concatenate((mesh.skin_faces().numpy(), self._ring_faces()))
        self.coarse_faces, self._corners = faces, np.ascontiguousarray(faces.T)
        self._control_count = self._base_count + len(_RINGS) * len(self._loop)
        matrix, self.faces = loop_subdivision(faces, self._control_count)
        self._subdivide = {True: matrix.astype(np.float32)}
        self._subdivide[False] = self._subdivide[True][: self._control_count]
        self._face_sum = _face_to_vertex(faces, self._control_count)
        self._occluders = Occluders(mesh)
        near = sum(distance <= _SHADOWED for distance, _ in _RINGS)
        self.compact = np.arange(self._base_count + near * len(self._loop))
        rings = np.arange(len(_RINGS) * len(self._loop)).reshape(len(_RINGS), -1)
        self.forearm = self._base_count + rings
        rest = mesh.rest_vertices.numpy().astype(np.float32)
        shaped = self.shape(rest, "right", np.array([-1.0, 0.0, 0.0], np.float32))
        self.attributes = skin_map(
            mesh, shaped.positions.astype(float), shaped.normals.astype(float)
        )

    def shape(
        self,
        vertices: npt.NDArray[np.floating],
        side: str,
        forearm: npt.NDArray[np.floating],
        *,
        fine: bool = True,
    ) -> Shaped:
        """Return the drawn surface of one posed hand.

        Args:
            vertices: (V, 3) from `HandMesh.pose`, in the camera frame [m].
            side: "right" or "left".
            forearm: (3,) unit direction from the wrist to the elbow.
            fine: with all vertices.
        """
        wrist = vertices[self._loop].mean(0)
        local = (vertices - wrist).astype(np.float32)
        points = np.concatenate((local, self._rings(local, forearm.astype(np.float32))))
        normals = self._normals(points, side)
        control = np.ones((self._control_count, 7), np.float32)
        control[:, :3], control[:, 3:6] = points, normals
        control[: self._base_count, 6] = self._occluders.openness(
            local, normals[: self._base_count]
        )
        drawn = self._subdivide[fine] @ control
        drawn[:, :3] += wrist.astype(np.float32)
        drawn[:, 3:6] /= np.sqrt(np.einsum("ij,ij->i", drawn[:, 3:6], drawn[:, 3:6]))[:, None]
        return Shaped(drawn[:, :3], drawn[:, 3:6], drawn[:, 6], fine)

    def _normals(self, control: Array, side: str) -> Array:
        corner, first, second = (control.take(corner, axis=0) for corner in self._corners)
        areas = cross(first - corner, second - corner)
        normals = self._face_sum @ (areas if side == "right" else -areas)
        length = np.sqrt(np.einsum("ij,ij->i", normals, normals))
        return np.asarray(normals / np.maximum(length, 1e-20)[:, None])

    def _rings(self, vertices: Array, forearm: Array) -> Array:
        cut = vertices[self._loop]
        middle = cut.mean(0)
        spread = cut - middle
        along = (spread @ forearm)[:, None] * forearm
        distance, scale = np.array(_RINGS, np.float32)[:, :, None, None].swapaxes(0, 1)
        # The cut is not plane; its rings become so over the first three centimetres.
        left = np.maximum(0.0, 1.0 - distance / _ROUNDING)
        rings = middle + forearm * distance + (spread - along) * scale + along * left
        return np.asarray(rings.reshape(-1, 3))

    def _ring_faces(self) -> Indices:
        size = len(self._loop)
        starts = self._base_count + size * np.arange(len(_RINGS))
        rings = [self._loop, *(start + np.arange(size) for start in starts)]
        faces = []
        for near, far in itertools.pairwise(rings):
            next_near, next_far = np.roll(near, -1), np.roll(far, -1)
            faces += [np.stack((next_near, near, far), 1), np.stack((next_near, far, next_far), 1)]
        last = rings[-1]
        fan = np.stack((np.full(size - 2, last[0]), last[2:], last[1:-1]), 1)
        return np.concatenate([*faces, fan])


def _face_to_vertex(faces: Indices, count: int) -> sparse.csr_matrix:
    columns = np.repeat(np.arange(len(faces)), 3)
    ones = np.ones(len(columns), np.float32)
    return sparse.csr_matrix((ones, (faces.ravel(), columns)), (count, len(faces)))


@lru_cache(maxsize=1)
def drawn_surface() -> DrawnSurface:
    """Return the surface of the shipped hand; made once."""
    return DrawnSurface(load_hand_mesh())
