"""Hands in still images: found in one of several tries, then averaged over several views.

A video gives a detector many chances, a photograph one. So where the palm detector finds nothing
in an image as it is, it sees it again smaller, turned and mirrored. Once the hand is found, the
landmark network looks at it turned a little each way and mirrored, and the median of what it says
is kept: its gross errors differ from view to view.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from hand_pose_ros.errors import ConfigError, InputError
from hand_pose_ros.hand import skeleton
from hand_pose_ros.runtime.config import DetectorConfig
from hand_pose_ros.runtime.detect import Detection, box_around, detection_of
from hand_pose_ros.runtime.mediapipe_graph import HandsGraph, LandmarkGraph, check_image
from hand_pose_ros.runtime.region import Region, from_patch, warp

PATCH = 256
"""Side of the square image that the landmark network is shown [px]."""

VIEWS: dict[int, tuple[tuple[float, float, bool], ...]] = {
    0: (),
    1: ((0.0, 1.0, False),),
    2: ((0.0, 1.0, False), (0.0, 1.0, True)),
    4: tuple((0.0, scale, flip) for scale in (0.95, 1.05) for flip in (False, True)),
    6: tuple((turn, 1.0, flip) for turn in (-20.0, 0.0, 20.0) for flip in (False, True)),
    12: tuple(
        (turn, scale, flip)
        for turn in (-20.0, 0.0, 20.0)
        for scale in (0.95, 1.05)
        for flip in (False, True)
    ),
}
"""Views by their number: (turn [degrees], scale, mirrored). 0 keeps what was found at first."""

_PADDINGS = (1.5, 1.1, 2.2)
"""Sides of the square that an image is shown in, over its longer side."""

_TRIES = tuple(
    (padding, turn, flip)
    for turn, flip in ((0.0, False), (0.0, True), (40.0, False), (-40.0, False), (180.0, False))
    for padding in _PADDINGS
)
"""(padding, turn [degrees], mirrored) in which an image is shown until a hand is found."""

_TRY_SIDES = (640, 288)
"""Most and least pixels a side of the image that is shown to the palm detector."""

_BOX_MARGIN = 1.6
"""Side of the region that is searched around a known box, over the box's longer side."""

_LOOK_AROUND = (0.0, 45.0, -45.0, 90.0, -90.0, 135.0, -135.0, 180.0)
"""Turns [degrees] in which the landmark network looks where no palm was found."""


