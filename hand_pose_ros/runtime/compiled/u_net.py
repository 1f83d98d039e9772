"""The U-Net as one loop over a table of its steps: a call of it is a single one.

What calls a loop spends as long on handing over ten arrays as a small loop takes. So the weights
of all steps are one array, their memory another, and a table says where in both each step's lie.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from hand_pose_ros.runtime.compiled.jit import Array, Indices, compiled, silu
from hand_pose_ros.runtime.compiled.packing import Packed, next_part, part
from hand_pose_ros.runtime.compiled.points import beside, convolved, normalized, read_out
from hand_pose_ros.runtime.compiled.products import add_bias, multiply, multiply_row

BLOCK, SHRINK, GROW = range(3)
"""Kinds of steps: a residual block, a convolution to fewer points, and one to more points that
are then put beside those that a block left on the way down."""

STEP = np.dtype(
    [
        (name, np.int64)
        for name in (
            "kind",
            "points_in",
            "channels_in",
            "points",  # that come out
            "channels",  # of the convolutions; after GROW there are twice as many
            "around",  # first row of `Network.sources`
            "source",  # where in the memory of a hypothesis the step's input begins
            "target",  # and its output
            "beside",  # and what GROW puts beside it
            "norm",  # where in `Network.weights` weight and shift of the first norm are
            "weight",
            "bias",
            "weight_out",  # of a block's second convolution
            "bias_out",  # that of the skip added
            "skip",  # its matrix, -1 where it changes nothing
            "modulated",  # weight and shift of the second norm among all that are modulated
        )
    ]
)


class Sizes(NamedTuple):
    """Sizes of a U-Net.

    Attributes:
        points: of a hand.
        width: channels of the lifted points.
        mod: of what modulates all blocks.
        modulated: weights and shifts of all blocks' second norms.
        hidden: what all steps write for a hypothesis.
        taps: what a convolution is given for a hypothesis, all steps' in turn, as are the next.
        values: what a norm makes.
        rows: what lies between two convolutions of a block.
    """

    points: int
    width: int
    mod: int
    modulated: int
    hidden: int
    taps: int
    values: int
    rows: int


class Network(NamedTuple):
    """A U-Net but for what is made of its condition.

    Attributes:
        steps: `STEP`s in their order.
        sources: (point out, 3) of all steps: which points each one out is made of; -1 is none.
            The first are those of the points themselves.
        lift: (9, width) of coordinates.
        modulation: (mod, all) to weights and shifts of all blocks' second norms.
        modulation_bias: (1, all).
        norm: (2, width) of the last norm.
        readout: (point, 3 * width).
        bias: (point, 3).
        weights: of all steps.
    """

    steps: npt.NDArray[np.void]
    sources: Indices
    lift: Array
    modulation: Array
    modulation_bias: Array
    norm: Array
    readout: Array
    bias: Array
    weights: Array


class Memory(NamedTuple):
    """What a pass writes: vectors of the lengths that `Sizes` says, of all hypotheses."""

    hidden: Array
    taps: Array
    values: Array
    rows: Array
    sum: Array
    modulated: Array


@compiled
def network_of(
    weights: Array, steps: npt.NDArray[np.void], sources: Indices, sizes: Sizes
) -> Network:
    """Return the U-Net whose weights are packed, in the order of `Network`."""
    lift, start = next_part(weights, 0, 9, sizes.width)
    modulation, start = next_part(weights, start, sizes.mod, sizes.modulated)
    modulation_bias, start = next_part(weights, start, 1, sizes.modulated)
    norm, start = next_part(weights, start, 2, sizes.width)
    readout, start = next_part(weights, start, sizes.points, 3 * sizes.width)
    bias, start = next_part(weights, start, sizes.points, 3)
    return Network(
        steps, sources, lift, modulation, modulation_bias, norm, readout, bias, weights[start:]
    )


def memory_size(sizes: Sizes, count: int) -> int:
    """Return how many numbers a pass of so many hypotheses writes."""
    needed = Packed()
    for size in (sizes.hidden, sizes.taps, sizes.values, sizes.rows):
        needed.reserve(count * size)
    needed.reserve(sizes.mod)
    needed.reserve(sizes.modulated)
    return needed.size


@compiled
def memory_of(memory: Array, count: int, sizes: Sizes) -> Memory:
    """Return the parts of an array of `memory_size`."""
    hidden, start = next_part(memory, 0, 1, count * sizes.hidden)
    taps, start = next_part(memory, start, 1, count * sizes.taps)
    values, start = next_part(memory, start, 1, count * sizes.values)
    rows, start = next_part(memory, start, 1, count * sizes.rows)
    sum_, start = next_part(memory, start, 1, sizes.mod)
    modulated, start = next_part(memory, start, 1, sizes.modulated)
    return Memory(hidden[0], taps[0], values[0], rows[0], sum_[0], modulated[0])


@compiled
def denoised(
    x: Array,
    time: Array,
    condition: Array,
    points: Array,
    network: Network,
    memory: Memory,
    out: Array,
) -> None:
    """Write what the U-Net makes of noisy points, see `models.denoiser.UNet1D`.

    Args:
        x: (hypothesis, point, 3); with no hypotheses they are zero.
        time: (mod,) of the step.
        condition: (mod,) of the hand.
        points: (point, width) what the condition adds to the lifted points.
        network: the weights.
        memory: of as many hypotheses as come out.
        out: (hypothesis, point, 3) written.
    """
    count, (many, width) = out.shape[0], points.shape
    lifted = part(memory.hidden, 0, count * many, width)
    if len(x) > 0:
        taps = part(memory.taps, 0, count * many, 9)
        convolved(x, network.sources[:many], network.lift, taps, lifted)
    else:
        lifted[:] = np.float32(0.0)
    for row in range(count * many):
        for c in range(width):
            lifted[row, c] += points[row % many, c]
    for i in range(len(time)):
        memory.sum[i] = time[i] + condition[i]
    silu(memory.sum)
    multiply_row(memory.sum, network.modulation, memory.modulated)
    for i in range(len(memory.modulated)):
        memory.modulated[i] += network.modulation_bias[0, i]
    for number in range(len(network.steps)):
        step = network.steps[number]
        if step.kind == BLOCK:
            _residual(step, count, network, memory)
        else:
            _resampled(step, count, network, memory)
    last = part(memory.hidden, network.steps[-1].target * count, count * many, width)
    features = part(memory.values, 0, count, many * width)
    normalized(last.reshape((count, many, width)), network.norm[0], network.norm[1], features)
    readout = network.readout.reshape((many, 3, width))
    read_out(features.reshape((count, many, width)), readout, network.bias, out)


@compiled
def _residual(step: Any, count: int, network: Network, memory: Memory) -> None:
    """Write what a residual block makes of points, see `models.denoiser.ResidualBlock`."""
    many, channels_in, channels = step.points, step.channels_in, step.channels
    rows, weights = count * many, network.weights
    sources = network.sources[step.around : step.around + many]
    flat = part(memory.hidden, step.source * count, rows, channels_in)
    out = part(memory.hidden, step.target * count, rows, channels)
    inner = part(memory.rows, 0, rows, channels)
    norm = part(weights, step.norm, 2, channels_in)
    values = part(memory.values, 0, count, many * channels_in)
    taps = part(memory.taps, 0, rows, 3 * channels_in)
    normalized(flat.reshape((count, many, channels_in)), norm[0], norm[1], values)
    weight = part(weights, step.weight, 3 * channels_in, channels)
    convolved(values.reshape((count, many, channels_in)), sources, weight, taps, inner)
    add_bias(inner, part(weights, step.bias, 1, channels)[0])
    modulated = part(memory.modulated, step.modulated, 2, channels)
    values = part(memory.values, 0, count, many * channels)
    taps = part(memory.taps, 0, rows, 3 * channels)
    normalized(inner.reshape((count, many, channels)), modulated[0], modulated[1], values)
    weight = part(weights, step.weight_out, 3 * channels, channels)
    convolved(values.reshape((count, many, channels)), sources, weight, taps, out)
    bias = part(weights, step.bias_out, 1, channels)[0]
    beside_it = flat
    if step.skip >= 0:
        multiply(flat, part(weights, step.skip, channels_in, channels), inner)
        beside_it = inner
    for row in range(rows):
        for c in range(channels):
            out[row, c] += beside_it[row, c] + bias[c]


@compiled
def _resampled(step: Any, count: int, network: Network, memory: Memory) -> None:
    """Write a convolution to fewer or more points; more are put beside those of the way down."""
    channels, rows = step.channels, count * step.points
    points = part(memory.hidden, step.source * count, count * step.points_in, step.channels_in)
    sources = network.sources[step.around : step.around + step.points]
    weight = part(network.weights, step.weight, 3 * step.channels_in, channels)
    taps = part(memory.taps, 0, rows, 3 * step.channels_in)
    grows = step.kind == GROW
    if grows:
        made = part(memory.rows, 0, rows, channels)
    else:
        made = part(memory.hidden, step.target * count, rows, channels)
    shape = (count, step.points_in, step.channels_in)
    convolved(points.reshape(shape), sources, weight, taps, made)
    add_bias(made, part(network.weights, step.bias, 1, channels)[0])
    if grows:
        left = part(memory.hidden, step.beside * count, rows, channels)
        beside(made, left, part(memory.hidden, step.target * count, rows, 2 * channels))
