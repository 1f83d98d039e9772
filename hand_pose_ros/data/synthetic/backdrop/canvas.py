"""A picture in linear light onto which things are laid from far to near, with shade and shadow.

Places are in sides of the square picture, (0, 0) the upper left corner, x right, y down.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
import numpy.typing as npt

from hand_pose_ros.data.synthetic.backdrop.textures import Light, fractal

Outline = npt.NDArray[np.floating]
Surface = Light | tuple[float, float, float] | float
"""Linear colour (3,), or that of every place of the picture (size, size, 3)."""


class Canvas:
    """A square picture under one light.

    Args:
        random: source of the light and of small unevenness.
        size: side [px].
        ground: (size, size, 3) what is there at first.
    """

    def __init__(self, random: np.random.Generator, size: int, ground: Light) -> None:
        self.random, self.size = random, size
        self.image = np.ascontiguousarray(ground, np.float32)
        angle = random.uniform(0.15, 0.85) * math.pi
        self.away = np.array((math.cos(angle), math.sin(angle)))
        """Unit vector (x, y) from the lamp on."""
        self._uneven = fractal(random, size, size, smooth=0.35)

    def lay(
        self,
        outline: Outline,
        surface: Surface,
        *,
        soft: float = 0.0015,
        shadow: float = 0.0,
        shade: float = 0.15,
        uneven: float = 0.05,
        opaque: float = 1.0,
    ) -> None:
        """Lay a thing over what is there.

        Args:
            outline: (N, 2) its corners, in sides.
            surface: see `Surface`.
            soft: blur of its edge, in sides.
            shadow: how far its shadow falls, in sides.
            shade: how much darker it is away from the lamp.
            uneven: deviation of its tone.
            opaque: 1 hides what is behind.
        """
        if shadow > 0.0:
            self._cast(outline, shadow)
        box = self._box(outline, 3.0 * soft + 0.003)
        if box is None:
            return
        rows, columns = box
        cover = opaque * self._cover(outline, box, soft)[..., None]
        filled = np.asarray(surface, np.float32)
        filled = filled[rows, columns] if filled.ndim == 3 else filled
        tone = self._slope(outline, box) * (-2.0 * shade) + 1.0
        tone = tone + uneven * self._uneven[rows, columns]
        there = self.image[rows, columns]
        there += cover * (filled * np.maximum(tone, 0.05)[..., None] - there)

    def glow(self, outline: Outline, colour: Surface, soft: float = 0.002) -> None:
        """Add light in the form of an outline."""
        box = self._box(outline, 3.0 * soft + 0.003)
        if box is not None:
            cover = self._cover(outline, box, soft)[..., None]
            self.image[box[0], box[1]] += cover * np.asarray(colour, np.float32)

    def plane(self, corners: Outline, texture: Light, soft: float = 0.001) -> None:
        """Lay a texture with its corners (4, 2) where given: upper left, then clockwise."""
        height, width = texture.shape[:2]
        source = np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float32)
        there = (np.asarray(corners) * self.size).astype(np.float32)
        matrix = cv2.getPerspectiveTransform(source, there)
        shape = (self.size, self.size)
        seen = cv2.warpPerspective(
            cv2.GaussianBlur(texture, (0, 0), 0.7), matrix, shape, borderMode=cv2.BORDER_REPLICATE
        )
        self.lay(corners, np.asarray(seen, np.float32), soft=soft, shade=0.05, uneven=0.03)

    def defocus(self, diameter: float) -> None:
        """Blur all that is there, by a disc of that diameter, in sides."""
        pixels = diameter * self.size
        if pixels < 1.5:
            return
        # A large disc is laid on a smaller picture; what it hides was blurred anyway.
        factor = max(pixels / 9.0, 1.0)
        small = max(round(self.size / factor), 8)
        image = cv2.resize(self.image, (small, small), interpolation=cv2.INTER_AREA)
        reach = pixels / factor / 2.0
        x = np.arange(-math.ceil(reach), math.ceil(reach) + 1)
        disc = np.clip(reach + 0.5 - np.hypot(x[:, None], x[None, :]), 0.0, 1.0)
        image = cv2.filter2D(image, -1, (disc / disc.sum()).astype(np.float32))
        full = (self.size, self.size)
        self.image = np.asarray(cv2.resize(image, full, interpolation=cv2.INTER_LINEAR))

    def darken(self, share: Light) -> None:
        """Multiply the light by (size, size)."""
        self.image *= share[..., None].astype(np.float32)

    def field(self, smooth: float = 1.0, cell: float = 0.5) -> Light:
        """Return smooth noise (size, size), its details up to `cell` sides large."""
        return fractal(self.random, self.size, self.size, smooth=smooth, cell=cell * self.size)

    def _cast(self, outline: Outline, reach: float) -> None:
        moved = np.asarray(outline) + self.away * reach
        soft = 0.45 * reach + 0.002
        box = self._box(moved, 3.0 * soft)
        if box is not None:
            self.image[box[0], box[1]] *= 1.0 - 0.6 * self._cover(moved, box, soft)[..., None]

    def _box(self, outline: Outline, margin: float) -> tuple[slice, slice] | None:
        low = np.floor((np.min(outline, axis=0) - margin) * self.size).astype(int)
        high = np.ceil((np.max(outline, axis=0) + margin) * self.size).astype(int) + 1
        (left, top), (right, bottom) = np.clip(low, 0, self.size), np.clip(high, 0, self.size)
        if right <= left or bottom <= top:
            return None
        return slice(int(top), int(bottom)), slice(int(left), int(right))

    def _cover(self, outline: Outline, box: tuple[slice, slice], soft: float) -> Light:
        """Return the share (h, w) of each pixel of the box that is within the outline."""
        rows, columns = box
        mask = np.zeros((rows.stop - rows.start, columns.stop - columns.start), np.uint8)
        corners = (np.asarray(outline) * self.size - (columns.start, rows.start)) * 16.0
        cv2.fillPoly(mask, [np.round(corners).astype(np.int32)], (255.0,), cv2.LINE_AA, 4)
        cover = mask.astype(np.float32) / 255.0
        blur = soft * self.size
        return np.asarray(cv2.GaussianBlur(cover, (0, 0), blur)) if blur > 0.4 else cover

    def _slope(self, outline: Outline, box: tuple[slice, slice]) -> Light:
        """Return -0.5 to 0.5 across the box (h, w), along the light."""
        rows, columns = box
        low, high = np.min(outline, axis=0), np.max(outline, axis=0)
        span = np.maximum(high - low, 1e-3)
        x = (np.arange(columns.start, columns.stop) / self.size - low[0]) / span[0] - 0.5
        y = (np.arange(rows.start, rows.stop) / self.size - low[1]) / span[1] - 0.5
        slope = self.away[0] * x[None, :] + self.away[1] * y[:, None]
        return slope.astype(np.float32)


def box(x: float, y: float, width: float, height: float, turn: float = 0.0) -> Outline:
    """Return a rectangle (4, 2) by its middle, turned [rad]."""
    corners = np.array([(-width, -height), (width, -height), (width, height), (-width, height)])
    c, s = math.cos(turn), math.sin(turn)
    return np.asarray(corners / 2.0 @ np.array([[c, s], [-s, c]]) + (x, y))


def oval(x: float, y: float, width: float, height: float, turn: float = 0.0) -> Outline:
    """Return an ellipse (40, 2) by its middle, turned [rad]."""
    angle = np.linspace(0.0, 2.0 * math.pi, 40, endpoint=False)
    points = np.stack((width * np.cos(angle), height * np.sin(angle)), axis=-1) / 2.0
    c, s = math.cos(turn), math.sin(turn)
    return np.asarray(points @ np.array([[c, s], [-s, c]]) + (x, y))


def blot(random: np.random.Generator, x: float, y: float, size: float, rough: float) -> Outline:
    """Return a closed curve (60, 2) about a middle, `rough` 0 for a circle."""
    angle = np.linspace(0.0, 2.0 * math.pi, 60, endpoint=False)
    waves = np.arange(2, 9)
    phases, heights = random.uniform(0, 2 * math.pi, 7), random.normal(0, rough, 7) / waves**0.7
    radius = 1.0 + (heights * np.cos(angle[:, None] * waves + phases)).sum(axis=-1)
    radius = np.maximum(radius, 0.2) * size / 2.0
    return np.stack((x + radius * np.cos(angle), y + radius * np.sin(angle)), axis=-1)


def limb(
    start: tuple[float, float], end: tuple[float, float], first: float, last: float
) -> Outline:
    """Return a rounded strip (N, 2) between two points, its breadth at both ends."""
    turn = math.atan2(end[1] - start[1], end[0] - start[0])
    half = np.linspace(-math.pi / 2.0, math.pi / 2.0, 12)
    front = np.stack((np.cos(turn + half), np.sin(turn + half)), axis=-1) * last / 2.0 + end
    back = np.stack((-np.cos(turn + half), -np.sin(turn + half)), axis=-1) * first / 2.0 + start
    return np.concatenate((front, back))
