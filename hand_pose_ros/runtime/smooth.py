"""Smoothing over time that follows fast hands and holds still ones still, and shapes learnt once.

Source: Casiez, Roussel and Vogel 2012, 1 Euro filter (algorithm 1); the shape of a hand does not
change, so it is averaged: Ivashechkin et al. 2023, section 2.7.
"""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from hand_pose_ros.hand import skeleton
from hand_pose_ros.runtime.config import SmoothingConfig

_SMALLEST_STEP_S = 1e-4


class OneEuro:
    """Low pass for a vector of numbers, each with a cutoff that grows with its own speed."""

    def __init__(
        self, cutoff: npt.ArrayLike, beta: npt.ArrayLike, derivative_cutoff: float
    ) -> None:
        self.tune(cutoff, beta, derivative_cutoff)
        self.value: npt.NDArray[np.float64] | None = None
        self._speed: npt.NDArray[np.float64] | None = None

    def tune(self, cutoff: npt.ArrayLike, beta: npt.ArrayLike, derivative_cutoff: float) -> None:
        """Take other settings, keeping value and speed."""
        self._cutoff, self._beta = np.asarray(cutoff, float), np.asarray(beta, float)
        self._derivative_cutoff = derivative_cutoff

    def __call__(self, measured: npt.NDArray[np.floating], dt: float) -> npt.NDArray[np.float64]:
        """Return the smoothed vector after a step of dt seconds."""
        measured = np.asarray(measured, dtype=np.float64)
        if self.value is None or self._speed is None:
            self.value, self._speed = measured, np.zeros_like(measured)
            return measured
        dt = max(dt, _SMALLEST_STEP_S)
        step = measured - self.value
        self._speed = self._speed + _share(self._derivative_cutoff, dt) * (step / dt - self._speed)
        share = _share(self._cutoff + self._beta * np.abs(self._speed), dt)
        self.value = self.value + share * step
        return self.value


class RotationOneEuro:
    """The same filter for a rotation, in the tangent space of its last value."""

    def __init__(self, cutoff: float, beta: float, derivative_cutoff: float) -> None:
        self.tune(cutoff, beta, derivative_cutoff)
        self.value: npt.NDArray[np.float64] | None = None
        self._speed = np.zeros(3)

    def tune(self, cutoff: float, beta: float, derivative_cutoff: float) -> None:
        """Take other settings, keeping value and speed."""
        self._cutoff, self._beta, self._derivative_cutoff = cutoff, beta, derivative_cutoff

    def __call__(self, measured: npt.NDArray[np.floating], dt: float) -> npt.NDArray[np.float64]:
        """Return the smoothed rotation (3, 3) after a step of dt seconds."""
        measured = np.asarray(measured, dtype=np.float64)
        if self.value is None:
            self.value = measured
            return measured
        dt = max(dt, _SMALLEST_STEP_S)
        step = rotation_vector(measured @ self.value.T)
        self._speed = self._speed + _share(self._derivative_cutoff, dt) * (step / dt - self._speed)
        speed = math.sqrt(self._speed @ self._speed)
        share = _share(self._cutoff + self._beta * speed, dt)
        self.value = rotation_matrix(share * step) @ self.value
        return self.value


