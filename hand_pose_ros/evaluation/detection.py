"""How well hands are found in whole images: recall by their size, precision, sides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from hand_pose_ros.data.boxes import LEAST_OVERLAP, box_around, overlap
from hand_pose_ros.errors import ShapeError

Array = npt.NDArray[np.float64]

SIZES = (0.05, 0.1, 0.2, 0.4, 1.5)
"""Edges of the classes of sizes: longer side of the box over that of the image."""


@dataclass
class DetectionScore:
    """Counts over images.

    Attributes:
        hands: true hands of each class of `SIZES`.
        found: of them, those found.
        wrong_side: found with the other side.
        false: boxes where no hand is.
        images: images seen.
        empty: images without any hand.
        false_in_empty: of those, images in which one was seen.
        errors: (hand found,) mean distance of its keypoints over the longer side of its box.
    """

    hands: list[int] = field(default_factory=lambda: [0] * (len(SIZES) - 1))
    found: list[int] = field(default_factory=lambda: [0] * (len(SIZES) - 1))
    wrong_side: int = 0
    false: int = 0
    images: int = 0
    empty: int = 0
    false_in_empty: int = 0
    errors: list[float] = field(default_factory=list)

    def add(
        self,
        seen: Sequence[tuple[Array, bool]],
        true: Sequence[tuple[Array, bool]],
        ignored: Array,
        size_px: float,
    ) -> None:
        """Count one image.

        Args:
            seen: keypoints (21, 2) [px] and whether it is a right hand, the surest hand first.
            true: likewise. Hands smaller than the least of `SIZES` are ignored.
            ignored: (place, 4) boxes x, y, width, height in which it does not matter what is seen.
            size_px: longer side of the image.

        Raises:
            ShapeError: `ignored` is not of that shape.
        """
        if ignored.ndim != 2 or ignored.shape[1] != 4:
            raise ShapeError(f"ignored has shape {ignored.shape}; it must be (places, 4)")
        boxes = [box_around(points) for points, _ in true]
        sizes = [int(np.digitize(max(box[2:]) / size_px, SIZES)) - 1 for box in boxes]
        left = set(range(len(true)))
        false = 0
        for points, right in seen:
            box = box_around(points)
            best = max(left, key=lambda row: overlap(box, boxes[row]), default=None)
            if best is None or overlap(box, boxes[best]) < LEAST_OVERLAP:
                false += not _is_ignored(box, ignored)
                continue
            left.remove(best)
            if 0 <= sizes[best] < len(self.found):
                self.found[sizes[best]] += 1
                self.wrong_side += bool(right) != bool(true[best][1])
                apart = np.linalg.norm(points - true[best][0], axis=-1).mean()
                self.errors.append(float(apart / max(boxes[best][2:])))
        for size in sizes:
            if 0 <= size < len(self.hands):
                self.hands[size] += 1
        self.false += false
        self.images += 1
        if not true and not len(ignored):
            self.empty += 1
            self.false_in_empty += bool(false)

    @property
    def recall(self) -> list[float]:
        """Share of the hands of each size that was found; NaN where there were none."""
        pairs = zip(self.found, self.hands, strict=True)
        return [found / hands if hands else float("nan") for found, hands in pairs]

    @property
    def precision(self) -> float:
        """Share of the boxes that are hands; NaN where there are none."""
        boxes = sum(self.found) + self.false
        return sum(self.found) / boxes if boxes else float("nan")

    @property
    def right_side(self) -> float:
        """Share of the hands found that have the right side; NaN where there are none."""
        found = sum(self.found)
        return 1.0 - self.wrong_side / found if found else float("nan")


def _is_ignored(box: Array, ignored: Array) -> bool:
    middle = box[:2] + box[2:] / 2.0
    inside = (middle >= ignored[:, :2]) & (middle <= ignored[:, :2] + ignored[:, 2:])
    return bool(inside.all(axis=1).any())
