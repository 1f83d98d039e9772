"""Matrix products, each of the size at which a BLAS is fast."""

from __future__ import annotations

import numpy as np

from hand_pose_ros.runtime.compiled.jit import Array, Int8, compiled

_SMALL = 262_144
"""Multiplications up to which OpenBLAS stays in one thread, whatever it may use. On CPUs with
AVX-512 it then also spares itself the copying of both matrices: 88 rows of 192 numbers times 64
columns took 27 us at once and 20 us in parts."""


@compiled
def multiply(a: Array, weight: Array, out: Array) -> None:
    """Write a @ weight: (row, in), (in, out); some rows at a time."""
    count = a.shape[0]
    parts = 1 + count * weight.size // _SMALL
    many = -(-count // parts)
    for start in range(0, count, many):
        np.dot(a[start : start + many], weight, out[start : start + many])


@compiled
def dense(a: Array, weight: Array, bias: Array, out: Array) -> None:
    """Write a @ weight + bias: (row, in), (in, out), (out,)."""
    multiply(a, weight, out)
    add_bias(out, bias)


@compiled
def add_bias(x: Array, bias: Array) -> None:
    """Add a bias (out,) to each row (row, out)."""
    for row in range(x.shape[0]):
        for c in range(x.shape[1]):
            x[row, c] += bias[c]


@compiled
def multiply_row(a: Array, weight: Array | Int8, out: Array) -> None:
    """Write a @ weight of one row: (in,), (in, out), perhaps whole numbers. Each is read once."""
    size, width = weight.shape
    for j in range(width):
        out[j] = np.float32(0.0)
    fours = size - size % 4
    for k in range(0, fours, 4):
        a0, a1, a2, a3 = a[k], a[k + 1], a[k + 2], a[k + 3]
        for j in range(width):
            out[j] += (
                a0 * np.float32(weight[k, j])
                + a1 * np.float32(weight[k + 1, j])
                + a2 * np.float32(weight[k + 2, j])
                + a3 * np.float32(weight[k + 3, j])
            )
    for k in range(fours, size):
        for j in range(width):
            out[j] += a[k] * np.float32(weight[k, j])
