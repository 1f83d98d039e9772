"""People behind the hand, out of focus: clothes, a face, bare arms, a crowd."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from hand_pose_ros.data.synthetic.backdrop import interiors, outdoors, textures
from hand_pose_ros.data.synthetic.backdrop.canvas import Canvas, blot, box, limb, oval
from hand_pose_ros.data.synthetic.backdrop.textures import Light
from hand_pose_ros.data.synthetic.render.looks import SkinLook

Place = Callable[[np.random.Generator, int], Canvas]

_PLACES: tuple[Place, ...] = (
    interiors.living_room,
    interiors.workplace,
    interiors.walled,
    interiors.shelves,
    interiors.window_light,
    outdoors.street,
    outdoors.garden,
)


def _skin(random: np.random.Generator) -> Light:
    back, palm, _ = SkinLook(tone=float(random.beta(1.1, 1.8))).colours()
    share = random.uniform(0.0, 0.5)
    colour = (1.0 - share) * np.array(back) + share * np.array(palm)
    return (colour * random.uniform(0.75, 1.1)).astype(np.float32)


def _shaped(canvas: Canvas, x: float, breadth: float, surface: Light, round_: float) -> Light:
    """Return a surface (size, size, 3) shaded like a body about a middle: dark at both sides."""
    across = (np.linspace(0.0, 1.0, canvas.size) - x) / breadth
    lit = across * np.sign(canvas.away[0]) * 0.35
    tone = np.clip(1.0 - round_ * np.abs(across) ** 3 * 4.0 - lit, 0.25, 1.3)
    return (surface * tone[None, :, None]).astype(np.float32)


def person(
    canvas: Canvas, x: float, top: float, width: float, clothes: Light, skin: Light
) -> None:
    """Lay a person down to the waist; `width` is that of the shoulders."""
    random = canvas.random
    head = 0.36 * width
    chin, shoulder = top + 1.3 * head, top + 1.75 * head
    hair = (
        np.array((0.06, 0.04, 0.03))
        * random.choice((0.3, 0.8, 1.5, 5.0))
        * random.uniform(0.7, 1.3, 3)
    )
    long = random.uniform(0.0, 1.0) ** 2
    canvas.lay(
        oval(x, top + (0.6 + 0.4 * long) * head, 1.15 * head, (1.35 + long) * head),
        hair,
        uneven=0.2,
    )
    canvas.lay(
        limb((x, chin - 0.2 * head), (x, shoulder + 0.1 * head), 0.55 * head, 0.7 * head),
        0.7 * skin,
        shade=0.3,
    )
    body = (
        np.array(
            [
                (-0.09, -0.02),
                (-0.3, 0.06),
                (-0.45, 0.13),
                (-0.5, 0.3),
                (-0.56, 1.0),
                (-0.6, 2.5),
                (0.6, 2.5),
                (0.56, 1.0),
                (0.5, 0.3),
                (0.45, 0.13),
                (0.3, 0.06),
                (0.09, -0.02),
            ]
        )
        * width
    )
    body[:, 0] += random.normal(0.0, 0.01, len(body)) * width
    dressed = _shaped(canvas, x, 0.6 * width, clothes, 0.35)
    canvas.lay(body + (x, shoulder), dressed, soft=0.003, shadow=0.02, shade=0.1)
    collar = np.array([(-0.16, -0.01), (0.16, -0.01), (0.0, random.uniform(0.06, 0.3))]) * width
    canvas.lay(collar + (x, shoulder), 0.85 * skin, soft=0.003)
    for side in (-1.0, 1.0):
        arm = limb(
            (x + 0.42 * side * width, shoulder + 0.28 * width),
            (x + 0.5 * side * width, shoulder + 1.3 * width),
            0.2 * width,
            0.17 * width,
        )
        canvas.lay(arm, dressed * np.float32(0.92), soft=0.004, shadow=0.012, shade=0.2)
    _face(canvas, x, top + 0.68 * head, head, skin, hair)


def _face(canvas: Canvas, x: float, y: float, head: float, skin: Light, hair: np.ndarray) -> None:
    random = canvas.random
    turn = random.normal(0.0, 0.1)
    canvas.lay(
        oval(x, y, 0.95 * head, 1.3 * head, turn), skin, shade=0.45, soft=0.003, uneven=0.04
    )
    canvas.lay(
        oval(x, y + 0.42 * head, 0.6 * head, 0.4 * head), 0.8 * skin, soft=0.06 * head, opaque=0.5
    )
    look = random.normal(0.0, 0.07) * head
    for side in (-0.21, 0.21):
        eye = x + side * head + look
        canvas.lay(
            oval(eye, y - 0.1 * head, 0.27 * head, 0.17 * head), 0.6 * skin, soft=0.03 * head
        )
        canvas.lay(
            oval(eye, y - 0.09 * head, 0.14 * head, 0.06 * head),
            (0.3, 0.28, 0.27),
            soft=0.008 * head,
        )
        canvas.lay(
            oval(eye, y - 0.09 * head, 0.07 * head, 0.07 * head),
            (0.02, 0.015, 0.01),
            soft=0.006 * head,
        )
        canvas.lay(
            oval(eye, y - 0.22 * head, 0.25 * head, 0.05 * head, side * 0.4),
            0.5 * hair + 0.2 * skin,
            soft=0.012 * head,
        )
    nose = x + 1.4 * look
    canvas.lay(
        oval(nose + 0.04 * head, y + 0.08 * head, 0.12 * head, 0.3 * head),
        0.75 * skin,
        soft=0.03 * head,
        opaque=0.7,
    )
    canvas.lay(
        oval(nose, y + 0.2 * head, 0.2 * head, 0.05 * head),
        0.45 * skin,
        soft=0.02 * head,
        opaque=0.8,
    )
    red = skin * np.array((0.75, 0.45, 0.45))
    canvas.lay(
        oval(x + look, y + 0.36 * head, random.uniform(0.25, 0.38) * head, 0.07 * head),
        red,
        soft=0.015 * head,
    )
    fringe = random.uniform(0.35, 0.6)
    angle = np.linspace(math.pi, 2 * math.pi, 20)
    upper = np.stack((0.54 * np.cos(angle), 0.72 * np.sin(angle)), axis=-1)
    lower = np.stack((-0.48 * np.cos(angle), -fringe + 0.12 * np.sin(angle) ** 2), axis=-1)
    canvas.lay(
        head * np.concatenate((upper, lower)) + (x, y), hair, soft=0.01 * head + 0.001, uneven=0.25
    )


def portrait(random: np.random.Generator, size: int) -> Canvas:
    """One person before a room or a street, as a webcam sees them; the hand is held up to it."""
    canvas = _PLACES[random.integers(len(_PLACES))](random, size)
    canvas.defocus(random.uniform(0.0, 0.02))
    clothes = textures.cloth(random, size, size)
    x, width = random.uniform(0.3, 0.7), random.uniform(0.45, 0.95)
    person(canvas, x, random.uniform(-0.15, 0.35), width, clothes, _skin(random))
    canvas.defocus(random.uniform(0.012, 0.045))
    return canvas


def torso(random: np.random.Generator, size: int) -> Canvas:
    """Clothes right behind the hand, with folds, a seam, buttons or a zip."""
    canvas = Canvas(random, size, textures.cloth(random, size, size))
    canvas.image = _shaped(canvas, random.uniform(0.2, 0.8), 0.75, canvas.image, 0.25)
    x = random.uniform(0.2, 0.8)
    if random.random() < 0.5:
        canvas.lay(box(x, 0.5, 0.012, 1.2), 0.4 * canvas.image, soft=0.003)
        for y in np.arange(random.uniform(0, 0.2), 1.0, 0.2):
            canvas.lay(
                oval(x + 0.03, float(y), 0.025, 0.025), textures.paint(random), shadow=0.004
            )
    for _ in range(random.integers(1, 5)):
        _fold(canvas)
    if random.random() < 0.4:
        neck = np.array([(-0.2, -0.1), (0.2, -0.1), (0.0, random.uniform(0.1, 0.4))])
        canvas.lay(neck + (x, 0.0), _skin(random), soft=0.004)
    if random.random() < 0.4:
        behind = interiors.living_room(random, size).image
        gap = [
            (-0.1, -0.1),
            (random.uniform(0.05, 0.4), -0.1),
            (random.uniform(0.0, 0.25), 1.1),
            (-0.1, 1.1),
        ]
        canvas.lay(np.array(gap), behind, soft=0.004, shade=0.0)
    canvas.defocus(random.uniform(0.0, 0.03))
    return canvas


def _fold(canvas: Canvas) -> None:
    random = canvas.random
    start, end = random.uniform(-0.1, 1.1, 2), random.uniform(-0.1, 1.1, 2)
    strip = limb(tuple(start), tuple(end), random.uniform(0.01, 0.1), 0.01)
    canvas.lay(strip, 0.45 * canvas.image, soft=random.uniform(0.01, 0.03), shade=0.0, opaque=0.7)


def bare_arms(random: np.random.Generator, size: int) -> Canvas:
    """Arms, legs or a far hand before a place: of skin's colour and not the hand in question."""
    canvas = _PLACES[random.integers(len(_PLACES))](random, size)
    canvas.defocus(random.uniform(0.0, 0.02))
    skin = _skin(random)
    for _ in range(random.integers(1, 4)):
        start, end = random.uniform(-0.2, 1.2, 2), random.uniform(0.1, 0.9, 2)
        first = random.uniform(0.08, 0.25)
        arm = limb(tuple(start), tuple(end), first, random.uniform(0.6, 1.0) * first)
        canvas.lay(arm, skin, soft=0.004, shadow=0.03, shade=0.6, uneven=0.06)
        if random.random() < 0.5:
            middle = 0.5 * (start + end)
            sleeve = limb(tuple(start), tuple(middle), 1.3 * first, 1.25 * first)
            canvas.lay(
                sleeve, textures.cloth(random, size, size), soft=0.003, shadow=0.01, shade=0.4
            )
        elif random.random() < 0.5:
            _far_hand(canvas, end, min(first, 0.09), skin)
    canvas.defocus(random.uniform(0.012, 0.045))
    return canvas


