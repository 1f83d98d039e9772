"""Meshes of simple solids: closed, outward, in their own frame; and normals with sharp edges."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from hand_pose_ros.errors import InputError

Array = npt.NDArray[np.float64]
Indices = npt.NDArray[np.integer]
Mesh = tuple[Array, Indices]
"""Vertices (V, 3) [m] and faces (F, 3), counter-clockwise seen from outside."""

_SHARP = math.cos(math.radians(40.0))


def sphere(radius: float, segments: int = 24) -> Mesh:
    """Return a ball about the origin."""
    _check(radius=radius)
    angles = np.linspace(0.0, math.pi, segments // 2 + 1)[1:-1]
    return _lathe(radius * np.sin(angles), radius * np.cos(angles), radius, segments)


def cylinder(radius: float, length: float, segments: int = 24) -> Mesh:
    """Return a cylinder along z, its middle the origin."""
    _check(radius=radius, length=length)
    half = length / 2
    return _lathe(np.array([radius, radius]), np.array([half, -half]), half, segments)


def box(width: float, height: float, depth: float) -> Mesh:
    """Return a box along x, y and z, its middle the origin."""
    _check(width=width, height=height, depth=depth)
    corners = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)]) / 2.0
    quads = ((0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3))
    faces = [face for a, b, c, d in quads for face in ((a, b, c), (a, c, d))]
    return corners * (width, height, depth), np.array(faces)


def ring(radius: float, thickness: float, segments: int = 32, sides: int = 12) -> Mesh:
    """Return a torus about z: `radius` to the middle of a tube `thickness` across."""
    _check(radius=radius, thickness=thickness)
    if thickness >= 2 * radius:
        raise InputError(f"a ring {thickness} m thick has no hole at a radius of {radius} m")
    turn, tube = np.meshgrid(_angles(segments), _angles(sides), indexing="ij")
    reach = radius + thickness / 2 * np.cos(tube)
    height = thickness / 2 * np.sin(tube)
    vertices = np.stack((reach * np.cos(turn), reach * np.sin(turn), height), -1).reshape(-1, 3)
    return vertices, grid_faces(segments, sides, close_rows=True)


@lru_cache(maxsize=64)
def grid_faces(
    rows: int, columns: int, *, close_rows: bool = False, close_columns: bool = True
) -> Indices:
    """Return the faces of a grid of vertices whose columns close; its rows do on demand.

    Outward is across: from the next row to the next column, right-handed.
    """
    counts = rows - (not close_rows), columns - (not close_columns)
    row, column = np.meshgrid(np.arange(counts[0]), np.arange(counts[1]), indexing="ij")
    next_row, next_column = (row + 1) % rows, (column + 1) % columns
    corners = [
        (r * columns + c).ravel()
        for r, c in (
            (row, column),
            (next_row, column),
            (next_row, next_column),
            (row, next_column),
        )
    ]
    a, b, c, d = corners
    faces = np.concatenate((np.stack((a, b, c), 1), np.stack((a, c, d), 1)))
    faces.flags.writeable = False  # it is kept
    return faces


def cross(first: npt.NDArray[Any], second: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return the cross products of vectors (*, 3): `np.cross` takes four times as long."""
    a, b, c = first[..., 0], first[..., 1], first[..., 2]
    d, e, f = second[..., 0], second[..., 1], second[..., 2]
    return np.stack((b * f - c * e, c * d - a * f, a * e - b * d), axis=-1)


def corner_normals(vertices: Array, faces: Indices) -> Array:
    """Return (F, 3, 3) unit normals: smooth, but sharp where faces meet at over 40 degrees."""
    corner, first, second = (vertices[faces[:, i]] for i in range(3))
    areas = cross(first - corner, second - corner)
    units = areas / np.maximum(np.linalg.norm(areas, axis=1, keepdims=True), 1e-18)
    face_of = np.repeat(np.arange(len(faces)), 3)
    around = sparse.csr_matrix(
        (np.ones(len(face_of)), (faces.ravel(), face_of)), (len(vertices), len(faces))
    )[faces.ravel()]
    rows = np.repeat(np.arange(len(face_of)), np.diff(around.indptr))
    smooth = np.einsum("ij,ij->i", units[face_of[rows]], units[around.indices]) > _SHARP
    around.data = smooth.astype(float)
    normals = around @ areas
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-18)
    return normals.reshape(-1, 3, 3)


def _lathe(radii: Array, heights: Array, pole: float, segments: int) -> Mesh:
    """Return the body of circles about z, from the top down, with a pole at each end."""
    angle = _angles(segments)
    circle = np.stack((np.cos(angle), np.sin(angle)), -1)
    rows = np.concatenate(
        [
            np.concatenate((radius * circle, np.full((segments, 1), height)), axis=1)
            for radius, height in zip(radii, heights, strict=True)
        ]
    )
    vertices = np.concatenate((rows, [[0.0, 0.0, pole], [0.0, 0.0, -pole]]))
    first, following = np.arange(segments), (np.arange(segments) + 1) % segments
    last = len(rows) - segments
    top = np.stack((first, following, np.full(segments, len(rows))), 1)
    bottom = np.stack((last + following, last + first, np.full(segments, len(rows) + 1)), 1)
    return vertices, np.concatenate((grid_faces(len(radii), segments), top, bottom))


def _angles(count: int) -> Array:
    return 2 * math.pi * np.arange(count) / count


def _check(**lengths: float) -> None:
    for name, value in lengths.items():
        if not (math.isfinite(value) and value > 0.0):
            raise InputError(f"{name} of a solid is {value}; it must be a positive length in m")
