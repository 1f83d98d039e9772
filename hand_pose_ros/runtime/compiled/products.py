"""Products of few rows with a large matrix, which a general product spends on preparing itself."""

from __future__ import annotations

from hand_pose_ros.runtime.compiled.jit import Array, compiled


@compiled
def product(a: Array, weight: Array, bias: Array, out: Array) -> None:
    """Write a @ weight + bias: (row, in), (in, out), (out,). Each weight is read once.

    Three rows and four columns of `a` at a time: as many as a CPU keeps at hand.
    """
    count, size, width = a.shape[0], a.shape[1], weight.shape[1]
    for r in range(count):
        for j in range(width):
            out[r, j] = bias[j]
    triples, fours = count - count % 3, size - size % 4
    for k in range(0, fours, 4):
        for r in range(0, triples, 3):
            a0, a1, a2, a3 = a[r, k], a[r, k + 1], a[r, k + 2], a[r, k + 3]
            b0, b1, b2, b3 = a[r + 1, k], a[r + 1, k + 1], a[r + 1, k + 2], a[r + 1, k + 3]
            c0, c1, c2, c3 = a[r + 2, k], a[r + 2, k + 1], a[r + 2, k + 2], a[r + 2, k + 3]
            for j in range(width):
                w0, w1 = weight[k, j], weight[k + 1, j]
                w2, w3 = weight[k + 2, j], weight[k + 3, j]
                out[r, j] += a0 * w0 + a1 * w1 + a2 * w2 + a3 * w3
                out[r + 1, j] += b0 * w0 + b1 * w1 + b2 * w2 + b3 * w3
                out[r + 2, j] += c0 * w0 + c1 * w1 + c2 * w2 + c3 * w3
        for r in range(triples, count):
            a0, a1, a2, a3 = a[r, k], a[r, k + 1], a[r, k + 2], a[r, k + 3]
            for j in range(width):
                out[r, j] += (
                    a0 * weight[k, j]
                    + a1 * weight[k + 1, j]
                    + a2 * weight[k + 2, j]
                    + a3 * weight[k + 3, j]
                )
    for k in range(fours, size):
        for r in range(count):
            for j in range(width):
                out[r, j] += a[r, k] * weight[k, j]