def _far_hand(canvas: Canvas, at: np.ndarray, size: float, skin: Light) -> None:
    """Lay something like a hand, too blurred to have joints."""
    random = canvas.random
    turn = random.uniform(0.0, 2.0 * math.pi)
    for spread in np.linspace(-0.6, 0.6, 4):
        tip = at + 1.5 * size * np.array((math.cos(turn + spread), math.sin(turn + spread)))
        finger = limb(tuple(at), tuple(tip), 0.3 * size, 0.22 * size)
        canvas.lay(finger, skin, soft=0.008, shadow=0.006, shade=0.4)
    canvas.lay(blot(random, float(at[0]), float(at[1]), 1.2 * size, 0.05), skin, soft=0.01)


def crowd(random: np.random.Generator, size: int) -> Canvas:
    """Several people from far to near."""
    canvas = _PLACES[random.integers(len(_PLACES))](random, size)
    canvas.defocus(random.uniform(0.0, 0.02))
    for width in np.sort(random.uniform(0.12, 0.5, random.integers(2, 6))):
        x, top = random.uniform(0.0, 1.0), random.uniform(0.15, 0.45)
        stuff = textures.cloth(random, 256, 256)
        full = np.tile(stuff, (size // 256 + 1, size // 256 + 1, 1))[:size, :size]
        person(canvas, x, top, float(width), full, _skin(random))
    canvas.defocus(random.uniform(0.012, 0.035))
    return canvas
