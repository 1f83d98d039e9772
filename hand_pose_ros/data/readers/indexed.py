"""A dataset whose images can be asked for by number."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from hand_pose_ros.data.sample import LabelledImage
from hand_pose_ros.errors import InputError


@dataclass(frozen=True, eq=False)
class Indexed:
    """A `Dataset` made of a function that returns image 0 to count - 1.

    Attributes:
        format: its name in the table of formats.
        root: where it lies.
        split: which part of it.
        count: number of images.
        at: returns one image by its number, its pixels not yet read.
        expected: number of images its authors published in this split; None where nobody did.
        skipped: number of images left out because their labels say that they are not valid.

    Raises:
        InputError: there is no image.
    """

    format: str
    root: Path
    split: str
    count: int
    at: Callable[[int], LabelledImage]
    expected: int | None = None
    skipped: int = 0

    def __post_init__(self) -> None:
        if self.count < 1:
            raise InputError(f"{self.root} holds no images of {self.format} {self.split}")

    def __len__(self) -> int:
        """Return the number of images."""
        return self.count

    def images(self, start: int = 0, step: int = 1) -> Iterator[LabelledImage]:
        """Yield images start, start + step, ..., one at a time.

        Raises:
            InputError: at once where start is below 0 or step below 1.
        """
        if start < 0 or step < 1:
            raise InputError(f"start is {start}, step {step}; they must be from 0 and from 1 on")
        return map(self.at, range(start, self.count, step))
