"""Cuts through a triangle mesh: closed loops, their centroids, and rays to the skin."""

from __future__ import annotations

import numpy as np


def cut_loops(vertices: np.ndarray, faces: np.ndarray, point: np.ndarray, normal: np.ndarray):
    """Return the closed polylines [(N, 3), ...] in which a plane cuts the mesh."""
    height = (vertices - point) @ normal
    height = np.where(height == 0, 1e-12, height)
    points: dict[tuple[int, int], np.ndarray] = {}
    neighbours: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for triangle in faces[np.ptp(np.sign(height[faces]), axis=1) > 0]:
        keys = []
        for a, b in zip(triangle, np.roll(triangle, -1), strict=True):
            if height[a] * height[b] < 0:
                key = (min(a, b), max(a, b))
                share = height[key[0]] / (height[key[0]] - height[key[1]])
                points[key] = vertices[key[0]] * (1 - share) + vertices[key[1]] * share
                keys.append(key)
        neighbours.setdefault(keys[0], []).append(keys[1])
        neighbours.setdefault(keys[1], []).append(keys[0])
    return [np.array([points[key] for key in loop]) for loop in _chains(neighbours)]


def section_centre(
    vertices: np.ndarray, faces: np.ndarray, point: np.ndarray, normal: np.ndarray
) -> np.ndarray:
    """Return the area centroid (3,) of the cut nearest to `point` across `normal`."""
    normal = normal / np.linalg.norm(normal)
    loops = [loop for loop in cut_loops(vertices, faces, point, normal) if len(loop) > 2]
    centres = [_area_centroid(loop, normal) for loop in loops]
    return min(centres, key=lambda centre: float(np.linalg.norm(centre - point)))


def distance_to_skin(
    vertices: np.ndarray, faces: np.ndarray, origin: np.ndarray, direction: np.ndarray
) -> float:
    """Return how far from `origin` a ray first meets the mesh (Moeller and Trumbore 1997)."""
    corner, first, second = (vertices[faces[:, i]] for i in range(3))
    edge_1, edge_2 = first - corner, second - corner
    across = np.cross(direction, edge_2)
    determinant = np.einsum("ij,ij->i", edge_1, across)
    usable = np.abs(determinant) > 1e-14
    determinant = np.where(usable, determinant, 1.0)
    offset = origin - corner
    u = np.einsum("ij,ij->i", offset, across) / determinant
    normal = np.cross(offset, edge_1)
    v = normal @ direction / determinant
    distance = np.einsum("ij,ij->i", edge_2, normal) / determinant
    hit = usable & (u >= 0) & (v >= 0) & (u + v <= 1) & (distance > 0)
    if not hit.any():
        raise ValueError(f"no skin from {origin} along {direction}")
    return float(distance[hit].min())


def vertex_normals(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Return area-weighted unit normals (V, 3)."""
    corner, first, second = (vertices[faces[:, i]] for i in range(3))
    normals = np.zeros_like(vertices)
    for i in range(3):
        np.add.at(normals, faces[:, i], np.cross(first - corner, second - corner))
    return normals / np.linalg.norm(normals, axis=1, keepdims=True)


def boundary_loop(faces: np.ndarray) -> list[int]:
    """Return the vertices of the one hole of the mesh, in the order its edges run."""
    edges = {(int(a), int(b)) for t in faces for a, b in zip(t, np.roll(t, -1), strict=True)}
    following = {a: b for a, b in edges if (b, a) not in edges}
    loop = [next(iter(following))]
    while following[loop[-1]] != loop[0]:
        loop.append(following[loop[-1]])
    if len(loop) != len(following):
        raise ValueError(
            f"the mesh has more than one hole: {len(following) - len(loop)} edges left"
        )
    return loop


def _chains(neighbours: dict) -> list[list]:
    chains, seen = [], set()
    for start in neighbours:
        if start in seen:
            continue
        chain = [start]
        seen.add(start)
        while onward := [key for key in neighbours[chain[-1]] if key not in seen]:
            chain.append(onward[0])
            seen.add(onward[0])
        chains.append(chain)
    return chains


def _area_centroid(loop: np.ndarray, normal: np.ndarray) -> np.ndarray:
    middle = loop.mean(0)
    a, b = loop - middle, np.roll(loop, -1, axis=0) - middle
    areas = np.cross(a, b) @ normal
    return middle + ((a + b) / 3 * areas[:, None]).sum(0) / areas.sum()
