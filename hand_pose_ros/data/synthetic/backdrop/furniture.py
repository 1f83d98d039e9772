"""Things that stand in rooms, each laid on a `Canvas` at a place in sides of the picture."""

from __future__ import annotations

import math

import numpy as np

from hand_pose_ros.data.synthetic.backdrop import outdoors
from hand_pose_ros.data.synthetic.backdrop.canvas import Canvas, blot, box, limb, oval
from hand_pose_ros.data.synthetic.backdrop.textures import cloth, paint, wood


def books(canvas: Canvas, left: float, right: float, bottom: float, tallest: float) -> None:
    """Stand books of all sizes on a board, some leaning, some gaps."""
    random, x = canvas.random, left
    while x < right - 0.01:
        breadth = tallest * random.uniform(0.07, 0.28)
        tall = tallest * random.uniform(0.6, 1.0)
        lean = random.normal(0.0, 0.02) if random.random() < 0.8 else random.normal(0.0, 0.15)
        if random.random() < 0.88 and x + breadth < right:
            colour = paint(random, bright=0.22, vivid=0.5)
            middle = bottom - tall / 2.0
            spine = box(x + breadth / 2.0, middle, breadth, tall, lean)
            canvas.lay(spine, colour, shadow=0.006, shade=0.3)
            for _ in range(random.integers(0, 3)):
                label = random.uniform(-0.4, 0.4) * tall
                strip = box(x + breadth / 2, middle + label, breadth * 0.8, tall * 0.05, lean)
                canvas.lay(strip, paint(random, bright=0.5), shade=0.0)
        x += breadth * random.choice((1.02, 1.02, 1.02, 1.3))


def shelf(canvas: Canvas, left: float, right: float, top: float, bottom: float) -> None:
    """Hang boards with books and small things between two posts, darker inside."""
    random = canvas.random
    plank = paint(random, bright=0.4, vivid=0.15)
    middle, width, height = (left + right) / 2, right - left, bottom - top
    canvas.lay(box(middle, (top + bottom) / 2, width, height), 0.35 * plank, shadow=0.02)
    count = int(random.integers(2, 5))
    room = height / count
    for row in range(count):
        floor = top + (row + 1) * room
        if random.random() < 0.7:
            books(canvas, left + 0.01, right - 0.01, floor, 0.85 * room)
        else:
            for x in np.arange(left + 0.06, right - 0.04, 0.12):
                thing(canvas, float(x), floor, random.uniform(0.4, 0.8) * room)
        canvas.lay(box(middle, floor, width, 0.014), plank, shadow=0.02)


def thing(canvas: Canvas, x: float, bottom: float, tall: float) -> None:
    """Stand a box, bottle, mug, vase with a plant or lamp on a board."""
    makers = (carton, bottle, mug, plant, lamp)
    makers[canvas.random.integers(len(makers))](canvas, x, bottom, tall)


def carton(canvas: Canvas, x: float, bottom: float, tall: float) -> None:
    """A box with a lit top and a label."""
    random = canvas.random
    colour, wide = paint(random, bright=0.3, vivid=0.3), tall * random.uniform(0.6, 1.6)
    canvas.lay(box(x, bottom - tall / 2, wide, tall), colour, shadow=0.02, shade=0.25)
    deep = tall * random.uniform(0.05, 0.2)
    lid = np.array([(-0.5, 0.0), (0.5, 0.0), (0.42, -1.0), (-0.42, -1.0)]) * (wide, deep)
    canvas.lay(lid + (x, bottom - tall), np.minimum(1.5 * colour, 0.95))
    label = box(x, bottom - tall * 0.5, wide * 0.5, tall * 0.3)
    canvas.lay(label, paint(random, bright=0.5), shade=0.1)


