"""Surfaces seen close up, in linear light: wood, brick, cloth, carpet, stone, grass, leaves.

Every texture is a function (random, height, width) that returns (height, width, 3) float32.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import cv2
import numpy as np
import numpy.typing as npt

Light = npt.NDArray[np.floating]
Texture = Callable[[np.random.Generator, int, int], Light]


def fractal(
    random: np.random.Generator,
    height: int,
    width: int,
    *,
    smooth: float = 0.7,
    cell: float | None = None,
    stretch: tuple[float, float] = (1.0, 1.0),
) -> Light:
    """Return noise (height, width) of zero mean and unit deviation with details of every size.

    Args:
        random: source of the noise.
        height: [px].
        width: [px].
        smooth: how much weaker each halving of the size of the details is: 0 for the 1/f spectrum
            of photographs, 1 for clouds.
        cell: size of the largest details [px]; by default half of the picture.
        stretch: of the details, across and down.
    """
    cell = max(height, width) / 2.0 if cell is None else cell
    total, weight = np.zeros((height, width), np.float32), 1.0
    while cell >= 1.0 and weight > 0.01:
        rows = min(math.ceil(height / (cell * stretch[1])) + 2, height)
        columns = min(math.ceil(width / (cell * stretch[0])) + 2, width)
        grid = random.standard_normal((rows, columns), dtype=np.float32)
        total += np.float32(weight) * cv2.resize(
            grid, (width, height), interpolation=cv2.INTER_CUBIC
        )
        cell, weight = cell / 2.0, weight * 0.5**smooth
    total -= total.mean()
    return total / max(float(total.std()), 1e-6)


def relief(heights: Light, random: np.random.Generator, depth: float = 0.3) -> Light:
    """Return the shading (H, W, 1) of a rough surface lit from a side, about 1."""
    angle = random.uniform(0.0, 2.0 * math.pi)
    heights = heights.astype(np.float32, copy=False)
    slope = math.cos(angle) * cv2.Sobel(heights, cv2.CV_32F, 1, 0, scale=0.25)
    slope += math.sin(angle) * cv2.Sobel(heights, cv2.CV_32F, 0, 1, scale=0.25)
    slope *= depth / max(float(slope.std()), 1e-6)
    return np.clip(1.0 + slope, 0.25, 2.2)[..., None].astype(np.float32)


def paint(random: np.random.Generator, *, bright: float = 0.35, vivid: float = 0.25) -> Light:
    """Return a linear colour (3,) as things have it: mostly pale or grey, some vivid."""
    hue = random.uniform(0.0, 2.0 * math.pi)
    if random.random() < 0.5:
        hue = random.normal(0.55, 0.3)  # the warm colours of wood, leather, cardboard and skin
    rainbow = 0.5 + 0.5 * np.cos(hue - np.array((0.0, 2.1, 4.2)))
    strength = min(random.gamma(1.2, vivid / 1.2), 0.95)
    value = min(random.gamma(2.5, bright / 2.5) + 0.01, 0.95)
    return (value * ((1.0 - strength) + strength * rainbow)).astype(np.float32)


def mixed(share: Light, first: Light, second: Light) -> Light:
    """Return the mix (H, W, 3) of two colours (3,) by the share (H, W) of the second."""
    share = np.clip(share, 0.0, 1.0)[..., None]
    return (first * (1.0 - share) + second * share).astype(np.float32)


def wood(random: np.random.Generator, height: int, width: int) -> Light:
    """Boards along x, each with its own grain and tone."""
    pale = np.array((0.55, 0.36, 0.2)) * random.uniform(0.35, 1.25) * random.uniform(0.85, 1.1, 3)
    dark = pale * random.uniform(0.3, 0.7) * np.array((1.0, 0.85, 0.7))
    boards = int(random.integers(1, 8))
    row = np.linspace(0.0, boards, height, endpoint=False, dtype=np.float32)
    board = row.astype(int)
    bend = fractal(random, height, width, smooth=1.0, stretch=(6.0, 1.0))
    offset = random.uniform(0.0, 40.0, boards + 1).astype(np.float32)[board]
    rings = row[:, None] * random.uniform(3.0, 9.0) + offset[:, None] + 0.8 * bend
    grain = fractal(random, height, width, smooth=0.2, cell=height / 30, stretch=(25.0, 1.0))
    share = 0.35 + 0.2 * np.sin(2.0 * math.pi * rings) + 0.18 * grain
    tone = random.uniform(0.75, 1.15, boards + 1).astype(np.float32)[board][:, None, None]
    gap = np.minimum(row - board, 1.0 - (row - board)) * height / boards
    seam = 0.35 + 0.65 * np.clip(gap / 1.5, 0.0, 1.0) if boards > 1 else np.ones(height)
    return (mixed(share, pale, dark) * tone * seam[:, None, None]).astype(np.float32)


def masonry(
    random: np.random.Generator, height: int, width: int, rows: int, aspect: float, shift: float
) -> Light:
    """Return bricks or tiles in rows, (H, W, 3): aspect is a piece's width over its height."""
    side = height / rows
    v = np.arange(height, dtype=np.float32)[:, None] / side
    u = np.arange(width, dtype=np.float32)[None, :] / (side * aspect) + shift * (v.astype(int) % 2)
    edge = np.minimum(
        np.minimum(v % 1.0, 1.0 - v % 1.0), aspect * np.minimum(u % 1.0, 1.0 - u % 1.0)
    )
    edge = edge + 0.015 * fractal(random, height, width, cell=side)
    gap = random.uniform(0.015, 0.08)
    piece = np.clip((edge - gap) / (0.6 * gap), 0.0, 1.0)
    names = (v.astype(int) * 7919 + u.astype(int) * 104729) % 997
    spread = random.uniform(0.02, 0.3)
    tones = np.exp(spread * random.standard_normal((997, 1)) + 0.04 * random.normal(size=(997, 3)))
    rough = fractal(random, height, width, smooth=0.25)
    colour = paint(random, bright=0.3) * tones[names] * (1.0 + 0.12 * rough[..., None])
    mortar = np.array((0.45, 0.43, 0.4)) * random.uniform(0.3, 1.4)
    laid = mortar * (1.0 - piece[..., None]) + colour * piece[..., None]
    shading = relief(piece + 0.1 * rough, random, random.uniform(0.05, 0.25))
    return (laid * shading).astype(np.float32)


