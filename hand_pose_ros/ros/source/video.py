"""Frames of a video file or of a folder of images."""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hand_pose_ros.errors import InputError
from hand_pose_ros.ros.source.frame import DEFAULT_FRAME_ID, AssumedCamera, Frame

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")

_LOG = logging.getLogger(__name__)
_DEFAULT_RATE_HZ = 30.0
_ERRORS_ONLY = 2
"""OpenCV's LOG_LEVEL_ERROR."""


class VideoSource:
    """The frames of a video file, with the times that it gives them.

    Raises:
        InputError: empty, cut off before its first frame, or no video.
    """

    def __init__(self, path: Path, horizontal_fov_deg: float | None = None) -> None:
        self._path = path
        self._camera = AssumedCamera(str(path), horizontal_fov_deg)
        self.skipped = 0
        if path.stat().st_size == 0:
            raise InputError(f"{path} is empty (0 bytes)")
        if _is_text(path):
            raise InputError(f"{path} is text, no video")
        capture = _open(path)
        try:
            if not capture.isOpened() or not capture.read()[0]:
                raise InputError(f"{path} is no video that can be read, or it is cut off")
            count = capture.get(_cv2().CAP_PROP_FRAME_COUNT)
            rate = capture.get(_cv2().CAP_PROP_FPS)
        finally:
            capture.release()
        self.expected_frames = int(count) if math.isfinite(count) and count > 0 else None
        self._rate_hz = rate if math.isfinite(rate) and rate > 0 else _DEFAULT_RATE_HZ

    def __iter__(self) -> Iterator[Frame]:
        """Yield the frames; a warning tells where the video ends before it should."""
        cv2 = _cv2()
        capture = _open(self._path)
        count, last_ns = 0, -1
        try:
            while True:
                good, bgr = capture.read()
                if not good:
                    break
                stamp_ns = round(capture.get(cv2.CAP_PROP_POS_MSEC) * 1e6)
                if stamp_ns <= last_ns:
                    stamp_ns = last_ns + round(1e9 / self._rate_hz)
                count, last_ns = count + 1, stamp_ns
                height, width = bgr.shape[:2]
                image = cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)
                yield Frame(image, stamp_ns, DEFAULT_FRAME_ID, self._camera(width, height))
        finally:
            capture.release()
        # Containers without an index only estimate how many frames they hold.
        expected = self.expected_frames or 0
        if count < expected - max(2, 0.02 * expected):
            _LOG.warning(
                "%s ends after %d of %d frames: it is cut off or damaged",
                self._path,
                count,
                expected,
            )

    def close(self) -> None:
        """Nothing stays open."""


class ImageFolderSource:
    """The images of a folder by name, as if taken 30 times a second.

    Raises:
        InputError: not one can be read (while walking through them).
    """

    def __init__(self, path: Path, horizontal_fov_deg: float | None = None) -> None:
        self._path = path
        self._camera = AssumedCamera(str(path), horizontal_fov_deg)
        self._files = sorted(f for f in path.iterdir() if f.suffix.lower() in IMAGE_SUFFIXES)
        self.expected_frames: int | None = len(self._files)
        self.skipped = 0

    def __iter__(self) -> Iterator[Frame]:
        """Yield the frames; a file that is no image is left out with a warning."""
        cv2 = _cv2()
        self.skipped = 0
        for index, file in enumerate(self._files):
            bgr = cv2.imread(str(file), cv2.IMREAD_COLOR)
            if bgr is None:
                self.skipped += 1
                _LOG.warning("%s is no image that can be read; left out", file)
                continue
            height, width = bgr.shape[:2]
            yield Frame(
                cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB),
                round(index * 1e9 / _DEFAULT_RATE_HZ),
                DEFAULT_FRAME_ID,
                self._camera(width, height),
                name=file.name,
            )
        if self.skipped == len(self._files):
            raise InputError(f"{self._path}: not one of {self.skipped} images can be read")

    def close(self) -> None:
        """Nothing stays open."""


def _open(path: Path) -> Any:
    cv2 = _cv2()
    # By name, or OpenCV asks its other back ends too, which print long complaints.
    by_ffmpeg = cv2.CAP_FFMPEG in cv2.videoio_registry.getBackends()
    level = cv2.getLogLevel()
    cv2.setLogLevel(_ERRORS_ONLY)
    try:
        return cv2.VideoCapture(str(path), cv2.CAP_FFMPEG if by_ffmpeg else cv2.CAP_ANY)
    finally:
        cv2.setLogLevel(level)


def _is_text(path: Path) -> bool:
    """Return whether a file is plain text, which FFmpeg would gladly draw as a terminal."""
    with path.open("rb") as stream:
        head = stream.read(4096)
    return b"\0" not in head and not head.startswith(b"YUV4MPEG2")


def _cv2() -> Any:
    # Read when the first video is opened: what FFmpeg has to say is in our own message.
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    import cv2

    return cv2
