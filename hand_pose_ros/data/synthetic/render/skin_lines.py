"""A drawing of the lines of a hand, seen from above its back in the rest pose.

The lines of the palm, finer ones, the veins and the tendons of the back: channels of one texture,
as shares of 255. Positions are x and y of the wrist frame [m] of the resting right hand.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy.interpolate import CubicSpline
from scipy.spatial import cKDTree

Array = npt.NDArray[np.float64]
Curve = tuple[float, tuple[tuple[float | int, float | int], ...]]
"""Strength and points (x, y) [mm] that a smooth curve passes."""

CORNER = (-0.20, -0.08)
SIZE = (0.30, 0.16)
_STEP = 0.0005
_SAMPLE = 0.0002

_PALM: tuple[Curve, ...] = (
    (1.0, ((76, 36), (72, 22), (58, 9), (40, 5), (24, 9), (10, 15))),
    (0.85, ((75, 35), (70, 18), (60, -2), (49, -19), (40, -31))),
    (1.0, ((80, 12), (73, 3), (66, -12), (61, -28), (59, -44))),
    (0.45, ((12, -2), (30, -4), (50, -3), (66, -2))),
    (0.7, ((-2, 24), (-3, 8), (-2, -8), (-4, -22))),
    (0.6, ((-11, 24), (-12, 6), (-11, -10), (-12, -22))),
)
_VEINS: tuple[Curve, ...] = (
    (0.9, ((86, 13), (70, 14), (54, 10), (40, 12), (22, 19), (0, 22), (-40, 26), (-110, 30))),
    (0.8, ((84, -9), (70, -10), (56, -6), (46, 1), (40, 12))),
    (1.0, ((76, -27), (62, -25), (48, -21), (30, -22), (6, -24), (-40, -26), (-110, -34))),
    (0.6, ((56, -6), (50, -14), (48, -21))),
    (0.6, ((40, 12), (26, 4), (10, -2), (-20, -4), (-70, 2), (-120, 8))),
    (0.5, ((30, -22), (20, -12), (10, -2))),
    (0.5, ((-40, 26), (-56, 14), (-70, 2))),
    (0.5, ((46, 44), (34, 34), (22, 19))),
    (0.4, ((-40, -26), (-62, -14), (-90, -12))),
)
_TENDONS: tuple[Curve, ...] = (
    (0.8, ((10, 6), (40, 15), (82, 25.5))),
    (1.0, ((10, 2), (40, 2), (81, 0.5))),
    (0.9, ((10, -2), (40, -9), (76, -18.5))),
    (0.6, ((10, -6), (36, -19), (66, -36.5))),
)


@lru_cache(maxsize=1)
def skin_lines() -> npt.NDArray[np.uint8]:
    """Return (R, C, 4): rows along y, columns along x of the rest pose."""
    columns, rows = (round(length / _STEP) for length in SIZE)
    x, y = np.meshgrid(
        CORNER[0] + _STEP * (np.arange(columns) + 0.5), CORNER[1] + _STEP * (np.arange(rows) + 0.5)
    )
    points = np.stack((x.ravel(), y.ravel()), axis=1)
    # Tendons go under before the wrist.
    deep = np.clip((points[:, 0] - 0.008) / 0.03, 0.0, 1.0)
    channels = (
        _drawn(points, _PALM, 0.0009),
        _drawn(points, _fine_lines(), 0.0006),
        _drawn(points, _VEINS, 0.0019),
        _drawn(points, _TENDONS, 0.0030) * deep,
    )
    image = np.stack(channels, axis=1).reshape(rows, columns, 4)
    return np.asarray(255 * image + 0.5).astype(np.uint8)


def _drawn(points: Array, curves: tuple[Curve, ...], width: float) -> Array:
    """Return (N,) in 0..1: bells about the curves that fade towards their ends."""
    samples, strengths = [], []
    for strength, knots in curves:
        line = _sampled(np.array(knots) / 1000.0)
        place = np.linspace(0.0, 1.0, len(line))
        samples.append(line)
        strengths.append(strength * np.clip(6 * np.minimum(place, 1 - place) + 0.15, 0, 1))
    near = cKDTree(np.concatenate(samples))
    distance, index = near.query(points, distance_upper_bound=4 * width)
    strength = np.append(np.concatenate(strengths), 0.0)[index]
    bell = np.exp(-((np.minimum(distance, 1.0) / width) ** 2))
    return np.asarray(strength * bell)


def _sampled(knots: Array) -> Array:
    steps = np.linalg.norm(np.diff(knots, axis=0), axis=1)
    place = np.concatenate(([0.0], np.cumsum(steps)))
    count = max(int(place[-1] / _SAMPLE), 2)
    return np.asarray(CubicSpline(place, knots)(np.linspace(0.0, place[-1], count)))


def _fine_lines() -> tuple[Curve, ...]:
    """Return short crossing lines all over the palm, the same in every run."""
    random = np.random.default_rng(5)
    curves = []
    for _ in range(110):
        start = random.uniform((2, -42), (82, 52))
        angle = random.normal(0.5, 0.8) * random.choice((-1.0, 1.0))
        length = random.uniform(6, 20)
        step = length * np.array((np.cos(angle), np.sin(angle)))
        bend = random.normal(0.0, 1.2, 2)
        knots = (start, start + 0.5 * step + bend, start + step)
        strength = float(random.uniform(0.3, 0.9))
        curves.append((strength, tuple((float(x), float(y)) for x, y in knots)))
    return tuple(curves)
