"""What finds hands in one image: MediaPipe's graphs, or our own networks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from hand_pose_ros.runtime.config import DetectorConfig
from hand_pose_ros.runtime.detect import Detection, detection_of
from hand_pose_ros.runtime.engine import AUTO
from hand_pose_ros.runtime.hand_networks import HandNetworks, View
from hand_pose_ros.runtime.mediapipe_graph import HandsGraph, LandmarkGraph
from hand_pose_ros.runtime.own import found_hands
from hand_pose_ros.runtime.region import from_patch, warp

PATCH = 256
"""Side of the square image that MediaPipe's landmark graph is shown [px]."""


@runtime_checkable
class Finder(Protocol):
    """Anything that finds hands in single images, and looks at a place again."""

    def find(self, image_rgb: npt.NDArray[np.uint8]) -> list[Detection]:
        """Return the hands of an RGB image (H, W, 3), in any order."""
        ...

    def look(self, image_rgb: npt.NDArray[np.uint8], views: Sequence[View]) -> list[Detection]:
        """Return what each view of an image shows, whether it is a hand or not."""
        ...

    def close(self) -> None:
        """Give back what it holds."""
        ...


class MediaPipeFinder:
    """MediaPipe Hands in its static mode, and its landmark network alone."""

    def __init__(self, config: DetectorConfig) -> None:
        self._palms = HandsGraph(
            max_hands=config.max_hands,
            tracking=False,
            model_complexity=1,
            min_detection=config.min_detection,
            min_presence=config.min_presence,
        )
        self._landmarks = LandmarkGraph()

    def find(self, image_rgb: npt.NDArray[np.uint8]) -> list[Detection]:
        """Return the hands of an RGB image (H, W, 3)."""
        height, width = image_rgb.shape[:2]
        return [detection_of(width, height, *hand) for hand in self._palms.process(image_rgb)]

    def look(self, image_rgb: npt.NDArray[np.uint8], views: Sequence[View]) -> list[Detection]:
        """Return what each view of an image shows."""
        found = []
        for region, mirrored in views:
            to_patch = region.to_patch(PATCH, mirrored)
            hand = self._landmarks.process(warp(image_rgb, to_patch, (PATCH, PATCH)))
            found.append(from_patch(detection_of(PATCH, PATCH, *hand), to_patch))
        return found

    def close(self) -> None:
        """End MediaPipe's threads."""
        self._palms.close()
        self._landmarks.close()


class OwnFinder:
    """Our own networks."""

    def __init__(self, config: DetectorConfig, engine: str = AUTO) -> None:
        self._config = config
        self._networks = HandNetworks(engine)

    def find(self, image_rgb: npt.NDArray[np.uint8]) -> list[Detection]:
        """Return the hands of an RGB image (H, W, 3), the surest first."""
        return found_hands(self._networks, image_rgb, self._config)

    def look(self, image_rgb: npt.NDArray[np.uint8], views: Sequence[View]) -> list[Detection]:
        """Return what each view of an image shows."""
        return self._networks.look(image_rgb, views)

    def close(self) -> None:
        """Do nothing: there are no threads to end."""


def make_finder(config: DetectorConfig, engine: str = AUTO) -> Finder:
    """Return the finder that the settings name; an engine executes our own."""
    return MediaPipeFinder(config) if config.name == "mediapipe" else OwnFinder(config, engine)