def bottle(canvas: Canvas, x: float, bottom: float, tall: float) -> None:
    """A bottle with a bright streak along its side."""
    random = canvas.random
    colour, wide = paint(random, bright=0.2, vivid=0.6), tall * random.uniform(0.22, 0.35)
    canvas.lay(
        limb((x, bottom - wide / 2), (x, bottom - 0.6 * tall), wide, wide), colour, shadow=0.02
    )
    canvas.lay(box(x, bottom - 0.8 * tall, 0.4 * wide, 0.4 * tall), colour, shade=0.3)
    canvas.lay(box(x, bottom - tall, 0.45 * wide, 0.08 * tall), paint(random))
    side = x - 0.25 * wide * np.sign(canvas.away[0])
    canvas.glow(limb((side, bottom - 0.2 * tall), (side, bottom - 0.6 * tall), 0.004, 0.004), 0.4)
    side = x + 0.35 * wide * np.sign(canvas.away[0])
    dark = limb((side, bottom - 0.1 * tall), (side, bottom - 0.6 * tall), 0.3 * wide, 0.3 * wide)
    canvas.lay(dark, 0.3 * colour, soft=0.1 * wide + 0.001, opaque=0.6)


def mug(canvas: Canvas, x: float, bottom: float, tall: float) -> None:
    """A mug with a handle."""
    random = canvas.random
    tall = 0.6 * tall
    colour, wide = paint(random, bright=0.45, vivid=0.35), tall * random.uniform(0.7, 0.95)
    side = x + 0.5 * wide * random.choice((-1.0, 1.0))
    canvas.lay(oval(side, bottom - 0.5 * tall, 0.5 * wide, 0.6 * tall), 0.8 * colour)
    canvas.lay(oval(side, bottom - 0.5 * tall, 0.3 * wide, 0.4 * tall), 0.3 * colour)
    canvas.lay(box(x, bottom - tall / 2, wide, tall), colour, shadow=0.02, shade=0.5)
    canvas.lay(oval(x, bottom - tall, wide, 0.25 * wide), 1.2 * colour)
    canvas.lay(oval(x, bottom - tall, 0.88 * wide, 0.18 * wide), 0.25 * colour, shade=0.4)


def plant(canvas: Canvas, x: float, bottom: float, tall: float) -> None:
    """Leaves above a pot."""
    random = canvas.random
    pot = box(x, bottom - 0.15 * tall, 0.35 * tall, 0.3 * tall)
    green = np.array((0.07, 0.16, 0.04)) * random.uniform(0.6, 2.0, 3)
    count = int(random.integers(25, 70))
    for tone in np.linspace(0.2, 1.6, count):
        direction = random.normal(-math.pi / 2, 0.8)
        reach, long = random.uniform(0.1, 0.6) * tall, random.uniform(0.15, 0.35) * tall
        middle = np.array((x, bottom - 0.35 * tall))
        middle = middle + reach * np.array((math.cos(direction), math.sin(direction)))
        turn = direction + random.normal(0.0, 0.4)
        leaf = oval(float(middle[0]), float(middle[1]), long, long * 0.3, turn)
        canvas.lay(leaf, tone * green * random.uniform(0.8, 1.2), shade=0.5)
    canvas.lay(pot, paint(random, bright=0.35), shadow=0.01, shade=0.5)


def lamp(canvas: Canvas, x: float, bottom: float, tall: float) -> None:
    """A lamp with a shade that glows, and its halo."""
    random = canvas.random
    warm = np.array((1.0, 0.78, 0.5)) * random.uniform(0.7, 1.6)
    canvas.lay(box(x, bottom - 0.3 * tall, 0.02, 0.6 * tall), paint(random, bright=0.1))
    shade = np.array([(-0.25, 0.0), (0.25, 0.0), (0.16, -0.4), (-0.16, -0.4)]) * tall
    canvas.glow(oval(x, bottom - 0.75 * tall, 1.2 * tall, 1.2 * tall), 0.12 * warm, 0.25 * tall)
    canvas.lay(shade + (x, bottom - 0.55 * tall), warm, shade=0.0, soft=0.003)


