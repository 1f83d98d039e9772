"""Loop subdivision of a triangle mesh as one sparse matrix: a smoother surface for any pose.

Source: Loop 1987, Smooth subdivision surfaces based on triangles, with the weights of Warren.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import sparse


def loop_subdivision(
    faces: npt.NDArray[np.int64], count: int
) -> tuple[sparse.csr_matrix, npt.NDArray[np.int64]]:
    """Return the matrix (M, count) from old to new vertices, and the four times as many new faces.

    Args:
        faces: (F, 3) vertex indices; the mesh may have holes.
        count: number of vertices; the first `count` new ones are the old ones, moved.
    """
    corners = np.sort(np.concatenate([faces[:, [i, (i + 1) % 3]] for i in range(3)]), axis=1)
    edges, edge_of, uses = np.unique(corners, axis=0, return_inverse=True, return_counts=True)
    # `edge_of` follows the sides ab, bc, ca of all faces, one after the other.
    opposite = np.concatenate([faces[:, 2], faces[:, 0], faces[:, 1]])
    boundary = uses == 1
    matrix = sparse.vstack(
        [
            _old_vertices(edges, boundary, count),
            _edge_points(edges, edge_of.ravel(), opposite, boundary, count),
        ]
    ).tocsr()
    ab, bc, ca = (edge_of.ravel() + count).reshape(3, -1)
    a, b, c = faces.T
    new_faces = np.concatenate(
        [np.stack(f, axis=1) for f in ((a, ab, ca), (b, bc, ab), (c, ca, bc), (ab, bc, ca))]
    )
    return matrix, new_faces


def _edge_points(
    edges: npt.NDArray[np.int64],
    edge_of: npt.NDArray[np.int64],
    opposite: npt.NDArray[np.int64],
    boundary: npt.NDArray[np.bool_],
    count: int,
) -> sparse.coo_matrix:
    """Return (E, count): 3/8 of each end and 1/8 of each opposite corner; 1/2 on a boundary."""
    rows = np.arange(len(edges))
    ends = np.where(boundary, 0.5, 0.375)
    inner = ~boundary[edge_of]
    return sparse.coo_matrix(
        (
            np.concatenate((ends, ends, np.full(inner.sum(), 0.125))),
            (
                np.concatenate((rows, rows, edge_of[inner])),
                np.concatenate((edges[:, 0], edges[:, 1], opposite[inner])),
            ),
        ),
        (len(edges), count),
    )


def _old_vertices(
    edges: npt.NDArray[np.int64], boundary: npt.NDArray[np.bool_], count: int
) -> sparse.coo_matrix:
    """Return (count, count): each vertex drawn to its neighbours; on a boundary along it."""
    on_boundary = np.zeros(count, dtype=bool)
    on_boundary[edges[boundary]] = True
    rows, columns = np.concatenate((edges, edges[:, ::-1])).T
    counts = np.bincount(rows, minlength=count)
    pull = np.where(counts == 3, 3.0 / 16.0, 3.0 / (8.0 * np.maximum(counts, 1)))
    along = np.concatenate((boundary, boundary))
    values = np.where(on_boundary[rows], np.where(along, 0.125, 0.0), pull[rows])
    stay = np.where(on_boundary, 0.75, 1.0 - counts * pull)
    diagonal = np.arange(count)
    return sparse.coo_matrix(
        (
            np.concatenate((values, stay)),
            (np.concatenate((rows, diagonal)), np.concatenate((columns, diagonal))),
        ),
        (count, count),
    )
