"""The pinhole camera with lens distortion: projection, viewing rays, crops and mirror images.

Pixels are counted as OpenCV and ROS do: the centre of the upper left pixel is (0, 0). Points are
in the camera optical frame (x right, y down, z forward), in metres.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from hand_pose_ros.errors import InputError, ShapeError

DISTORTION_MODELS = {"": (0,), "plumb_bob": (0, 4, 5), "rational_polynomial": (8, 12, 14)}
"""Polynomial models of sensor_msgs/CameraInfo and the numbers of coefficients they may have."""

_TILTED = 14
"""Coefficients of a model with a tilted sensor."""

FISHEYE = "equidistant"
"""The fisheye model of sensor_msgs/CameraInfo (Kannala and Brandt 2006); 4 coefficients."""

Number = float | int

ASSUMED_FIELD_OF_VIEW_DEG = 60.0
"""Horizontal field of view of a camera nobody has calibrated: the middle of webcams and phones."""


@dataclass(frozen=True, eq=False)
class Camera:
    """Intrinsics of one camera image.

    Attributes:
        K: (3, 3) intrinsic matrix [px], float64, read-only.
        width: image width [px].
        height: image height [px].
        distortion: coefficients, order of sensor_msgs/CameraInfo; empty or all zero for none.
        distortion_model: `plumb_bob`, `rational_polynomial`, `equidistant` or empty.
        assumed: True where K is a guess from a field of view, not a calibration.

    Raises:
        InputError: a value that no camera has; the message names it.
    """

    K: npt.NDArray[np.float64]
    width: int
    height: int
    distortion: tuple[float, ...] = ()
    distortion_model: str = "plumb_bob"
    assumed: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "K", _checked_matrix(self.K))
        for name in ("width", "height"):
            size = getattr(self, name)
            if int(size) != size or size <= 0:
                raise InputError(f"camera {name} is {size}; it must be a whole number above 0")
            object.__setattr__(self, name, int(size))
        coefficients = tuple(float(value) for value in self.distortion)
        object.__setattr__(self, "distortion", coefficients)
        _check_distortion(coefficients, self.distortion_model)

    @classmethod
    def from_field_of_view(
        cls, width: int, height: int, horizontal_fov_deg: Number = ASSUMED_FIELD_OF_VIEW_DEG
    ) -> Camera:
        """Return a guessed camera: square pixels, centred axis, no distortion, `assumed` set."""
        if not 0.0 < horizontal_fov_deg < 180.0:
            raise InputError(
                f"horizontal_fov_deg is {horizontal_fov_deg}; it must lie between 0 and 180"
            )
        focal = width / 2.0 / math.tan(math.radians(horizontal_fov_deg) / 2.0)
        K = [[focal, 0.0, (width - 1) / 2.0], [0.0, focal, (height - 1) / 2.0], [0.0, 0.0, 1.0]]
        return cls(np.array(K), width, height, assumed=True)

    @property
    def is_distorted(self) -> bool:
        """Whether straight lines come out bent. A fisheye does so even with zero coefficients."""
        return self.distortion_model == FISHEYE or any(self.distortion)

    def normalize(self, points_px: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Return the undistorted viewing rays (*batch, 2), x/z and y/z, of pixels (*batch, 2)."""
        points_px = _with_last_axis(points_px, 2, "points_px")
        rays = np.empty_like(points_px)
        (fx, skew, cx), (_, fy, cy), _ = self.K.tolist()
        down = np.divide(points_px[..., 1] - cy, fy, out=rays[..., 1])
        np.divide(points_px[..., 0] - cx - skew * down, fx, out=rays[..., 0])
        return self._undistort(rays) if self.is_distorted and rays.size else rays

    def project(self, points: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Return the pixels (*batch, 2) of points (*batch, 3) [m]; NaN at or behind the camera."""
        points = _with_last_axis(points, 3, "points")
        depth = np.where(points[..., 2:] > 0.0, points[..., 2:], np.nan)
        return self.project_rays(points[..., :2] / depth)

    def project_rays(self, rays: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Return the pixels (*batch, 2) of undistorted viewing rays (*batch, 2), x/z and y/z."""
        rays = _with_last_axis(rays, 2, "rays")
        if self.is_distorted and rays.size:
            rays = self._distort(rays)
        return rays @ self.K[:2, :2].T + self.K[:2, 2]

    def crop(self, x: Number, y: Number, w: Number, h: Number, out_w: int, out_h: int) -> Camera:
        """Return the camera of `cv2.resize(image[y : y + h, x : x + w], (out_w, out_h))`.

        The box may reach beyond the image (padding) and need not be whole pixels.
        """
        if not (w > 0 and h > 0 and out_w > 0 and out_h > 0):
            raise InputError(f"crop of {w} x {h} px to {out_w} x {out_h} px; all must be above 0")
        scale_x, scale_y = out_w / w, out_h / h
        to_crop = np.array(
            [
                [scale_x, 0.0, (0.5 - x) * scale_x - 0.5],
                [0.0, scale_y, (0.5 - y) * scale_y - 0.5],
                [0.0, 0.0, 1.0],
            ]
        )
        return replace(self, K=to_crop @ self.K, width=out_w, height=out_h)

    def mirrored(self) -> Camera:
        """Return the camera of the horizontally flipped image: it sees points with x negated."""
        K = self.K.copy()
        K[0, 1] = -K[0, 1]
        K[0, 2] = self.width - 1 - K[0, 2]
        return replace(self, K=K, distortion=_mirrored(self.distortion, self.distortion_model))

    def _distort(self, rays: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        if len(self.distortion) < _TILTED and self.distortion_model != FISHEYE:
            return _bent(rays, self.distortion)
        import cv2

        flat = np.ascontiguousarray(rays.reshape(-1, 1, 2))
        if self.distortion_model == FISHEYE:
            bent = cv2.fisheye.distortPoints(flat, np.eye(3), np.array(self._fisheye))
        else:
            solid = np.concatenate((flat, np.ones_like(flat[..., :1])), axis=-1)
            still = np.zeros(3)
            bent, _ = cv2.projectPoints(solid, still, still, np.eye(3), np.array(self.distortion))
        return np.where(np.isfinite(rays), bent.reshape(rays.shape), np.nan)

    def _undistort(self, rays: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        import cv2

        flat = np.ascontiguousarray(rays.reshape(-1, 1, 2))
        until = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 50, 1e-10)
        if self.distortion_model == FISHEYE:
            coefficients = np.array(self._fisheye)
            straight = cv2.fisheye.undistortPoints(flat, np.eye(3), coefficients, criteria=until)
        else:
            straight = cv2.undistortPointsIter(
                flat, np.eye(3), np.array(self.distortion), np.eye(3), np.eye(3), until
            )
        return np.where(np.isfinite(rays), straight.reshape(rays.shape), np.nan)

    @property
    def _fisheye(self) -> tuple[float, ...]:
        return self.distortion or (0.0, 0.0, 0.0, 0.0)


def view_rotation(ray: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Return R_view_cam (*batch, 3, 3): the smallest rotation that brings a viewing ray onto +z.

    In the rotated frame the hand stands on the optical axis, so that what it looks like no longer
    depends on where in the image it was seen.

    Args:
        ray: (*batch, 2) x/z and y/z of the viewing ray, camera optical frame.

    Source: Rodrigues' formula about ray x z.
    """
    ray = _with_last_axis(ray, 2, "ray")
    x, y = ray[..., 0], ray[..., 1]
    c = 1.0 / np.sqrt(1.0 + x * x + y * y)
    x, y = x * c, y * c
    k = 1.0 / (1.0 + c)
    rotation = np.empty((*ray.shape[:-1], 3, 3))
    rotation[..., 0, 0], rotation[..., 1, 1], rotation[..., 2, 2] = 1 - k * x * x, 1 - k * y * y, c
    rotation[..., 0, 1] = rotation[..., 1, 0] = -k * x * y
    rotation[..., 2, 0], rotation[..., 2, 1] = x, y
    rotation[..., 0, 2], rotation[..., 1, 2] = -x, -y
    return rotation


def _with_last_axis(values: npt.ArrayLike, size: int, name: str) -> npt.NDArray[np.float64]:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim == 0 or array.shape[-1] != size:
        raise ShapeError(f"{name} has shape {array.shape}; its last axis must be {size}")
    return array


def _checked_matrix(matrix: npt.ArrayLike) -> npt.NDArray[np.float64]:
    K = np.array(matrix, dtype=np.float64)
    if K.shape != (3, 3):
        raise ShapeError(f"K has shape {K.shape}; it must be (3, 3)")
    if not np.isfinite(K).all():
        raise InputError(f"K is {K.tolist()}; every entry must be finite")
    if K[0, 0] <= 0.0 or K[1, 1] <= 0.0:
        raise InputError(f"focal lengths fx, fy are {K[0, 0]}, {K[1, 1]}; both must be above 0")
    if K[1, 0] != 0.0 or tuple(K[2]) != (0.0, 0.0, 1.0):
        raise InputError(f"K is {K.tolist()}; below its diagonal it must be 0, and K[2][2] be 1")
    K.flags.writeable = False
    return K


def _check_distortion(coefficients: tuple[float, ...], model: str) -> None:
    allowed = {**DISTORTION_MODELS, FISHEYE: (0, 4)}
    if model not in allowed:
        raise InputError(f"distortion_model is {model!r}; it must be one of {sorted(allowed)}")
    if not all(math.isfinite(value) for value in coefficients):
        raise InputError(f"distortion is {coefficients}; every coefficient must be finite")
    if any(coefficients) and len(coefficients) not in allowed[model]:
        counts = " or ".join(str(count) for count in allowed[model])
        raise InputError(
            f"distortion has {len(coefficients)} coefficients; {model!r} takes {counts}"
        )


def _bent(
    rays: npt.NDArray[np.float64], coefficients: tuple[float, ...]
) -> npt.NDArray[np.float64]:
    """Return distorted rays (*batch, 2).

    OpenCV's own function also works out all derivatives and takes ten times as long.

    Source: OpenCV's documentation of calib3d, the model without a tilted sensor.
    """
    k1, k2, p1, p2, k3, k4, k5, k6, s1, s2, s3, s4 = (*coefficients, *[0.0] * 12)[:12]
    x, y = np.ascontiguousarray(np.moveaxis(rays, -1, 0))
    xx, yy, xy = x * x, y * y, x * y
    r = xx + yy
    radial = 1.0 + r * (k1 + r * (k2 + r * k3))
    if k4 or k5 or k6:
        radial = radial / (1.0 + r * (k4 + r * (k5 + r * k6)))
    across = x * radial + 2.0 * p1 * xy + p2 * (r + 2.0 * xx)
    down = y * radial + 2.0 * p2 * xy + p1 * (r + 2.0 * yy)
    if s1 or s2 or s3 or s4:
        across, down = across + r * (s1 + r * s2), down + r * (s3 + r * s4)
    return np.stack((across, down), axis=-1)


def _mirrored(coefficients: tuple[float, ...], model: str) -> tuple[float, ...]:
    """Return the coefficients for x negated: the terms that are even in x change their sign."""
    if model == FISHEYE or len(coefficients) < 4:
        return coefficients
    # p2; the thin prism's s1 and s2, which bend x; the sensor's tilt about y.
    flipped = {3, 8, 9, 13}
    return tuple(-value if i in flipped else value for i, value in enumerate(coefficients))
