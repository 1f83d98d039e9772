"""From a clean picture to the file of a webcam or phone: what sensor, camera and JPEG do to it."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from hand_pose_ros.data.synthetic.camera.sensor import Shot
from hand_pose_ros.errors import ShapeError

Picture = npt.NDArray[np.uint8]
Light = npt.NDArray[np.float32]

_BANK = 256
_GRAINS = 5
_LUMA = np.array((0.2126, 0.7152, 0.0722))
_INFRARED = np.array((0.75, 0.25, 0.0))
"""Skin reflects most in the near infrared, whatever its tone; of what we have, red is nearest."""
_PIVOT = 0.45
"""Encoded value that a change of contrast keeps."""
_SAMPLING = {
    "444": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
    "422": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_422,
    "420": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420,
}


def develop(image_rgb: npt.NDArray[Any], shot: Shot) -> Picture:
    """Return the picture (H, W, 3) as this shot's camera would have saved it.

    Nothing moves. The steps are those of a camera: fewer pixels, light falling off to the corners,
    exposure and white balance, noise, tone curve, denoising, sharpening, JPEG; at last the picture
    is brought back to its size.

    Args:
        image_rgb: (H, W, 3) uint8 sRGB, the hand over its background.
        shot: see `sensor.sample_shot`.
    """
    if image_rgb.ndim != 3 or image_rgb.shape[-1] != 3 or image_rgb.dtype != np.uint8:
        raise ShapeError(
            f"a picture is {image_rgb.shape} {image_rgb.dtype}; it must be (H, W, 3) uint8"
        )
    height, width = image_rgb.shape[:2]
    light = _light(_shrunk(image_rgb, shot.shrink), shot)
    picture = _exposed(light, shot)
    picture = _sharpened(_denoised(picture, shot), shot)
    if picture.shape[-1] == 1:
        picture = np.repeat(picture, 3, axis=-1)
    picture = _compressed(picture, shot)
    if picture.shape[:2] != (height, width):
        picture = np.asarray(cv2.resize(picture, (width, height)), np.uint8)
    return picture


def _shrunk(image: Picture, factor: float) -> Picture:
    if factor <= 1.0:
        return image
    size = [max(round(side / factor), 1) for side in (image.shape[1], image.shape[0])]
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


def _light(image: Picture, shot: Shot) -> Light:
    """Return linear light (H, W, 3), or (H, W, 1) without colour, after exposure and balance."""
    linear = np.asarray(cv2.LUT(image, _decoding()))
    gains = np.array(shot.gains)
    if shot.look == "colour":
        # The camera's white balance errs first, its colours are strengthened afterwards.
        mixed = shot.saturation * np.eye(3) + (1.0 - shot.saturation) * _LUMA
        matrix = mixed @ np.diag(gains)
    else:
        weights = _INFRARED if shot.look == "infrared" else _LUMA
        matrix = gains[1] * weights[None, :]
    light = np.asarray(cv2.transform(linear, matrix.astype(np.float32)), np.float32)
    return light.reshape(*image.shape[:2], -1)


def _exposed(light: Light, shot: Shot) -> Picture:
    """Return the encoded picture, with the noise of electrons and of reading them.

    The noise's variance at a light l is l / electrons + (read_noise / electrons)². In the root of
    l + read_noise² / electrons it is 1 / (4 electrons) everywhere, so it is added there.

    Source: Anscombe 1948; the tone curve is looked up from the same root.
    """
    height, width, channels = light.shape
    cv2.multiply(light, _falloff(height, width, channels, shot), dst=light)
    np.maximum(light, 0.0, out=light)  # strengthened colours may have fallen below
    offset = _offset(shot)
    light += np.float32(offset)
    cv2.sqrt(light, dst=light)
    spread = 0.5 / math.sqrt(shot.electrons)
    noisy = cv2.scaleAdd(_grain(light.shape, shot), spread, light)
    roots = cv2.convertScaleAbs(noisy, alpha=255.0 / math.sqrt(1.0 + offset))
    return np.asarray(cv2.LUT(roots, _tones(shot)), np.uint8).reshape(light.shape)


def _offset(shot: Shot) -> float:
    return min(shot.read_noise**2 / shot.electrons, 1.0)


def _falloff(height: int, width: int, channels: int, shot: Shot) -> Light:
    """Return the share of the light (H, W, C) that reaches each pixel; the corner's is given."""
    centre = 2.0 * np.array(shot.centre)
    reach = float(((1.0 + np.abs(centre)) ** 2).sum())
    lost = 1.0 - math.sqrt((1.0 - shot.vignette) * (0.5 if shot.look == "infrared" else 1.0))
    x = (np.linspace(-1.0, 1.0, width) - centre[0]) ** 2 * (lost / reach)
    y = (np.linspace(-1.0, 1.0, height) - centre[1]) ** 2 * (lost / reach)
    share = (1.0 - x.astype(np.float32))[None, :] - y.astype(np.float32)[:, None]
    share *= share
    return np.asarray(cv2.merge([share] * channels), np.float32).reshape(height, width, channels)


