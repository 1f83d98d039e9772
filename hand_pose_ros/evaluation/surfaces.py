"""Errors of estimated surfaces: per vertex where both have the same vertices, F-scores always."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from hand_pose_ros.errors import InputError
from hand_pose_ros.evaluation.alignment import Similarity, fit_root, fit_similarity
from hand_pose_ros.evaluation.metrics import distances
from hand_pose_ros.evaluation.points import MM_PER_M, Array, checked_pair

F_THRESHOLDS_MM = (5.0, 15.0)
"""Distances of the F-scores F@5 and F@15."""

ALIGNMENTS = ("absolute", "wrist", "pa")
"""How a surface is laid onto the true one: not at all, wrists onto one another, or by the best
similarity."""


class SurfaceScore(NamedTuple):
    """One hand's surface under one alignment; `mpvpe_mm` is NaN for other vertices."""

    mpvpe_mm: float
    f_5: float
    f_15: float


def vertex_errors(predicted: npt.ArrayLike, true: npt.ArrayLike) -> Array:
    """Return each vertex's distance to its true place (*batch, V) [mm], nothing aligned.

    Raises:
        ShapeError: the two differ in shape.
        InputError: a predicted value is not finite, or a true one infinite.
    """
    return distances(*checked_pair(predicted, true, None))


def pa_vertex_errors(predicted: npt.ArrayLike, true: npt.ArrayLike) -> Array:
    """Return likewise, after the best similarity alignment of the vertices."""
    return vertex_errors(fit_similarity(predicted, true, None).apply(predicted), true)


def f_score(predicted: npt.ArrayLike, true: npt.ArrayLike, threshold_mm: float) -> float:
    """Return the harmonic mean of precision and recall of two clouds of points [m], 0 to 1.

    A point is hit where one of the other cloud is nearer than the threshold. Precision is the
    share of predicted points that are, recall the share of true ones.

    Raises:
        InputError: the threshold is not above 0, or a cloud is empty or not finite.

    Source: Knapitsch et al. 2017; for hands Zimmermann et al. 2019, FreiHAND.
    """
    if not threshold_mm > 0.0:
        raise InputError(f"threshold is {threshold_mm} mm; it must be above 0")
    guess, truth = (np.asarray(cloud, np.float64) for cloud in (predicted, true))
    for name, cloud in (("predicted", guess), ("true", truth)):
        if cloud.ndim != 2 or cloud.shape[1:] != (3,) or not len(cloud):
            raise InputError(f"{name} surface has shape {cloud.shape}; it must be (V, 3)")
        if not np.isfinite(cloud).all():
            raise InputError(f"{name} surface has a value that is not finite")
    precision = float((cKDTree(truth).query(guess)[0] * MM_PER_M < threshold_mm).mean())
    recall = float((cKDTree(guess).query(truth)[0] * MM_PER_M < threshold_mm).mean())
    both = precision + recall
    return 2.0 * precision * recall / both if both > 0.0 else 0.0


def score_surface(
    vertices: Array, true_vertices: Array, keypoints: Array, true_keypoints: Array
) -> dict[str, SurfaceScore]:
    """Return one hand's scores under each of `ALIGNMENTS`.

    With other vertices than the true ones, such as of another mesh, the alignment is that of the
    joints and there is no error per vertex.

    Args:
        vertices: (V, 3) [m], camera frame.
        true_vertices: (W, 3) [m].
        keypoints: (21, 3) [m] joints of the same hand.
        true_keypoints: likewise.
    """
    same = vertices.shape == true_vertices.shape
    fits = {
        "absolute": Similarity(np.ones(()), np.eye(3), np.zeros(3)),
        "wrist": fit_root(keypoints, true_keypoints),
        "pa": fit_similarity(vertices, true_vertices, None)
        if same
        else fit_similarity(keypoints, true_keypoints),
    }
    return {name: _score(fit.apply(vertices), true_vertices) for name, fit in fits.items()}


def _score(vertices: Array, true: Array) -> SurfaceScore:
    nothing = float("nan")
    if not np.isfinite(vertices).all():
        return SurfaceScore(nothing, nothing, nothing)
    mean = float(vertex_errors(vertices, true).mean()) if vertices.shape == true.shape else nothing
    return SurfaceScore(mean, *(f_score(vertices, true, limit) for limit in F_THRESHOLDS_MM))
