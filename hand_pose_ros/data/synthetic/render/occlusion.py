"""How much of the sky each point of a hand sees past the rest of it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import sparse

from hand_pose_ros.hand import skeleton
from hand_pose_ros.hand.kinematics import forward_kinematics
from hand_pose_ros.hand.mesh import HandMesh

Array = npt.NDArray[np.float32]
_AVERAGED = 12


class Occluders:
    """Spheres along the fingers and in the palm that take the sky from each other's skin."""

    def __init__(self, mesh: HandMesh) -> None:
        joints = forward_kinematics(mesh.rest_hand).positions.numpy()
        rest = mesh.rest_vertices.double().numpy()
        centres, radii, own = [], [], []
        for node, parent in enumerate(skeleton.PARENTS[1:], start=1):
            for share in (0.35, 0.8) if parent else (0.45, 0.8):
                centre = joints[parent] + share * (joints[node] - joints[parent])
                distance = np.linalg.norm(rest - centre, axis=1)
                centres.append(np.argsort(distance)[:_AVERAGED])
                radii.append(0.95 * np.sort(distance)[:_AVERAGED].mean())
                own.append(distance < 2.2 * radii[-1])
        rows = np.repeat(np.arange(len(centres)), _AVERAGED)
        values = np.full(len(rows), 1 / _AVERAGED, np.float32)
        shape = (len(centres), len(rest))
        self._to_centres = sparse.csr_matrix((values, (rows, np.concatenate(centres))), shape)
        self._squared_radii = np.array(radii, np.float32)[:, None] ** 2
        self._foreign = 1.0 - np.array(own, dtype=np.float32)

    def openness(self, vertices: Array, normals: Array) -> Array:
        """Return (V,) in 0..1, how much of the sky each vertex sees past the spheres.

        Args:
            vertices: (V, 3) [m] about any origin near the hand (they are float32).
            normals: (V, 3) of unit length.
        """
        centres = self._to_centres @ vertices
        ones = np.ones((1, len(vertices)), np.float32)
        lengths = np.einsum("ij,ij->i", vertices, vertices)[None]
        along = np.einsum("ij,ij->i", vertices, normals)[None]
        own = np.einsum("ij,ij->i", centres, centres)[:, None]
        # Squared distances and heights over the skin, each as one product.
        every = np.concatenate((centres, own, np.ones_like(own)), axis=1)
        squared = every @ np.concatenate((-2.0 * vertices.T, ones, lengths))
        np.maximum(squared, 1e-6, out=squared)
        covered = every[:, [0, 1, 2, 4]] @ np.concatenate((normals.T, -along))
        np.maximum(covered, 0.0, out=covered)
        covered /= np.sqrt(squared)
        np.divide(self._squared_radii, squared, out=squared)
        np.minimum(squared, 1.0, out=squared)
        covered *= squared
        covered *= self._foreign
        return np.asarray(np.exp(-1.1 * covered.sum(0)))
