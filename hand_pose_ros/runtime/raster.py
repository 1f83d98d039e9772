"""A shaded surface drawn onto an image, without a graphics card."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from hand_pose_ros.hand.camera import Camera

_LIGHT = np.array((-0.40, -0.68, -0.61))
"""Unit vector to the light, camera frame: from above the left shoulder of the one who looks."""

_MAX_PIXELS = 800_000
"""Largest picture that is drawn at twice its size to smooth its edges."""

_SHIFT = 4
"""Fractional bits of the coordinates that OpenCV draws at."""


def blend_surface(
    image: npt.NDArray[np.uint8],
    vertices: npt.NDArray[np.float64],
    faces: npt.NDArray[np.int64],
    camera: Camera,
    color: tuple[float, float, float],
    opacity: float,
) -> None:
    """Draw a shaded surface onto an RGB image, in place; what leaves the image is cut.

    The triangles that face the camera, back to front; edges at twice the size where that is not
    too much. The light is computed at the vertices and interpolated (Gouraud 1971).

    Args:
        image: (H, W, 3) of the camera's size.
        vertices: (V, 3) [m], camera frame.
        faces: (F, 3), counter-clockwise seen from outside.
        camera: projects them, lens distortion included.
        color: red, green, blue of the lit surface, 0..1.
        opacity: 0 (nothing) to 1.
    """
    pixels = camera.project(vertices)
    window = _window(pixels, image.shape[1], image.shape[0])
    if window is None:
        return
    x, y, width, height = window
    factor = 2 if width * height <= _MAX_PIXELS else 1
    pixels = pixels - (x, y)
    faces = _facing(pixels, vertices, faces)
    owner = _owners(pixels * factor + (factor - 1) / 2.0, faces, width * factor, height * factor)
    # Of the pixels that one pixel was split into, those of the nearest face say its colour.
    split = owner.reshape(height, factor, width, factor)
    cover = (split > 0).mean(axis=(1, 3), dtype=np.float32)[..., None] * np.float32(opacity)
    shade = _colored(split.max(axis=(1, 3)), pixels, faces, vertex_colors(vertices, faces, color))
    part = image[y : y + height, x : x + width]
    part[:] = (shade * cover + part * (1.0 - cover) + 0.5).astype(np.uint8)


def vertex_colors(
    vertices: npt.NDArray[np.float64],
    faces: npt.NDArray[np.int64],
    color: tuple[float, float, float],
) -> npt.NDArray[np.float32]:
    """Return the colours (V, 3) 0..255 of vertices: light from above, some gloss, dark rims."""
    corners = vertices[faces]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    smooth = np.zeros_like(vertices)
    for corner in range(3):
        np.add.at(smooth, faces[:, corner], normals)
    smooth = _unit(smooth)
    views = _unit(-vertices)
    diffuse = np.clip(smooth @ _LIGHT, 0.0, 1.0)
    facing = np.clip(np.einsum("ij,ij->i", smooth, views), 0.0, 1.0)
    gloss = np.clip(np.einsum("ij,ij->i", smooth, _unit(_LIGHT + views)), 0.0, 1.0) ** 20
    level = 0.22 + 0.55 * diffuse + 0.25 * facing
    lit = level[:, None] * np.asarray(color) + 0.20 * gloss[:, None]
    return (np.clip(lit, 0.0, 1.0) * 255.0).astype(np.float32)


def _window(
    pixels: npt.NDArray[np.float64], width: int, height: int
) -> tuple[int, int, int, int] | None:
    """Return x, y, width, height of the part of the image that the pixels touch."""
    finite = pixels[np.isfinite(pixels).all(axis=-1)]
    if not len(finite):
        return None
    low = np.clip(np.floor(finite.min(axis=0)) - 1, 0, (width, height)).astype(int)
    high = np.clip(np.ceil(finite.max(axis=0)) + 2, 0, (width, height)).astype(int)
    if (high <= low).any():
        return None
    return int(low[0]), int(low[1]), int(high[0] - low[0]), int(high[1] - low[1])


def _facing(
    pixels: npt.NDArray[np.float64],
    vertices: npt.NDArray[np.float64],
    faces: npt.NDArray[np.int64],
) -> npt.NDArray[np.int64]:
    """Return the faces whose outside is seen, the farthest first; none behind the camera."""
    first, second, third = (pixels[faces[:, corner]] for corner in range(3))
    along, across = second - first, third - first
    # Image y points down: counter-clockwise in space is a negative area in pixels.
    seen = faces[along[:, 0] * across[:, 1] - along[:, 1] * across[:, 0] < 0.0]
    return seen[np.argsort(-vertices[seen, 2].sum(axis=1), kind="stable")]


def _owners(
    pixels: npt.NDArray[np.float64], faces: npt.NDArray[np.int64], width: int, height: int
) -> npt.NDArray[np.int32]:
    """Return (height, width) the face that is seen in each pixel, counted from 1; 0 for none."""
    # Whole numbers below 2^24 are exact in what OpenCV fills triangles with.
    canvas = np.zeros((height, width), np.float32)
    far = 4 * max(width, height)
    corners = np.clip(pixels, -far, far)[faces] * (1 << _SHIFT)
    for number, corner in enumerate(np.rint(corners).astype(np.int32), start=1):
        cv2.fillConvexPoly(canvas, corner, (number,), cv2.LINE_8, _SHIFT)
    return canvas.astype(np.int32)


def _colored(
    owner: npt.NDArray[np.int32],
    pixels: npt.NDArray[np.float64],
    faces: npt.NDArray[np.int64],
    colors: npt.NDArray[np.float32],
) -> npt.NDArray[np.float32]:
    """Return (height, width, 3) colours 0..255, linear over each face."""
    image = np.zeros((*owner.shape, 3), np.float32)
    rows, columns = np.nonzero(owner)
    chosen = owner[rows, columns] - 1
    origin, along, across = (pixels[faces[:, corner]] for corner in range(3))
    along, across = along - origin, across - origin
    area = along[:, 0] * across[:, 1] - along[:, 1] * across[:, 0]
    # Rows of the inverse of (along, across): what a step in x and in y adds to each weight.
    to_second = np.stack((across[:, 1], -across[:, 0]), axis=1) / area[:, None]
    to_third = np.stack((-along[:, 1], along[:, 0]), axis=1) / area[:, None]
    steps = np.stack((columns, rows), axis=1) - origin[chosen]
    second = np.einsum("ij,ij->i", steps, to_second[chosen])[:, None]
    third = np.einsum("ij,ij->i", steps, to_third[chosen])[:, None]
    first_color, second_color, third_color = (colors[faces[chosen, c]] for c in range(3))
    shade = first_color * (1.0 - second - third) + second_color * second + third_color * third
    image[rows, columns] = np.clip(shade, 0.0, 255.0)
    return image


def _unit(vectors: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.asarray(vectors / (np.linalg.norm(vectors, axis=-1, keepdims=True) + 1e-12))
