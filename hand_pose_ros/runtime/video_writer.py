"""Writing a video file that ordinary players open: H.264 where PyAV is installed, else MPEG-4."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from hand_pose_ros.errors import OutputError

_TIME_BASE = Fraction(1, 90_000)
_FALLBACK_RATE_HZ = 30


class VideoWriter:
    """Writes RGB frames with their times to an .mp4; all get the size of the first one.

    With PyAV a file that is cut off (a full disk) plays up to there, and frames are shown at their
    times. Without it they follow one another 30 times a second.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._size: tuple[int, int] | None = None
        self._backend: _H264 | _Mpeg4 | None = None

    def write(self, image_rgb: npt.NDArray[np.uint8], stamp_ns: int) -> None:
        """Append a frame (H, W, 3); stamps must grow.

        Raises:
            OutputError: the file cannot be written.
        """
        try:
            if self._backend is None or self._size is None:
                height, width = image_rgb.shape[:2]
                # The codecs halve the resolution of colours: sizes are even.
                self._size = (max(width & ~1, 2), max(height & ~1, 2))
                self.path.touch()
                self._backend = _open(self.path, self._size)
            self._backend.write(_fit(image_rgb, self._size), stamp_ns)
        except OSError as error:
            raise _failure(self.path, error) from error

    def close(self) -> None:
        """Finish the file; nothing is left where no frame was written.

        Raises:
            OutputError: the file cannot be written.
        """
        backend, self._backend = self._backend, None
        try:
            if backend is not None:
                backend.close()
        except OSError as error:
            raise _failure(self.path, error) from error


class _H264:
    """H.264 by PyAV. Its errors of writing are OSErrors."""

    def __init__(self, av: Any, path: Path, size: tuple[int, int]) -> None:
        self._av = av
        self._container = av.open(str(path), "w", options={"movflags": "hybrid_fragmented"})
        options = {"preset": "veryfast", "crf": "20"}
        self._stream = self._container.add_stream("libx264", rate=30, options=options)
        self._stream.width, self._stream.height = size
        self._stream.pix_fmt, self._stream.time_base = "yuv420p", _TIME_BASE
        self._stream.codec_context.time_base = _TIME_BASE
        self._first_ns: int | None = None
        self._last = -1

    def write(self, image_rgb: npt.NDArray[np.uint8], stamp_ns: int) -> None:
        if self._first_ns is None:
            self._first_ns = stamp_ns
        ticks = round((stamp_ns - self._first_ns) * float(1e-9 / _TIME_BASE))
        self._last = max(ticks, self._last + 1)
        frame = self._av.VideoFrame.from_ndarray(image_rgb, format="rgb24")
        frame.pts, frame.time_base = self._last, _TIME_BASE
        self._container.mux(self._stream.encode(frame))

    def close(self) -> None:
        try:
            self._container.mux(self._stream.encode())
        finally:
            self._container.close()


class _Mpeg4:
    """MPEG-4 part 2 by OpenCV, which has no H.264."""

    def __init__(self, path: Path, size: tuple[int, int]) -> None:
        code = cv2.VideoWriter.fourcc(*"mp4v")
        self._writer = cv2.VideoWriter(str(path), code, _FALLBACK_RATE_HZ, size)
        if not self._writer.isOpened():
            raise OSError("OpenCV cannot write this file")

    def write(self, image_rgb: npt.NDArray[np.uint8], stamp_ns: int) -> None:
        self._writer.write(cv2.cvtColor(image_rgb, cv2.COLOR_RGB2BGR))

    def close(self) -> None:
        self._writer.release()


def _open(path: Path, size: tuple[int, int]) -> _H264 | _Mpeg4:
    try:
        import av
    except ImportError:
        return _Mpeg4(path, size)
    return _H264(av, path, size)


def _fit(image: npt.NDArray[np.uint8], size: tuple[int, int]) -> npt.NDArray[np.uint8]:
    """Return the image cut by an odd row or column, or shrunk into black bars, to a size."""
    width, height = size
    if image.shape[0] - height in (0, 1) and image.shape[1] - width in (0, 1):
        return np.ascontiguousarray(image[:height, :width])
    scale = min(width / image.shape[1], height / image.shape[0])
    inner = (max(round(image.shape[1] * scale), 1), max(round(image.shape[0] * scale), 1))
    frame = np.zeros((height, width, 3), np.uint8)
    top, left = (height - inner[1]) // 2, (width - inner[0]) // 2
    part = cv2.resize(image, inner, interpolation=cv2.INTER_AREA)
    frame[top : top + inner[1], left : left + inner[0]] = part
    return frame


def _failure(path: Path, error: OSError) -> OutputError:
    return OutputError(f"writing {path} failed: {error.strerror or error}")
