"""Rooms, desks, shelves and windows, from a person's or a webcam's height."""

from __future__ import annotations

import math

import numpy as np

from hand_pose_ros.data.synthetic.backdrop import furniture, textures
from hand_pose_ros.data.synthetic.backdrop.canvas import Canvas, blot, box, limb, oval
from hand_pose_ros.data.synthetic.backdrop.textures import paint


def walled(random: np.random.Generator, size: int) -> Canvas:
    """Return a canvas with a wall in the light of a window or lamp that is not in the picture."""
    maker = textures.plaster if random.random() < 0.85 else textures.brick
    canvas = Canvas(random, size, maker(random, size, size))
    x, y = np.meshgrid(np.linspace(-1, 1, size), np.linspace(-1, 1, size))
    spot = random.uniform(-1.3, 1.3, 2)
    fall = 1.0 / (1.0 + random.uniform(0.1, 0.9) * ((x - spot[0]) ** 2 + (y - spot[1]) ** 2))
    canvas.darken((1.15 * fall).astype(np.float32))
    if random.random() < 0.25:
        _sunlight(canvas)
    return canvas


def living_room(random: np.random.Generator, size: int) -> Canvas:
    """A wall with some of window, shelf, door, picture and lamp; floor and sofa below."""
    canvas = walled(random, size)
    edge = random.uniform(0.62, 0.95)
    furniture.floor(canvas, edge)
    canvas.lay(box(0.5, edge - 0.015, 1.2, 0.03), paint(random, bright=0.5, vivid=0.1))
    slots = random.permutation(4)
    for slot in slots[: random.integers(1, 4)]:
        _hang(canvas, 0.12 + 0.25 * float(slot) + random.uniform(-0.05, 0.05), edge)
    if random.random() < 0.5:
        furniture.sofa(canvas, random.uniform(0.2, 0.8), edge + 0.15, random.uniform(0.5, 0.9))
    canvas.defocus(random.uniform(0.0, 0.02))
    return canvas


def _hang(canvas: Canvas, x: float, edge: float) -> None:
    random, kind = canvas.random, canvas.random.random()
    high = random.uniform(0.12, 0.4)
    if kind < 0.22:
        width = random.uniform(0.2, 0.4)
        furniture.window(canvas, x, high + 0.1, width, random.uniform(0.35, 0.55))
        if random.random() < 0.6:
            furniture.curtain(canvas, x - 0.55 * width, 0.5 * width, 0.0, edge)
            furniture.curtain(canvas, x + 0.6 * width, 0.4 * width, 0.0, edge)
    elif kind < 0.5:
        wide = random.uniform(0.1, 0.25)
        furniture.shelf(canvas, x - wide, x + wide, random.uniform(0.0, 0.2), edge - 0.02)
    elif kind < 0.65:
        furniture.door(canvas, x, edge, random.uniform(0.55, 0.85))
    elif kind < 0.9:
        furniture.picture(canvas, x, high, *random.uniform(0.08, 0.25, 2))
    else:
        furniture.lamp(canvas, x, edge, random.uniform(0.3, 0.6))


def _sunlight(canvas: Canvas) -> None:
    """Throw the slanted light of a window onto the wall."""
    random = canvas.random
    corner, slant = random.uniform(0.0, 0.6, 2), random.uniform(-0.3, 0.3)
    sun = np.array((1.0, 0.88, 0.68)) * canvas.image.mean() * random.uniform(0.3, 1.0)
    for column in range(2):
        for row in range(2):
            low = corner + np.array((column * 0.16, row * 0.2 + column * slant * 0.16))
            pane = np.array(
                [(0, 0), (0.145, slant * 0.145), (0.145, 0.18 + slant * 0.145), (0, 0.18)]
            )
            canvas.glow(pane + low, sun, soft=0.006)


