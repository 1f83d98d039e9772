"""What every engine makes of a network, and how one of fixed sizes takes any number of rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

Program = Callable[..., tuple[npt.NDArray[Any], ...]]
"""Arrays in, in the order and of the types of the example; a tuple of float arrays out."""

CPU_PROFILES = (1, 2)
"""Numbers of rows that engines of fixed sizes are built for on a CPU: one hand and both."""

GPU_PROFILES = (1, 2, 3, 4)
"""The same on a GPU, where one run for four hands takes hardly longer than one for a hand."""


def rows_of(example: tuple[torch.Tensor, ...], count: int) -> tuple[torch.Tensor, ...]:
    """Return the first row of each input so many times."""
    return tuple(t[:1].expand(count, *t.shape[1:]).contiguous() for t in example)


def split_rows(count: int, profiles: tuple[int, ...]) -> list[int]:
    """Return profiles, the largest first, that together have so many rows; one of them is 1."""
    parts = []
    for profile in sorted(profiles, reverse=True):
        parts += [profile] * (count // profile)
        count %= profile
    return parts


def in_profiles(programs: Mapping[int, Program]) -> Program:
    """Return a program for any number of rows, made of programs for some numbers.

    Args:
        programs: by their number of rows, 1 among them.
    """
    profiles = tuple(programs)

    def run(*arrays: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], ...]:
        count = len(arrays[0])
        if count in programs:
            return programs[count](*arrays)
        parts, start = [], 0
        for rows in split_rows(count, profiles):
            parts.append(programs[rows](*(array[start : start + rows] for array in arrays)))
            start += rows
        return tuple(np.concatenate(column) for column in zip(*parts, strict=True))

    return run