def window(canvas: Canvas, x: float, y: float, width: float, height: float) -> None:
    """A window with daylight, something blurred outside, a frame and a cross."""
    random = canvas.random
    frame = paint(random, bright=0.5, vivid=0.05)
    day = np.array((0.85, 0.95, 1.1)) * random.uniform(0.4, 1.6)
    canvas.glow(box(x, y, 1.3 * width, 1.3 * height), 0.15 * day, 0.2 * width)
    canvas.lay(box(x, y, width, height), frame, shadow=0.01)
    view = outdoors.glimpse(random, 192) * day.astype(np.float32) * np.float32(2.0)
    canvas.plane(box(x, y, 0.92 * width, 0.94 * height), view)
    for part in range(1, int(random.integers(2, 4))):
        canvas.lay(box(x - width / 2 + part * width / 2, y, 0.025 * width, height), 0.7 * frame)
    canvas.lay(box(x, y + random.uniform(-0.3, 0.3) * height, width, 0.02 * height), 0.6 * frame)
    canvas.lay(box(x, y + 0.52 * height, 1.08 * width, 0.04 * height), frame, shadow=0.02)


def curtain(canvas: Canvas, x: float, width: float, top: float, bottom: float) -> None:
    """Cloth hanging in long folds, light coming through."""
    random, size = canvas.random, canvas.size
    stuff = cloth(random, 96, 96).mean(axis=(0, 1)) * 1.3 + 0.02
    place = np.linspace(0.0, 1.0, size)
    waves = sum(
        random.uniform(0.3, 1.0) * np.sin(2 * math.pi * (f * place + random.uniform()))
        for f in random.uniform(3.0, 60.0, 5)
    )
    down = np.linspace(1.0, random.uniform(0.7, 1.1), size)
    tone = np.clip(0.75 + 0.22 * np.asarray(waves), 0.15, 1.8)[None, :] * down[:, None]
    outline = box(x, (top + bottom) / 2, width, bottom - top)
    canvas.lay(outline, tone[..., None] * stuff, shadow=0.02, soft=0.003)


def door(canvas: Canvas, x: float, bottom: float, height: float) -> None:
    """A door with panels and a handle."""
    random, width = canvas.random, 0.45 * height
    colour = paint(random, bright=0.5, vivid=0.2)
    y = bottom - height / 2
    canvas.lay(box(x, y, 1.14 * width, 1.06 * height), 0.85 * colour, shadow=0.015)
    canvas.lay(box(x, y, width, height), colour, shade=0.1)
    for row in (-0.22, 0.22):
        for column in (-0.22, 0.22):
            panel = (x + column * width, y + row * height)
            canvas.lay(box(*panel, 0.34 * width, 0.36 * height), 0.7 * colour, soft=0.003)
            canvas.lay(box(*panel, 0.30 * width, 0.33 * height), 0.97 * colour, soft=0.003)
    canvas.lay(box(x + 0.42 * width, y, 0.1 * width, 0.012), (0.5, 0.48, 0.42), shadow=0.01)


def picture(canvas: Canvas, x: float, y: float, width: float, height: float) -> None:
    """A framed picture or a poster."""
    random = canvas.random
    canvas.lay(box(x, y, width, height), paint(random, bright=0.2), shadow=0.012)
    canvas.lay(box(x, y, 0.9 * width, 0.9 * height), paint(random, bright=0.6), shade=0.03)
    for _ in range(random.integers(2, 8)):
        spot = np.array((x, y)) + random.uniform(-0.25, 0.25, 2) * (width, height)
        size = random.uniform(0.1, 0.3) * min(width, height)
        colour = paint(random, bright=0.3, vivid=0.5)
        canvas.lay(blot(random, float(spot[0]), float(spot[1]), size, 0.2), colour, soft=0.004)


