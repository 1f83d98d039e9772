"""Closed lines around fingers and wrist that follow the skin of any posed hand."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy import sparse

from hand_pose_ros.data.synthetic.render.surface import drawn_surface
from hand_pose_ros.hand import skeleton
from hand_pose_ros.hand.kinematics import forward_kinematics
from hand_pose_ros.hand.mesh import load_hand_mesh

Array = npt.NDArray[np.float64]

POINTS = 32
"""Points of a contour, evenly in angle; the first lies on the back."""
_REACH = 0.06
_FAR = 1.45
"""Times the median length, from which on a ray has left its finger."""


@lru_cache(maxsize=512)
def finger_contour(finger: str, place: float, *, fine: bool) -> sparse.csr_matrix:
    """Return the matrix (`POINTS`, M) from `Shaped.positions` to points around a finger.

    Args:
        finger: one of `skeleton.FINGERS`.
        place: on the first phalanx, 0 at its near joint and 1 at its far one.
        fine: as `Shaped.fine`.
    """
    joint = "ip" if finger == "thumb" else "pip"
    node = skeleton.KEYPOINTS.index(f"{finger}_{joint}")
    placed = forward_kinematics(load_hand_mesh().rest_hand)
    joints, frame = placed.positions.numpy(), placed.rotations.numpy()[node]
    start = joints[skeleton.PARENTS[node]]
    return _contour(start + place * (joints[node] - start), frame[:, 2], frame[:, 1], fine)


@lru_cache(maxsize=512)
def wrist_contour(behind: float, *, fine: bool) -> sparse.csr_matrix:
    """Return the matrix (`POINTS`, M) to points around the arm, so far [m] behind the wrist."""
    middle = np.array((-behind, 0.0, 0.004))
    return _contour(middle, np.array((0.0, 0.0, 1.0)), np.array((0.0, 1.0, 0.0)), fine)


def _contour(middle: Array, back: Array, side: Array, fine: bool) -> sparse.csr_matrix:
    """Return where rays from the middle leave the resting hand, as weights of its vertices."""
    surface = drawn_surface()
    faces = surface.faces if fine else surface.coarse_faces
    rest = surface.attributes[: faces.max() + 1, :3].astype(np.float64)
    faces = faces[(np.abs(rest[faces] - middle).max(axis=2) < _REACH).all(axis=1)]
    weights = np.zeros((POINTS, len(rest)))
    lengths = np.zeros(POINTS)
    for row, angle in enumerate(2 * np.pi * np.arange(POINTS) / POINTS):
        ray = np.cos(angle) * back + np.sin(angle) * side
        face, shares = _first_hit(rest[faces], middle, ray)
        weights[row, faces[face]] = shares
        lengths[row] = np.linalg.norm(weights[row] @ rest - middle)
    return sparse.csr_matrix(_bridged(weights, lengths < _FAR * np.median(lengths)))


def _bridged(weights: Array, good: npt.NDArray[np.bool_]) -> Array:
    """Return the weights with rays that ran into the web or the palm laid between the others."""
    known = np.flatnonzero(good)
    # Once around before and after, so that every ray has a good one on both sides.
    around = np.concatenate((known - POINTS, known, known + POINTS))
    for row in np.flatnonzero(~good):
        after = int(np.searchsorted(around, row))
        first, second = int(around[after - 1]), int(around[after])
        share = (row - first) / (second - first)
        mixed = (1 - share) * weights[first % POINTS] + share * weights[second % POINTS]
        weights[row] = mixed
    return weights


def _first_hit(triangles: Array, start: Array, ray: Array) -> tuple[int, list[float]]:
    """Return the triangle (F, 3, 3) that a ray meets first, and the weights of its corners.

    Source: Moeller and Trumbore 1997, Fast, minimum storage ray/triangle intersection.
    """
    corner, first, second = triangles[:, 0], *(triangles[:, i] - triangles[:, 0] for i in (1, 2))
    across = np.cross(ray, second)
    area = np.einsum("ij,ij->i", first, across)
    area = np.where(np.abs(area) < 1e-15, 1e-15, area)
    away = start - corner
    u = np.einsum("ij,ij->i", away, across) / area
    turned = np.cross(away, first)
    v = turned @ ray / area
    length = np.einsum("ij,ij->i", turned, second) / area
    met = (u >= -1e-6) & (v >= -1e-6) & (u + v <= 1 + 1e-6) & (length > 0)
    face = int(np.where(met, length, np.inf).argmin())
    return face, [float(1 - u[face] - v[face]), float(u[face]), float(v[face])]
