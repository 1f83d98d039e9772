"""What the studio makes: one image with everything that is true of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hand_pose_ros.errors import ShapeError
from hand_pose_ros.hand.camera import Camera

_HAND_SHAPES = {
    "keypoints": (21, 3),
    "keypoints_px": (21, 2),
    "visible": (21,),
    "angles": (26,),
    "bone_lengths": (20,),
    "offsets": (15,),
    "T_cam_wrist": (4, 4),
    "box": (4,),
}


@dataclass(frozen=True, eq=False)
class SynthHand:
    """One hand of an image, in the camera's optical frame (metres, radians).

    Attributes:
        identity: number of the person; no two splits of a dataset share one.
        side: "right" or "left".
        keypoints: (21, 3) joints [m], order `skeleton.KEYPOINTS`.
        keypoints_px: (21, 2) where they lie in the image, its distortion included; may be outside.
        visible: (21,) bool, inside the image and hidden by nothing but their own skin.
        angles: (26,) [rad], order `skeleton.DOFS`; as everywhere, those of a left hand's fingers
            are those of its mirror image.
        bone_lengths: (20,) [m], order `skeleton.BONES`.
        offsets: (15,) [rad], order `skeleton.OFFSETS`.
        T_cam_wrist: (4, 4) pose of the wrist frame.
        vertices: (V, 3) float32 surface [m], order of `hand.mesh`.
        box: (4,) x, y, width, height [px] around what is seen of the hand.
    """

    identity: int
    side: str
    keypoints: npt.NDArray[np.float64]
    keypoints_px: npt.NDArray[np.float64]
    visible: npt.NDArray[np.bool_]
    angles: npt.NDArray[np.float64]
    bone_lengths: npt.NDArray[np.float64]
    offsets: npt.NDArray[np.float64]
    T_cam_wrist: npt.NDArray[np.float64]
    vertices: npt.NDArray[np.float32]
    box: npt.NDArray[np.float64]

    def __post_init__(self) -> None:
        for name, shape in _HAND_SHAPES.items():
            found = np.asarray(getattr(self, name)).shape
            if found != shape:
                raise ShapeError(f"{name} has shape {found}; it must be {shape}")


@dataclass(frozen=True, eq=False)
class SynthSample:
    """One image and what is true of it.

    Attributes:
        index: number of the image in its dataset.
        image_rgb: (H, W, 3) uint8.
        camera: that of the image, distortion included.
        hands: one entry a hand.
        mask: (H, W) uint8, 0 where no hand is seen, else 1 + the number of the hand.
        depth: (H, W) float32 z [m] of hands and of things near them; 0 where there is nothing.
        sequence: number of the sequence; None for a single image.
        time: time in the sequence [s].
    """

    index: int
    image_rgb: npt.NDArray[np.uint8]
    camera: Camera
    hands: tuple[SynthHand, ...]
    mask: npt.NDArray[np.uint8]
    depth: npt.NDArray[np.float32]
    sequence: int | None = None
    time: float = 0.0

    def __post_init__(self) -> None:
        size = (self.camera.height, self.camera.width)
        for name in ("image_rgb", "mask", "depth"):
            found = np.asarray(getattr(self, name)).shape[:2]
            if found != size:
                raise ShapeError(f"{name} has shape {found}; the camera has {size}")

    @property
    def name(self) -> str:
        """The name of its files, without a suffix."""
        start = "" if self.sequence is None else f"s{self.sequence:04d}_"
        return f"{start}{self.index:08d}"
