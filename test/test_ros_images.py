"""Image messages to pictures and depth."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
from ros_samples import image_message, picture

from hand_pose_ros.errors import InputError
from hand_pose_ros.ros.images import ENCODINGS, decode_depth, decode_image
from hand_pose_ros.ros.typestore import rosbags_types

TYPES = rosbags_types()


def encode(rgb: np.ndarray, encoding: str) -> np.ndarray:
    """Return the pixels of a picture as cameras send them, by the definition of the encoding."""
    if encoding in ("rgb8", "bgr8"):
        return rgb[..., ::-1] if encoding == "bgr8" else rgb
    if encoding in ("rgba8", "bgra8"):
        alpha = np.full_like(rgb[..., :1], 7)
        return np.concatenate((encode(rgb, encoding.replace("a", "")), alpha), axis=-1)
    # ITU-R BT.601, limited range; one pair of chroma for two pixels.
    r, g, b = rgb.astype(float).transpose(2, 0, 1)
    y = 16 + (65.481 * r + 128.553 * g + 24.966 * b) / 255
    u = 128 + (-37.797 * r - 74.203 * g + 112.0 * b) / 255
    v = 128 + (112.0 * r - 93.786 * g - 18.214 * b) / 255
    chroma = np.stack((u, v), axis=-1).reshape(rgb.shape[0], -1, 2, 2).mean(axis=2)
    chroma = chroma.reshape(rgb.shape[:2])
    planes = (chroma, y) if encoding in ("yuv422", "uyvy") else (y, chroma)
    return np.stack(planes, axis=-1).round().clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("padding", [0, 5, 64])
@pytest.mark.parametrize("encoding", [name for name in ENCODINGS if name != "mono8"])
def test_every_encoding_gives_the_same_picture(encoding: str, padding: int) -> None:
    rgb = picture()
    image = decode_image(image_message(encode(rgb, encoding), encoding, padding=padding))
    assert (image.shape, image.dtype) == (rgb.shape, np.uint8)
    lossless = "yu" not in encoding and "uy" not in encoding
    np.testing.assert_allclose(image.astype(int), rgb, atol=0 if lossless else 12)
    if not lossless:
        assert np.abs(image.astype(int) - rgb).mean() < 3.0


@pytest.mark.parametrize("padding", [0, 3])
def test_grey_is_the_same_in_all_channels(padding: int) -> None:
    grey = picture()[..., :1]
    image = decode_image(image_message(grey, "mono8", padding=padding))
    np.testing.assert_array_equal(image, np.repeat(grey, 3, axis=-1))


def test_the_last_row_may_come_without_its_padding() -> None:
    message = image_message(picture(), "rgb8", padding=8)
    message.data = message.data[:-8]
    np.testing.assert_array_equal(decode_image(message), picture())


def test_the_picture_is_our_own_copy() -> None:
    message = image_message(picture(), "rgb8")
    image = decode_image(message)
    image[:] = 0
    assert message.data.any()


def test_unknown_encodings_are_refused_with_the_known_ones() -> None:
    message = image_message(picture(), "bayer_rggb16")
    with pytest.raises(InputError, match="'bayer_rggb16'; it must be one of rgb8, bgr8, rgba8"):
        decode_image(message)


@pytest.mark.parametrize(("width", "height"), [(0, 24), (32, 0), (0, 0)])
def test_an_image_of_no_size_is_refused(width: int, height: int) -> None:
    message = TYPES.Image(encoding="rgb8", width=width, height=height, step=3 * width)
    with pytest.raises(InputError, match=f"{width} x {height} px; both must be above 0"):
        decode_image(message)


def test_a_step_shorter_than_a_row_is_refused() -> None:
    message = image_message(picture(), "rgb8")
    message.step = 95
    with pytest.raises(InputError, match="step is 95 bytes; a row of 32 px in rgb8 needs 96"):
        decode_image(message)


def test_too_little_data_is_refused() -> None:
    message = image_message(picture(), "rgb8")
    message.data = message.data[:-1]
    with pytest.raises(InputError, match="has 2303 bytes of data; 24 rows of 96 bytes need 2304"):
        decode_image(message)


def test_half_a_chroma_pair_is_refused() -> None:
    message = image_message(np.zeros((4, 5, 2), np.uint8), "yuv422")
    with pytest.raises(InputError, match="width is 5; yuv422 needs an even one"):
        decode_image(message)


def compressed(data: bytes, form: str) -> Any:
    return TYPES.CompressedImage(format=form, data=np.frombuffer(data, np.uint8))


@pytest.mark.parametrize(
    ("suffix", "form", "tolerance"),
    [(".png", "png", 0), (".png", "bgr8; png compressed bgr8", 0)]
    + [(".jpg", "jpeg", 8), (".jpg", "rgb8; jpeg compressed bgr8", 8)],
)
def test_compressed_images_are_decoded(suffix: str, form: str, tolerance: int) -> None:
    rgb = picture(width=64, height=48)
    data = cv2.imencode(suffix, rgb[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 98])[1].tobytes()
    image = decode_image(compressed(data, form))
    assert np.abs(image.astype(int) - rgb).mean() <= tolerance


@pytest.mark.parametrize(
    ("data", "form", "reason"),
    [
        (b"", "jpeg", "has no data"),
        (b"no picture at all", "jpeg", r"\('jpeg', 17 bytes\) cannot be decoded"),
        (b"\xff\xd8\xff\xe0\x00\x10JFIF", "jpeg", "is cut off"),
        (b"whatever", "16UC1; compressedDepth png", "depth, not a picture"),
    ],
)
def test_compressed_images_that_are_none_are_refused(data: bytes, form: str, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        decode_image(compressed(data, form))


def test_a_jpeg_that_lost_its_end_is_refused() -> None:
    data = cv2.imencode(".jpg", picture(width=64, height=48))[1].tobytes()
    with pytest.raises(InputError, match="cut off"):
        decode_image(compressed(data[: len(data) // 2], "jpeg"))


@pytest.mark.parametrize("big_endian", [False, True])
@pytest.mark.parametrize("padding", [0, 6])
def test_depth_comes_in_metres(padding: int, big_endian: bool) -> None:
    order = ">" if big_endian else "<"
    millimetres = np.array([[0, 500], [1234, 65535]])
    integers = image_message(millimetres.astype(f"{order}u2")[..., None], "16UC1", padding=padding)
    floats = image_message(
        np.array([[np.nan, 0.5], [1.234, np.inf]]).astype(f"{order}f4")[..., None],
        "32FC1",
        padding=padding,
    )
    integers.is_bigendian = floats.is_bigendian = int(big_endian)
    np.testing.assert_allclose(decode_depth(integers), [[np.nan, 0.5], [1.234, 65.535]], rtol=1e-6)
    np.testing.assert_allclose(decode_depth(floats), [[np.nan, 0.5], [1.234, np.nan]], rtol=1e-6)


def test_a_picture_is_no_depth() -> None:
    with pytest.raises(InputError, match="depth encoding is 'rgb8'; it must be one of 16UC1"):
        decode_depth(image_message(picture(), "rgb8"))
