"""Frames of a recorded bag: its images, each with the calibration that was valid then."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from hand_pose_ros.errors import InputError
from hand_pose_ros.hand.camera import Camera
from hand_pose_ros.ros import conversions
from hand_pose_ros.ros.bag import BagMessage, BagReader
from hand_pose_ros.ros.camera_info import camera_from_info, names_rectified
from hand_pose_ros.ros.images import decode_image
from hand_pose_ros.ros.source.frame import DEFAULT_FRAME_ID, AssumedCamera, Frame
from hand_pose_ros.ros.source.topics import choose_camera_info_topic, choose_image_topic

_LOG = logging.getLogger(__name__)
_STAMP_BYTES = 4 + 8
"""Encapsulation and stamp: all that differs between two CameraInfo of one calibration."""


class BagSource:
    """The images of one topic of a bag.

    An image that cannot be decoded ends it if it is the first, and is left out with a warning if
    not. See `open_source` for the arguments.

    Attributes:
        image_topic: the topic of the images.
        camera_info_topic: that of the calibration; None where the bag has none for these images.

    Raises:
        InputError: the bag cannot be read, has no image topic, or several and none is named.
    """

    def __init__(
        self,
        path: Path,
        image_topic: str | None = None,
        camera_info_topic: str | None = None,
        horizontal_fov_deg: float | None = None,
        on_message: Callable[[BagMessage], None] | None = None,
    ) -> None:
        self._path = path
        self._reader = BagReader(path)
        self._on_message = on_message
        self._assumed = AssumedCamera(str(path), horizontal_fov_deg)
        try:
            self.image_topic = choose_image_topic(self._reader, image_topic)
            self.camera_info_topic = choose_camera_info_topic(
                self._reader, self.image_topic, camera_info_topic
            )
        except InputError:
            self._reader.close()
            raise
        self.expected_frames: int | None = self._reader.topics[self.image_topic].count
        self.skipped = 0
        self._said: set[str] = set()

    def __iter__(self) -> Iterator[Frame]:
        """Yield the frames in the order of recording."""
        self.skipped = 0
        calibration = _Calibration(self._reader, self.image_topic)
        if self.camera_info_topic is not None:
            calibration.update(next(self._reader.messages([self.camera_info_topic])))
        names = {name for name in (self.image_topic, self.camera_info_topic) if name}
        count = 0
        for message in self._reader.messages(None if self._on_message else names):
            if self._on_message is not None:
                self._on_message(message)
            if message.topic.name == self.camera_info_topic:
                calibration.update(message)
            elif message.topic.name == self.image_topic:
                frame = self._frame(message, calibration, first=count == 0)
                count += 1
                if frame is not None:
                    yield frame
        if self.skipped:
            _LOG.warning("%s: %d of %d images left out", self._path, self.skipped, count)

    def close(self) -> None:
        """Close the bag."""
        self._reader.close()

    def _frame(
        self, message: BagMessage, calibration: _Calibration, *, first: bool
    ) -> Frame | None:
        try:
            image_message = self._reader.deserialize(message)
            image = decode_image(image_message)
        except InputError as error:
            if first:
                raise InputError(f"{self._path}, {self.image_topic}: {error}") from error
            self.skipped += 1
            if self.skipped == 1:
                _LOG.warning("%s: an image is left out: %s", self._path, error)
            return None
        height, width = image.shape[:2]
        camera = calibration.camera(width, height) or self._assumed(width, height)
        stamp_ns = conversions.stamp_ns(image_message)
        if not stamp_ns:
            self._say("images have no stamp; the time of recording is taken")
            stamp_ns = message.stamp_ns
        frame_id = image_message.header.frame_id
        if not frame_id:
            self._say(f"images have no frame_id; it is called {DEFAULT_FRAME_ID!r}")
            frame_id = DEFAULT_FRAME_ID
        return Frame(image, stamp_ns, frame_id, camera, message)

    def _say(self, text: str) -> None:
        if text not in self._said:
            self._said.add(text)
            _LOG.warning("%s: %s", self._path, text)


class _Calibration:
    """The camera that the last CameraInfo describes; made anew only when one says other things."""

    def __init__(self, reader: BagReader, image_topic: str) -> None:
        self._reader = reader
        self._rectified = names_rectified(image_topic)
        self._info: Any = None
        self._facts = b""
        self._size: tuple[int, int] | None = None
        self._camera: Camera | None = None

    def update(self, message: BagMessage) -> None:
        facts = message.data[_STAMP_BYTES:]
        if facts != self._facts:
            self._info, self._facts = self._reader.deserialize(message), facts
            self._size = None

    def camera(self, width: int, height: int) -> Camera | None:
        """Return the camera of an image size [px]; None where there is no calibration."""
        if self._info is not None and self._size != (width, height):
            self._camera = camera_from_info(self._info, width, height, rectified=self._rectified)
            self._size = width, height
        return self._camera
