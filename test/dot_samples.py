"""Hands drawn as coloured dots, one colour a joint, to see where a reader says that a joint is."""

from __future__ import annotations

import math
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from hand_pose_ros.data.sample import LabelledHand

Array = npt.NDArray[np.float64]

LEVELS = (60, 125, 190, 255)
SIDES = ("right", "left")
RADIUS = 4


def hand(side: str, place: tuple[float, float, float] = (0.0, 0.05, 0.6)) -> Array:
    """Return 21 joints [m], camera optical frame: wrist, thumb to little finger, base to tip."""
    mirror = 1.0 if side == "right" else -1.0
    points = [(0.0, 0.0, 0.0)]
    for finger, degrees in enumerate((-58, -22, -3, 16, 36)):
        angle = math.radians(degrees)
        for joint in range(4):
            reach = (0.035 if finger == 0 else 0.075) + 0.027 * joint
            depth = 0.012 * finger + 0.004 * joint * joint
            points.append((mirror * reach * math.sin(angle), -reach * math.cos(angle), depth))
    return np.array(points) + np.array(place)


def colour(side: str, joint: int) -> tuple[int, int, int]:
    """Return the RGB colour of a joint."""
    number = joint + 21 * SIDES.index(side)
    return LEVELS[number // 16], LEVELS[number // 4 % 4], LEVELS[number % 4]


def draw(
    size: tuple[int, int], focal: tuple[float, float], centre: tuple[float, float], **hands: Array
) -> npt.NDArray[np.uint8]:
    """Return an RGB picture (H, W, 3) of hands in the camera's frame, named by their sides."""
    width, height = size
    picture = np.zeros((height, width, 3), np.uint8)
    for side, points in hands.items():
        for joint, (x, y, z) in enumerate(points.tolist()):
            u = round(focal[0] * x / z + centre[0])
            v = round(focal[1] * y / z + centre[1])
            cv2.circle(picture, (u, v), RADIUS, colour(side, joint), -1)
    return picture


def save(path: Path, picture: npt.NDArray[np.uint8]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    bgr = np.ascontiguousarray(picture[..., ::-1])
    best = [cv2.IMWRITE_JPEG_QUALITY, 100, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, 0x111111]
    assert cv2.imwrite(str(path), bgr, best if path.suffix == ".jpg" else [])


def seen(picture: npt.NDArray[np.uint8], found: LabelledHand) -> list[int]:
    """Return the joints of a hand at whose pixels their own colour is."""
    assert found.side is not None
    assert found.keypoints_px is not None
    table = np.array([colour(side, joint) for side in SIDES for joint in range(21)], int)
    joints = []
    for joint, (u, v) in enumerate(found.keypoints_px.tolist()):
        if math.isnan(u) or not (0 <= u < picture.shape[1] - 1 and 0 <= v < picture.shape[0] - 1):
            continue
        there = picture[round(v), round(u)].astype(int)
        nearest = int(np.abs(table - there).sum(axis=1).argmin())
        if nearest == joint + 21 * SIDES.index(found.side):
            joints.append(joint)
    return joints