def monitor(canvas: Canvas, x: float, bottom: float, width: float) -> None:
    """A screen that shines, with windows on it, on a stand."""
    random, height = canvas.random, width * canvas.random.uniform(0.5, 0.65)
    y = bottom - 0.62 * height - 0.06
    canvas.lay(box(x, bottom - 0.05, 0.06, 0.12), (0.03, 0.03, 0.032))
    canvas.lay(oval(x, bottom, 0.35 * width, 0.03), (0.04, 0.04, 0.042), shadow=0.02)
    canvas.lay(box(x, y, width, height), (0.012, 0.012, 0.014), shadow=0.03)
    shine = paint(random, bright=0.35, vivid=0.4) + 0.01
    canvas.glow(box(x, y, 1.1 * width, 1.1 * height), 0.03 * shine, 0.1 * width)
    canvas.lay(box(x, y, 0.96 * width, 0.93 * height), shine, shade=0.05, uneven=0.0)
    for _ in range(random.integers(0, 4)):
        at = np.array((x, y)) + random.uniform(-0.22, 0.22, 2) * (width, height)
        size = random.uniform(0.2, 0.5, 2) * (width, height)
        page = paint(random, bright=0.6, vivid=0.1)
        canvas.lay(box(*at, *size), page, shadow=0.004, shade=0.0, uneven=0.0)
        writing(canvas, at, size, 0.0, 0.15 * page)


def writing(
    canvas: Canvas, middle: np.ndarray, size: np.ndarray, turn: float, ink: np.ndarray
) -> None:
    """Write lines of words on a sheet."""
    random, count = canvas.random, int(canvas.random.integers(6, 18))
    c, s = math.cos(turn), math.sin(turn)
    for v in np.linspace(-0.4, 0.4, count):
        u = -0.42
        while u < random.uniform(0.1, 0.42):
            long = random.uniform(0.03, 0.12)
            place = np.array(((u + long / 2) * size[0], v * size[1]))
            x, y = np.array([[c, -s], [s, c]]) @ place + middle
            strip = box(float(x), float(y), long * size[0], 0.3 * size[1] / count, turn)
            canvas.lay(strip, ink, soft=0.0005, shade=0.0, opaque=0.7)
            u += long + 0.02


def sofa(canvas: Canvas, x: float, bottom: float, width: float) -> None:
    """A sofa with cushions, out of soft shapes."""
    random = canvas.random
    colour = paint(random, bright=0.22, vivid=0.3)
    high = 0.4 * width
    back = limb(
        (x - 0.4 * width, bottom - 0.6 * high), (x + 0.4 * width, bottom - 0.6 * high), high, high
    )
    canvas.lay(back, colour, shadow=0.03, soft=0.004, shade=0.4)
    for place in (-0.25, 0.05, 0.28):
        puff = blot(random, x + place * width, bottom - 0.62 * high, 0.28 * width, 0.05)
        tone = colour * random.uniform(0.8, 1.2) if random.random() < 0.6 else paint(random)
        canvas.lay(puff, tone, shadow=0.02, soft=0.004, shade=0.6)
    seat = box(x, bottom - 0.2 * high, 0.95 * width, 0.4 * high)
    canvas.lay(seat, 0.85 * colour, shadow=0.02, soft=0.006, shade=0.3)
    for side in (-0.48, 0.48):
        arm = box(x + side * width, bottom - 0.35 * high, 0.12 * width, 0.7 * high)
        canvas.lay(arm, 0.95 * colour, shadow=0.02, soft=0.01, shade=0.3)


def floor(canvas: Canvas, horizon: float) -> None:
    """Lay boards in perspective from the horizon to the bottom."""
    random = canvas.random
    spread = random.uniform(0.6, 2.5)
    corners = np.array([(-0.1, horizon), (1.1, horizon), (1.0 + spread, 1.02), (-spread, 1.02)])
    stuff = wood(random, 512, 512)
    stuff = np.ascontiguousarray(stuff.swapaxes(0, 1)) if random.random() < 0.5 else stuff
    canvas.plane(corners, stuff)
