"""The metric root: where in front of the camera a hand of known size and pose stands."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hand_pose_ros.errors import InputError, ShapeError
from hand_pose_ros.hand.camera import Camera
from hand_pose_ros.hand.skeleton import KEYPOINTS

NEAREST = 0.02
"""No joint of a hand is put nearer to the camera than this [m]."""

TUKEY = 4.685
"""Tuning constant of the biweight, in standard deviations: 95 % efficient on normal noise."""

MIN_SCALE = 5e-4
"""Noise assumed at least, in normalised units: a third of a pixel at a focal length of 600."""

DEPTH_INLIER = 0.02
"""A depth reading further than this from the others' hand [m] belongs to something else."""

DEPTH_MIN_JOINTS = 5
"""Agreeing depth readings without which the depth image says nothing about the hand."""


CONVERGED = 1e-4
"""The fit rests when its depth moves less than this [m]."""

_ALIKE = np.ones(len(KEYPOINTS))
_ALIKE.flags.writeable = False
_PAIRS = np.triu_indices(len(KEYPOINTS), k=1)
_FIRST, _SECOND = (np.eye(len(KEYPOINTS)).take(joints, axis=1) for joints in _PAIRS)
_DIFFERENCES = _FIRST - _SECOND
"""(21, 210) what makes rows of joints those of the differences of all pairs."""

_RAY, _TARGET, _EXPECTED, _ONE = slice(0, 2), slice(2, 4), slice(4, 6), 6
"""Rows of `_rows`."""


def _half_thickness() -> npt.NDArray[np.float64]:
    # Half of the joint breadths of Garrett 1971 (finger joints 16 to 20 mm) and of a hand about
    # 28 mm thick at the metacarpals, 40 mm at the wrist; a tip's keypoint lies under the nail.
    by_joint = {"wrist": 0.019, "cmc": 0.014, "mcp": 0.013, "tip": 0.006}
    return np.array([by_joint.get(name.rsplit("_")[-1], 0.0085) for name in KEYPOINTS])


SURFACE_TO_JOINT = _half_thickness()
"""(21,) how far the skin lies in front of each joint centre [m]."""


@dataclass(frozen=True, eq=False)
class RootFit:
    """Where the wrist of a hand is.

    Attributes:
        translation: (3,) wrist in the camera optical frame [m].
        residual: weighted RMS distance of the joints' rays to the keypoints' [normalised units].
        weights: (21,) what the robust fit made of each joint, 0 (outlier) to the weight given.
        ok: False where the input could not place the hand and the translation is a guess.
    """

    translation: npt.NDArray[np.float64]
    residual: float
    weights: npt.NDArray[np.float64]
    ok: bool


def metric_root(
    points: npt.ArrayLike,
    rays: npt.ArrayLike,
    weights: npt.ArrayLike | None = None,
    iterations: int = 4,
) -> RootFit:
    """Return the translation that makes a hand of known size agree with its 2D keypoints.

    Linear least squares in the translation, re-weighted by Tukey's biweight with the scale from
    the median error, and started from the median over all pairs of joints: three or four of the 21
    may be grossly wrong. All joints stay in front of the camera.

    Args:
        points: (21, 3) joints relative to the wrist, in the camera's axes [m].
        rays: (21, 2) viewing rays of the detected keypoints, see `Camera.normalize`.
        weights: (21,) trust in each joint, at least 0; all alike when None.
        iterations: linear solves at most; fewer once the root rests.

    Raises:
        ShapeError: points, rays or weights do not belong to 21 joints.
        InputError: they are not finite, or a weight is negative.
    """
    points, rays, weights = _checked(points, rays, weights)
    rows, across, depths = _rows(points, rays), points[:, :2].T, points[:, 2]
    measured, expected = rows[_RAY], rows[_EXPECTED]
    nearest = NEAREST - depths.min()
    translation = _robust_start(rows, weights)
    used = weights
    for _ in range(iterations):
        if not translation[2] >= nearest:
            return _guess(points, rays, weights, nearest)
        placed = depths + translation[2]
        np.divide(across + translation[:2, None], placed, out=expected)
        apart = np.square(expected - measured)
        used = weights * _robust_weight(apart[0] + apart[1], weights)
        previous, translation = translation, _solve(rows, used / (placed * placed))
        if abs(translation[2] - previous[2]) < CONVERGED:
            break
    if not translation[2] >= nearest:
        return _guess(points, rays, weights, nearest)
    return _fit(points, rays, translation, used, ok=True)


