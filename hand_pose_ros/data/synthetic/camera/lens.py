"""What a lens does to a render: it bends lines and blurs what is out of focus or moves.

Images may have any number of channels; those with transparency are premultiplied, as
`renderer.HandRenderer` returns them, and are blurred before they are laid over a background.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from hand_pose_ros.errors import InputError, ShapeError
from hand_pose_ros.hand.camera import Camera

Layer = npt.NDArray[Any]

_MARGIN_PX = 1.0
_NODES = 14
"""Points per axis at which the inverse distortion is computed; between them the polynomial through
them is right to a thousandth of a pixel."""
_BORDER = 25
"""Points per side of the image at which its border is looked at."""
_REMAPPED = ("uint8", "uint16", "int16", "float32", "float64")


def pinhole_for(camera: Camera, width: int | None = None, height: int | None = None) -> Camera:
    """Return the pinhole camera to render for `distort`: it sees all that the camera sees.

    Args:
        camera: the one whose image is wanted, distortion included.
        width: of the render [px]; by default that which keeps the camera's focal lengths, so that
            a pixel of the render is a pixel in the middle of the image.
        height: likewise.

    Raises:
        InputError: the distortion folds within the image, so no pinhole camera can stand for it.
    """
    rays = _border_rays(camera)
    low, high = rays.min(axis=0), rays.max(axis=0)
    focal = np.array((camera.K[0, 0], camera.K[1, 1]))
    needed = focal * (high - low)
    natural = np.ceil(needed + 2.0 * _MARGIN_PX).astype(int)
    size = (
        int(natural[0]) if width is None else width,
        int(natural[1]) if height is None else height,
    )
    if min(size) <= 2.0 * _MARGIN_PX:
        raise InputError(f"a render of {size[0]} x {size[1]} px; both must be at least 3")
    focal = focal * float(((np.array(size) - 2.0 * _MARGIN_PX) / needed).min())
    K = np.diag((focal[0], focal[1], 1.0))
    K[:2, 2] = (np.array(size) - 1.0) / 2.0 - focal * (low + high) / 2.0
    return Camera(K, size[0], size[1], (), "")


def distort(camera: Camera, pinhole: Camera, *layers: Layer) -> tuple[Layer, ...]:
    """Return layers of a pinhole camera's render as the camera would have seen them.

    Colours (H, W, C) are interpolated; maps (H, W), such as masks and depths, take the nearest
    pixel, so no value appears that was not there. The lookup table of the last few pairs of
    cameras is kept: pass the same objects where the camera stays.

    Args:
        camera: of the images wanted.
        pinhole: of the layers, see `pinhole_for`; what it does not see becomes 0.
        layers: (H, W) or (H, W, C), of the size of `pinhole`.
    """
    for layer in layers:
        _check_layer(layer, pinhole)
    across, down = _lookup(camera, pinhole)
    bent = []
    for layer in layers:
        method = cv2.INTER_LINEAR if layer.ndim == 3 else cv2.INTER_NEAREST
        plain = layer.astype(np.uint8) if layer.dtype == np.bool_ else layer
        found = cv2.remap(plain, across, down, method, borderMode=cv2.BORDER_CONSTANT)
        bent.append(np.asarray(found).astype(layer.dtype, copy=False))
    return tuple(bent)


def defocus(image: Layer, diameter_px: float) -> Layer:
    """Return the image with every point spread over a disc; a diameter up to 1 changes nothing."""
    if not 0.0 <= diameter_px < math.inf:
        raise InputError(f"diameter_px is {diameter_px}; it must be at least 0")
    if diameter_px <= 1.0:
        return image
    disc = _disc(round(4.0 * diameter_px) / 4.0)
    return np.asarray(cv2.filter2D(image, -1, disc, borderType=cv2.BORDER_REPLICATE))


def smear(image: Layer, motion_px: Sequence[float]) -> Layer:
    """Return the image blurred along a straight motion (x, y) [px] about where it was.

    The mean of 2^n copies along the way, at whole pixels of each other.
    """
    motion = np.array([float(value) for value in motion_px])
    if motion.shape != (2,) or not np.isfinite(motion).all():
        raise InputError(f"motion_px is {tuple(motion_px)}; it must be two finite numbers")
    steps = []
    while np.abs(motion).max() > 1.0:
        motion = motion / 2.0
        steps.append(np.round(motion).astype(int))
    if not steps:
        return image
    reach = np.sum(steps, axis=0)
    image = _padded(image, reach)
    for step in steps:
        image = _halved(image, int(step[0]), int(step[1]))
    return image


def _border_rays(camera: Camera) -> npt.NDArray[np.float64]:
    """Return the undistorted rays (N, 2) of the outer edge of the border's pixels."""
    turn = np.linspace(0.0, 1.0, _BORDER)[:, None]
    right, bottom = camera.width - 0.5, camera.height - 0.5
    corners = np.array([(-0.5, -0.5), (right, -0.5), (right, bottom), (-0.5, bottom)])
    ends = np.roll(corners, -1, axis=0)
    edge_px = np.concatenate([a + turn * (b - a) for a, b in zip(corners, ends, strict=True)])
    rays = _rays(camera, edge_px)
    middle = camera.K[:2, 2]
    kept = np.linalg.norm(camera.project_rays(rays) - edge_px, axis=-1)
    reach = np.linalg.norm(edge_px - middle, axis=-1)
    grown = np.linalg.norm(camera.project_rays(1.01 * rays) - middle, axis=-1) > reach
    if not ((kept < 0.01) & (grown | (reach < 1.0))).all():
        raise InputError(
            f"distortion {camera.distortion} ({camera.distortion_model!r}) folds the border of an "
            f"image of {camera.width} x {camera.height} px; it must be one to one there"
        )
    return rays


