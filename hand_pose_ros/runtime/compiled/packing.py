"""Weights of PyTorch layers as arrays that a compiled loop or a matrix product takes."""

from __future__ import annotations

import math

import numpy as np
import torch

from hand_pose_ros.runtime.compiled.jit import Array, Int8, compiled

LINE = 16
"""Numbers that a CPU reads at once, and of its longest vectors."""


def aligned(*shape: int) -> Array:
    """Return an array of zeros that begins where a line of the cache does."""
    size, line = 4 * math.prod(shape), 4 * LINE
    memory = np.zeros(size + line, np.uint8)
    start = -memory.ctypes.data % line
    return memory[start : start + size].view(np.float32).reshape(shape)


def rows(tensor: torch.Tensor | None) -> Array:
    """Return a tensor as an array of its own, its last axis along memory."""
    assert tensor is not None
    array = aligned(*tensor.shape)
    array[...] = tensor.detach().cpu().numpy()
    return array


def columns(weight: torch.Tensor) -> Array:
    """Return a convolution's weight (out, in, tap) as a matrix (tap * in, out)."""
    return rows(weight.permute(2, 1, 0).flatten(0, 1))


def in_8_bits(weight: Array) -> tuple[Int8, Array]:
    """Return a matrix (in, out) as whole numbers of at most 127, and the step (out,) of each."""
    largest = np.abs(weight).max(axis=0)
    steps = np.maximum(largest, np.float32(1e-8)) / np.float32(127.0)
    return np.rint(weight / steps).astype(np.int8), steps


class Packed:
    """Arrays behind each other in one, each where a line of the cache begins; see `next_part`."""

    def __init__(self) -> None:
        self._parts: list[tuple[int, Array]] = []
        self.size = 0

    def add(self, array: Array) -> int:
        """Return where in the one array this one begins."""
        start = self.reserve(array.size)
        self._parts.append((start, array))
        return start

    def reserve(self, size: int) -> int:
        """Return where so many numbers begin."""
        start = self.size
        self.size += -(-size // LINE) * LINE
        return start

    def array(self) -> Array:
        """Return the one array."""
        packed = aligned(self.size)
        for start, part in self._parts:
            packed[start : start + part.size] = part.ravel()
        return packed


@compiled
def part(array: Array, start: int, rows: int, columns: int) -> Array:
    """Return a matrix that lies in a vector."""
    return array[start : start + rows * columns].reshape((rows, columns))


@compiled
def next_part(array: Array, start: int, rows: int, columns: int) -> tuple[Array, int]:
    """Return a matrix of a `Packed` array, and where what was packed behind it begins."""
    lines = (rows * columns + LINE - 1) // LINE
    return part(array, start, rows, columns), start + lines * LINE
