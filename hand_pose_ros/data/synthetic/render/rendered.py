"""What a renderer is given and what it returns."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from hand_pose_ros.data.synthetic.render.skin import SkinLook
from hand_pose_ros.data.synthetic.render.worn import Worn
from hand_pose_ros.errors import InputError, ShapeError
from hand_pose_ros.hand import skeleton

FIRST_PROP = 128
"""Label of the first prop; hands begin at 1."""


@dataclass(frozen=True, eq=False)
class RenderedHand:
    """One hand to draw.

    Attributes:
        vertices: (V, 3) [m] in the camera frame: `HandMesh.pose` plus the wrist's position.
        forearm: (3,) direction from the wrist to the elbow, camera frame; for a straight wrist the
            opposite of the wrist frame's x axis.
        side: "right" or "left".
        skin: whose hand it is.
        worn: what it wears.
    """

    vertices: npt.NDArray[np.floating]
    forearm: npt.NDArray[np.floating]
    side: str = "right"
    skin: SkinLook = field(default_factory=SkinLook)
    worn: Worn = field(default_factory=Worn)

    def __post_init__(self) -> None:
        if self.side not in skeleton.SIDES:
            raise InputError(f"side is {self.side!r}; it must be one of {skeleton.SIDES}")
        for name, shape in (("vertices", (None, 3)), ("forearm", (3,))):
            array = np.asarray(getattr(self, name), np.float64)
            if array.ndim != len(shape) or array.shape[-1] != 3:
                raise ShapeError(f"{name} has shape {array.shape}; it must be {shape}")
            if not np.isfinite(array).all():
                raise InputError(f"{name} of a hand to draw are not all finite")
            object.__setattr__(self, name, array)
        object.__setattr__(self, "forearm", self.forearm / np.linalg.norm(self.forearm))


@dataclass(frozen=True, eq=False)
class Layers:
    """One picture of hands and props, and what lies in it where.

    Attributes:
        rgba: (H, W, 4) uint8, colour premultiplied by coverage.
        depth: (H, W) float32, z [m] in the camera frame of what is drawn at the centre of each
            pixel, 0 where nothing is.
        label: (H, W) uint8 of the same: 0 nothing, 1 + k the k-th hand with its forearm and what
            it wears, 128 + k the k-th prop.
    """

    rgba: npt.NDArray[np.uint8]
    depth: npt.NDArray[np.float32]
    label: npt.NDArray[np.uint8]