def workplace(random: np.random.Generator, size: int) -> Canvas:
    """A desk against a wall: monitors, keyboard, mug, papers, books."""
    canvas = walled(random, size)
    edge = random.uniform(0.5, 0.8)
    for _ in range(random.integers(0, 3)):
        furniture.picture(canvas, random.uniform(), random.uniform(0.05, 0.35), 0.2, 0.16)
    if random.random() < 0.4:
        furniture.window(canvas, random.uniform(0.1, 0.9), 0.25, 0.3, 0.4)
    if random.random() < 0.35:
        left = random.uniform(0.0, 0.6)
        furniture.shelf(canvas, left, left + 0.4, 0.0, random.uniform(0.2, 0.35))
    canvas.defocus(random.uniform(0.0, 0.025))
    furniture.floor(canvas, edge)
    for x in random.uniform(0.05, 0.95, random.integers(1, 6)):
        furniture.thing(
            canvas, float(x), edge + random.uniform(0.02, 0.1), random.uniform(0.1, 0.25)
        )
    for x in random.uniform(0.1, 0.9, random.integers(0, 3)):
        furniture.monitor(canvas, float(x), edge + 0.07, random.uniform(0.3, 0.55))
    if random.random() < 0.7:
        _keyboard(canvas, random.uniform(0.3, 0.7), edge + 0.55 * (1.0 - edge), 0.5, 0.1, 0.6)
    canvas.defocus(random.uniform(0.0, 0.012))
    return canvas


def _keyboard(
    canvas: Canvas, x: float, y: float, width: float, height: float, near: float
) -> None:
    """Lay a keyboard; `near` is how much broader its near edge is."""
    random = canvas.random
    body = paint(random, bright=0.15, vivid=0.05)
    keys = np.minimum(body * random.uniform(0.4, 2.2), 0.9)

    def placed(u: float, v: float) -> tuple[float, float]:
        return x + u * width * (1.0 + near * 0.3 * v), y + v * height

    corners = [placed(u, v) for u, v in ((-0.52, -0.6), (0.52, -0.6), (0.52, 0.6), (-0.52, 0.6))]
    canvas.lay(np.array(corners), body, shadow=0.015)
    for row in range(5):
        v, shift = -0.5 + row / 5.0, 0.012 * row
        for column in range(15):
            u = -0.5 + column / 15.0 + shift * (column < 14)
            if u > 0.48:
                continue
            cell = [(u, v), (u + 0.055, v), (u + 0.055, v + 0.165), (u, v + 0.165)]
            top = np.array([placed(*point) for point in cell])
            canvas.lay(top, keys, soft=0.0008, shadow=0.002, shade=0.1)


def table_top(random: np.random.Generator, size: int) -> Canvas:
    """A table from above with papers, a keyboard, a phone, pens, mugs and cables on it."""
    makers = (textures.wood, textures.wood, textures.stone, textures.plaster, textures.cloth)
    canvas = Canvas(random, size, makers[random.integers(len(makers))](random, size, size))
    x = np.linspace(-1.0, 1.0, size)
    light = 1.0 + random.uniform(-0.4, 0.4) * x[None, :] + random.uniform(-0.4, 0.4) * x[:, None]
    canvas.darken(light.astype(np.float32))
    for _ in range(random.integers(2, 11)):
        _strew(canvas)
    return canvas


def _strew(canvas: Canvas) -> None:
    random = canvas.random
    x, y, turn = (float(value) for value in random.uniform((0, 0, -1.6), (1, 1, 1.6)))
    _STREWN[random.integers(len(_STREWN))](canvas, x, y, turn)


def _paper(canvas: Canvas, x: float, y: float, turn: float) -> None:
    scale = canvas.random.uniform(0.5, 1.2)
    page = np.array((0.78, 0.77, 0.74)) * canvas.random.uniform(0.6, 1.1)
    canvas.lay(box(x, y, 0.28 * scale, 0.38 * scale, turn), page, shadow=0.004)
    size = scale * np.array((0.28, 0.38))
    furniture.writing(canvas, np.array((x, y)), size, turn, 0.1 * page)


def _phone(canvas: Canvas, x: float, y: float, turn: float) -> None:
    shine = 0.2 * paint(canvas.random, bright=0.25, vivid=0.4)
    canvas.lay(box(x, y, 0.1, 0.2, turn), (0.02, 0.02, 0.023), shadow=0.012)
    canvas.lay(box(x, y, 0.09, 0.175, turn), shine, shade=0.6)


def _pen(canvas: Canvas, x: float, y: float, turn: float) -> None:
    c, s = math.cos(turn) * 0.12, math.sin(turn) * 0.12
    outline = limb((x - c, y - s), (x + c, y + s), 0.016, 0.012)
    canvas.lay(outline, paint(canvas.random, vivid=0.4), shadow=0.012)


