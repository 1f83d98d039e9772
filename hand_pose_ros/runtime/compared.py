"""An estimate and the truth in one picture: as the camera sees them, and from the side."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from hand_pose_ros.data.boxes import box_around
from hand_pose_ros.evaluation.alignment import fit_similarity
from hand_pose_ros.hand import skeleton
from hand_pose_ros.runtime.colors import KEYPOINT_COLORS, rgb255

SIDE_PX = 320
"""Side of each of the two pictures [px]."""

_SHIFT = 4
_MARGIN = 1.3
"""Side of what is shown over the longer side of the hands."""

_TRUE, _EDGE, _PAPER = (255, 255, 255), (24, 26, 30), (24, 26, 30)

Array = npt.NDArray[np.float64]
Image = npt.NDArray[np.uint8]


def compared(
    image_rgb: Image, true_px: Array, guess_px: Array, true: Array, guess: Array
) -> Image:
    """Return two pictures beside each other (SIDE_PX, 2 SIDE_PX, 3); the truth is white.

    Left the part of the image that has the hand. Right both hands from the side, the camera to
    the left, the estimate moved, turned and scaled onto the truth.

    Args:
        image_rgb: (H, W, 3).
        true_px: (21, 2) true joints [px], NaN where not known.
        guess_px: (21, 2) estimated joints [px], NaN where not known.
        true: (21, 3) true joints [m], NaN where not known.
        guess: (21, 3) estimated joints [m].
    """
    left = _seen(image_rgb, true_px, guess_px)
    aligned = fit_similarity(guess, true).apply(guess)
    right = np.full((SIDE_PX, SIDE_PX, 3), _PAPER, np.uint8)
    sides = [np.stack((points[:, 2], points[:, 1]), axis=-1) for points in (true, aligned)]
    shown = [points for points in sides if np.isfinite(points).any()]
    if shown:
        to_picture = _fitted(np.concatenate(shown))
        _draw_hands(right, *(_moved(points, to_picture) for points in sides))
    return np.ascontiguousarray(np.hstack((left, right)))


def _seen(image_rgb: Image, true_px: Array, guess_px: Array) -> Image:
    points = np.concatenate((true_px, guess_px))
    known = points[np.isfinite(points).all(-1)]
    height, width = image_rgb.shape[:2]
    inside = known[(known >= 0).all(-1) & (known < (width, height)).all(-1)]
    corners = np.array([[0.0, 0.0], [width, height]]) - 0.5
    to_picture = _fitted(inside if len(inside) > 1 else corners, corners)
    crop = cv2.warpAffine(
        image_rgb, to_picture, (SIDE_PX, SIDE_PX), flags=cv2.INTER_LINEAR, borderValue=_PAPER
    )
    picture = np.asarray(crop, np.uint8)
    _draw_hands(picture, _moved(true_px, to_picture), _moved(guess_px, to_picture))
    return picture


def _fitted(points: Array, corners: Array | None = None) -> Array:
    """Return what maps the square around points into the picture (2, 3).

    Args:
        points: (n, 2), NaN where not known.
        corners: least and most of what there is to be seen; the square is kept inside.
    """
    x, y, width, height = box_around(points[np.isfinite(points).all(-1)])
    side = max(max(width, height) * _MARGIN, 1e-9)
    middle = np.array((x + width / 2.0, y + height / 2.0))
    if corners is not None:
        side = min(side, float(np.ptp(corners, axis=0).max()))
        low, high = corners[0] + side / 2.0, corners[1] - side / 2.0
        middle = np.where(low < high, np.clip(middle, low, high), corners.mean(0))
    scale = SIDE_PX / side
    return np.column_stack((np.eye(2) * scale, (SIDE_PX - 1) / 2.0 - scale * middle))


def _moved(points: Array, to_picture: Array) -> Array:
    return points @ to_picture[:, :2].T + to_picture[:, 2]


def _draw_hands(picture: Image, true: Array, guess: Array) -> None:
    for bone in range(1, len(skeleton.KEYPOINTS)):
        ends = [skeleton.PARENTS[bone], bone]
        _line(picture, true[ends], _EDGE, 5)
        _line(picture, true[ends], _TRUE, 3)
    for bone in range(1, len(skeleton.KEYPOINTS)):
        color = rgb255(KEYPOINT_COLORS[bone])
        _line(picture, guess[[skeleton.PARENTS[bone], bone]], color, 2)
        _dot(picture, guess[bone], color)


def _line(picture: Image, ends: Array, color: tuple[int, int, int], width: int) -> None:
    if np.isfinite(ends).all():
        start, end = (_fixed(point) for point in ends)
        cv2.line(picture, start, end, color, width, cv2.LINE_AA, _SHIFT)


def _dot(picture: Image, place: Array, color: tuple[int, int, int]) -> None:
    if np.isfinite(place).all():
        cv2.circle(picture, _fixed(place), 3 << _SHIFT, color, -1, cv2.LINE_AA, _SHIFT)


def _fixed(point: Array) -> tuple[int, int]:
    x, y = np.rint(np.clip(point, -2 * SIDE_PX, 3 * SIDE_PX) * (1 << _SHIFT)).astype(int)
    return int(x), int(y)
