"""One image with everything that the estimator needs to know about it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from hand_pose_ros.hand.camera import ASSUMED_FIELD_OF_VIEW_DEG, Camera
from hand_pose_ros.ros.bag.content import BagMessage

DEFAULT_FRAME_ID = "camera"
"""Name of the optical frame where the recording gives none."""

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Frame:
    """One image of a recording.

    Attributes:
        image_rgb: (height, width, 3) uint8.
        stamp_ns: when it was taken [ns]; of a video, since its start.
        frame_id: name of the camera's optical frame.
        camera: its intrinsics; `assumed` where nobody calibrated it.
        message: the message that it came in; None outside of bags.
        name: file name of the image; empty where it has none.
    """

    image_rgb: npt.NDArray[np.uint8]
    stamp_ns: int
    frame_id: str
    camera: Camera
    message: BagMessage | None = None
    name: str = ""

    @property
    def recorded_ns(self) -> int:
        """Time to record results under [ns]: that of the message, else of the image."""
        return self.stamp_ns if self.message is None else self.message.stamp_ns


@runtime_checkable
class FrameSource(Protocol):
    """Something to take frames from, once or several times; close it after use.

    Attributes:
        expected_frames: how many there will be, None where nobody knows.
        skipped: images left out so far because they could not be read.
    """

    expected_frames: int | None
    skipped: int

    def __iter__(self) -> Iterator[Frame]:
        """Yield the frames in the order of their stamps."""

    def close(self) -> None:
        """Close the files."""


class AssumedCamera:
    """Makes up the camera of images that come without a calibration, and says so once.

    Args:
        origin: what the warning names.
        horizontal_fov_deg: field of view [degrees]; None for that of an average camera.
    """

    def __init__(self, origin: str, horizontal_fov_deg: float | None) -> None:
        self._origin = origin
        self._fov_deg = horizontal_fov_deg
        self._camera: Camera | None = None

    def __call__(self, width: int, height: int) -> Camera:
        """Return the camera of an image of a size [px]. Raises InputError on a bad angle."""
        camera = self._camera
        if camera is not None and (camera.width, camera.height) == (width, height):
            return camera
        fov = ASSUMED_FIELD_OF_VIEW_DEG if self._fov_deg is None else self._fov_deg
        camera = Camera.from_field_of_view(width, height, fov)
        if self._camera is None:
            _LOG.warning(
                "%s: no calibration; a horizontal field of view of %g degrees is assumed, so "
                "distances are rough",
                self._origin,
                fov,
            )
        self._camera = camera
        return camera
