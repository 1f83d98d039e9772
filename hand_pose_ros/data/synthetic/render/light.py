"""How hands are lit: lamps, the room around, exposure."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from hand_pose_ros.data.synthetic.render.colours import Colour, checked_light
from hand_pose_ros.errors import ConfigError


@dataclass(frozen=True)
class Lamp:
    """A lamp far away that casts no shadow.

    Attributes:
        direction: from the hand to the lamp, camera frame (x right, y down, z forward).
        colour: linear colour.
    """

    direction: Colour = (0.8, -0.3, -0.5)
    colour: Colour = (0.3, 0.3, 0.3)

    def __post_init__(self) -> None:
        _check_direction("lamp", self.direction)
        checked_light("lamp colour", self.colour)


@dataclass(frozen=True)
class Light:
    """A key light like a window or lamp, and the light of the room around.

    Attributes:
        direction: from the hand to the lamp, camera frame (x right, y down, z forward).
        colour: linear colour of the lamp.
        sky: linear light from above; ground: from below.
        second: another lamp, which casts no shadow.
        softness: how wide the edge of its shadows is, 0 (the sun) to 1 (a window).
    """

    direction: Colour = (-0.5, -0.7, -0.6)
    colour: Colour = (1.45, 1.36, 1.22)
    sky: Colour = (0.60, 0.64, 0.72)
    ground: Colour = (0.34, 0.29, 0.25)
    second: Lamp | None = None
    softness: float = 0.5

    def __post_init__(self) -> None:
        _check_direction("light", self.direction)
        for name in ("colour", "sky", "ground"):
            checked_light(f"light {name}", getattr(self, name))
        if not 0.0 <= self.softness <= 1.0:
            raise ConfigError(f"light softness is {self.softness}; it must lie between 0 and 1")


@dataclass(frozen=True)
class Scene:
    """What all hands of an image share: the light, and how long the shutter is open."""

    light: Light = field(default_factory=Light)
    exposure: float = 1.0

    def __post_init__(self) -> None:
        if not (np.isfinite(self.exposure) and self.exposure > 0.0):
            raise ConfigError(f"exposure is {self.exposure}; it must be positive")


def _check_direction(name: str, direction: Colour) -> None:
    if not np.isfinite(direction).all() or not np.any(direction):
        raise ConfigError(f"{name} direction is {direction}; it must be a finite vector")
