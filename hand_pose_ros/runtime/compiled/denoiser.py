"""The denoiser on compiled loops: what `models.denoiser.UNet1D` computes, for one hand at a time.

All hypotheses of a hand share step and condition. So the modulation of every block, and what the
condition adds to the points, are computed once a hand.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from hand_pose_ros.runtime.compiled.denoiser_weights import Block, Convolution, DenoiserWeights
from hand_pose_ros.runtime.compiled.jit import Array
from hand_pose_ros.runtime.compiled.points import (
    beside,
    convolved,
    modulation,
    normalized,
    read_out,
    residual,
)
from hand_pose_ros.runtime.compiled.products import product


@dataclass(frozen=True, eq=False)
class Prepared:
    """What depends on the condition of a hand alone.

    Attributes:
        condition: (mod,) beside the time.
        points: (point, width) what the condition adds to the lifted points.
    """

    condition: Array
    points: Array


class CompiledDenoiser:
    """A denoiser for a fixed number of hypotheses: all of its memory is made here.

    Args:
        weights: may be shared.
        count: hypotheses.
    """

    def __init__(self, weights: DenoiserWeights, count: int) -> None:
        self.weights = weights
        scratch = _Scratch(weights, count)
        self._lift = _Convolved(weights.lift, count, scratch)
        self._blocks = [_Residual(block, count, scratch) for block in weights.blocks]
        self._shrink = [_Convolved(layer, count, scratch) for layer in weights.shrink]
        self._grow = [_Convolved(layer, count, scratch) for layer in weights.grow]
        self._pairs = [
            np.empty((*grown.out.shape[:2], 2 * grown.out.shape[2]), np.float32)
            for grown in self._grow
        ]
        self._prepared = np.empty((1, len(weights.condition[1])), np.float32)
        self._sum = np.empty((1, len(weights.modulation[0])), np.float32)
        self._modulation = np.empty((1, weights.parts[-1]), np.float32)
        self._modulated = [
            self._modulation[0, start:end].reshape(2, -1) for start, end in pairwise(weights.parts)
        ]
        shape = (count, weights.points, weights.width)
        self._lifted, self._features = np.empty(shape, np.float32), np.empty(shape, np.float32)

    def prepare(self, condition: Array) -> Prepared:
        """Return what depends on the condition (condition,) alone, valid until the next call."""
        product(condition.reshape(1, -1), *self.weights.condition, self._prepared)
        (both,) = self._prepared
        split = len(both) - self._lifted[0].size
        return Prepared(both[:split], both[split:].reshape(self._lifted.shape[1:]))

    def __call__(self, x: Array | None, time: Array, prepared: Prepared) -> Array:
        """Return the network's answer (hypothesis, point, 3), newly made.

        Args:
            x: noisy points (hypothesis, point, 3); all zero where None.
            time: of the step, see `DenoiserWeights.time`.
            prepared: of the hand.
        """
        weights, hidden = self.weights, self._lifted
        if x is None:
            hidden[:] = prepared.points
        else:
            np.add(self._lift(x), prepared.points, out=hidden)
        modulation(time, prepared.condition, *weights.modulation, self._sum, self._modulation)
        modulated, blocks = iter(self._modulated), iter(self._blocks)
        skips = []
        for shrink in self._shrink:
            hidden = next(blocks)(hidden, next(modulated))
            skips.append(hidden)
            hidden = shrink(hidden)
        hidden = next(blocks)(hidden, next(modulated))
        for grow, pair in zip(self._grow, self._pairs, strict=True):
            beside(grow(hidden), skips.pop(), pair)
            hidden = next(blocks)(pair, next(modulated))
        normalized(hidden, *weights.norm, self._features.reshape(len(hidden), -1))
        points = np.empty((len(hidden), weights.points, 3), np.float32)
        read_out(self._features, weights.readout, weights.bias, points)
        return points


class _Scratch:
    """Memory that all layers write in turn, so that little of it is touched again and again."""

    def __init__(self, weights: DenoiserWeights, count: int) -> None:
        blocks = weights.blocks
        taps = [
            *(len(b.sources) * max(len(b.weight_in), len(b.weight_out)) for b in blocks),
            *(len(c.sources) * len(c.weight) for c in (*weights.shrink, *weights.grow)),
            len(weights.lift.sources) * len(weights.lift.weight),
        ]
        values = [len(b.sources) * max(b.norm.shape[1], len(b.bias_in)) for b in blocks]
        self._taps, self._values, self._rows = (
            np.empty(count * max(sizes), np.float32) for sizes in (taps, values, values)
        )

    def taps(self, *shape: int) -> Array:
        """Return what a convolution is given."""
        return _begin(self._taps, shape)

    def values(self, *shape: int) -> Array:
        """Return what a norm makes."""
        return _begin(self._values, shape)

    def rows(self, *shape: int) -> Array:
        """Return what lies between the two convolutions of a block."""
        return _begin(self._rows, shape)


def _begin(memory: Array, shape: tuple[int, ...]) -> Array:
    return memory[: math.prod(shape)].reshape(shape)


class _Convolved:
    """A convolution with its memory; what it returns is its own."""

    def __init__(self, packed: Convolution, count: int, scratch: _Scratch) -> None:
        many = len(packed.sources)
        self._packed = (packed.sources, packed.weight, packed.bias)
        self._taps = scratch.taps(count * many, len(packed.weight))
        self._rows = np.empty((count * many, len(packed.bias)), np.float32)
        self.out = self._rows.reshape(count, many, -1)

    def __call__(self, x: Array) -> Array:
        convolved(x, *self._packed, self._taps, self._rows)
        return self.out


class _Residual:
    """A residual block with its memory; what it returns is its own."""

    def __init__(self, block: Block, count: int, scratch: _Scratch) -> None:
        points, channels_in, channels = len(block.sources), len(block.norm[0]), len(block.bias_in)
        many = count * points
        self._first = (block.sources, block.norm, block.weight_in, block.bias_in)
        self._second = (block.weight_out, block.bias_out, block.skip)
        self._scratch = (
            scratch.values(count, points * channels_in),
            scratch.taps(many, 3 * channels_in),
            scratch.rows(many, channels),
            scratch.values(count, points * channels),
            scratch.taps(many, 3 * channels),
        )
        self._out = np.empty((count, points, channels), np.float32)

    def __call__(self, x: Array, modulated: Array) -> Array:
        residual(x, *self._first, modulated, *self._second, self._scratch, self._out)
        return self._out
