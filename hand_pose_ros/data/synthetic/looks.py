"""How a hand looks and how it is lit: colours in linear light."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from hand_pose_ros.errors import ConfigError

Colour = tuple[float, float, float]

# From the lightest to the darkest: back of the hand, palm, nails. The palm holds little melanin,
# so its colour changes less.
_TONES = (
    ((0.72, 0.47, 0.37), (0.74, 0.42, 0.34), (0.78, 0.50, 0.43)),
    ((0.60, 0.36, 0.26), (0.68, 0.39, 0.30), (0.72, 0.45, 0.37)),
    ((0.43, 0.24, 0.155), (0.60, 0.35, 0.26), (0.64, 0.40, 0.32)),
    ((0.24, 0.125, 0.075), (0.48, 0.28, 0.20), (0.50, 0.31, 0.24)),
    ((0.095, 0.052, 0.035), (0.33, 0.20, 0.145), (0.33, 0.21, 0.165)),
)


@dataclass(frozen=True)
class SkinLook:
    """The skin of one person.

    Attributes:
        tone: 0 (lightest) to 1 (darkest).
        mottle: how uneven the colour is, 0 to 1.
        gloss: how moist the skin is, 0 to 2.
        seed: where in the noise this person's skin is cut from.
    """

    tone: float = 0.3
    mottle: float = 0.25
    gloss: float = 0.8
    seed: float = 0.0

    def __post_init__(self) -> None:
        for name, high in (("tone", 1.0), ("mottle", 1.0), ("gloss", 2.0)):
            value = getattr(self, name)
            if not 0.0 <= value <= high:
                raise ConfigError(f"skin {name} is {value}; it must lie between 0 and {high}")

    def colours(self) -> tuple[Colour, Colour, Colour]:
        """Return the linear colours of the back, the palm and the nails."""
        place = self.tone * (len(_TONES) - 1)
        lower = min(int(place), len(_TONES) - 2)
        share = place - lower
        mixed = (1 - share) * np.array(_TONES[lower]) + share * np.array(_TONES[lower + 1])
        back, palm, nail = (tuple(row) for row in mixed.tolist())
        return back, palm, nail


@dataclass(frozen=True)
class Light:
    """A key light like a window or lamp, and the light of the room around.

    Attributes:
        direction: from the hand to the lamp, camera frame (x right, y down, z forward).
        colour: linear colour of the lamp.
        sky: linear light from above; ground: from below.
    """

    direction: Colour = (-0.5, -0.7, -0.6)
    colour: Colour = (1.45, 1.36, 1.22)
    sky: Colour = (0.60, 0.64, 0.72)
    ground: Colour = (0.34, 0.29, 0.25)

    def __post_init__(self) -> None:
        if not np.isfinite(self.direction).all() or not np.any(self.direction):
            raise ConfigError(f"light direction is {self.direction}; it must be a finite vector")


@dataclass(frozen=True)
class Scene:
    """What all hands of an image share."""

    light: Light = field(default_factory=Light)
    exposure: float = 1.0
