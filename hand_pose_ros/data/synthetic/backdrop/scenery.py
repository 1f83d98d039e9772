"""Scenes that look like snapshots, each different: rooms, streets, gardens, people, surfaces."""

from __future__ import annotations

import math
from collections.abc import Callable

import cv2
import numpy as np
import numpy.typing as npt

from hand_pose_ros.data.synthetic.backdrop import figures, interiors, outdoors, textures
from hand_pose_ros.data.synthetic.backdrop.canvas import Canvas, blot, limb
from hand_pose_ros.data.synthetic.backdrop.textures import TEXTURES, Light, fractal
from hand_pose_ros.errors import InputError


def surface(random: np.random.Generator, size: int) -> Canvas:
    """A surface close up, the light of a lamp on it, something lying there now and then."""
    names = sorted(TEXTURES)
    texture = TEXTURES[names[random.integers(len(names))]](random, size, size)
    if random.random() < 0.5:
        texture = np.ascontiguousarray(texture.swapaxes(0, 1))
    canvas = Canvas(random, size, texture)
    for _ in range(random.integers(0, 3)):
        at, stuff = random.uniform(0.0, 1.0, 2), textures.paint(random, vivid=0.4)
        outline = blot(random, float(at[0]), float(at[1]), random.uniform(0.1, 0.5), 0.1)
        canvas.lay(outline, stuff, shadow=0.02, shade=0.5, uneven=0.1)
    return canvas


def clutter(random: np.random.Generator, size: int) -> Canvas:
    """Things over things, of all sizes: the statistics of photographs without their sense.

    Source: the dead leaves model of Lee, Mumford and Huang 2001.
    """
    canvas = Canvas(random, size, textures.plaster(random, size, size))
    sheets = [TEXTURES[name](random, size, size) for name in random.choice(sorted(TEXTURES), 4)]
    for step in range(110):
        width = 0.06 / max(random.random(), 0.02) ** 0.6
        at, turn = random.uniform(-0.1, 1.1, 2), random.uniform(0.0, math.pi)
        outline = _piece(random, at, width, turn)
        stuff = textures.paint(random, bright=0.25, vivid=0.35)
        filled = sheets[step % 4] if random.random() < 0.4 else stuff
        canvas.lay(outline, filled, shadow=0.1 * width, shade=random.uniform(0.1, 0.7), uneven=0.1)
        if step in (50, 90):
            canvas.defocus(random.uniform(0.0, 0.02))
    canvas.defocus(random.uniform(0.0, 0.03))
    return canvas


def _piece(
    random: np.random.Generator, at: npt.NDArray[np.float64], width: float, turn: float
) -> npt.NDArray[np.floating]:
    x, y = float(at[0]), float(at[1])
    kind = random.random()
    if kind < 0.4:
        corners = random.normal(0.0, 0.1, (4, 2)) + [(-1, -1), (1, -1), (1, 1), (-1, 1)]
        corners = corners * (width / 2.0, width * random.uniform(0.2, 1.0) / 2.0)
        c, s = math.cos(turn), math.sin(turn)
        return np.asarray(corners @ np.array([[c, s], [-s, c]]) + at)
    if kind < 0.7:
        return blot(random, x, y, width, random.uniform(0.0, 0.3))
    end = (x + 1.5 * width * math.cos(turn), y + 1.5 * width * math.sin(turn))
    return limb((x, y), end, width * random.uniform(0.1, 0.5), width * random.uniform(0.05, 0.4))


SCENES: dict[str, tuple[float, Callable[[np.random.Generator, int], Canvas]]] = {
    "living room": (2.0, interiors.living_room),
    "workplace": (2.0, interiors.workplace),
    "table": (1.5, interiors.table_top),
    "shelves": (0.8, interiors.shelves),
    "window": (0.8, interiors.window_light),
    "lights": (0.5, interiors.lights),
    "street": (1.0, outdoors.street),
    "garden": (1.0, outdoors.garden),
    "thicket": (0.7, outdoors.thicket),
    "shore": (0.5, outdoors.shore),
    "portrait": (2.2, figures.portrait),
    "torso": (1.3, figures.torso),
    "bare arms": (1.2, figures.bare_arms),
    "crowd": (0.5, figures.crowd),
    "surface": (1.5, surface),
    "clutter": (1.0, clutter),
}
"""How often, relatively, and how each kind of scene is made."""

