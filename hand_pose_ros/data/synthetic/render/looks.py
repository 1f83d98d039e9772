"""How hands look and how they are lit: everything of it, and how it is drawn by chance."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from hand_pose_ros.data.synthetic.render.colours import Colour
from hand_pose_ros.data.synthetic.render.light import Lamp, Light, Scene
from hand_pose_ros.data.synthetic.render.props import Material
from hand_pose_ros.data.synthetic.render.skin import SkinLook
from hand_pose_ros.data.synthetic.render.worn import (
    RING_FINGERS,
    Bracelet,
    Glove,
    Ring,
    Sleeve,
    Worn,
)
from hand_pose_ros.errors import ConfigError

__all__ = [
    "LIGHTINGS",
    "Colour",
    "HandLook",
    "Lamp",
    "Light",
    "Scene",
    "SkinLook",
    "sample_look",
    "sample_scene",
    "sample_skin",
    "sample_worn",
]

_GLOVE, _SLEEVE, _RING, _BRACELET = 0.04, 0.45, 0.15, 0.12
"""Shares of hands that wear one."""
_SLEEVE_PATTERNS = ("plain", "weave", "weave", "knit", "stripes", "checker", "noise")
_METALS = ((0.83, 0.62, 0.28), (0.72, 0.72, 0.74), (0.80, 0.52, 0.40), (0.12, 0.12, 0.13))
_POLISHES = (
    *((0.50, 0.01, 0.03), (0.75, 0.28, 0.30), (0.25, 0.01, 0.05), (0.02, 0.02, 0.03)),
    *((0.80, 0.75, 0.72), (0.05, 0.12, 0.40), (0.55, 0.40, 0.60), (0.05, 0.30, 0.25)),
)

# Of each kind of light: share, lamp, sky, ground (linear), softness of the shadows.
LIGHTINGS = {
    "indoor": (0.30, (1.35, 1.12, 0.84), (0.60, 0.54, 0.45), (0.33, 0.27, 0.21), (0.3, 1.0)),
    "daylight": (0.26, (1.35, 1.33, 1.28), (0.70, 0.76, 0.86), (0.36, 0.34, 0.31), (0.5, 1.0)),
    "led": (0.16, (1.15, 1.24, 1.36), (0.58, 0.64, 0.72), (0.28, 0.30, 0.33), (0.2, 0.8)),
    "dim": (0.10, (0.55, 0.45, 0.34), (0.22, 0.21, 0.21), (0.12, 0.10, 0.09), (0.3, 1.0)),
    "sun": (0.12, (2.60, 2.42, 2.10), (0.42, 0.52, 0.70), (0.34, 0.30, 0.24), (0.0, 0.15)),
    "coloured": (0.06, (1.0, 1.0, 1.0), (0.35, 0.35, 0.38), (0.2, 0.2, 0.2), (0.1, 0.9)),
}
_SECOND_LAMP = 0.35


@dataclass(frozen=True)
class HandLook:
    """How one hand looks: its skin and what it wears."""

    skin: SkinLook = field(default_factory=SkinLook)
    worn: Worn = field(default_factory=Worn)


def sample_look(random: np.random.Generator) -> HandLook:
    """Return the look of one person's hand; most wear nothing but sleeves."""
    return HandLook(sample_skin(random), sample_worn(random))


def sample_skin(random: np.random.Generator) -> SkinLook:
    """Return any human skin: tones evenly, old and young, with and without polish."""
    tone, age = float(random.uniform()), float(random.beta(1.4, 1.8))
    marked = random.uniform() < 0.25 * (1 - 0.6 * tone) + 0.25 * age
    polished = random.uniform() < 0.12
    return SkinLook(
        tone=tone,
        mottle=float(random.uniform(0.1, 0.35) + 0.25 * age),
        gloss=float(random.uniform(0.25, 1.2)),
        seed=float(random.uniform(0.0, 30.0)),
        warmth=float(np.clip(random.normal(0.0, 0.5), -1.0, 1.0)),
        olive=float(max(random.uniform(-0.8, 0.8), 0.0)),
        redness=float(np.clip(random.normal(0.0, 0.4), -1.0, 1.0)),
        freckles=float(random.uniform(0.15, 1.0)) if marked else 0.0,
        moles=float(random.beta(1.0, 2.5)),
        veins=float(random.beta(1.3, 2.2) * (0.6 + 0.4 * age)),
        tendons=float(random.uniform(0.1, 0.6 + 0.4 * age)),
        wrinkles=float(random.uniform(0.5, 1.1) + 0.7 * age),
        hair=float(random.uniform(0.2, 1.0)) if random.uniform() < 0.3 else 0.0,
        nail_length=float(random.uniform(0.5, 1.0) if polished else random.beta(1.2, 2.5)),
        polish=_POLISHES[int(random.integers(len(_POLISHES)))] if polished else None,
    )


def sample_worn(random: np.random.Generator) -> Worn:
    """Return what a hand wears. Neither rings nor watches are worn over gloves."""
    gloved, sleeved, ringed, watched = random.uniform(size=4) < (_GLOVE, _SLEEVE, _RING, _BRACELET)
    glove, sleeve, rings, bracelet = (
        _glove(random),
        _sleeve(random),
        _rings(random),
        _bracelet(random),
    )
    return Worn(
        glove=glove if gloved else None,
        sleeve=sleeve if sleeved else None,
        rings=rings if ringed and not gloved else (),
        bracelet=bracelet if watched and not gloved else None,
    )


