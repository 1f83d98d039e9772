"""The one sample type that every dataset is read into.

Whatever a dataset's own units, axes, order of joints and sides are, its reader turns them into
these: metres, the camera's optical frame, the order of `skeleton.KEYPOINTS`, pixels as `Camera`
counts them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from hand_pose_ros.errors import InputError, ShapeError
from hand_pose_ros.hand.camera import Camera
from hand_pose_ros.hand.skeleton import KEYPOINTS, SIDES

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class LabelledHand:
    """What is true of one hand in an image.

    Attributes:
        side: `left` or `right`; None where a dataset does not say.
        keypoints: (21, 3) joints [m], camera optical frame; NaN rows where a joint is not known,
            None where no joint is.
        keypoints_px: (21, 2) joints [px], NaN where not known; None where no joint is.
        visible: (21,) which joints are in the image and not hidden; None where not known.
        box: x, y, width, height [px]; None where not known.
        vertices: (V, 3) surface [m], camera optical frame; None where there is none.
        box_labelled: whether the dataset itself has the box; otherwise it was put around the true
            joints, and an estimator that is told it is told something of them.

    Raises:
        ShapeError: an array has another shape.
        InputError: a side that no hand has, a box without a size, or an infinite joint.
    """

    side: str | None
    keypoints: Array | None = None
    keypoints_px: Array | None = None
    visible: npt.NDArray[np.bool_] | None = None
    box: tuple[float, float, float, float] | None = None
    vertices: Array | None = None
    box_labelled: bool = True

    def __post_init__(self) -> None:
        if self.side is not None and self.side not in SIDES:
            raise InputError(f"side is {self.side!r}; it must be one of {SIDES}")
        joints = len(KEYPOINTS)
        for name, shape in (
            ("keypoints", (joints, 3)),
            ("keypoints_px", (joints, 2)),
            ("visible", (joints,)),
        ):
            value = getattr(self, name)
            if value is not None and value.shape != shape:
                raise ShapeError(f"{name} has shape {value.shape}; it must be {shape}")
            if value is not None and np.isinf(value).any():
                raise InputError(f"{name} has infinite values; a joint that is not known is NaN")
        if self.box is not None and not (self.box[2] > 0 and self.box[3] > 0):
            raise InputError(f"box is {self.box}; its width and height must be above 0")

    @property
    def known(self) -> npt.NDArray[np.bool_]:
        """(21,) which joints have a place in space."""
        if self.keypoints is None:
            return np.zeros(len(KEYPOINTS), bool)
        return np.isfinite(self.keypoints).all(axis=-1)


@dataclass(frozen=True, eq=False)
class LabelledImage:
    """One image of a dataset; its pixels are read when asked for.

    Attributes:
        name: unique in the dataset and the same on every machine, as reports and results name it.
        read: returns the image, RGB (H, W, 3) uint8, or raises `InputError` with file and reason.
        camera: that took it; None where nothing is known of it.
        hands: the labelled ones, which need not be all that are seen.
        groups: what a protocol splits results by, such as {"kind": "interacting"}.
        sequence: the recording that this is a frame of; None for a single image.
        frame: number of the frame in it.
        path: the image's own file; None where it has none, as in a shard.
    """

    name: str
    read: Callable[[], npt.NDArray[np.uint8]]
    camera: Camera | None = None
    hands: tuple[LabelledHand, ...] = ()
    groups: dict[str, str] = field(default_factory=dict)
    sequence: str | None = None
    frame: int = 0
    path: Path | None = None
