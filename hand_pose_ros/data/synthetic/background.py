"""A room out of focus behind the hands: wall, window, shelves and desk, different each time."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter

from hand_pose_ros.errors import InputError

Image = npt.NDArray[np.float32]
Colour = tuple[float, float, float] | npt.NDArray[np.float64]


def room(
    width: int, height: int, seed: int, blur_px: float | None = None
) -> npt.NDArray[np.uint8]:
    """Return an image (height, width, 3), RGB.

    Args:
        width: [px].
        height: [px].
        seed: the same seed gives the same room.
        blur_px: how much it is out of focus; by default a hundredth of the width.
    """
    if min(width, height) < 1:
        raise InputError(f"a background of {width} x {height} px; both must be at least 1")
    random = np.random.default_rng(seed)
    image = _wall(width, height, random)
    _window(image, random)
    _shelf(image, random)
    _desk(image, random)
    blur = width / 100.0 if blur_px is None else blur_px
    image = gaussian_filter(image, (blur, blur, 0), mode="nearest")
    image += _clouds(width, height, random)[..., None] * 0.02
    return (np.clip(image * _vignette(width, height), 0, 1) * 255).astype(np.uint8)


def _wall(width: int, height: int, random: np.random.Generator) -> Image:
    colour = random.uniform(0.42, 0.68) * random.uniform(0.92, 1.06, 3)
    across = np.linspace(1.08, 0.82, width)[None, :, None]
    down = np.linspace(1.0, 0.86, height)[:, None, None]
    wall = colour * across * down + _clouds(width, height, random)[..., None] * 0.03
    return wall.astype(np.float32)


def _window(image: Image, random: np.random.Generator) -> None:
    height, width, _ = image.shape
    left, top = random.uniform(-0.05, 0.1) * width, random.uniform(0.02, 0.1) * height
    for column in range(2):
        for row in range(2):
            x, y = left + column * 0.145 * width, top + row * 0.21 * height
            _box(image, x, y, 0.13 * width, 0.19 * height, (0.86, 0.90, 0.94))


def _shelf(image: Image, random: np.random.Generator) -> None:
    height, width, _ = image.shape
    left, right = 0.58 * width, 1.02 * width
    for board in (0.26, 0.52):
        bottom = board * height
        x = left + random.uniform(0.0, 0.04) * width
        while x < right - 0.05 * width:
            breadth = random.uniform(0.012, 0.035) * width
            tall = random.uniform(0.10, 0.19) * height
            colour = random.uniform(0.18, 0.62, 3) * np.array((1.0, 0.92, 0.86))
            if random.uniform() > 0.2:
                _box(image, x, bottom - tall, breadth, tall, colour)
            x += breadth + random.uniform(0.002, 0.012) * width
        _box(image, left, bottom, right - left, 0.018 * height, (0.36, 0.27, 0.2))


def _desk(image: Image, random: np.random.Generator) -> None:
    height, width, _ = image.shape
    edge = int(random.uniform(0.70, 0.78) * height)
    rows = np.linspace(0.0, 1.0, max(height - edge, 1))[:, None]
    columns = np.linspace(-1.0, 1.0, width)[None, :]
    grain = np.sin(40.0 * columns / (0.5 + rows) + 3.0 * np.sin(7.0 * rows))
    wood = np.array((0.48, 0.36, 0.26)) * random.uniform(0.8, 1.15)
    image[edge:] = wood * (0.9 + 0.2 * rows + 0.04 * grain)[..., None]
    _box(image, 0.08 * width, edge - 0.05 * height, 0.2 * width, 0.07 * height, (0.2, 0.21, 0.23))
    _box(image, 0.78 * width, edge - 0.1 * height, 0.05 * width, 0.13 * height, (0.7, 0.66, 0.6))


def _box(image: Image, x: float, y: float, w: float, h: float, colour: Colour) -> None:
    left, top = max(int(x), 0), max(int(y), 0)
    image[top : max(int(y + h), 0), left : max(int(x + w), 0)] = colour


def _clouds(width: int, height: int, random: np.random.Generator) -> Image:
    """Return smooth noise (height, width) of unit standard deviation."""
    noise = gaussian_filter(random.standard_normal((height, width)), width / 30.0, mode="wrap")
    return (noise / max(float(noise.std()), 1e-9)).astype(np.float32)


def _vignette(width: int, height: int) -> Image:
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    return (1.0 - 0.13 * (x * x + y * y)).astype(np.float32)[..., None]