def _grain(shape: tuple[int, ...], shot: Shot) -> Light:
    """Return noise (H, W, C) of unit variance; its smeared part makes neighbours alike."""
    height, width, channels = shape
    bank = _bank(round(shot.grain * (_GRAINS - 1)))
    if height > _BANK or width > _BANK:
        bank = np.tile(bank, (math.ceil(height / _BANK), math.ceil(width / _BANK), 1))
    row, column = shot.seed % _BANK, shot.seed // _BANK % _BANK
    return bank[row : row + height, column : column + width, :channels]


@lru_cache(maxsize=_GRAINS)
def _bank(level: int) -> Light:
    """Return noise, repeated once per axis so that any crop of up to its size is whole."""
    random = np.random.default_rng(level)
    share = level / (_GRAINS - 1)
    white, other = random.standard_normal((2, _BANK, _BANK, 3), dtype=np.float32)
    smeared = np.asarray(cv2.GaussianBlur(np.tile(other, (3, 3, 1)), (0, 0), 0.8))
    smeared = smeared[_BANK : 2 * _BANK, _BANK : 2 * _BANK] / smeared.std()
    mixed = math.sqrt(1.0 - share) * white + math.sqrt(share) * smeared
    return np.tile(mixed.astype(np.float32), (2, 2, 1))


def _tones(shot: Shot) -> Picture:
    """Return the encoded value of each root: sRGB, bent by contrast, gamma and haze."""
    offset = _offset(shot)
    linear = np.clip(np.linspace(0.0, 1.0, 256) ** 2 * (1.0 + offset) - offset, 0.0, 1.0)
    encoded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    encoded = np.clip(encoded, 0.0, 1.0)
    below = _PIVOT * (encoded / _PIVOT) ** shot.contrast
    above = 1.0 - (1.0 - _PIVOT) * ((1.0 - encoded) / (1.0 - _PIVOT)) ** shot.contrast
    bent = np.where(encoded < _PIVOT, below, above) ** shot.gamma
    hazy = shot.haze + (1.0 - shot.haze) * bent
    return (255.0 * hazy + 0.5).astype(np.uint8)


@lru_cache(maxsize=1)
def _decoding() -> Light:
    """Return the linear light of each sRGB value."""
    encoded = np.arange(256) / 255.0
    bent = ((encoded + 0.055) / 1.055) ** 2.4
    return np.where(encoded <= 0.04045, encoded / 12.92, bent).astype(np.float32)


def _denoised(picture: Picture, shot: Shot) -> Picture:
    if not shot.denoised:
        return picture
    smooth = np.asarray(cv2.medianBlur(picture, 3), np.uint8)
    return smooth.reshape(picture.shape)


def _sharpened(picture: Picture, shot: Shot) -> Picture:
    if shot.sharpening <= 0.0:
        return picture
    blurred = cv2.GaussianBlur(picture, (5, 5), 1.0)
    gain = shot.sharpening
    sharp = np.asarray(cv2.addWeighted(picture.squeeze(), 1.0 + gain, blurred, -gain, 0.0))
    return sharp.reshape(picture.shape).astype(np.uint8, copy=False)


def _compressed(picture: Picture, shot: Shot) -> Picture:
    """Return the picture after JPEG; its blocks start anywhere, as in a crop of a larger one."""
    if shot.jpeg_quality is None:
        return picture
    left, top = shot.seed % 8, shot.seed // 8 % 8
    bgr = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
    bgr = cv2.copyMakeBorder(bgr, top, 0, left, 0, cv2.BORDER_REPLICATE)
    settings = [
        cv2.IMWRITE_JPEG_QUALITY,
        shot.jpeg_quality,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR,
        _SAMPLING[shot.chroma],
    ]
    _, data = cv2.imencode(".jpg", bgr, settings)
    saved = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR))[top:, left:]
    return np.asarray(cv2.cvtColor(saved, cv2.COLOR_BGR2RGB), np.uint8)
