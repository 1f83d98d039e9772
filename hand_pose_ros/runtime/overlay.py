"""A picture of what was estimated, over the image that it was estimated from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from hand_pose_ros.hand import skeleton
from hand_pose_ros.runtime.colors import GLASS_COLORS, KEYPOINT_COLORS, rgb255
from hand_pose_ros.runtime.estimate import FrameEstimate, HandEstimate, ScaleSource
from hand_pose_ros.runtime.raster import blend_surface
from hand_pose_ros.runtime.surface import Surface, surface_of

_SHIFT = 4
"""Fractional bits of the coordinates that OpenCV draws at."""

_FONT = cv2.FONT_HERSHEY_DUPLEX
_INK, _PAPER, _SHADE = (255, 255, 255), (24, 26, 30), (20, 20, 20)


@dataclass(frozen=True)
class OverlayStyle:
    """How much of what is drawn.

    Attributes:
        surface_opacity: of the skin; 0 leaves it out.
        bones: whether the skeleton is drawn: the estimated joints, projected.
        detections: whether the detector's 2D keypoints are drawn: small rings.
    """

    surface_opacity: float = 0.55
    bones: bool = True
    detections: bool = True


class Overlay:
    """Draws estimates onto their images."""

    def __init__(self, style: OverlayStyle | None = None) -> None:
        self.style = style or OverlayStyle()

    def draw(
        self,
        image_rgb: npt.NDArray[np.uint8],
        frame: FrameEstimate,
        surfaces: Mapping[str, Surface] | None = None,
    ) -> npt.NDArray[np.uint8]:
        """Return a copy of the image with the hands on it, the farthest drawn first.

        Args:
            image_rgb: (H, W, 3).
            frame: what was estimated from it.
            surfaces: what `surface_of` says for each id, where the caller knows it already.
        """
        image = image_rgb.copy()
        surfaces = surfaces or {}
        hands = [hand for hand in frame.hands if np.isfinite(hand.keypoints).all()]
        for hand in sorted(hands, key=distance_of, reverse=True):
            if self.style.surface_opacity > 0.0:
                vertices, faces = surfaces[hand.id] if hand.id in surfaces else surface_of(hand)
                color = GLASS_COLORS[hand.side]
                opacity = self.style.surface_opacity
                blend_surface(image, vertices, faces, frame.camera, color, opacity)
            if self.style.bones:
                _draw_skeleton(image, hand, frame)
            if self.style.detections:
                _draw_rings(image, hand)
        for hand in hands:
            _draw_label(image, hand, frame)
        return image


def label_of(hand: HandEstimate, frame: FrameEstimate) -> str:
    """Return what is written beside a hand; "~" before a distance that nobody measured."""
    rough = frame.camera.assumed or hand.scale_source in (ScaleSource.UNKNOWN, ScaleSource.ASSUMED)
    return f"{hand.side} {hand.id}   {'~' if rough else ''}{distance_of(hand):.2f} m"


def distance_of(hand: HandEstimate) -> float:
    """Return how far the middle of a hand is from the camera [m]."""
    return float(np.linalg.norm(hand.keypoints.mean(axis=0)))


def unit(image: npt.NDArray[np.uint8]) -> float:
    """Return the width of a thin line in an image of this size [px]."""
    return max(min(image.shape[:2]) / 480.0, 0.5)


def _draw_skeleton(image: npt.NDArray[np.uint8], hand: HandEstimate, frame: FrameEstimate) -> None:
    """Draw bones and joints, the farthest first, with a dark edge that parts them."""
    pixels = frame.camera.project(hand.keypoints)
    size = unit(image)
    bones = sorted(
        range(1, len(skeleton.KEYPOINTS)),
        key=lambda i: -hand.keypoints[[i, skeleton.PARENTS[i]], 2].sum(),
    )
    for bone in bones:
        ends = pixels[[skeleton.PARENTS[bone], bone]]
        if np.isfinite(ends).all():
            color = rgb255(KEYPOINT_COLORS[bone])
            _line(image, ends, _SHADE, 4.2 * size)
            _line(image, ends, color, 2.4 * size)
            _dot(image, ends[1], 3.6 * size, _SHADE)
            _dot(image, ends[1], 2.7 * size, color)
    if np.isfinite(pixels[0]).all():
        _dot(image, pixels[0], 4.4 * size, _SHADE)
        _dot(image, pixels[0], 3.4 * size, rgb255(KEYPOINT_COLORS[0]))


def _draw_rings(image: npt.NDArray[np.uint8], hand: HandEstimate) -> None:
    """Draw a thin ring around what the detector saw of each joint."""
    size = unit(image)
    for point in hand.keypoints_px[np.isfinite(hand.keypoints_px).all(axis=-1)]:
        center = _fixed(point, image)
        radius = round(4.4 * size * (1 << _SHIFT))
        width = max(round(0.9 * size), 1)
        cv2.circle(image, center, radius, _INK, width, cv2.LINE_AA, _SHIFT)


def _draw_label(image: npt.NDArray[np.uint8], hand: HandEstimate, frame: FrameEstimate) -> None:
    """Write side, id and distance on a dark plate above the hand, or where there is room."""
    text, size = label_of(hand, frame), unit(image)
    scale, weight = 0.46 * size, max(round(0.9 * size), 1)
    (width, height), _ = cv2.getTextSize(text, _FONT, scale, weight)
    margin = round(6 * size)
    box = (width + 3 * margin + height, height + 2 * margin)
    x, y, w, h = hand.box
    left = x + w / 2.0 - box[0] / 2.0
    top = y - box[1] - 14 * size
    if top < 0:
        top = y + h + 14 * size
    left = round(min(max(left, 0), max(image.shape[1] - box[0], 0)))
    top = round(min(max(top, 0), max(image.shape[0] - box[1], 0)))
    _plate(image, left, top, *box)
    middle = np.array((left + margin + height / 2.0, top + box[1] / 2.0))
    _dot(image, middle, 0.42 * height, rgb255(GLASS_COLORS[hand.side]))
    origin = (left + 2 * margin + height, top + margin + height)
    cv2.putText(image, text, origin, _FONT, scale, _INK, weight, cv2.LINE_AA)


def _plate(image: npt.NDArray[np.uint8], left: int, top: int, width: int, height: int) -> None:
    """Darken a rectangle with round ends."""
    part = image[top : top + height, left : left + width]
    if not part.size:
        return
    mask = np.zeros(part.shape[:2], np.uint8)
    radius = min(part.shape[:2]) // 2
    ends = ((radius, radius), (max(part.shape[1] - radius - 1, radius), radius))
    for end in ends:
        cv2.circle(mask, end, radius, (255,), -1, cv2.LINE_AA)
    cv2.rectangle(mask, (radius, 0), (ends[1][0], part.shape[0]), (255,), -1)
    cover = mask[..., None].astype(np.float32) / 255.0 * 0.72
    part[:] = (part * (1.0 - cover) + np.array(_PAPER) * cover + 0.5).astype(np.uint8)


def _line(
    image: npt.NDArray[np.uint8],
    ends: npt.NDArray[np.float64],
    color: tuple[int, int, int],
    width: float,
) -> None:
    start, end = (_fixed(point, image) for point in ends)
    cv2.line(image, start, end, color, max(round(width), 1), cv2.LINE_AA, _SHIFT)


def _dot(
    image: npt.NDArray[np.uint8],
    center: npt.NDArray[np.float64],
    radius: float,
    color: tuple[int, int, int],
) -> None:
    length = round(radius * (1 << _SHIFT))
    cv2.circle(image, _fixed(center, image), length, color, -1, cv2.LINE_AA, _SHIFT)


def _fixed(point: npt.NDArray[np.float64], image: npt.NDArray[np.uint8]) -> tuple[int, int]:
    """Return a point as OpenCV takes fractions; one far outside is brought near the image."""
    far = 4 * max(image.shape[:2])
    x, y = np.rint(np.clip(point, -far, far) * (1 << _SHIFT)).astype(int)
    return int(x), int(y)
