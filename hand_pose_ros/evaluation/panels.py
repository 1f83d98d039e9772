"""What is evaluated: estimators that look at the same images, and how a process comes by them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from hand_pose_ros.data.datasets import Dataset
from hand_pose_ros.data.sample import LabelledImage
from hand_pose_ros.evaluation.rows import Guess


@runtime_checkable
class Panel(Protocol):
    """Estimators that look at the same images.

    Attributes:
        needs_pixels: whether it looks at the image at all.
    """

    needs_pixels: bool

    def __call__(
        self, number: int, image: LabelledImage, image_rgb: npt.NDArray[np.uint8] | None
    ) -> Mapping[str, Sequence[Guess]]:
        """Return the hands that each estimator sees in an image, by its name.

        Args:
            number: of the image in its dataset.
            image: of which an estimator may use the camera, boxes and sides, never the joints.
            image_rgb: its pixels; None where they are not needed.
        """
        ...


class Panels:
    """Several panels as one."""

    def __init__(self, *panels: Panel) -> None:
        self._panels = panels
        self.needs_pixels = any(panel.needs_pixels for panel in panels)

    def __call__(
        self, number: int, image: LabelledImage, image_rgb: npt.NDArray[np.uint8] | None
    ) -> Mapping[str, Sequence[Guess]]:
        """Return what all of them see."""
        answers: dict[str, Sequence[Guess]] = {}
        for panel in self._panels:
            answers.update(panel(number, image, image_rgb))
        return answers


@runtime_checkable
class Job(Protocol):
    """What a process has to do; it travels to it pickled."""

    @property
    def names(self) -> tuple[str, ...]:
        """The estimators, in the order of their numbers."""
        ...

    def settings(self) -> dict[str, Any]:
        """Return what the answers depend on, as JSON can hold it."""
        ...

    def dataset(self) -> Dataset:
        """Open the dataset."""
        ...

    def panel(self, images: int) -> Panel:
        """Load the estimators, for a dataset of so many images."""
        ...