def _cup(canvas: Canvas, x: float, y: float, turn: float) -> None:
    colour, wide = paint(canvas.random, vivid=0.4), canvas.random.uniform(0.12, 0.25)
    handle = (x + 0.55 * wide * math.cos(turn), y + 0.55 * wide * math.sin(turn))
    canvas.lay(limb((x, y), handle, 0.15 * wide, 0.15 * wide), 0.8 * colour, shadow=0.02)
    canvas.lay(oval(x, y, wide, wide), colour, shadow=0.03, shade=0.3)
    canvas.lay(oval(x, y, 0.85 * wide, 0.85 * wide), 0.6 * colour, shade=-0.5)
    canvas.lay(oval(x, y, 0.7 * wide, 0.7 * wide), (0.03, 0.015, 0.008), shade=0.5)


def _book(canvas: Canvas, x: float, y: float, turn: float) -> None:
    width, height = (float(value) for value in canvas.random.uniform(0.15, 0.4, 2))
    cover = paint(canvas.random, bright=0.25, vivid=0.4)
    canvas.lay(box(x, y, width, height, turn), cover, shadow=0.02, shade=0.1)
    title = paint(canvas.random, bright=0.5)
    canvas.lay(box(x, y, 0.6 * width, 0.12 * height, turn), title)


def _keys(canvas: Canvas, x: float, y: float, turn: float) -> None:
    _keyboard(canvas, x, y, 0.6, 0.2, 0.0)


def _rag(canvas: Canvas, x: float, y: float, turn: float) -> None:
    outline = blot(canvas.random, x, y, canvas.random.uniform(0.1, 0.35), 0.15)
    stuff = paint(canvas.random, bright=0.25, vivid=0.4)
    canvas.lay(outline, stuff, shadow=0.02, shade=0.6, uneven=0.15)


_STREWN = (_paper, _phone, _pen, _cup, _book, _keys, _rag)


def shelves(random: np.random.Generator, size: int) -> Canvas:
    """Book shelves that fill the picture."""
    canvas = walled(random, size)
    canvas.darken(np.full((size, size), 0.4, np.float32))
    edge = random.uniform(-0.1, 0.3)
    furniture.shelf(canvas, edge, edge + random.uniform(0.6, 1.2), -0.1, 1.1)
    canvas.defocus(random.uniform(0.0, 0.02))
    return canvas


def window_light(random: np.random.Generator, size: int) -> Canvas:
    """A large bright window between curtains, the room around it dark."""
    canvas = walled(random, size)
    canvas.darken(np.full((size, size), random.uniform(0.2, 0.7), np.float32))
    x, width = random.uniform(0.3, 0.7), random.uniform(0.4, 0.9)
    furniture.window(canvas, x, 0.4, width, random.uniform(0.6, 1.0))
    if random.random() < 0.8:
        furniture.curtain(canvas, x - 0.5 * width, 0.4 * width, 0.0, 1.0)
        furniture.curtain(canvas, x + 0.5 * width, 0.35 * width, 0.0, 1.0)
    for place in random.uniform(0.0, 1.0, random.integers(0, 4)):
        furniture.thing(canvas, float(place), 0.95, random.uniform(0.15, 0.4))
    canvas.defocus(random.uniform(0.0, 0.03))
    return canvas


def lights(random: np.random.Generator, size: int) -> Canvas:
    """A dark room or street with lamps far out of focus."""
    base = 0.02 * np.exp(0.8 * textures.fractal(random, size, size, smooth=0.9))[..., None]
    canvas = Canvas(random, size, base * paint(random, bright=0.8))
    for _ in range(random.integers(3, 9)):
        place, shape = random.uniform(0, 1, 2), random.uniform(0.05, 0.4, 2)
        canvas.lay(box(*place, *shape), 0.3 * paint(random, bright=0.2), soft=0.01, shade=0.5)
    for _ in range(random.integers(10, 60)):
        colour = paint(random, bright=0.5, vivid=0.6) * random.gamma(2.0, 12.0)
        x, y = random.uniform(0, 1), random.normal(0.45, 0.2)
        spot = random.uniform(0.003, 0.012)
        canvas.glow(oval(x, y, spot, spot), colour, 0.001)
    canvas.defocus(random.uniform(0.02, 0.09))
    return canvas
