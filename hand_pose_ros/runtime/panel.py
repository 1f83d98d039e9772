"""Our models and MediaPipe as a panel that is evaluated: all of them see the same hands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hand_pose_ros.data.sample import LabelledHand, LabelledImage
from hand_pose_ros.errors import InputError
from hand_pose_ros.evaluation.rows import Guess
from hand_pose_ros.hand.camera import Camera
from hand_pose_ros.runtime.detect import Detection
from hand_pose_ros.runtime.engine import AUTO
from hand_pose_ros.runtime.lift import Lift
from hand_pose_ros.runtime.predict import StillEstimate, pose_still
from hand_pose_ros.runtime.refine import still_lift
from hand_pose_ros.runtime.still import StillDetector
from hand_pose_ros.runtime.surface import surface_of
from hand_pose_ros.runtime.warm_up import calm_start, warm_up

GIVEN = {
    "labelled": "the side, and the box where the dataset itself has one",
    "box": "side and box; one that the dataset lacks is put around the true joints",
    "nothing": "nothing: hands are found in the whole image",
}
"""What an estimator is told of each hand."""

PEER = "mediapipe"


@dataclass(frozen=True)
class PanelConfig:
    """Which estimators look, and how.

    Attributes:
        models: entries of `registry.MODELS`.
        peer: whether MediaPipe's own 3D points are scored, too, from one look at each image.
        detector: what finds the hands of the models.
        engine: how networks are executed.
        views: how often a hand is looked at.
        given: key of `GIVEN`.
        corrected: whether landmarks are corrected, see `runtime.correct`; the peer's never are.

    Raises:
        InputError: no such `given`.
    """

    models: tuple[str, ...]
    peer: bool = False
    detector: str = "mediapipe"
    engine: str = AUTO
    views: int = 12
    given: str = "labelled"
    corrected: bool = True

    def __post_init__(self) -> None:
        if self.given not in GIVEN:
            raise InputError(f"given is {self.given!r}; it must be one of {', '.join(GIVEN)}")


class HandPanel:
    """Finds the hands of an image once, and lifts them with every model.

    An image with one labelled hand is taken to show that one. Of several, each is looked at where
    its box is told, and otherwise those that are found are told apart by their place.

    Raises:
        ConfigError: no such model, detector, engine or number of views.
        InputError: weights are missing or damaged.
        UnavailableError: something that is needed is not installed.
    """

    needs_pixels = True

    def __init__(self, config: PanelConfig) -> None:
        self._config = config
        self._lifts = {name: still_lift(name, config.engine) for name in config.models}
        self._detectors: dict[tuple[str, int], StillDetector] = {}

    def __call__(
        self, number: int, image: LabelledImage, image_rgb: npt.NDArray[np.uint8] | None
    ) -> Mapping[str, Sequence[Guess]]:
        """Return what each estimator sees; the true joints are not looked at."""
        assert image_rgb is not None
        height, width = image_rgb.shape[:2]
        camera = image.camera or Camera.from_field_of_view(width, height)
        answers: dict[str, list[Guess]] = {}
        if self._lifts:
            seen = self._seen(image, image_rgb, "ours")
            surfaces = any(hand.vertices is not None for hand in image.hands)
            for name, lift in self._lifts.items():
                answers[name] = [
                    _guess(lift, found, image_rgb, camera, surfaces) for found in seen
                ]
        if self._config.peer:
            answers[PEER] = [_peer_guess(found) for found in self._seen(image, image_rgb, PEER)]
        return answers

    def _seen(
        self, image: LabelledImage, image_rgb: npt.NDArray[np.uint8], who: str
    ) -> list[_Found]:
        """Return the hands of an image, and which true hand each was looked for as."""
        told = [self._told(hand) for hand in image.hands]
        alone = len(told) == 1
        if self._config.given == "nothing" or not (alone or (told and all(b for b, _ in told))):
            hands = self._detector(who, max(2, len(told))).detect(image_rgb)
            return [_Found(hand, None, False) for hand in hands]
        found = []
        for number, (box, side) in enumerate(told):
            hand = self._detector(who, 1).detect_one(image_rgb, box, side)
            if hand is not None:
                found.append(_Found(hand, number, side is not None))
        return found

    def _told(
        self, hand: LabelledHand
    ) -> tuple[tuple[float, float, float, float] | None, str | None]:
        may = self._config.given == "box" or hand.box_labelled
        return (hand.box if may else None), hand.side

    def _detector(self, who: str, hands: int) -> StillDetector:
        key = (who, hands)
        if key not in self._detectors:
            views, name, engine = self._config.views, self._config.detector, self._config.engine
            corrected = self._config.corrected
            if who == PEER:
                views, name, engine, corrected = 0, PEER, AUTO, False
            with calm_start():
                detector = StillDetector(
                    hands, views, detector=name, engine=engine, corrected=corrected
                )
                warm_up(detector)
            self._detectors[key] = detector
        return self._detectors[key]


@dataclass(frozen=True, eq=False)
class _Found:
    detection: Detection
    hand: int | None
    side_given: bool


def _guess(
    lift: Lift,
    found: _Found,
    image_rgb: npt.NDArray[np.uint8],
    camera: Camera,
    surfaces: bool,
) -> Guess:
    still: StillEstimate = pose_still(found.detection, image_rgb, camera, lift)
    hand = still.hand
    return Guess(
        hand.keypoints.astype(np.float64),
        hand.side,
        found.side_given,
        float(hand.score),
        hand.keypoints_px.astype(np.float64),
        hand=found.hand,
        vertices=surface_of(hand)[0].astype(np.float64) if surfaces else None,
    )


def _peer_guess(found: _Found) -> Guess:
    """Return MediaPipe's own 3D points, which have no place in the camera frame."""
    seen = found.detection
    return Guess(
        seen.world,
        seen.side,
        found.side_given,
        float(seen.score),
        seen.keypoints_px,
        placed=False,
        hand=found.hand,
    )
