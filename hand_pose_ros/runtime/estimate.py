"""The result type that leaves the estimator: the hands of one image, in metres, in its camera."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from hand_pose_ros.errors import InputError, ShapeError
from hand_pose_ros.hand import skeleton
from hand_pose_ros.hand.camera import Camera

_POINTS, _BONES = len(skeleton.KEYPOINTS), len(skeleton.BONES)
_SHAPES = {
    "keypoints": (_POINTS, 3),
    "keypoints_px": (_POINTS, 2),
    "keypoints_std": (_POINTS,),
    "T_cam_wrist": (4, 4),
    "rotations": (_POINTS, 3, 3),
    "angles": (len(skeleton.DOFS),),
    "bone_lengths": (_BONES,),
    "offsets": (len(skeleton.OFFSETS),),
    "box": (4,),
}


class ScaleSource(enum.IntEnum):
    """Where the metres of a hand come from; the values are those of `HandPose.scale_source`."""

    UNKNOWN = 0
    """Nobody said: neither the size of the hand nor the camera is known."""
    ASSUMED = 1
    """The size of an average adult hand, or a camera with an assumed field of view."""
    CALIBRATED = 2
    """A measured hand, seen by a calibrated camera."""
    DEPTH = 3
    """A registered depth image."""


@dataclass(frozen=True, eq=False)
class HandEstimate:
    """One hand in one image, of either side, in the camera's optical frame (metres, radians).

    A left hand is already mirrored back: its positions and rotations are those of the left hand in
    the true camera frame, with proper rotations (`kinematics.mirror_rotation`). Its articulation
    and offsets are those of its mirror image, as `skeleton` counts them.

    Attributes:
        id: name of the track, the same for as long as the hand is followed; [A-Za-z0-9_]+.
        side: "left" or "right".
        side_score: how sure the side is, 0.5..1.
        score: how sure it is that here is a hand, 0..1.
        keypoints: (21, 3) [m], order `skeleton.KEYPOINTS`.
        keypoints_px: (21, 2) pixels (u, v) of the source image as the detector saw them, not the
            projection of `keypoints`; the centre of the upper left pixel is (0, 0).
        keypoints_std: (21,) [m] standard deviation over the hypotheses, root of the sum over the
            three axes; NaN where unknown.
        T_cam_wrist: (4, 4) pose of the wrist frame, p_cam = T_cam_wrist @ p_wrist.
        rotations: (21, 3, 3) frame of the bone that ends in each keypoint, x along the bone;
            rotation 0 is the wrist frame.
        angles: (26,) [rad], order `skeleton.DOFS`; the first three are yaw, pitch and roll of the
            rotation in `T_cam_wrist`.
        bone_lengths: (20,) [m], order `skeleton.BONES`.
        offsets: (15,) [rad], order `skeleton.OFFSETS`.
        box: (4,) x, y, width, height [px] around the hand in the source image.
        scale_source: where the metres come from.
    """

    id: str
    side: str
    side_score: float
    score: float
    keypoints: npt.NDArray[np.floating]
    keypoints_px: npt.NDArray[np.floating]
    keypoints_std: npt.NDArray[np.floating]
    T_cam_wrist: npt.NDArray[np.floating]
    rotations: npt.NDArray[np.floating]
    angles: npt.NDArray[np.floating]
    bone_lengths: npt.NDArray[np.floating]
    offsets: npt.NDArray[np.floating]
    box: npt.NDArray[np.floating]
    scale_source: ScaleSource = ScaleSource.UNKNOWN

    def __post_init__(self) -> None:
        if self.side not in skeleton.SIDES:
            raise InputError(f"side is {self.side!r}; it must be one of {skeleton.SIDES}")
        for name, shape in _SHAPES.items():
            array = np.asarray(getattr(self, name))
            if array.shape != shape:
                raise ShapeError(f"{name} has shape {array.shape}; it must be {shape}")
            object.__setattr__(self, name, array)
        object.__setattr__(self, "scale_source", ScaleSource(self.scale_source))


@dataclass(frozen=True, eq=False)
class FrameEstimate:
    """The hands of one image; none of them means "looked, and saw no hand".

    Attributes:
        stamp_ns: time of the source image [ns].
        frame_id: name of the camera's optical frame.
        camera: the camera that was used; its `assumed` says whether anybody calibrated it.
        hands: one entry a hand.
        timings_ms: time spent in each stage, by its name [ms].
    """

    stamp_ns: int
    frame_id: str
    camera: Camera
    hands: tuple[HandEstimate, ...] = ()
    timings_ms: dict[str, float] = field(default_factory=dict)