def sample_scene(random: np.random.Generator, kind: str | None = None) -> Scene:
    """Return any light that hands are seen in, of a kind of `LIGHTINGS` or any of them.

    Raises:
        ConfigError: there is no such kind.
    """
    kinds = tuple(LIGHTINGS)
    if kind is not None and kind not in kinds:
        raise ConfigError(f"lighting is {kind!r}; it must be one of {', '.join(kinds)}")
    shares = np.array([LIGHTINGS[name][0] for name in kinds])
    drawn = kinds[int(random.choice(len(kinds), p=shares / shares.sum()))]
    _, lamp, sky, ground, softness = LIGHTINGS[kind or drawn]
    tint = random.uniform(0.9, 1.1, 3)
    if (kind or drawn) == "coloured":
        tint = tint * _hue(random, 0.25, 1.5)
    room = random.uniform(0.55, 1.25)
    light = Light(
        direction=_triple(_towards(random)),
        colour=_triple(random.uniform(0.7, 1.3) * tint * lamp),
        sky=_triple(room * random.uniform(0.85, 1.15, 3) * sky),
        ground=_triple(room * random.uniform(0.8, 1.2, 3) * ground),
        second=_second(random) if random.uniform() < _SECOND_LAMP else None,
        softness=float(random.uniform(*softness)),
    )
    return Scene(light, exposure=float(np.exp(random.normal(0.0, 0.18))))


def _second(random: np.random.Generator) -> Lamp:
    colour = random.uniform(0.15, 0.7) * _hue(random, 0.65, 1.2)
    return Lamp(_triple(_towards(random)), _triple(colour))


def _towards(random: np.random.Generator) -> np.ndarray:
    """Return a direction to a lamp: mostly above and on the camera's side, at times behind."""
    direction = random.normal((0.0, -0.65, -0.6), (0.8, 0.45, 0.65))
    return np.asarray(direction / max(float(np.linalg.norm(direction)), 1e-3))


def _hue(random: np.random.Generator, low: float, high: float) -> np.ndarray:
    return np.asarray(random.uniform(low, high, 3))


def _glove(random: np.random.Generator) -> Glove:
    fabric = str(random.choice(("cloth", "latex", "leather"), p=(0.35, 0.4, 0.25)))
    latex = ((0.75, 0.75, 0.72), (0.10, 0.22, 0.62), (0.02, 0.02, 0.025), (0.45, 0.32, 0.62))
    leather = ((0.03, 0.022, 0.018), (0.16, 0.08, 0.04), (0.30, 0.18, 0.09), (0.12, 0.02, 0.02))
    colour = {"latex": latex, "leather": leather}.get(fabric, (_cloth_colour(random),))
    return Glove(
        fabric=fabric,
        colour=colour[int(random.integers(len(colour)))],
        thickness=float(random.uniform(0.0003, 0.0006) if fabric == "latex" else 0.0013),
        cuff=float(random.uniform(0.005, 0.09)),
    )


def _sleeve(random: np.random.Generator) -> Sleeve:
    pattern = str(random.choice(_SLEEVE_PATTERNS))
    first, second = _cloth_colour(random), _cloth_colour(random)
    if pattern in ("weave", "knit"):
        second = _triple(random.uniform(0.35, 0.8) * np.array(first))
    period = {"weave": 0.0018, "knit": 0.005}.get(pattern, float(random.uniform(0.008, 0.03)))
    fuzz = float(random.uniform(0.0, 0.6))
    cloth = Material(first, second, pattern, period, gloss=0.15, sharpness=8.0, fuzz=fuzz)
    return Sleeve(
        material=cloth,
        start=float(random.uniform(0.0, 0.13)),
        looseness=float(random.uniform(0.002, 0.014)),
        folds=float(random.uniform(0.1, 1.0)),
        cuff=float(random.uniform(0.02, 0.07)) if random.uniform() < 0.6 else 0.0,
        seed=int(random.integers(1 << 16)),
    )


def _rings(random: np.random.Generator) -> tuple[Ring, ...]:
    count = 1 + int(random.uniform() < 0.3) + int(random.uniform() < 0.1)
    fingers = random.choice(RING_FINGERS, count, replace=False, p=(0.05, 0.2, 0.2, 0.45, 0.1))
    return tuple(
        Ring(
            finger=str(finger),
            material=_metal(random),
            width=float(random.uniform(0.002, 0.007)),
            thickness=float(random.uniform(0.0009, 0.002)),
            place=float(random.uniform(0.42, 0.6)),
        )
        for finger in fingers
    )


def _bracelet(random: np.random.Generator) -> Bracelet:
    kind = str(random.choice(("watch", "band", "bangle"), p=(0.6, 0.2, 0.2)))
    soft = Material(_cloth_colour(random), gloss=0.4, sharpness=20.0)
    metallic = kind == "bangle" or random.uniform() < 0.3
    return Bracelet(
        kind=kind,
        material=_metal(random) if metallic else soft,
        width=float(
            random.uniform(0.004, 0.006) if kind == "bangle" else random.uniform(0.01, 0.024)
        ),
        thickness=float(random.uniform(0.002, 0.004)),
        place=float(random.uniform(0.022, 0.045)),
    )


def _metal(random: np.random.Generator) -> Material:
    colour = _METALS[int(random.integers(len(_METALS)))]
    return Material(colour, gloss=1.4, sharpness=float(random.uniform(40, 200)), metal=1.0)


def _cloth_colour(random: np.random.Generator) -> Colour:
    """Return a colour of clothes: half of them are nearly grey, many dark."""
    value = float(random.uniform(0.02, 0.8) ** 1.5)
    strength = float(
        random.uniform(0.0, 0.15) if random.uniform() < 0.5 else random.uniform(0.3, 0.9)
    )
    mixed = value * (1.0 - strength + strength * random.uniform(0.05, 1.3, 3))
    return _triple(np.clip(mixed, 0.01, 0.9))


def _triple(values: np.ndarray) -> Colour:
    x, y, z = np.asarray(values, float).tolist()
    return x, y, z
