"""Colours in linear light, checked."""

from __future__ import annotations

import numpy as np

from hand_pose_ros.errors import ConfigError

Colour = tuple[float, float, float]


def checked_colour(name: str, colour: Colour) -> Colour:
    """Return a linear colour as three floats.

    Raises:
        ConfigError: it is not three numbers between 0 and 1.
    """
    array = np.asarray(colour, float)
    if array.shape != (3,) or not ((array >= 0.0) & (array <= 1.0)).all():
        raise ConfigError(f"{name} is {colour}; it must be three numbers between 0 and 1")
    red, green, blue = array.tolist()
    return red, green, blue


def checked_light(name: str, colour: Colour) -> None:
    """Raise ConfigError unless a light's colour is three numbers of at least 0."""
    array = np.asarray(colour, float)
    if array.shape != (3,) or not (np.isfinite(array).all() and (array >= 0.0).all()):
        raise ConfigError(f"{name} is {colour}; it must be three numbers of at least 0")
