"""The colours that pictures of hands share."""

from __future__ import annotations

from hand_pose_ros.hand import skeleton

FINGER_COLORS = {
    "thumb": (0.94, 0.33, 0.31),
    "index": (0.98, 0.70, 0.20),
    "middle": (0.45, 0.78, 0.35),
    "ring": (0.25, 0.62, 0.93),
    "little": (0.65, 0.45, 0.88),
}
"""Colour (red, green, blue) of each finger, 0..1."""

WRIST_COLOR = (0.9, 0.9, 0.9)
SIDE_COLORS = {"left": (0.62, 0.75, 0.92), "right": (0.93, 0.78, 0.66)}
"""Colours of the surface of a hand, of skin."""

GLASS_COLORS = {"left": (0.62, 0.56, 1.0), "right": (0.36, 0.86, 0.84)}
"""Colours of the surface where it lies over skin, from which it must stand off."""

KEYPOINT_COLORS = (WRIST_COLOR, *(FINGER_COLORS[f] for f in skeleton.FINGERS for _ in range(4)))
"""Colour of each keypoint, and of the bone that ends in it, order `skeleton.KEYPOINTS`."""


def rgb255(color: tuple[float, float, float]) -> tuple[int, int, int]:
    """Return a colour 0..1 as whole numbers 0..255."""
    red, green, blue = (round(255 * part) for part in color)
    return red, green, blue
