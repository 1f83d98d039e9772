"""What is behind the hands: a pool of scenes and photographs, or one simple room by its seed."""

from __future__ import annotations

import math
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter

from hand_pose_ros.data.synthetic.backdrop.photographs import pyramid, read_folder
from hand_pose_ros.data.synthetic.backdrop.scenery import scene
from hand_pose_ros.errors import InputError

Image = npt.NDArray[np.float32]
Picture = npt.NDArray[np.uint8]
Colour = tuple[float, float, float] | npt.NDArray[np.float64]

_LARGER = 3
"""Side of a scene over that of the pictures cut from it."""
_SCALES = (0.6, 2.8)
"""Pixels of a scene per pixel of a picture, least and most: from a detail to nearly all of it."""
_TURN = 0.12
"""Standard deviation of the turn of a crop [rad]: cameras are held nearly upright."""
_BLURS = (0.0, 0.07)
"""Diameter of a point out of focus, in widths of the picture, least and most."""
_IN_FOCUS = 0.3
"""Share of pictures in which it is 0."""
_DISC_PX = 5.0
"""Diameter of that disc at which it is computed; larger ones in a smaller picture."""


class BackgroundPool:
    """Scenes, prepared once, from which any number of backgrounds are cut.

    Scenes are made when they are drawn for the first time; each depends on its own seed only.

    Args:
        size: longest side of the backgrounds that will be drawn [px].
        random: source of the scenes and of which photographs are read.
        photographs: folder with images anywhere below it; then half of the backgrounds come from
            them. At most `count` are read.
        count: number of scenes.

    Raises:
        InputError: a number below 1, no such folder, or not one image in it can be read.
    """

    def __init__(
        self,
        size: int,
        random: np.random.Generator,
        photographs: str | Path | None = None,
        count: int = 48,
    ) -> None:
        if min(size, count) < 1:
            raise InputError(f"a pool of {count} scenes for {size} px; both must be at least 1")
        self._side = _LARGER * size
        self._seeds = [int(seed) for seed in random.integers(2**63, size=count)]
        self._scenes: dict[int, list[Picture]] = {}
        self._photographs: list[list[Picture]] = []
        if photographs is not None:
            self._photographs = read_folder(Path(photographs), self._side, count, random)

    def draw(self, random: np.random.Generator, width: int, height: int) -> Picture:
        """Return a background (height, width, 3), RGB: a crop, its colours and focus at random."""
        if min(width, height) < 1:
            raise InputError(f"a background of {width} x {height} px; both must be at least 1")
        levels = self._levels(random)
        blur_px = 0.0
        if random.random() >= _IN_FOCUS:
            blur_px = random.uniform(*_BLURS) ** 2 / _BLURS[1] * max(width, height)
        shrink = max(blur_px / _DISC_PX, 1.0)
        size = (max(round(width / shrink), 2), max(round(height / shrink), 2))
        picture = _crop(levels, random, size)
        picture = np.asarray(cv2.LUT(picture, _jitter(random)), np.uint8)
        if blur_px > 1.0:
            picture = np.asarray(cv2.filter2D(picture, -1, _disc(round(blur_px / shrink))))
        if size != (width, height):
            picture = np.asarray(
                cv2.resize(picture, (width, height), interpolation=cv2.INTER_CUBIC)
            )
        return picture

    def _levels(self, random: np.random.Generator) -> list[Picture]:
        """Return a scene or photograph, each entry half the size of the one before."""
        if self._photographs and random.random() < 0.5:
            return self._photographs[random.integers(len(self._photographs))]
        number = int(random.integers(len(self._seeds)))
        if number not in self._scenes:
            made = scene(np.random.default_rng(self._seeds[number]), self._side)
            self._scenes[number] = pyramid(made)
        return self._scenes[number]


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


def _crop(levels: list[Picture], random: np.random.Generator, size: tuple[int, int]) -> Picture:
    """Return a piece of a scene, (H, W, 3) of the size (width, height), from the fitting level."""
    full = levels[0].shape[:2][::-1]
    most = min(full[0] / size[0], full[1] / size[1])
    width, height = size
    fraction = random.uniform(*_SCALES) / _LARGER
    scale = most * min(fraction, 1.0)
    turn = random.normal(0.0, _TURN)
    level = min(max(int(math.log2(max(scale, 1.0)) + 0.3), 0), len(levels) - 1)
    source, scale = levels[level], scale / 2**level
    rows, columns = source.shape[:2]
    free = (max(columns - scale * width, 0.0), max(rows - scale * height, 0.0))
    x, y = (
        0.5 * scale * side + random.uniform(0.0, left)
        for side, left in zip(size, free, strict=True)
    )
    c, s = scale * math.cos(turn), scale * math.sin(turn)
    flip = -1.0 if random.random() < 0.5 else 1.0
    matrix = np.array([[flip * c, -s, x], [flip * s, c, y]])
    matrix[:, 2] -= matrix[:, :2] @ ((width - 1) / 2.0, (height - 1) / 2.0)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(
        cv2.warpAffine(source, matrix, size, flags=flags, borderMode=cv2.BORDER_REFLECT_101),
        np.uint8,
    )


def _jitter(random: np.random.Generator) -> Picture:
    """Return for each channel what its values become (1, 256, 3): light, tint and contrast."""
    values = np.linspace(0.0, 1.0, 256)[:, None]
    gain = np.exp(random.normal(0.0, 0.2) + random.normal(0.0, 0.07, 3))
    bent = (values * gain) ** np.exp(random.normal(0.0, 0.2))
    contrast, middle = np.exp(random.normal(0.0, 0.15)), 0.4
    return (255.0 * np.clip(middle + contrast * (bent - middle), 0.0, 1.0)).astype(np.uint8)[None]


@lru_cache(maxsize=16)
def _disc(diameter_px: int) -> Image:
    reach = math.ceil(diameter_px / 2.0)
    x = np.arange(-reach, reach + 1)
    disc = np.clip(diameter_px / 2.0 + 0.5 - np.hypot(x[:, None], x[None, :]), 0.0, 1.0)
    return (disc / disc.sum()).astype(np.float32)


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
