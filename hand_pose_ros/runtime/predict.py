"""Hands in a folder of unrelated images."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hand_pose_ros.data.folder import FolderSample, read_folder, read_image
from hand_pose_ros.errors import InputError
from hand_pose_ros.hand.camera import Camera
from hand_pose_ros.runtime.config import EstimatorConfig, SmoothingConfig
from hand_pose_ros.runtime.detect import Detection
from hand_pose_ros.runtime.estimate import HandEstimate
from hand_pose_ros.runtime.hand_state import HandState, place_hand, pose_hands
from hand_pose_ros.runtime.lift import Lift
from hand_pose_ros.runtime.results import rounded
from hand_pose_ros.runtime.still import StillDetector
from hand_pose_ros.runtime.track import Tracked

_LOG = logging.getLogger(__name__)

Progress = Callable[[Sequence[FolderSample], int], Iterable[FolderSample]]


@dataclass(frozen=True, eq=False)
class StillEstimate:
    """What was found in one image, and the detection that it rests on."""

    hand: HandEstimate
    detection: Detection
    camera: Camera


def predict_folder(
    folder: str | Path,
    detector: StillDetector,
    lift: Lift,
    hand_scale: float = 0.0,
    progress: Progress = lambda samples, count: samples,
) -> dict[str, StillEstimate | None]:
    """Return the hand of each image of a `folder` dataset by the image's name, None without one.

    Of the annotations `side`, `K` and `box` are used where there are any, `keypoints` never. An
    image that cannot be read is None, with a warning.

    Args:
        folder: the dataset.
        detector: finds the hand.
        lift: makes it three-dimensional.
        hand_scale: measured length from wrist to index MCP [m]; 0 for that of an average adult.
        progress: wraps the samples, of which there are so many.

    Raises:
        InputError: no such folder, no images, or broken annotations.
    """
    samples = read_folder(folder, keypoints=False)
    found: dict[str, StillEstimate | None] = {}
    for sample in progress(samples, len(samples)):
        try:
            image = read_image(sample.path)
        except InputError as error:
            _LOG.warning("%s; it counts as an image without a hand", error)
            found[sample.name] = None
            continue
        height, width = image.shape[:2]
        camera = sample.camera(width, height)
        found[sample.name] = estimate_still(
            image, camera, detector, lift, sample.box, sample.side, hand_scale
        )
    return found


def estimate_still(
    image_rgb: npt.NDArray[np.uint8],
    camera: Camera,
    detector: StillDetector,
    lift: Lift,
    box: Sequence[float] | None = None,
    side: str | None = None,
    hand_scale: float = 0.0,
) -> StillEstimate | None:
    """Return the hand in one image, or None; see `StillDetector.detect_one` for box and side."""
    detection = detector.detect_one(image_rgb, box, side)
    if detection is None:
        return None
    return pose_still(detection, image_rgb, camera, lift, hand_scale)


def pose_still(
    detection: Detection,
    image_rgb: npt.NDArray[np.uint8],
    camera: Camera,
    lift: Lift,
    hand_scale: float = 0.0,
) -> StillEstimate:
    """Return the hand of a detection; see `predict_folder` for the rest."""
    hand = Tracked("0", detection.side, detection.side_score, detection, is_new=True)
    state = HandState(EstimatorConfig(hand_scale, smoothing=SmoothingConfig(enabled=False)))
    lifted = lift([detection], camera, image_rgb)
    (pose,) = pose_hands([hand.side], [state], lifted, stamp_ns=0)
    return StillEstimate(place_hand(hand, state, pose, camera, None), detection, camera)


def predictions_as_dict(found: dict[str, StillEstimate | None]) -> dict[str, Any]:
    """Return predictions in the format of `hand-pose predict`."""
    images = {
        name: None
        if still is None
        else {
            "keypoints": rounded(still.hand.keypoints, 6),
            "side": still.hand.side,
            "score": round(float(still.hand.score), 4),
        }
        for name, still in found.items()
    }
    return {"images": images}
