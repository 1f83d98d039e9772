"""Image messages, raw and compressed, to arrays; either kind of message class."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from hand_pose_ros.errors import InputError

IMAGE = "sensor_msgs/msg/Image"
COMPRESSED = "sensor_msgs/msg/CompressedImage"

_CHANNELS = {
    "rgb8": 3,
    "bgr8": 3,
    "rgba8": 4,
    "bgra8": 4,
    "mono8": 1,
    "yuv422": 2,
    "uyvy": 2,
    "yuv422_yuy2": 2,
    "yuyv": 2,
}
ENCODINGS = tuple(_CHANNELS)
"""Encodings of a colour or grey Image; yuv422 is the same as uyvy, yuv422_yuy2 as yuyv."""

_DEPTH_TYPES = {"16UC1": ("u2", 1e-3), "mono16": ("u2", 1e-3), "32FC1": ("f4", 1.0)}
DEPTH_ENCODINGS = tuple(_DEPTH_TYPES)
"""Encodings of a depth Image: millimetres as integers, or metres as floats."""


def decode_image(message: Any) -> npt.NDArray[np.uint8]:
    """Return the (height, width, 3) RGB uint8 picture of an Image or a CompressedImage.

    Raises:
        InputError: an encoding we do not know, no pixels, rows or data too short, data that is
            no picture.
    """
    if hasattr(message, "format"):
        return _decompress(message)
    if message.encoding not in _CHANNELS:
        raise InputError(
            f"image encoding is {message.encoding!r}; it must be one of {', '.join(ENCODINGS)}"
        )
    channels = _CHANNELS[message.encoding]
    if channels == 2 and message.width % 2:
        raise InputError(f"image width is {message.width}; {message.encoding} needs an even one")
    rows = _rows(message, channels)
    return _to_rgb(rows.reshape(message.height, message.width, channels), message.encoding)


def decode_depth(message: Any) -> npt.NDArray[np.float32]:
    """Return the (height, width) depth [m] of an Image; NaN where there is none.

    Raises:
        InputError: as for `decode_image`.
    """
    if message.encoding not in _DEPTH_TYPES:
        raise InputError(
            f"depth encoding is {message.encoding!r}; it must be one of "
            f"{', '.join(DEPTH_ENCODINGS)}"
        )
    kind, scale = _DEPTH_TYPES[message.encoding]
    order = ">" if message.is_bigendian else "<"
    rows = np.ascontiguousarray(_rows(message, int(kind[1])))
    depth = rows.view(f"{order}{kind}").astype(np.float32) * np.float32(scale)
    return np.where(np.isfinite(depth) & (depth > 0.0), depth, np.float32(np.nan))


def _rows(message: Any, pixel_bytes: int) -> npt.NDArray[np.uint8]:
    """Return the (height, width * pixel_bytes) bytes of an Image without the rows' padding."""
    height, width, step = message.height, message.width, message.step
    if not height or not width:
        raise InputError(f"image is {width} x {height} px; both must be above 0")
    row = width * pixel_bytes
    if step < row:
        raise InputError(
            f"image step is {step} bytes; a row of {width} px in {message.encoding} needs {row}"
        )
    data = np.frombuffer(message.data, np.uint8)
    needed = (height - 1) * step + row
    if data.size < needed:
        raise InputError(
            f"image has {data.size} bytes of data; {height} rows of {step} bytes need {needed}"
        )
    return np.lib.stride_tricks.as_strided(data, (height, row), (step, 1), writeable=False)


def _to_rgb(pixels: npt.NDArray[np.uint8], encoding: str) -> npt.NDArray[np.uint8]:
    import cv2

    if encoding == "rgb8":
        return np.array(pixels, order="C")
    conversions = {
        "bgr8": cv2.COLOR_BGR2RGB,
        "rgba8": cv2.COLOR_RGBA2RGB,
        "bgra8": cv2.COLOR_BGRA2RGB,
        "mono8": cv2.COLOR_GRAY2RGB,
        "yuv422": cv2.COLOR_YUV2RGB_UYVY,
        "uyvy": cv2.COLOR_YUV2RGB_UYVY,
        "yuv422_yuy2": cv2.COLOR_YUV2RGB_YUY2,
        "yuyv": cv2.COLOR_YUV2RGB_YUY2,
    }
    return _uint8(cv2.cvtColor(np.ascontiguousarray(pixels), conversions[encoding]))


def _decompress(message: Any) -> npt.NDArray[np.uint8]:
    import cv2

    data = np.frombuffer(message.data, np.uint8)
    if not data.size:
        raise InputError(f"compressed image ({message.format!r}) has no data")
    if "compressedDepth" in message.format:
        raise InputError(f"compressed image is {message.format!r}: depth, not a picture")
    raw = data.tobytes()
    if raw.startswith(b"\xff\xd8") and b"\xff\xd9" not in raw:
        raise InputError(f"compressed image ({message.format!r}, {data.size} bytes) is cut off")
    # Intrinsics belong to the pixels as they are stored, whatever an EXIF orientation says.
    bgr = cv2.imdecode(data, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    if bgr is None:
        raise InputError(
            f"compressed image ({message.format!r}, {data.size} bytes) cannot be decoded; "
            "it must be jpeg or png"
        )
    return _uint8(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB))


def _uint8(image: Any) -> npt.NDArray[np.uint8]:
    return np.asarray(image, np.uint8)
