"""Where the hands are in an image, with their 2D landmarks: the front of every route.

A `Detector` is all that the tracker and the estimator know: MediaPipe's, or our own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from hand_pose_ros.data.boxes import box_around
from hand_pose_ros.errors import InputError, ShapeError
from hand_pose_ros.hand import skeleton
from hand_pose_ros.hand.camera import Camera
from hand_pose_ros.runtime.config import DetectorConfig
from hand_pose_ros.runtime.glimpse import Glimpse
from hand_pose_ros.runtime.mediapipe_graph import HandsGraph

_POINTS = len(skeleton.KEYPOINTS)
_SHAPES = {
    "keypoints_px": (_POINTS, 2),
    "depth_px": (_POINTS,),
    "world": (_POINTS, 3),
    "box": (4,),
}


@dataclass(frozen=True, eq=False)
class Detection:
    """One hand as a detector sees it in one image.

    Attributes:
        side: "left" or "right".
        side_score: how sure the side is, 0.5..1.
        score: how sure it is that here is a hand, 0..1.
        keypoints_px: (21, 2) pixels (u, v), order `skeleton.KEYPOINTS`; the centre of the upper
            left pixel is (0, 0).
        depth_px: (21,) depth relative to the wrist in the scale of the pixels, positive away from
            the camera.
        world: (21, 3) the detector's own 3D points about the hand's centre, camera axes [m].
        box: (4,) x, y, width, height [px] around the keypoints.
        glimpse: what a network saw of the hand that a model can lift; None where nothing is kept.
        read_depth_px: (21,) depth by a second look, see `correct`, up to an offset; over the focal
            length it is a share of the hand's mean depth. None where there was none.
    """

    side: str
    side_score: float
    score: float
    keypoints_px: npt.NDArray[np.float64]
    depth_px: npt.NDArray[np.float64]
    world: npt.NDArray[np.float64]
    box: npt.NDArray[np.float64]
    glimpse: Glimpse | None = None
    read_depth_px: npt.NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        if self.side not in skeleton.SIDES:
            raise InputError(f"side is {self.side!r}; it must be one of {skeleton.SIDES}")
        for name, shape in _SHAPES.items():
            array = np.asarray(getattr(self, name), dtype=np.float64)
            if array.shape != shape:
                raise ShapeError(f"{name} has shape {array.shape}; it must be {shape}")
            object.__setattr__(self, name, array)

    @property
    def size_px(self) -> float:
        """The longer side of the box [px]."""
        return float(max(self.box[2], self.box[3]))


@runtime_checkable
class Detector(Protocol):
    """Anything that finds hands in an image."""

    def detect(self, image_rgb: npt.NDArray[np.uint8]) -> list[Detection]:
        """Return the hands in an RGB image (H, W, 3) uint8, in any order."""
        ...

    def reset(self) -> None:
        """Forget everything about earlier images."""
        ...


@runtime_checkable
class LookingDetector(Detector, Protocol):
    """A detector that keeps what it saw of the hands, so that a model need not look again."""

    def detect_through(self, image_rgb: npt.NDArray[np.uint8], camera: Camera) -> list[Detection]:
        """Return the hands in an image of a camera, as `detect`; some may have a `glimpse`."""
        ...


class RememberingDetector:
    """Passes on what another detector finds, and keeps that of the last image.

    Attributes:
        last: the detections of the last image.
    """

    def __init__(self, detector: Detector) -> None:
        self._detector = detector
        self._looking = detector if isinstance(detector, LookingDetector) else None
        self.last: list[Detection] = []

    def detect(self, image_rgb: npt.NDArray[np.uint8]) -> list[Detection]:
        """Return the hands in an RGB image (H, W, 3) uint8."""
        self.last = self._detector.detect(image_rgb)
        return self.last

    def detect_through(self, image_rgb: npt.NDArray[np.uint8], camera: Camera) -> list[Detection]:
        """Return the hands in an image of a camera, with glimpses where the other keeps them."""
        if self._looking is not None:
            self.last = self._looking.detect_through(image_rgb, camera)
            return self.last
        return self.detect(image_rgb)

    def reset(self) -> None:
        """Forget everything about earlier images."""
        self._detector.reset()
        self.last = []


class SearchRhythm:
    """When to look for further hands: in every so manieth image, and at once when one was lost."""

    def __init__(self, every: int) -> None:
        self._every, self._images = every, 0

    @property
    def is_due(self) -> bool:
        """Whether the next image is to be searched."""
        return self._images <= 0

    def step(self, searched: bool, lost: bool) -> None:
        """Count an image: whether it was searched, and whether fewer hands were in it or none."""
        self._images = self._every - 1 if searched else self._images - 1
        if lost:
            self._images = 0


class MediaPipeDetector:
    """MediaPipe Hands in its tracking mode: for the frames of one video, in their order.

    While it follows some hands, but fewer than it may, MediaPipe looks for others in every image,
    which costs as much as following one. Here it does so in every `search_every`-th, and at once
    when a hand was lost.

    Args:
        config: how many hands, and what is taken for one.
        model_complexity: 0 or 1, MediaPipe's smaller or larger network.
    """

    def __init__(self, config: DetectorConfig | None = None, model_complexity: int = 1) -> None:
        config = config or DetectorConfig()
        self._search_every, self._followed = config.search_every, 0
        self._rhythm = SearchRhythm(self._search_every)
        self._graph = HandsGraph(
            max_hands=config.max_hands,
            tracking=True,
            model_complexity=model_complexity,
            min_detection=config.min_detection,
            min_presence=config.min_presence,
        )

    def detect(self, image_rgb: npt.NDArray[np.uint8]) -> list[Detection]:
        """Return the hands of the next frame, an RGB image (H, W, 3) uint8."""
        search = self._rhythm.is_due
        hands = self._graph.process(image_rgb, search)
        self._rhythm.step(search, lost=not hands or len(hands) < self._followed)
        self._followed = len(hands)
        height, width = image_rgb.shape[:2]
        return [detection_of(width, height, *hand) for hand in hands]

    def reset(self) -> None:
        """Forget the hands that are being followed."""
        self._graph.reset()
        self._followed, self._rhythm = 0, SearchRhythm(self._search_every)

    def close(self) -> None:
        """End MediaPipe's threads."""
        self._graph.close()


def detection_of(
    width: int,
    height: int,
    points: npt.NDArray[np.float64],
    world: npt.NDArray[np.float64],
    label: str,
    label_score: float,
    presence: float,
) -> Detection:
    """Return the detection that one hand of a MediaPipe graph means in an image of that size.

    MediaPipe measures from the image's edge in parts of its size, and calls the sides as a mirror
    shows them.
    """
    keypoints = points[:, :2] * (width, height) - 0.5
    depth = (points[:, 2] - points[0, 2]) * width
    side = "right" if label == "Left" else "left"
    return Detection(side, label_score, presence, keypoints, depth, world, box_around(keypoints))
