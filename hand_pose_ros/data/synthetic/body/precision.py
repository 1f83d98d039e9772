"""How exactly people and poses are drawn where labels must be the same on every machine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def drawn_in_float64() -> Iterator[None]:
    """Let samplers draw in float64.

    In float32 processors with other vector units differ in the seventh digit, which is enough to
    move one label in some thousands over the border between two steps of its checksum.
    """
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(before)