def brick(random: np.random.Generator, height: int, width: int) -> Light:
    """A wall of bricks."""
    return masonry(random, height, width, int(random.integers(8, 24)), 3.0, 0.5)


def tiles(random: np.random.Generator, height: int, width: int) -> Light:
    """Square or long tiles."""
    aspect = float(random.choice((1.0, 1.0, 2.0)))
    return masonry(random, height, width, int(random.integers(3, 14)), aspect, 0.0)


def plaster(random: np.random.Generator, height: int, width: int) -> Light:
    """Painted wall: hardly any detail, seldom dark."""
    colour = paint(random, bright=0.55, vivid=0.12)
    stains = fractal(random, height, width, smooth=0.8)[..., None]
    rough = fractal(random, height, width, smooth=0.1, cell=random.uniform(3.0, 12.0))
    shading = relief(rough, random, random.uniform(0.005, 0.06))
    return (colour * (1.0 + 0.03 * stains) * shading).astype(np.float32)


def cloth(random: np.random.Generator, height: int, width: int) -> Light:
    """Woven cloth, plain, striped, checked or printed, with folds."""
    folds = fractal(
        random, height, width, smooth=1.7, cell=height / 3, stretch=(0.5, random.uniform(0.6, 3))
    )
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    x, y = x + 0.012 * width * folds, y + 0.006 * height * folds
    colour = _printed(random, x / width, y / width)
    thread = random.uniform(2.5, 7.0)
    weave = np.sin(2 * math.pi * x / thread) * np.sin(2 * math.pi * y / thread)
    weave += 0.6 * fractal(random, height, width, smooth=0.0, cell=4.0)
    shading = relief(folds, random, random.uniform(0.1, 0.35))
    return (colour * (1.0 + 0.06 * weave[..., None]) * shading).astype(np.float32)


def _printed(random: np.random.Generator, x: Light, y: Light) -> Light:
    """Return the pattern of a cloth, (H, W, 3)."""
    first, second = paint(random, bright=0.25, vivid=0.35), paint(random, bright=0.35, vivid=0.35)
    count, kind = random.uniform(5.0, 40.0), random.random()
    across, down = (np.clip(4 * np.sin(2 * math.pi * count * t), -1, 1) for t in (x, y))
    if kind < 0.5:
        share = np.zeros_like(x)
    elif kind < 0.68:
        share = 0.5 + 0.5 * (across if random.random() < 0.5 else down)
    elif kind < 0.85:
        share = 0.5 + 0.25 * (across + down)
    else:
        share = np.clip(2.0 * fractal(random, *x.shape, smooth=1.0, cell=x.shape[0] / count), 0, 1)
    return mixed(share, first, second)