def _rays(camera: Camera, pixels: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the undistorted rays of pixels, by Newton's method where `normalize` is not exact.

    Far off the axis of a barrel its iteration does not converge.
    """
    rays = camera.normalize(pixels)
    seen = camera.project_rays(rays)
    missed = np.linalg.norm(seen - pixels, axis=-1, keepdims=True)
    if missed.max() >= 1.0:
        plain = replace(camera, distortion=(), distortion_model="").normalize(pixels)
        rays = np.where(missed < 1.0, rays, plain)
        seen = camera.project_rays(rays)
    for _ in range(30):
        if np.abs(pixels - seen).max() < 1e-3:
            break
        slopes = [(camera.project_rays(rays + step) - seen) / 1e-5 for step in 1e-5 * np.eye(2)]
        step = np.linalg.solve(np.stack(slopes, axis=-1), (pixels - seen)[..., None])[..., 0]
        rays = rays + step * 0.2 / np.maximum(np.linalg.norm(step, axis=-1, keepdims=True), 0.2)
        seen = camera.project_rays(rays)
    return rays


def _check_layer(layer: Layer, pinhole: Camera) -> None:
    size = (pinhole.height, pinhole.width)
    if layer.ndim not in (2, 3) or layer.shape[:2] != size:
        raise ShapeError(f"a layer has shape {layer.shape}; the pinhole camera has {size}")
    if layer.dtype != np.bool_ and str(layer.dtype) not in _REMAPPED:
        raise InputError(f"a layer is {layer.dtype}; it must be bool or one of {_REMAPPED}")


@lru_cache(maxsize=8)
def _lookup(
    camera: Camera, pinhole: Camera
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Return x and y (H, W) [px] in the pinhole's render of every pixel of the camera's image."""
    x, across = _interpolation(camera.width)
    y, down = _interpolation(camera.height)
    nodes_px = np.stack(np.meshgrid(x, y), axis=-1)
    found = pinhole.project_rays(_rays(camera, nodes_px))
    at_x, at_y = np.ascontiguousarray(np.moveaxis(found, -1, 0), np.float32)
    return down @ (at_x @ across.T), down @ (at_y @ across.T)


@lru_cache(maxsize=8)
def _interpolation(length: int) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float32]]:
    """Return Chebyshev's nodes (N,) [px] on a side and the weights (length, N) from them on.

    Source: Trefethen, Approximation Theory and Approximation Practice, chapter 4.
    """
    nodes = np.cos(math.pi * (np.arange(_NODES) + 0.5) / _NODES)
    vander = np.polynomial.chebyshev.chebvander
    pixels = vander(np.linspace(-1.0, 1.0, length), _NODES - 1)
    weights = pixels @ np.linalg.inv(vander(nodes, _NODES - 1))
    return (nodes + 1.0) / 2.0 * (length - 1), weights.astype(np.float32)


@lru_cache(maxsize=64)
def _disc(diameter_px: float) -> npt.NDArray[np.float32]:
    reach = math.ceil(diameter_px / 2.0)
    x = np.arange(-reach, reach + 1)
    disc = np.clip(diameter_px / 2.0 + 0.5 - np.hypot(x[:, None], x[None, :]), 0.0, 1.0)
    return (disc / disc.sum()).astype(np.float32)


def _padded(image: Layer, reach: npt.NDArray[np.int_]) -> Layer:
    """Return the image in the middle of one that is larger by the reach (x, y) of a motion."""
    height, width = image.shape[:2]
    x, y = np.abs(reach)
    shift = np.array([[1.0, 0.0, x / 2.0], [0.0, 1.0, y / 2.0]])
    size = (width + int(x), height + int(y))
    return np.asarray(cv2.warpAffine(image, shift, size, borderMode=cv2.BORDER_REPLICATE))


def _halved(image: Layer, x: int, y: int) -> Layer:
    """Return the mean of an image and itself (x, y) on, where both are known."""
    height, width = image.shape[0] - abs(y), image.shape[1] - abs(x)
    left, top = max(x, 0), max(y, 0)
    first = image[top : top + height, left : left + width]
    top, left = top - y, left - x
    second = image[top : top + height, left : left + width]
    return np.asarray(cv2.addWeighted(first, 0.5, second, 0.5, 0.0))