_OPEN_AIR = ("lights", "street", "garden", "thicket", "shore")


def scene(
    random: np.random.Generator, size: int, kind: str | None = None
) -> npt.NDArray[np.uint8]:
    """Return a scene (size, size, 3), RGB.

    Args:
        random: the same state gives the same scene.
        size: side [px].
        kind: a name in `SCENES`; by default one is drawn.
    """
    if size < 32:
        raise InputError(f"a scene of {size} px; it must have at least 32")
    if kind is not None and kind not in SCENES:
        raise InputError(f"kind is {kind!r}; it must be one of {sorted(SCENES)}")
    names = sorted(SCENES)
    weights = np.array([SCENES[name][0] for name in names])
    drawn = names[random.choice(len(names), p=weights / weights.sum())]
    canvas = SCENES[kind or drawn][1](random, size)
    _set_light(canvas, 0 if (kind or drawn) in _OPEN_AIR else 3)
    return _photographed(_seen_askew(canvas.image, random), random)


def _set_light(canvas: Canvas, shadows: int) -> None:
    """Light the scene from a side; up to so many shadows of what is not in it fall over it."""
    random, size = canvas.random, canvas.size
    slope = np.linspace(-1.0, 1.0, size)
    across, down = random.normal(0.0, 0.35, 2)
    light = across * slope[None, :] + down * slope[:, None] + 0.08 * canvas.field(1.5)
    for _ in range(random.integers(0, max(shadows, 1))):
        at = random.uniform(-0.1, 1.1, 2)
        cast = blot(random, float(at[0]), float(at[1]), random.uniform(0.4, 1.2), 0.3)
        edge = random.uniform(0.015, 0.08)
        canvas.lay(
            cast, random.uniform(0.35, 0.7) * canvas.image, soft=edge, shade=0.0, uneven=0.0
        )
    canvas.darken(np.exp(light))


def _seen_askew(image: Light, random: np.random.Generator) -> Light:
    """Return the scene from a little to the side, so that hardly a line is level."""
    size = image.shape[0]
    corners = np.array([(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)])
    inward = np.sign(0.5 - corners) * random.uniform(0.0, 0.16, (4, 2))
    matrix = cv2.getPerspectiveTransform(
        ((corners + inward) * size).astype(np.float32), (corners * size).astype(np.float32)
    )
    return np.asarray(cv2.warpPerspective(image, matrix, (size, size), flags=cv2.INTER_LINEAR))


def _photographed(image: Light, random: np.random.Generator) -> npt.NDArray[np.uint8]:
    """Return the encoded scene: metered, lamps with a glow, a film-like curve, fine texture."""
    size = image.shape[0]
    metered = np.percentile(image.mean(axis=-1)[::8, ::8], 60)
    gain = (0.22 * 2.0 ** random.normal(0.0, 0.6) / max(float(metered), 0.02)) ** 0.7
    image = image * (gain * np.exp(random.normal(0.0, 0.08, 3))).astype(np.float32)
    small = cv2.resize(np.maximum(image - 0.7, 0.0), (size // 4, size // 4))
    glow = cv2.resize(cv2.GaussianBlur(np.minimum(small, 4.0), (0, 0), size / 80), (size, size))
    image = image + 0.15 * glow
    image *= 1.0 + 0.02 * fractal(random, size, size, smooth=0.0, cell=8.0)[..., None]
    image = np.clip(image, 0.0, None)
    # Narkowicz's fit of the ACES film curve, a part of it: webcams clip harder than film.
    film = image * (2.51 * image + 0.03) / (image * (2.43 * image + 0.59) + 0.14)
    share = random.uniform(0.2, 0.8)
    toned = share * film + (1.0 - share) * np.minimum(image, 1.0)
    encoded = np.clip(toned, 0.0, 1.0) ** (1.0 / 2.2)
    return (255.0 * encoded + 0.5).astype(np.uint8)
