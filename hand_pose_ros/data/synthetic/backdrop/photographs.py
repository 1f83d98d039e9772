"""Photographs out of any folder, for backgrounds."""

from __future__ import annotations

import logging
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from hand_pose_ros.errors import InputError

Picture = npt.NDArray[np.uint8]

SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp")
"""Files of these kinds in a folder are taken for photographs."""

_LOG = logging.getLogger(__name__)


def pyramid(image: Picture) -> list[Picture]:
    """Return the image and it again and again at half the size, so that no crop has to alias."""
    levels = [image]
    while min(levels[-1].shape[:2]) > 32:
        half = [max(side // 2, 1) for side in levels[-1].shape[1::-1]]
        levels.append(
            np.asarray(cv2.resize(levels[-1], half, interpolation=cv2.INTER_AREA), np.uint8)
        )
    return levels


def read_folder(
    folder: Path, side: int, count: int, random: np.random.Generator
) -> list[list[Picture]]:
    """Return up to `count` photographs of a folder, drawn at random, as pyramids."""
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder; photographs are read from one")
    files = sorted(file for file in folder.rglob("*") if file.suffix.lower() in SUFFIXES)
    found: list[list[Picture]] = []
    broken: list[Path] = []
    for number in random.permutation(len(files)):
        if len(found) == count:
            break
        image = _read(files[number], side)
        if image is None:
            broken.append(files[number])
        else:
            found.append(pyramid(image))
    if not found:
        raise InputError(
            f"{folder} holds no readable image; of {len(files)} files ending in "
            f"{', '.join(SUFFIXES)} none could be read"
        )
    if broken:
        _LOG.warning("skipped %d unreadable photographs, the first is %s", len(broken), broken[0])
    return found


def _read(file: Path, side: int) -> Picture | None:
    """Return the image, its shorter side at most `side`; None where the file is broken."""
    try:
        data = np.fromfile(file, np.uint8)
        bgr = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
    except (OSError, cv2.error):
        return None
    if bgr is None:
        return None
    shrink = min(side / min(bgr.shape[:2]), 1.0)
    size = [max(round(length * shrink), 1) for length in bgr.shape[1::-1]]
    resized = cv2.resize(bgr, size, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.cvtColor(resized, cv2.COLOR_BGR2RGB), np.uint8)