def root_from_depth(
    points: npt.ArrayLike,
    rays: npt.ArrayLike,
    depth: npt.NDArray[np.floating],
    camera: Camera,
    weights: npt.ArrayLike | None = None,
    window: int = 5,
) -> RootFit:
    """Return the translation of a hand from a depth image registered to the camera image.

    Each joint whose pixel has a reading says how far the wrist is: the reading plus half the
    thickness of the hand there, less the joint's own depth. Readings of the background, of holes'
    rims and of fingers in front are outvoted; the rest are averaged. The hand's size in the image
    has no say in the depth, so a wrong assumed size does no harm to it.

    Args:
        points: (21, 3) joints relative to the wrist, in the camera's axes [m].
        rays: (21, 2) viewing rays of the detected keypoints.
        depth: (H, W) z of the surface [m]; 0 or NaN is a hole.
        camera: the camera of the depth image's pixels.
        weights: (21,) trust in each joint; all alike when None.
        window: side of the square of pixels around a keypoint whose median is read.

    Returns:
        The fit; `ok` is False (and the translation that of `metric_root`) where fewer than
        `DEPTH_MIN_JOINTS` joints agree.

    Raises:
        ShapeError: depth does not have the camera's size, or as for `metric_root`.
        InputError: as for `metric_root`.
    """
    points, rays, weights = _checked(points, rays, weights)
    if depth.shape != (camera.height, camera.width):
        raise ShapeError(
            f"depth has shape {depth.shape}; the camera is {(camera.height, camera.width)}"
        )
    surface = _read_depth(depth, camera.project_rays(rays), window)
    votes = surface + SURFACE_TO_JOINT - points[:, 2]
    agreeing = _largest_agreement(votes, weights)
    if np.count_nonzero(agreeing) < DEPTH_MIN_JOINTS:
        fallback = metric_root(points, rays, weights)
        return RootFit(fallback.translation, fallback.residual, fallback.weights, ok=False)
    z = np.average(votes[agreeing], weights=weights[agreeing])
    z = max(z, NEAREST - points[:, 2].min())
    lateral = rays * (points[:, 2:] + z) - points[:, :2]
    expected = _project(points + np.array([*_median(lateral), z]))
    used = weights * _robust_weight(np.square(expected - rays).sum(-1), weights)
    translation = np.array([*np.average(lateral, axis=0, weights=used), z])
    return _fit(points, rays, translation, used, ok=True)


def _checked(
    points: npt.ArrayLike, rays: npt.ArrayLike, weights: npt.ArrayLike | None
) -> tuple[npt.NDArray, npt.NDArray, npt.NDArray]:
    count = len(KEYPOINTS)
    given: list[tuple[str, npt.ArrayLike, tuple[int, ...]]] = [
        ("points", points, (count, 3)),
        ("rays", rays, (count, 2)),
    ]
    if weights is not None:
        given.append(("weights", weights, (count,)))
    arrays = []
    for name, values, shape in given:
        array = np.asarray(values, dtype=np.float64)
        if array.shape != shape:
            raise ShapeError(f"{name} has shape {array.shape}; it must be {shape}")
        if not np.isfinite(array).all():
            raise InputError(
                f"{name} has {np.count_nonzero(~np.isfinite(array))} values not finite"
            )
        arrays.append(array)
    if weights is None:
        return arrays[0], arrays[1], _ALIKE
    if (arrays[2] < 0.0).any() or not arrays[2].any():
        raise InputError(f"weights are {arrays[2].tolist()}; they must be at least 0, some above")
    return arrays[0], arrays[1], arrays[2]


def _rows(points: npt.NDArray, rays: npt.NDArray) -> npt.NDArray[np.float64]:
    """Return (7, 21): rays, what (p + t)_xy = ray (p + t)_z asks of t at z 0, room, and ones.

    As rows of one array their weighted means and products are one matrix product.
    """
    rows = np.empty((_ONE + 1, len(points)))
    rows[_RAY] = rays.T
    np.multiply(rows[_RAY], points[:, 2], out=rows[_TARGET])
    rows[_TARGET] -= points[:, :2].T
    rows[_ONE] = 1.0
    return rows


def _solve(rows: npt.NDArray, weights: npt.NDArray) -> npt.NDArray[np.float64]:
    """Return the t with (p + t)_xy = ray (p + t)_z in the weighted mean; NaN where none is fixed.

    The equations are weighed by `expected` rays, which the noise of the measured ones is not in:
    plain least squares would square that noise and put the hand too near. Centred, the normal
    equations of the depth are one division.
    """
    moments = (rows * weights) @ rows.T
    *_, with_x, with_y, mean = (moments / moments[_ONE, _ONE]).tolist()
    ray_x, ray_y, target_x, target_y, x, y, _ = mean
    information = with_x[0] - x * ray_x + with_y[1] - y * ray_y
    if not information > 1e-12:
        return np.full(3, np.nan)
    z = -(with_x[2] - x * target_x + with_y[3] - y * target_y) / information
    return np.array((target_x + ray_x * z, target_y + ray_y * z, z))


