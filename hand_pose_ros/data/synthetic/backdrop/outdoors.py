"""Streets, gardens and views: sky, hills, trees, houses with windows, roads, lawns."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from hand_pose_ros.data.synthetic.backdrop import textures
from hand_pose_ros.data.synthetic.backdrop.canvas import Canvas, Surface, blot, box, limb
from hand_pose_ros.data.synthetic.backdrop.textures import Light, paint


def sky(random: np.random.Generator, size: int) -> Light:
    """Return a sky (size, size, 3): clear, clouded or at dusk, brighter towards the horizon."""
    high = np.array((0.18, 0.36, 0.75)) * random.uniform(0.5, 1.3)
    low = np.array((0.75, 0.85, 0.95)) * random.uniform(0.8, 1.2)
    if random.random() < 0.25:
        low = np.array((1.1, 0.6, 0.3)) * random.uniform(0.4, 1.0)
    down = np.linspace(0.0, 1.0, size)[:, None] ** random.uniform(0.5, 1.2)
    clear = textures.mixed((down + np.zeros((1, size))).astype(np.float32), *_colours(high, low))
    clouds = textures.fractal(random, size, size, smooth=0.75, stretch=(2.0, 1.0))
    share = np.clip(0.35 * clouds + random.uniform(-0.6, 0.9), 0.0, 1.0)
    white = np.full(3, random.uniform(0.55, 1.2), np.float32)
    shaded = white * (0.85 + 0.12 * textures.fractal(random, size, size, smooth=0.6))[..., None]
    return np.asarray(clear * (1.0 - share[..., None]) + shaded * share[..., None], np.float32)


def _colours(*colours: npt.NDArray[np.float64]) -> tuple[Light, Light]:
    first, second = (colour.astype(np.float32) for colour in colours)
    return first, second


def ridge(canvas: Canvas, height: float, rough: float, surface: Surface, soft: float) -> None:
    """Lay all below a rough line across the picture: hills, a hedge or far trees."""
    line = textures.fractal(canvas.random, 8, 200, smooth=0.55, stretch=(1.0, 1.0))[4]
    y = height + rough * line
    edge = np.stack((np.linspace(-0.05, 1.05, 200), y), axis=-1)
    below = np.array([(1.05, 1.05), (-0.05, 1.05)])
    canvas.lay(np.concatenate((edge, below)), surface, soft=soft, shade=0.1)


def house(canvas: Canvas, x: float, bottom: float, width: float, height: float) -> None:
    """A front with rows of windows, some lit or with the sky in them, and its shaded side."""
    random = canvas.random
    wall = paint(random, bright=0.3, vivid=0.2)
    top = bottom - height
    canvas.lay(box(x, bottom - height / 2, width, height), wall, uneven=0.04, shade=0.1)
    deep = random.uniform(0.05, 0.3) * width
    side = np.array([(0.0, 0.0), (deep, 0.1 * deep), (deep, height), (0.0, height)])
    canvas.lay(side + (x + width / 2, top), 0.45 * wall)
    columns, rows = int(random.integers(3, 10)), int(random.integers(3, 14))
    pitch = np.array((width / columns, height / rows))
    pane = pitch * random.uniform(0.35, 0.75, 2)
    glass = np.array((0.1, 0.13, 0.17)) * random.uniform(0.4, 2.5)
    for column in range(columns):
        for row in range(rows):
            at = np.array((x - width / 2, top)) + pitch * (column + 0.5, row + 0.5)
            canvas.lay(box(*at, *(1.15 * pane)), 0.75 * wall, soft=0.001)
            tone = glass * random.uniform(0.4, 1.6)
            canvas.lay(box(*at, *pane), tone, soft=0.001, shade=0.4)
            if random.random() < 0.2:
                canvas.lay(box(at[0], at[1] - 0.2 * pane[1], *(pane * (1, 0.6))), 1.3 * wall)
    canvas.lay(box(x, top, 1.04 * width, 0.03 * height), 0.6 * wall, shadow=0.01)


def tree(canvas: Canvas, foliage: Light, x: float, bottom: float, tall: float) -> None:
    """A trunk and a crown of clumps, the lower ones darker; the sky shows between them."""
    random = canvas.random
    bark = np.array((0.09, 0.06, 0.04)) * random.uniform(0.5, 1.5)
    foot, fork = (x, bottom), (x + random.normal(0, 0.02), bottom - 0.5 * tall)
    canvas.lay(limb(foot, fork, 0.08 * tall, 0.04 * tall), bark, shade=0.5, uneven=0.2)
    for _ in range(5):
        end = (x + random.normal(0.0, 0.2) * tall, bottom - random.uniform(0.6, 0.9) * tall)
        canvas.lay(limb(fork, end, 0.03 * tall, 0.01 * tall), bark)
    for tone in np.linspace(0.35, 1.25, int(random.integers(14, 30))):
        at = np.array((x, bottom - 0.68 * tall)) + random.normal(0, 0.16, 2) * tall
        at[1] -= 0.12 * tall * (tone - 0.7)
        clump = blot(random, float(at[0]), float(at[1]), random.uniform(0.15, 0.4) * tall, 0.25)
        canvas.lay(clump, foliage * np.float32(tone), soft=0.003, shade=0.25)


def road(canvas: Canvas, horizon: float) -> None:
    """Asphalt or paving to the horizon, with a kerb and a line."""
    random = canvas.random
    maker = textures.stone if random.random() < 0.6 else textures.tiles
    stuff = maker(random, 512, 512) * np.float32(random.uniform(0.3, 0.9))
    corners = np.array([(-0.3, horizon), (1.3, horizon), (3.0, 1.05), (-2.0, 1.05)])
    canvas.plane(corners, stuff)
    vanish = random.uniform(0.2, 0.8)
    for edge in random.uniform(-1.0, 2.0, random.integers(0, 4)):
        wide = random.uniform(0.02, 0.08)
        strip = [(vanish, horizon), (vanish + 0.004, horizon), (edge + wide, 1.02), (edge, 1.02)]
        canvas.lay(np.array(strip), np.full(3, random.uniform(0.25, 0.7)), soft=0.002)


def lawn(canvas: Canvas, horizon: float) -> None:
    """Grass, finer towards the horizon."""
    random = canvas.random
    stuff = textures.grass(random, 640, 640)
    corners = np.array([(-0.2, horizon), (1.2, horizon), (1.8, 1.1), (-0.8, 1.1)])
    canvas.plane(corners, stuff * np.float32(random.uniform(0.7, 1.4)))


def street(random: np.random.Generator, size: int) -> Canvas:
    """Houses along a road, a few trees and cars before them."""
    canvas = Canvas(random, size, sky(random, size))
    horizon = random.uniform(0.55, 0.85)
    for x in np.arange(-0.1, 1.1, 0.22):
        wide, tall = random.uniform(0.2, 0.45), random.uniform(0.25, 0.8)
        house(canvas, float(x) + random.uniform(-0.08, 0.08), horizon + 0.02, wide, tall)
    canvas.defocus(random.uniform(0.0, 0.02))
    road(canvas, horizon)
    foliage = textures.leaves(random, size, size)
    for x in random.uniform(0.0, 1.0, random.integers(0, 4)):
        tree(canvas, foliage, float(x), horizon + 0.05, random.uniform(0.3, 0.8))
    for x in random.uniform(0.0, 1.0, random.integers(0, 5)):
        car(canvas, float(x), horizon + random.uniform(0.03, 0.12), random.uniform(0.12, 0.35))
    canvas.defocus(random.uniform(0.0, 0.015))
    return canvas


def car(canvas: Canvas, x: float, bottom: float, width: float) -> None:
    """The side of a car."""
    random = canvas.random
    colour, high = paint(random, bright=0.2, vivid=0.4), 0.2 * width
    canvas.lay(
        limb(
            (x - 0.36 * width, bottom - 0.1 * width),
            (x + 0.36 * width, bottom - 0.1 * width),
            high,
            high,
        ),
        colour,
        shadow=0.02,
        shade=0.5,
    )
    roof = np.array([(-0.3, 0.0), (-0.17, -0.16), (0.15, -0.16), (0.3, 0.0)]) * width
    canvas.lay(roof + (x, bottom - 0.16 * width), 0.9 * colour)
    canvas.lay(0.85 * roof + (x, bottom - 0.16 * width), (0.04, 0.05, 0.06), shade=0.5)
    for side in (-0.27, 0.27):
        wheel = blot(random, x + side * width, bottom - 0.01, 0.17 * width, 0.0)
        canvas.lay(wheel, (0.012, 0.012, 0.013))


def garden(random: np.random.Generator, size: int) -> Canvas:
    """Lawn, hedge and trees, often with only leaves behind the hand."""
    canvas = Canvas(random, size, sky(random, size))
    horizon = random.uniform(0.45, 0.8)
    foliage = textures.leaves(random, size, size)
    far = np.array((0.12, 0.17, 0.16)) * random.uniform(0.6, 1.6)
    ridge(canvas, horizon - random.uniform(0.05, 0.3), 0.04, far, 0.004)
    hedge = foliage * np.float32(random.uniform(0.5, 1.0))
    ridge(canvas, horizon - random.uniform(0.0, 0.3), 0.05, hedge, 0.003)
    canvas.defocus(random.uniform(0.005, 0.03))
    (lawn if random.random() < 0.75 else road)(canvas, horizon)
    for x in random.uniform(0.0, 1.0, random.integers(1, 5)):
        tree(
            canvas, foliage, float(x), horizon + random.uniform(0.0, 0.1), random.uniform(0.4, 1.0)
        )
    _dapple(canvas)
    canvas.defocus(random.uniform(0.0, 0.03))
    return canvas


def thicket(random: np.random.Generator, size: int) -> Canvas:
    """Leaves from near and far, the sun through them."""
    canvas = Canvas(random, size, textures.leaves(random, size, size) * np.float32(0.7))
    for x, y, spot in random.uniform((0, 0, 0.002), (1, 0.8, 0.01), (random.integers(0, 60), 3)):
        shine = np.array((1.0, 1.0, 0.85)) * random.gamma(1.5, 3.0)
        canvas.glow(blot(random, x, y, spot, 0.1), shine)
    canvas.defocus(random.uniform(0.01, 0.06))
    near = textures.leaves(random, size, size)
    for _ in range(random.integers(0, 8)):
        at = random.uniform(0, 1, 2)
        clump = blot(random, float(at[0]), float(at[1]), random.uniform(0.2, 0.6), 0.3)
        canvas.lay(clump, near, soft=0.004, shadow=0.03)
    _dapple(canvas)
    canvas.defocus(random.uniform(0.0, 0.02))
    return canvas


def glimpse(random: np.random.Generator, size: int) -> Light:
    """Return what is seen through a window (size, size, 3): sky, a house or trees, blurred."""
    canvas = Canvas(random, size, sky(random, size))
    if random.random() < 0.5:
        house(
            canvas, random.uniform(0, 1), 1.0, random.uniform(0.5, 1.2), random.uniform(0.3, 0.9)
        )
    green = np.array((0.12, 0.18, 0.06)) * random.uniform(0.4, 1.6)
    clumps = (green * np.exp(0.5 * canvas.field(0.3))[..., None]).astype(np.float32)
    for x in random.uniform(0.0, 1.0, random.integers(1, 6)):
        tree(canvas, clumps, float(x), 1.1, random.uniform(0.4, 1.0))
    canvas.defocus(random.uniform(0.02, 0.08))
    return canvas.image


def _dapple(canvas: Canvas) -> None:
    """Let the shadow of leaves fall over all."""
    random = canvas.random
    share = 1.0 / (1.0 + np.exp(-2.5 * (canvas.field(0.6, 0.4) + random.uniform(-0.5, 1.0))))
    canvas.darken((0.45 + 0.65 * share).astype(np.float32))


def shore(random: np.random.Generator, size: int) -> Canvas:
    """Sky over far hills and water, sand or a lawn."""
    canvas = Canvas(random, size, sky(random, size))
    horizon = random.uniform(0.4, 0.75)
    for step in range(int(random.integers(1, 4))):
        haze = np.array((0.35, 0.43, 0.5)) * 0.7**step * random.uniform(0.7, 1.2)
        ridge(canvas, horizon - 0.12 + 0.05 * step, 0.03, haze, 0.003)
    waves = textures.fractal(random, size, size, smooth=0.3, stretch=(8.0, 1.0), cell=size / 20)
    sheen = canvas.image[int(horizon * size) :: -1].mean(axis=(0, 1)) * random.uniform(0.4, 0.8)
    sea = (sheen * (1.0 + 0.2 * waves[..., None])).astype(np.float32)
    canvas.lay(box(0.5, horizon + 0.5, 1.2, 1.0), sea, soft=0.002)
    if random.random() < 0.7:
        edge = horizon + random.uniform(0.05, 0.3)
        sand = np.array((0.5, 0.4, 0.28)) * random.uniform(0.5, 1.2)
        rough = textures.fractal(random, size, size, smooth=0.1)
        ground = (sand * (1.0 + 0.15 * rough[..., None])).astype(np.float32)
        ridge(canvas, edge, 0.01, ground, 0.004)
    canvas.defocus(random.uniform(0.0, 0.03))
    return canvas
