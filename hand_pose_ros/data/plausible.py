"""Whether a labelled hand can be one: its size, its place in the image, how its fingers bend."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hand_pose_ros.data.sample import Array, LabelledHand
from hand_pose_ros.hand.camera import Camera
from hand_pose_ros.hand.skeleton import BONES, FINGERS, KEYPOINTS, PARENTS

PALM = (0.045, 0.14)
"""Least and greatest distance of wrist and middle MCP [m]: a small child's, a very large man's."""

BONE = (0.003, 0.15)
"""Least and greatest length of any bone [m]."""

AGREEMENT_PX = 3.0
"""How far a projected joint may lie from the pixel that a dataset gives for it."""

MARGIN_PX = 1.0
"""How far outside of the image a joint that is said to be seen may lie."""

ENOUGH_HANDS = 30
"""From how many hands on the way their fingers bend says whether their side is right."""

_MIDDLE_MCP = KEYPOINTS.index("middle_mcp")
_INDEX_MCP, _LITTLE_MCP = KEYPOINTS.index("index_mcp"), KEYPOINTS.index("little_mcp")
_MCPS = [KEYPOINTS.index(f"{finger}_mcp") for finger in FINGERS[1:]]
_TIPS = [KEYPOINTS.index(f"{finger}_tip") for finger in FINGERS[1:]]


def hand_problems(hand: LabelledHand, camera: Camera | None) -> Iterator[str]:
    """Yield a reason for each thing that no hand in an image can be."""
    if hand.keypoints is None:
        return
    if not hand.known.any():
        yield "no joint has a place in space"
        return
    yield from _of_size(hand.keypoints)
    behind = int((hand.keypoints[hand.known, 2] <= 0.0).sum())
    if behind:
        yield f"{behind} of {hand.known.sum()} joints are not before the camera"
        return
    yield from _of_projection(hand, camera)


def joints_inside(hand: LabelledHand, camera: Camera | None) -> npt.NDArray[np.bool_]:
    """Return which joints (21,) lie inside the image; none where their pixels are not known."""
    if hand.keypoints_px is None or camera is None:
        return np.zeros(len(KEYPOINTS), bool)
    last = np.array([camera.width, camera.height]) - 1.0 + MARGIN_PX
    inside = (hand.keypoints_px >= -MARGIN_PX) & (hand.keypoints_px <= last)
    return np.asarray(inside.all(axis=-1))


@dataclass
class CurlCount:
    """How many hands of one side bend their fingers into the palm, and how many away from it.

    Hands bend far more into the palm than out of it; where most do not, the side is the other one
    or an axis is mirrored.
    """

    into: int = 0
    away: int = 0

    def add(self, hand: LabelledHand) -> None:
        """Count a hand whose side and fingers are known."""
        if hand.keypoints is None or hand.side is None:
            return
        towards = palmar_reach(hand.keypoints) * (1.0 if hand.side == "right" else -1.0)
        self.into += bool(towards > 0.0)
        self.away += bool(towards < 0.0)

    @property
    def is_backwards(self) -> bool:
        """Whether enough hands have been seen and most bend the wrong way."""
        return self.into + self.away >= ENOUGH_HANDS and self.away > self.into

    def __str__(self) -> str:
        """Return what is wrong where `is_backwards`."""
        return (
            f"{self.away} of {self.into + self.away} bend their fingers backwards; "
            "is their side the other one, or an axis mirrored?"
        )


def palmar_reach(keypoints: Array) -> float:
    """Return how far [m] the fingertips stand out of a right hand's palm; NaN where not known.

    For the joints of a left hand the sign is the other way round.
    """
    wrist = keypoints[0]
    normal = np.cross(keypoints[_INDEX_MCP] - wrist, keypoints[_LITTLE_MCP] - wrist)
    reach = (keypoints[_TIPS] - keypoints[_MCPS]).mean(axis=0)
    length = np.linalg.norm(normal)
    return float(reach @ normal / length) if length > 0.0 else float("nan")


def _of_size(keypoints: Array) -> Iterator[str]:
    palm = float(np.linalg.norm(keypoints[_MIDDLE_MCP] - keypoints[0]))
    low, high = PALM
    if not low <= palm <= high and np.isfinite(palm):
        yield f"from wrist to middle MCP it is {palm:.4g} m; hands have {low} to {high}"
        return
    lengths = np.linalg.norm(keypoints[1:] - keypoints[list(PARENTS[1:])], axis=-1)
    low, high = BONE
    wrong = np.flatnonzero((lengths < low) | (lengths > high))
    if len(wrong):
        names = ", ".join(f"{BONES[bone]} {lengths[bone]:.4g}" for bone in wrong[:3])
        more = f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        yield f"bones of {names}{more} m; hands have {low} to {high}"


def _of_projection(hand: LabelledHand, camera: Camera | None) -> Iterator[str]:
    if hand.keypoints is None or hand.keypoints_px is None or camera is None:
        return
    off = np.linalg.norm(camera.project(hand.keypoints) - hand.keypoints_px, axis=-1)
    if (off > AGREEMENT_PX).any():
        worst = int(np.nanargmax(off))
        yield f"{KEYPOINTS[worst]} is projected {off[worst]:.1f} px away from its own pixel"
    inside = joints_inside(hand, camera)
    if hand.visible is not None:
        outside = np.flatnonzero(hand.visible & ~inside)
        if len(outside):
            yield f"{len(outside)} joints that are seen lie outside the image"
    elif not inside.any():
        yield "no joint lies inside the image"