def carpet(random: np.random.Generator, height: int, width: int) -> Light:
    """Tufts of two tones."""
    tufts = fractal(random, height, width, smooth=-0.2, cell=random.uniform(6.0, 16.0))
    worn = fractal(random, height, width, smooth=0.8)
    colour = paint(random, bright=0.2, vivid=0.2)
    base = mixed(0.5 + 0.2 * tufts + 0.1 * worn, colour, colour * random.uniform(0.4, 0.8))
    return np.asarray(base * relief(tufts, random, 0.3), np.float32)


def stone(random: np.random.Generator, height: int, width: int) -> Light:
    """Marble with veins, polished stone, concrete or asphalt."""
    base = fractal(random, height, width, smooth=0.5)
    turned = fractal(random, height, width, smooth=0.6)
    veins = np.exp(-np.abs(turned + 0.4 * base) * random.uniform(4.0, 14.0))
    speckle = fractal(random, height, width, smooth=-0.1, cell=6.0)
    colour = paint(random, bright=0.3, vivid=0.06)
    vein = colour * random.uniform(0.4, 1.5)
    mix = mixed(veins * random.uniform(0.0, 0.8), colour, vein.astype(np.float32))
    rough = random.uniform(0.0, 0.25)
    lit = mix * (1.0 + 0.1 * base + rough * speckle)[..., None]
    return np.clip(lit, 0.005, 1.0).astype(np.float32)


def grass(random: np.random.Generator, height: int, width: int) -> Light:
    """Blades, the lower ones in the shade."""
    green = np.array((0.16, 0.22, 0.07)) * random.uniform(0.5, 1.2) * random.uniform(0.8, 1.2, 3)
    image = np.full((height, width, 3), 0.1, np.float32) * green.astype(np.float32)
    return _scattered(image, random, green, leaf=(0.006, 0.09), upright=True)


def leaves(random: np.random.Generator, height: int, width: int) -> Light:
    """Foliage with dark gaps and sun on the upper leaves."""
    green = np.array((0.13, 0.19, 0.07)) * random.uniform(0.5, 1.3) * random.uniform(0.8, 1.2, 3)
    image = np.full((height, width, 3), 0.06, np.float32) * green.astype(np.float32)
    long = random.uniform(0.015, 0.06)
    return _scattered(image, random, green, leaf=(long * random.uniform(0.25, 0.7), long))


def _scattered(
    image: Light,
    random: np.random.Generator,
    colour: npt.NDArray[np.float64],
    leaf: tuple[float, float],
    upright: bool = False,
) -> Light:
    """Lay leaves from the dark bottom to the bright top; breadth and length in sides."""
    height, width = image.shape[:2]
    count = min(int(1.6 / (leaf[0] * leaf[1])), 3500)
    clumps = fractal(random, 64, 64, smooth=0.8)
    places = random.uniform(0.0, 1.0, (count, 2))
    tones = np.linspace(0.15, 1.6, count) * np.exp(random.normal(0.0, 0.35, count))
    hues = np.exp(random.normal(0.0, 0.12, (count, 3)))
    angles = random.normal(90.0, 22.0, count) if upright else random.uniform(0.0, 360.0, count)
    lengths = np.exp(random.normal(0.0, 0.3, count))
    for place, tone, hue, angle, long in zip(places, tones, hues, angles, lengths, strict=True):
        tone *= math.exp(0.45 * float(clumps[int(place[1] * 63), int(place[0] * 63)]))
        centre = (int(place[0] * width * 16), int(place[1] * height * 16))
        axes = (int(leaf[1] * long * width * 8), int(leaf[0] * long * width * 8) + 8)
        filled = tuple(float(value) for value in np.minimum(tone * hue * colour, 1.0))
        cv2.ellipse(image, centre, axes, float(angle), 0, 360, filled, -1, cv2.LINE_8, 4)
    return np.asarray(cv2.GaussianBlur(image, (0, 0), 0.8), np.float32)


TEXTURES: dict[str, Texture] = {
    "wood": wood,
    "brick": brick,
    "tiles": tiles,
    "plaster": plaster,
    "cloth": cloth,
    "carpet": carpet,
    "stone": stone,
    "grass": grass,
    "leaves": leaves,
}
