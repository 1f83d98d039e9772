"""Hands in boxes that somebody else found."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from hand_pose_ros.runtime.config import DetectorConfig
from hand_pose_ros.runtime.detect import Detection
from hand_pose_ros.runtime.engine import AUTO
from hand_pose_ros.runtime.still import StillDetector

_VIEWS = 1


class BoxDetector:
    """Looks for one hand in each of the boxes that were set for the next image.

    Attributes:
        boxes: (4,) x, y, width, height [px] each.
    """

    def __init__(self, config: DetectorConfig | None = None, engine: str = AUTO) -> None:
        self._config = config or DetectorConfig()
        self._still = StillDetector(
            self._config.max_hands,
            _VIEWS,
            self._config.min_detection,
            self._config.min_presence,
            self._config.name,
            engine,
            corrected=False,
        )
        self.boxes: Sequence[npt.NDArray[np.float64]] = ()

    def detect(self, image_rgb: npt.NDArray[np.uint8]) -> list[Detection]:
        """Return the hands of an RGB image (H, W, 3) uint8, at most one a box."""
        largest_first = sorted(self.boxes, key=lambda box: -float(box[2] * box[3]))
        found = [
            self._still.detect_one(image_rgb, box.tolist())
            for box in largest_first[: self._config.max_hands]
        ]
        return [d for d in found if d is not None and d.score >= self._config.min_presence]

    def reset(self) -> None:
        """Forget the boxes."""
        self.boxes = ()
