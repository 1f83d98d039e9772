"""Where the errors of a simulated detector come from: drawn anew for each hand, or along a track.

A detector that follows a hand does not err anew in every image. What it takes a joint to be stays
for as long as the hand is that person's, a finger whose depth it gets wrong stays wrong until the
hand has moved, and only a little shakes from image to image.
"""

from __future__ import annotations

import math
from enum import Enum
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from hand_pose_ros.errors import InputError, ShapeError

_WAVES = 8
"""Cosines that make up one slowly changing number."""
_UNSTEADY = 0.8
"""Standard deviation of the logarithm of how much a frame shakes: some are blurred, or lost for a
moment, and then all of the hand is wrong at once."""


class Lasting(Enum):
    """How long an error stays: a whole track, until the hand has moved, or it partly shakes."""

    TRACK = "track"
    POSE = "pose"
    SHAKING = "shaking"


@runtime_checkable
class Draws(Protocol):
    """A source of random numbers for a batch of hands, one row each."""

    def normal(self, *shape: int, lasting: Lasting) -> Tensor:
        """Return standard normal numbers of a shape whose first axis are the hands."""
        ...

    def uniform(self, *shape: int, lasting: Lasting) -> Tensor:
        """Return numbers uniform in 0..1 of a shape whose first axis are the hands."""
        ...


class SeparateDraws:
    """All numbers independent: hands that have nothing to do with each other."""

    def __init__(self, generator: torch.Generator) -> None:
        self._generator = generator

    def normal(self, *shape: int, lasting: Lasting) -> Tensor:
        """Return independent standard normal numbers."""
        return torch.randn(*shape, generator=self._generator)

    def uniform(self, *shape: int, lasting: Lasting) -> Tensor:
        """Return independent numbers in 0..1."""
        return torch.rand(*shape, generator=self._generator)


class TrackDraws:
    """Numbers along tracks: each of one law at all times, and like its neighbours.

    What changes slowly is a sum of cosines of random rate and phase (random Fourier features of a
    Gaussian process). What shakes does so in some frames more than in others.

    Args:
        clock: (track, frame) time in units in which a pose's error changes, see `tracks`.
        shake: (track,) share of the variance of `Lasting.SHAKING` that is new in every frame.
        generator: source of all randomness.

    Raises:
        ShapeError: clock and shake do not belong together.
        InputError: a share outside 0..1.
    """

    def __init__(
        self,
        clock: Tensor,
        shake: Tensor,
        generator: torch.Generator,
    ) -> None:
        if clock.ndim != 2 or shake.shape != clock.shape[:1]:
            raise ShapeError(
                f"clock has shape {tuple(clock.shape)} and shake {tuple(shake.shape)}; "
                "(track, frame) and (track,) are needed"
            )
        if not bool(((shake >= 0.0) & (shake <= 1.0)).all()):
            raise InputError("a value of shake lies outside 0..1")
        self._clock, self._generator = clock, generator
        self._steady = (1.0 - shake).sqrt().unsqueeze(1)
        tracks, frames = clock.shape
        new = self._randn(tracks, frames + 1)
        unsteady = _UNSTEADY * (new[:, 1:] + new[:, :-1]) / math.sqrt(2.0)
        # Its mean square is 1, so that the variance of what shakes stays 1.
        self._shaking = shake.sqrt().unsqueeze(1) * torch.exp(unsteady - _UNSTEADY**2)

    def normal(self, *shape: int, lasting: Lasting) -> Tensor:
        """Return standard normal numbers, (track * frame, ...), frame after frame of each track.

        Raises:
            ShapeError: the first axis is not as long as all tracks together.
        """
        tracks, frames = self._clock.shape
        if shape[0] != tracks * frames:
            raise ShapeError(f"{shape[0]} rows were asked of {tracks} tracks of {frames} frames")
        each = shape[1:]
        if lasting is Lasting.TRACK:
            once = self._randn(tracks, 1, *each)
            return once.expand(tracks, frames, *each).flatten(0, 1)
        slow = self._slow(each)
        if lasting is Lasting.SHAKING:
            steady, shaking = (
                part.reshape(*part.shape, *(1,) * len(each))
                for part in (self._steady, self._shaking)
            )
            slow = steady * slow + shaking * self._randn(tracks, frames, *each)
        return slow.flatten(0, 1)

    def uniform(self, *shape: int, lasting: Lasting) -> Tensor:
        """Return numbers uniform in 0..1, in the order of `normal`."""
        return torch.special.ndtr(self.normal(*shape, lasting=lasting))

    def _slow(self, each: tuple[int, ...]) -> Tensor:
        """Return (track, frame, ...) numbers that change with the clock."""
        tracks, frames = self._clock.shape
        count = math.prod(each)
        rate = self._randn(tracks, count, _WAVES)
        # Rates of Student's t law (2 degrees of freedom) make a Matern process: it wanders on all
        # scales, as what MediaPipe says of a hand at rest does.
        rate = rate / self._exponential(tracks, count, _WAVES).sqrt()
        phase = 2.0 * math.pi * self._rand(tracks, count, _WAVES)
        # Random sizes make the sum of few cosines a normal number.
        size = (2.0 / _WAVES * self._exponential(tracks, count, _WAVES)).sqrt()
        angle = self._clock[:, :, None, None] * rate[:, None] + phase[:, None]
        return (size[:, None] * torch.cos(angle)).sum(-1).reshape(tracks, frames, *each)

    def _randn(self, *shape: int) -> Tensor:
        return torch.randn(*shape, generator=self._generator)

    def _rand(self, *shape: int) -> Tensor:
        return torch.rand(*shape, generator=self._generator)

    def _exponential(self, *shape: int) -> Tensor:
        # A rate over the root of nothing would be no number.
        return -torch.log1p(-self._rand(*shape)).clamp(max=-1e-6)
