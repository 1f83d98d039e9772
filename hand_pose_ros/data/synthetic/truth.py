"""What is true of the hands of an image: the labels that a network learns from."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from hand_pose_ros.data.synthetic.body.posed import PosedHand
from hand_pose_ros.data.synthetic.sample import SynthHand
from hand_pose_ros.hand.camera import Camera

Array = npt.NDArray[np.float64]

_FLESH = np.array(
    [0.045, 0.035, 0.024, 0.018, 0.013] + [0.030, 0.019, 0.015, 0.012] * 4  # order KEYPOINTS
)
"""How deep under its skin, along the view, a joint may lie [m] and count as visible."""


def truth_of(
    hands: tuple[PosedHand, ...],
    camera: Camera,
    mask: npt.NDArray[np.uint8],
    depth: npt.NDArray[np.float32],
) -> tuple[SynthHand, ...]:
    """Return the labels of each hand.

    Args:
        hands: in the order of the mask's values.
        camera: of the image, distortion included.
        mask: (H, W), 1 + the number of the hand.
        depth: (H, W) z [m] of what is seen.
    """
    return tuple(_truth(1 + k, hand, camera, mask, depth) for k, hand in enumerate(hands))


def visible_joints(
    keypoints: Array,
    pixels: Array,
    seen: npt.NDArray[np.bool_],
    depth: npt.NDArray[np.float32],
) -> npt.NDArray[np.bool_]:
    """Return (21,) which joints lie in the image under nothing but their own flesh.

    Args:
        keypoints: (21, 3) [m].
        pixels: (21, 2) where they are in the image.
        seen: (H, W) where this hand is seen.
        depth: (H, W) z [m] of what is seen.
    """
    height, width = seen.shape
    column, row = np.rint(pixels).astype(int).T
    inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    at = np.where(inside, row, 0), np.where(inside, column, 0)
    return np.asarray(inside & seen[at] & (keypoints[:, 2] - depth[at] < _FLESH))


def box_of(pixels: Array, width: int, height: int) -> Array:
    """Return x, y, width, height [px] around points (N, 2), cut off at the image's edges."""
    edge = np.array((width, height)) - 0.5
    across_down = np.ascontiguousarray(pixels.T)
    low = np.clip(across_down.min(axis=1), -0.5, edge)
    high = np.clip(across_down.max(axis=1), -0.5, edge)
    return np.concatenate((low, high - low))


def _truth(
    value: int,
    hand: PosedHand,
    camera: Camera,
    mask: npt.NDArray[np.uint8],
    depth: npt.NDArray[np.float32],
) -> SynthHand:
    keypoints, who = hand.keypoints, hand.person
    all_px = camera.project(np.concatenate((keypoints, hand.vertices)))
    pixels, surface_px = all_px[: len(keypoints)], all_px[len(keypoints) :]
    return SynthHand(
        identity=who.number,
        side=hand.side,
        keypoints=keypoints,
        keypoints_px=pixels,
        visible=visible_joints(keypoints, pixels, mask == value, depth),
        angles=hand.angles,
        bone_lengths=who.ratios * who.anchor,
        offsets=who.offsets,
        T_cam_wrist=hand.wrist_pose,
        vertices=hand.vertices,
        box=box_of(surface_px, camera.width, camera.height),
    )