def _robust_start(rows: npt.NDArray, weights: npt.NDArray) -> npt.NDArray[np.float64]:
    """Return the translation by the weighted median of the depths that pairs of joints ask for."""
    apart = rows[: _TARGET.stop] @ _DIFFERENCES
    asked = apart[_TARGET]
    products = apart[_RAY] * apart.reshape(2, 2, -1)
    lever, levered = products[:, 0] + products[:, 1]
    depths = -levered / np.maximum(lever, 1e-12)
    # The model's own distances weigh the pairs: a gross outlier must not buy itself a say.
    distances = np.abs(asked)
    say = weights.take(_PAIRS[0]) * weights.take(_PAIRS[1]) * (distances[0] + distances[1])
    order = depths.argsort()
    summed = say[order].cumsum()
    z = depths[order[summed.searchsorted(summed[-1] / 2.0)]]
    return np.array([*_median((rows[_TARGET] + rows[_RAY] * z).T[weights > 0.0]), z])


def _project(placed: npt.NDArray) -> npt.NDArray[np.float64]:
    return placed[:, :2] / placed[:, 2:]


def _robust_weight(squares: npt.NDArray, weights: npt.NDArray) -> npt.NDArray[np.float64]:
    """Return (21,) Tukey's biweights of squared residuals; the scale is the trusted ones' median.

    The median length of a 2D normal error is 1.18 standard deviations of one axis.
    """
    trusted = squares.copy() if weights is _ALIKE else squares[weights > 0.0]
    trusted.sort()
    scale = max(float(trusted[len(trusted) // 2]) / 1.1774**2, MIN_SCALE**2)
    return np.square(np.maximum(1.0 - squares / (TUKEY**2 * scale), 0.0))


def _fit(
    points: npt.NDArray, rays: npt.NDArray, translation: npt.NDArray, used: npt.NDArray, ok: bool
) -> RootFit:
    apart = np.square(_project(points + translation) - rays)
    squares = apart[:, 0] + apart[:, 1]
    return RootFit(translation, math.sqrt(used @ squares / used.sum()), used, ok)


def _guess(
    points: npt.NDArray, rays: npt.NDArray, weights: npt.NDArray, nearest: float
) -> RootFit:
    """Return the root where the rays do not fix a depth: from the extents of hand and image."""
    extent = np.linalg.norm(points[:, :2] - _median(points[:, :2]), axis=-1)
    extent_rays = np.linalg.norm(rays - _median(rays), axis=-1)
    z = max(weights @ extent / max(weights @ extent_rays, 1e-3 * weights.sum()), nearest)
    lateral = rays * (points[:, 2:] + z) - points[:, :2]
    return _fit(points, rays, np.array([*_median(lateral), z]), weights, ok=False)


def _median(values: npt.NDArray) -> npt.NDArray:
    """Return the median of rows; numpy's own takes five times as long for a few."""
    ordered, middle = np.sort(values, axis=0), len(values) // 2
    return ordered[middle] if len(values) % 2 else (ordered[middle - 1] + ordered[middle]) / 2.0


def _read_depth(depth: npt.NDArray, pixels: npt.NDArray, window: int) -> npt.NDArray[np.float64]:
    """Return the median reading [m] around each pixel; NaN outside the image or in a hole."""
    readings = np.full(len(pixels), np.nan)
    half = window // 2
    height, width = depth.shape
    for joint, (column, row) in enumerate(np.rint(pixels)):
        if not (0 <= column < width and 0 <= row < height):
            continue
        x, y = int(column), int(row)
        patch = depth[max(y - half, 0) : y + half + 1, max(x - half, 0) : x + half + 1]
        valid = patch[np.isfinite(patch) & (patch > 0.0)]
        if valid.size * 2 > patch.size:
            readings[joint] = np.median(valid)
    return readings


def _largest_agreement(votes: npt.NDArray, weights: npt.NDArray) -> npt.NDArray[np.bool_]:
    """Return which votes lie within `DEPTH_INLIER` of the vote that has most around it."""
    near = np.abs(votes[:, None] - votes[None, :]) <= DEPTH_INLIER
    support = near @ weights
    return near[int(np.argmax(support))] & (weights > 0.0)