class PoseFilter:
    """The filters of one hand: wrist rotation, articulation and place. A new hand, a new one.

    Args:
        config: their settings.
        is_refined: whether the temporal transformer has smoothed rotation and articulation before:
            they are left as they are, since one after the other lags. The place is filtered.
    """

    def __init__(self, config: SmoothingConfig, *, is_refined: bool = False) -> None:
        self._is_refined = is_refined
        self._rotation = RotationOneEuro(1.0, 0.0, 1.0)
        self._angles, self._place = OneEuro(1.0, 0.0, 1.0), OneEuro(1.0, 0.0, 1.0)
        self.tune(config)

    def tune(self, config: SmoothingConfig) -> None:
        """Take other settings, going on from where the hand is."""
        speed = config.derivative_cutoff
        self._enabled = config.enabled
        self._rotation.tune(config.rotation_cutoff, config.rotation_beta, speed)
        self._angles.tune(config.angle_cutoff, config.angle_beta, speed)
        cutoffs = np.array((config.lateral_cutoff, config.lateral_cutoff, config.depth_cutoff))
        betas = np.array((config.lateral_beta, config.lateral_beta, config.depth_beta))
        self._place.tune(cutoffs, betas, speed)

    def pose(
        self, rotation: npt.NDArray[np.floating], articulation: npt.NDArray[np.floating], dt: float
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Return the smoothed wrist rotation (3, 3) and angles (23,), within their limits."""
        if not self._enabled or self._is_refined:
            return np.asarray(rotation, float), _limited(articulation)
        rotation = self._rotation(rotation, dt)
        return rotation, _limited(self._angles(articulation, dt))

    def place(self, translation: npt.NDArray[np.float64], dt: float) -> npt.NDArray[np.float64]:
        """Return the smoothed place (3,) [m] of a wrist in front of the camera.

        Smoothed as a viewing ray and the logarithm of its depth: the depth shakes many times more.
        """
        if not self._enabled or not translation[2] > 0.0:
            return translation
        x, y, z = translation.tolist()
        x, y, z = self._place(np.array((x / z, y / z, math.log(z))), dt).tolist()
        z = math.exp(z)
        return np.array((x * z, y * z, z))


class ShapeAverage:
    """The proportions and finger offsets of one hand: a running mean that soon rests.

    Frames count alike until `settle_s`; then each counts less than the one before, its share of
    the mean falling with the fourth power of the time: all that ever follows has a third of a say.
    So the lengths are constant in use, and still mend a little after a bad start.

    Attributes:
        settle_s: when they begin to rest [s].
        fixed: whether they no longer change at all.
    """

    def __init__(self, settle_s: float) -> None:
        self.settle_s = settle_s
        self.fixed = False
        self.restart()

    def restart(self) -> None:
        """Forget what was seen, and what was fixed."""
        self.fixed = False
        self._count = 0.0
        self._age_s = 0.0
        self._mean: npt.NDArray[np.float64] | None = None

    def fix(self, ratios: npt.NDArray[np.floating], offsets: npt.NDArray[np.floating]) -> None:
        """Hold these from now on."""
        self.fixed, self._mean = True, np.concatenate((ratios, offsets))

    def __call__(
        self, ratios: npt.NDArray[np.floating], offsets: npt.NDArray[np.floating], dt: float
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Return the averaged ratios (20,) and offsets (15,) with those of one more frame."""
        count = len(ratios)
        if self.fixed and self._mean is not None:
            return self._mean[:count], self._mean[count:]
        seen = np.concatenate((ratios, offsets))
        self._age_s += dt
        self._count += 1.0
        if self._mean is None:
            self._mean = seen
        late = max(self._age_s / self.settle_s, 1.0) if self.settle_s > 0.0 else 1.0
        self._mean = self._mean + (seen - self._mean) / (self._count * late**3)
        return self._mean[:count], self._mean[count:]


def rotation_vector(rotation: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the axis (3,) times the angle [rad] of a rotation (3, 3)."""
    return np.asarray(cv2.Rodrigues(rotation)[0], dtype=np.float64).ravel()


def rotation_matrix(vector: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the rotation (3, 3) about an axis by its length [rad]."""
    return np.asarray(cv2.Rodrigues(vector)[0], dtype=np.float64)


def _limited(articulation: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    return np.minimum(np.maximum(articulation, _LOW), _HIGH)


def _share(cutoff: Any, dt: float) -> Any:
    """Return the share of a step that low passes let through: 1 / (1 + tau / dt)."""
    step = (2.0 * math.pi * dt) * cutoff
    return step / (1.0 + step)


_LOW, _HIGH = np.array(skeleton.ARTICULATION_LIMITS).T.copy()
