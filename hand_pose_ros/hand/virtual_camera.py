"""A camera that looks straight at a hand, made of the pixels of one that does not.

It stands where the real camera stands, turned until the hand is upright on its axis, with a focal
length at which the hand fills its square image. What it sees does not depend on where in the image
the hand was, nor on the lens; a left hand is seen in a mirror.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hand_pose_ros.errors import InputError, ShapeError
from hand_pose_ros.hand.camera import Camera

BLUR_FROM = 1.5
"""Image pixels to a pixel of the view from which the image is blurred before."""

_GRID = 29
"""Points along a side of the view that are projected through a lens."""

_NEAREST = 1e-2
"""Least depth of a viewing ray that the camera can see along."""

_FAR_PX = 1e5
"""Where the others would be in the image: outside."""


@dataclass(frozen=True, eq=False)
class VirtualCamera:
    """Where a virtual camera looks.

    Attributes:
        R_view_camera: (3, 3) camera frame to the frame of the view; of a mirrored view, from the
            frame of the mirrored camera (x negated).
        half_width: half the side of its square image at depth 1.
        mirrored: whether the camera's x is negated before it is turned.
    """

    R_view_camera: npt.NDArray[np.float64]
    half_width: float
    mirrored: bool = False

    def __post_init__(self) -> None:
        if np.shape(self.R_view_camera) != (3, 3):
            raise ShapeError(f"R_view_camera is {np.shape(self.R_view_camera)}, not (3, 3)")
        if not 0.0 < self.half_width < np.inf:
            raise InputError(f"half_width is {self.half_width}; it must be above 0")

    def see(
        self,
        image: npt.NDArray[np.uint8],
        camera: Camera,
        side: int,
        blur_from: float = BLUR_FROM,
    ) -> npt.NDArray[np.uint8]:
        """Return the view (side, side, channels) of a camera's image, black beyond it.

        Args:
            image: of the camera.
            camera: its intrinsics.
            side: of the view [px].
            blur_from: pixels of the image to one of the view from which it is blurred before.
        """
        import cv2

        to_ray = self._to_ray(side)
        shrink = self._shrink(camera, side)
        right, down, depth = to_ray[2].tolist()
        nearest = depth + (side - 1) * (min(right, 0.0) + min(down, 0.0))
        is_flat = nearest > _NEAREST and not camera.is_distorted
        to_image = camera.K @ to_ray
        pixels = None if is_flat else _bent(to_ray, camera, side)
        if shrink > blur_from:
            ends = _corners(to_image, side) if pixels is None else pixels.reshape(2, -1).T
            image, low = _blurred_part(image, ends, 0.4 * shrink)
            to_image[:2] -= np.outer(low, to_image[2])
            if pixels is not None:
                pixels -= low.astype(np.float32)[:, None, None]
        if pixels is None:
            flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
            seen = cv2.warpPerspective(image, to_image, (side, side), flags=flags)
        else:
            x, y = pixels
            seen = cv2.remap(image, x, y, cv2.INTER_LINEAR)
        return np.asarray(seen, np.uint8)

    def _to_ray(self, side: int) -> npt.NDArray[np.float64]:
        """Return the homography from pixels of the view to viewing rays of the camera."""
        pixel = 2.0 * self.half_width / side
        centre = self.half_width - 0.5 * pixel
        to_view = np.array([[pixel, 0.0, -centre], [0.0, pixel, -centre], [0.0, 0.0, 1.0]])
        to_ray = self.R_view_camera.T @ to_view
        if self.mirrored:
            to_ray[0] *= -1.0
        return to_ray

    def _shrink(self, camera: Camera, side: int) -> float:
        """Return how many pixels of the image fall on one of the view, where it looks."""
        depth = max(float(self.R_view_camera[2, 2]), 0.1)
        return 2.0 * self.half_width / side * float(camera.K[0, 0]) / depth


def _corners(to_image: npt.NDArray[np.float64], side: int) -> npt.NDArray[np.float64]:
    """Return where in the image (4, 2) the corners of the view are."""
    corners = np.array([(x, y, 1.0) for x in (0, side - 1) for y in (0, side - 1)])
    homogeneous = corners @ to_image.T
    return homogeneous[:, :2] / homogeneous[:, 2:]


def _blurred_part(
    image: npt.NDArray[np.uint8], pixels: npt.NDArray[np.floating], deviation: float
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.integer]]:
    """Return the part of an image around some pixels (n, 2), blurred, and its corner (x, y).

    Where all pixels lie outside a part of one pixel is returned.
    """
    import cv2

    margin, size = 4.0 * deviation + 2.0, np.array(image.shape[1::-1])
    low = np.clip(np.floor(pixels.min(axis=0) - margin), 0, size - 1).astype(int)
    high = np.clip(np.ceil(pixels.max(axis=0) + margin) + 1, low + 1, size).astype(int)
    part = image[low[1] : high[1], low[0] : high[0]]
    return np.asarray(cv2.GaussianBlur(part, (0, 0), deviation), np.uint8), low


def _bent(to_ray: npt.NDArray[np.float64], camera: Camera, side: int) -> npt.NDArray[np.float32]:
    """Return the pixels (2, side, side) of the image that the pixels of the view show.

    The lens bends a coarse grid; between its points a straight line is near enough.
    """
    at = np.linspace(0.0, side - 1.0, _GRID)
    x, y = np.meshgrid(at, at)
    points = np.stack((x, y, np.ones_like(x)), axis=-1) @ to_ray.T
    is_ahead = points[..., 2:] > _NEAREST
    rays = points[..., :2] / np.where(is_ahead, points[..., 2:], 1.0)
    pixels = np.where(is_ahead, camera.project_rays(rays), _FAR_PX)
    pixels = np.moveaxis(np.clip(np.nan_to_num(pixels, nan=_FAR_PX), -_FAR_PX, _FAR_PX), -1, 0)
    place = np.arange(side)[:, None] * (_GRID - 1) / (side - 1.0)
    share = np.maximum(0.0, 1.0 - np.abs(place - np.arange(_GRID)))
    return (share @ pixels @ share.T).astype(np.float32)