class StillDetector:
    """MediaPipe Hands for unrelated images: more tries and more views than its static mode."""

    def __init__(
        self,
        max_hands: int = 2,
        views: int = 12,
        min_detection: float = 0.5,
        min_presence: float = 0.5,
    ) -> None:
        config = DetectorConfig(max_hands, min_detection, min_presence)
        if views not in VIEWS:
            raise ConfigError(f"views is {views}; it must be one of {sorted(VIEWS)}")
        self._views, self._min_presence = VIEWS[views], config.min_presence
        self._palms = HandsGraph(
            max_hands=config.max_hands,
            tracking=False,
            model_complexity=1,
            min_detection=config.min_detection,
            min_presence=config.min_presence,
        )
        self._landmarks = LandmarkGraph()

    def detect(self, image_rgb: npt.NDArray[Any]) -> list[Detection]:
        """Return the hands in an RGB image (H, W, 3) uint8, the surest first."""
        check_image(image_rgb)
        region = _whole(image_rgb)
        found = self._search(image_rgb, region) or self._look_around(image_rgb, region)
        return [self._refined(image_rgb, hand) for hand in found]

    def detect_one(
        self,
        image_rgb: npt.NDArray[Any],
        box: Sequence[float] | None = None,
        side: str | None = None,
    ) -> Detection | None:
        """Return the one hand of an image of which more may be known, or None where there is none.

        Args:
            image_rgb: (H, W, 3) uint8.
            box: x, y, width, height [px] around the hand. A hand is then always returned.
            side: "left" or "right", which is then the side of what is returned.

        Raises:
            InputError: the image, the box or the side cannot be one.
        """
        check_image(image_rgb)
        if side is not None and side not in skeleton.SIDES:
            raise InputError(f"side is {side!r}; it must be one of {skeleton.SIDES}")
        region = _whole(image_rgb) if box is None else _around(box)
        found = self._search(image_rgb, region)
        if not found:
            found = self._look_around(image_rgb, region, sure=box is not None)
        if not found:
            return None
        best = max(found, key=lambda hand: _suits(hand, box, side))
        best = self._refined(image_rgb, best)
        return best if side is None else replace(best, side=side, side_score=1.0)

    def reset(self) -> None:
        """Do nothing: still images leave nothing behind."""

    def close(self) -> None:
        """End MediaPipe's threads."""
        self._palms.close()
        self._landmarks.close()

    def _search(self, image_rgb: npt.NDArray[np.uint8], region: Region) -> list[Detection]:
        """Return the hands of the first try in which the palm detector finds some."""
        most, least = _TRY_SIDES
        for padding, turn, mirrored in _TRIES:
            tried = replace(region, side=region.side * padding).turned(turn)
            size = int(np.clip(tried.side, least, most))
            to_patch = tried.to_patch(size, mirrored)
            hands = self._palms.process(warp(image_rgb, to_patch, (size, size)))
            if hands:
                found = [from_patch(detection_of(size, size, *hand), to_patch) for hand in hands]
                return sorted(found, key=lambda hand: -hand.score)
        return []

    def _look_around(
        self, image_rgb: npt.NDArray[np.uint8], region: Region, sure: bool = False
    ) -> list[Detection]:
        """Return at most one hand: the one that the landmark network is surest of, any way up."""
        tried = replace(region, side=region.side * 1.2)
        best = max(
            (self._view(image_rgb, tried.turned(turn)) for turn in _LOOK_AROUND),
            key=lambda hand: hand.score,
        )
        again = self._view(image_rgb, Region.of_keypoints(best.keypoints_px))
        best = max(best, again, key=lambda hand: hand.score)
        return [best] if sure or best.score >= self._min_presence else []

    def _refined(self, image_rgb: npt.NDArray[np.uint8], hand: Detection) -> Detection:
        """Return the median of the hand over the views."""
        if not self._views:
            return hand
        region = Region.of_keypoints(hand.keypoints_px)
        seen = [
            self._view(image_rgb, replace(region, side=region.side * scale).turned(turn), flip)
            for turn, scale, flip in self._views
        ]
        return median_detection(seen)

    def _view(
        self, image_rgb: npt.NDArray[np.uint8], region: Region, mirrored: bool = False
    ) -> Detection:
        to_patch = region.to_patch(PATCH, mirrored)
        hand = self._landmarks.process(warp(image_rgb, to_patch, (PATCH, PATCH)))
        return from_patch(detection_of(PATCH, PATCH, *hand), to_patch)


def median_detection(seen: Sequence[Detection]) -> Detection:
    """Return what several detections of one hand agree on: medians, and the side of most trust."""
    right = np.mean([_right_score(hand) for hand in seen])
    keypoints = np.median([hand.keypoints_px for hand in seen], axis=0)
    return Detection(
        side="right" if right >= 0.5 else "left",
        side_score=float(max(right, 1.0 - right)),
        score=float(np.median([hand.score for hand in seen])),
        keypoints_px=keypoints,
        depth_px=np.median([hand.depth_px for hand in seen], axis=0),
        world=np.median([hand.world for hand in seen], axis=0),
        box=box_around(keypoints),
    )


def _right_score(hand: Detection) -> float:
    return hand.side_score if hand.side == "right" else 1.0 - hand.side_score


def _whole(image_rgb: npt.NDArray[np.uint8]) -> Region:
    height, width = image_rgb.shape[:2]
    return Region((width - 1) / 2.0, (height - 1) / 2.0, float(max(height, width)))


def _around(box: Sequence[float]) -> Region:
    x, y, width, height = _checked_box(box)
    return Region(x + width / 2.0, y + height / 2.0, max(width, height) * _BOX_MARGIN)


def _checked_box(box: Sequence[float]) -> tuple[float, ...]:
    values = tuple(float(value) for value in box)
    if len(values) != 4 or not np.isfinite(values).all() or min(values[2:]) <= 0.0:
        raise InputError(f"box is {list(box)}; it must be x, y, width, height in pixels")
    return values


def _suits(hand: Detection, box: Sequence[float] | None, side: str | None) -> float:
    """Return how well a detection suits what is known: overlap with the box, side, certainty."""
    overlap = 0.0 if box is None else overlap_of(hand.box, np.asarray(box, dtype=float))
    return 2.0 * overlap + (hand.side == side) + hand.score


def overlap_of(first: npt.NDArray[np.float64], second: npt.NDArray[np.float64]) -> float:
    """Return intersection over union of two boxes x, y, width, height."""
    low = np.maximum(first[:2], second[:2])
    high = np.minimum(first[:2] + first[2:], second[:2] + second[2:])
    both = float(np.prod(np.maximum(high - low, 0.0)))
    union = float(np.prod(first[2:]) + np.prod(second[2:])) - both
    return both / union if union > 0.0 else 0.0
