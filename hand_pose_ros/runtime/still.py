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

from hand_pose_ros.data.boxes import box_around, overlap
from hand_pose_ros.errors import ConfigError, InputError
from hand_pose_ros.hand import skeleton
from hand_pose_ros.runtime.config import DetectorConfig
from hand_pose_ros.runtime.correct import LandmarkCorrector
from hand_pose_ros.runtime.detect import Detection
from hand_pose_ros.runtime.engine import AUTO
from hand_pose_ros.runtime.finders import make_finder
from hand_pose_ros.runtime.mediapipe_graph import check_image
from hand_pose_ros.runtime.region import Region, from_patch, warp

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
    """Hands in unrelated images, in more tries and more views than one.

    Args:
        max_hands, min_detection, min_presence: as in `DetectorConfig`.
        views: how often a hand is looked at, a key of `VIEWS`.
        detector: what finds the hands, one of `registry.DETECTORS`.
        engine: how our own networks are executed.
        corrected: whether landmarks are moved to where a second look says, see `correct`; not
            where there are no views.
    """

    def __init__(
        self,
        max_hands: int = 2,
        views: int = 12,
        min_detection: float = 0.5,
        min_presence: float = 0.5,
        detector: str = "mediapipe",
        engine: str = AUTO,
        corrected: bool = True,
    ) -> None:
        config = DetectorConfig(max_hands, min_detection, min_presence, name=detector)
        if views not in VIEWS:
            raise ConfigError(f"views is {views}; it must be one of {sorted(VIEWS)}")
        self._views, self._min_presence = VIEWS[views], config.min_presence
        self._finder = make_finder(config, engine)
        self._corrector = LandmarkCorrector(engine) if corrected and self._views else None

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
        """Give back what the finder holds."""
        self._finder.close()

    def _search(self, image_rgb: npt.NDArray[np.uint8], region: Region) -> list[Detection]:
        """Return the hands of the first try in which the palm detector finds some."""
        most, least = _TRY_SIDES
        for padding, turn, mirrored in _TRIES:
            tried = replace(region, side=region.side * padding).turned(turn)
            size = int(np.clip(tried.side, least, most))
            to_patch = tried.to_patch(size, mirrored)
            hands = self._finder.find(warp(image_rgb, to_patch, (size, size)))
            if hands:
                found = [from_patch(hand, to_patch) for hand in hands]
                return sorted(found, key=lambda hand: -hand.score)
        return []

    def _look_around(
        self, image_rgb: npt.NDArray[np.uint8], region: Region, sure: bool = False
    ) -> list[Detection]:
        """Return at most one hand: the one that the landmark network is surest of, any way up."""
        tried = replace(region, side=region.side * 1.2)
        views = [(tried.turned(turn), False) for turn in _LOOK_AROUND]
        best = max(self._finder.look(image_rgb, views), key=lambda hand: hand.score)
        again = self._finder.look(image_rgb, [(Region.of_keypoints(best.keypoints_px), False)])
        best = max(best, *again, key=lambda hand: hand.score)
        return [best] if sure or best.score >= self._min_presence else []

    def _refined(self, image_rgb: npt.NDArray[np.uint8], hand: Detection) -> Detection:
        """Return the median of the hand over the views, corrected where that is asked for."""
        if not self._views:
            return hand
        region = Region.of_keypoints(hand.keypoints_px)
        views = [
            (replace(region, side=region.side * scale).turned(turn), flip)
            for turn, scale, flip in self._views
        ]
        found = median_detection(self._finder.look(image_rgb, views))
        return found if self._corrector is None else self._corrector(image_rgb, found, views)


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
    shared = 0.0 if box is None else overlap(hand.box, np.asarray(box, dtype=float))
    return 2.0 * shared + (hand.side == side) + hand.score
