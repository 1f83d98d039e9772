"""The datasets that can be read, by name."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from hand_pose_ros.data.sample import LabelledImage


class Dataset(Protocol):
    """A dataset on disk: its labels are indexed when it is opened, its images read one by one.

    Attributes:
        format: its name in the table of formats.
        root: where it lies.
        split: which part of it, as its authors name the parts.
    """

    format: str
    root: Path
    split: str

    def __len__(self) -> int:
        """Return the number of images."""
        ...

    def images(self, start: int = 0, step: int = 1) -> Iterator[LabelledImage]:
        """Yield images start, start + step, ... in an order that never changes."""
        ...
