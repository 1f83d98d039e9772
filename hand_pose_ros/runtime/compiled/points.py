"""Loops over points and their channels: what lies between two matrix products of the U-Net.

Points are rows, and their channels lie side by side. A convolution over three neighbours is a
product of rows of three points' channels ("taps") with a matrix.
"""

from __future__ import annotations

import numpy as np

from hand_pose_ros.runtime.compiled.jit import EPSILON, Array, Indices, compiled, silu
from hand_pose_ros.runtime.compiled.products import multiply

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
def convolved(x: Array, sources: Indices, weight: Array, taps: Array, out: Array) -> None:
    """Write the convolution of points, without a bias.

    Args:
        x: (batch, point, channel).
        sources: (point out, 3) which points each one out is made of; -1 is none.
        weight: (3 * channel, channel out), tap by tap.
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
    multiply(taps, weight, out)


@compiled
def beside(first: Array, second: Array, out: Array) -> None:
    """Write rows of channels of two matrices beside each other."""
    channels = first.shape[1]
    for row in range(first.shape[0]):
        right = out[row, channels:]
        for c in range(channels):
            out[row, c] = first[row, c]
            right[c] = second[row, c]


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
