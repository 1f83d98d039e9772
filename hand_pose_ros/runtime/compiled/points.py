"""Loops over points and their channels: what lies between two matrix products of the U-Net.

Points are rows, and their channels lie side by side. A convolution over three neighbours is a
product of rows of three points' channels ("taps") with a matrix.
"""

from __future__ import annotations

import numpy as np

from hand_pose_ros.runtime.compiled.jit import EPSILON, Array, Indices, compiled, silu
from hand_pose_ros.runtime.compiled.products import product

GROUPS = 8


@compiled
def normalized(x: Array, weight: Array, shift: Array, values: Array) -> None:
    """Write SiLU(GroupNorm(x)), of 8 groups of channels: scaled and shifted after the norm.

    Args:
        x: (batch, point, channel).
        weight: (channel,).
        shift: (channel,).
        values: (batch, point * channel), written.
    """
    batch, points, channels = x.shape
    size = channels // GROUPS
    count = np.float32(size * points)
    scales, shifts = np.empty(channels, np.float32), np.empty(channels, np.float32)
    for b in range(batch):
        for c in range(channels):
            shifts[c] = np.float32(0.0)
            scales[c] = np.float32(0.0)
        for p in range(points):
            for c in range(channels):
                shifts[c] += x[b, p, c]
        for group in range(GROUPS):
            total = np.float32(0.0)
            for c in range(group * size, (group + 1) * size):
                total += shifts[c]
            for c in range(group * size, (group + 1) * size):
                shifts[c] = -total / count
        for p in range(points):
            for c in range(channels):
                scales[c] += (x[b, p, c] + shifts[c]) * (x[b, p, c] + shifts[c])
        for group in range(GROUPS):
            total = np.float32(0.0)
            for c in range(group * size, (group + 1) * size):
                total += scales[c]
            scale = np.float32(1.0) / np.sqrt(total / count + np.float32(EPSILON))
            for c in range(group * size, (group + 1) * size):
                scales[c] = scale * weight[c]
                shifts[c] = shifts[c] * scales[c] + shift[c]
        for p in range(points):
            row = values[b, p * channels : (p + 1) * channels]
            for c in range(channels):
                row[c] = x[b, p, c] * scales[c] + shifts[c]
    silu(values.reshape(values.size))


@compiled
def convolved(
    x: Array, sources: Indices, weight: Array, bias: Array, taps: Array, out: Array
) -> None:
    """Write the convolution of points.

    Args:
        x: (batch, point, channel).
        sources: (point out, 3) which points each one out is made of; -1 is none.
        weight: (3 * channel, channel out), tap by tap.
        bias: (channel out,).
        taps: (batch * point out, 3 * channel) scratch.
        out: (batch * point out, channel out) written.
    """
    channels, many = x.shape[2], sources.shape[0]
    for b in range(x.shape[0]):
        for p in range(many):
            for tap in range(3):
                source = sources[p, tap]
                seen = taps[b * many + p, tap * channels : (tap + 1) * channels]
                if source < 0:
                    for c in range(channels):
                        seen[c] = np.float32(0.0)
                else:
                    for c in range(channels):
                        seen[c] = x[b, source, c]
    np.dot(taps, weight, out)
    for row in range(out.shape[0]):
        for c in range(out.shape[1]):
            out[row, c] += bias[c]


@compiled
def residual(
    x: Array,
    sources: Indices,
    norm: Array,
    weight_in: Array,
    bias_in: Array,
    modulated: Array,
    weight_out: Array,
    bias_out: Array,
    skip: Array,
    scratch: tuple[Array, Array, Array, Array, Array],
    out: Array,
) -> None:
    """Write what a residual block makes of points, see `models.denoiser.ResidualBlock`.

    Args:
        x: (batch, point, channel).
        sources: (point, 3) neighbours of each point.
        norm: (2, channel) weight and shift of the first norm.
        weight_in: (3 * channel, channel out) of the first convolution.
        bias_in: (channel out,).
        modulated: (2, channel out) weight and shift of the second norm, see `norm`.
        weight_out: (3 * channel out, channel out) of the second convolution.
        bias_out: (channel out,), that of the skip added.
        skip: (channel, channel out) of the skip, no rows where that changes nothing.
        scratch: what both norms and both convolutions write, and the rows between them.
        out: (batch, point, channel out) written.
    """
    batch, points, _ = x.shape
    before, taps_in, inner, after, taps_out = scratch
    normalized(x, norm[0], norm[1], before)
    convolved(before.reshape(x.shape), sources, weight_in, bias_in, taps_in, inner)
    shape = (batch, points, inner.shape[1])
    normalized(inner.reshape(shape), modulated[0], modulated[1], after)
    rows = out.reshape(inner.shape)
    convolved(after.reshape(shape), sources, weight_out, bias_out, taps_out, rows)
    flat = x.reshape((batch * points, x.shape[2]))
    if len(skip) > 0:
        np.dot(flat, skip, inner)
        for row in range(rows.shape[0]):
            for c in range(rows.shape[1]):
                rows[row, c] += inner[row, c]
    else:
        for row in range(rows.shape[0]):
            for c in range(rows.shape[1]):
                rows[row, c] += flat[row, c]


@compiled
def beside(first: Array, second: Array, out: Array) -> None:
    """Write the channels of the first points, and then those of the second."""
    channels = first.shape[2]
    for b in range(first.shape[0]):
        for p in range(first.shape[1]):
            right = out[b, p, channels:]
            for c in range(channels):
                out[b, p, c] = first[b, p, c]
                right[c] = second[b, p, c]


@compiled
def read_out(x: Array, readout: Array, bias: Array, out: Array) -> None:
    """Write coordinates: (batch, point, channel), (point, 3, channel), (point, 3)."""
    for b in range(x.shape[0]):
        for p in range(x.shape[1]):
            for axis in range(3):
                total = np.float32(0.0)
                for c in range(x.shape[2]):
                    total += readout[p, axis, c] * x[b, p, c]
                out[b, p, axis] = total + bias[p, axis]


@compiled
def moved(clean: Array, of_clean: float, noisy: Array, of_noisy: float, out: Array) -> None:
    """Write a step of DDIM: clean points (hypothesis or 1, point, 3) and noisy ones, weighed."""
    for b in range(noisy.shape[0]):
        own = b if clean.shape[0] > 1 else 0
        for p in range(noisy.shape[1]):
            for axis in range(3):
                out[b, p, axis] = of_clean * clean[own, p, axis] + of_noisy * noisy[b, p, axis]


@compiled
def modulation(
    time: Array, condition: Array, weight: Array, bias: Array, sum_: Array, out: Array
) -> None:
    """Write what scales and shifts all blocks: SiLU(time + condition) @ weight + bias.

    Args:
        time: (mod,) of the step.
        condition: (mod,) of the hand.
        weight: (mod, all).
        bias: (all,).
        sum_: (1, mod) scratch.
        out: (1, all) written.
    """
    for i in range(len(time)):
        sum_[0, i] = time[i] + condition[i]
    silu(sum_[0])
    product(sum_, weight, bias, out)
