"""What is remembered of one hand, and how a lifted hand becomes an estimate with it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hand_pose_ros.hand import skeleton
from hand_pose_ros.hand.camera import Camera
from hand_pose_ros.hand.placing import MIRROR_FRAMES, MIRROR_POINTS, euler_angles, place_joints
from hand_pose_ros.hand.root import RootFit, metric_root, root_from_depth
from hand_pose_ros.runtime.config import OFF, EstimatorConfig
from hand_pose_ros.runtime.estimate import HandEstimate, ScaleSource
from hand_pose_ros.runtime.lift import LiftedHand
from hand_pose_ros.runtime.smooth import PoseFilter, ShapeAverage
from hand_pose_ros.runtime.temporal import FrameBuffer
from hand_pose_ros.runtime.track import Tracked

_UNMOVED = np.eye(4)


@dataclass(frozen=True, eq=False)
class CalibratedHand:
    """The shape and size of a hand that were measured once and hold from then on.

    Attributes:
        anchor: length of the anchor bone, wrist to index MCP [m].
        ratios: (20,) bone lengths over it.
        offsets: (15,) finger offsets [rad].
        scale_source: what the metres rest on: ASSUMED where only the shape was measured.
    """

    anchor: float
    ratios: npt.NDArray[np.float64]
    offsets: npt.NDArray[np.float64]
    scale_source: ScaleSource


class HandState:
    """What is remembered of one hand: its shape, its size, its filters, its last frames."""

    def __init__(self, config: EstimatorConfig, known: CalibratedHand | None = None) -> None:
        self.frames = FrameBuffer()
        self.shape = ShapeAverage(config.average_s)
        self.filter = PoseFilter(config.smoothing, is_refined=config.temporal.mode != OFF)
        self.dt = 0.0
        self._log_size = 0.0
        self._depth_votes = 0
        self._stamp_ns: int | None = None
        self._last_shape = np.array(skeleton.DEFAULT_RATIOS), np.array(skeleton.DEFAULT_OFFSETS)
        self.anchor = self._assumed_anchor = skeleton.DEFAULT_ANCHOR_LENGTH
        self._size_is_fixed = False
        self._take_scale(config.hand_scale)
        if known is not None:
            self._take(known)

    def configure(self, config: EstimatorConfig) -> None:
        """Take other settings; a size or shape that was calibrated stays."""
        self.shape.settle_s = config.average_s
        self.filter.tune(config.smoothing)
        if not self._size_is_fixed:
            self._take_scale(config.hand_scale)

    def smooth(self, hand: LiftedHand, stamp_ns: int) -> tuple[npt.NDArray[np.float64], ...]:
        """Return root rotation, angles, ratios and offsets over time, with those of an image."""
        before = stamp_ns if self._stamp_ns is None else self._stamp_ns
        self._stamp_ns, self.dt = stamp_ns, (stamp_ns - before) * 1e-9
        pose = self.filter.pose(hand.root_rotation, hand.articulation, self.dt)
        self._last_shape = self.shape(hand.ratios, hand.offsets, self.dt)
        return (*pose, *self._last_shape)

    @property
    def knows_depth(self) -> bool:
        """Whether a depth image has ever told this hand's size."""
        return self._depth_votes > 0

    def learn_size(self, ratio: float) -> None:
        """Take that depth shows the hand larger by a factor than its current anchor makes it."""
        self._depth_votes += 1
        if self._size_is_fixed:
            return
        seen = math.log(self.anchor / self._assumed_anchor * ratio)
        self._log_size += (seen - self._log_size) / self._depth_votes
        self.anchor = self._assumed_anchor * math.exp(self._log_size)

    def scale_source(self, camera: Camera) -> ScaleSource:
        """Return what the metres of this hand rest on."""
        if self.knows_depth:
            return ScaleSource.DEPTH
        if self.measured and not camera.assumed:
            return ScaleSource.CALIBRATED
        if self.measured or not camera.assumed:
            return ScaleSource.ASSUMED
        return ScaleSource.UNKNOWN

    def calibrate(self, hand_scale: float) -> CalibratedHand:
        """Hold the shape seen so far, and the size where it is known.

        Args:
            hand_scale: measured length of the anchor bone [m]; 0 to keep what depth images or the
                settings say.
        """
        measured = self.measured or hand_scale > 0.0 or self.knows_depth
        source = ScaleSource.CALIBRATED if measured else ScaleSource.ASSUMED
        anchor = hand_scale if hand_scale > 0.0 else self.anchor
        known = CalibratedHand(anchor, *self._last_shape, source)
        self._take(known)
        return known

    def _take(self, known: CalibratedHand) -> None:
        self.shape.fix(known.ratios, known.offsets)
        self._last_shape = known.ratios, known.offsets
        if known.scale_source is ScaleSource.CALIBRATED:
            self.measured, self.anchor, self._size_is_fixed = True, known.anchor, True

    def _take_scale(self, hand_scale: float) -> None:
        self.measured = hand_scale > 0.0
        self._assumed_anchor = hand_scale or skeleton.DEFAULT_ANCHOR_LENGTH
        self.anchor = self._assumed_anchor * math.exp(self._log_size)


@dataclass(frozen=True, eq=False)
class Pose:
    """A hand of anchor length 1 about its wrist, of its own side, in the camera's axes.

    Attributes:
        points: (21, 3) joints relative to the wrist.
        rotations: (21, 3, 3) frames of the bones, rotation 0 of the wrist.
        articulation: (23,) smoothed and limited angles [rad].
        ratios: (20,) averaged lengths of the bones.
        offsets: (15,) averaged finger offsets [rad].
        std: (21,) spread of the joints over the hypotheses.
    """

    points: npt.NDArray[np.float64]
    rotations: npt.NDArray[np.float64]
    articulation: npt.NDArray[np.float64]
    ratios: npt.NDArray[np.float64]
    offsets: npt.NDArray[np.float64]
    std: npt.NDArray[np.float64]


def pose_hands(
    sides: Sequence[str],
    states: Sequence[HandState],
    lifted: Sequence[LiftedHand],
    stamp_ns: int,
) -> list[Pose]:
    """Return the hands with their averaged shape and smoothed angles, placed."""
    smooth = [state.smooth(hand, stamp_ns) for state, hand in zip(states, lifted, strict=True)]
    poses = []
    for side, hand, (root, articulation, ratios, offsets) in zip(
        sides, lifted, smooth, strict=True
    ):
        points, rotations = place_joints(root, articulation, ratios, offsets)
        if side == "left":
            points, rotations = points * MIRROR_POINTS, rotations * MIRROR_FRAMES
        poses.append(Pose(points, rotations, articulation, ratios, offsets, hand.std))
    return poses


def place_hand(
    hand: Tracked,
    state: HandState,
    pose: Pose,
    camera: Camera,
    depth: npt.NDArray[np.floating] | None,
) -> HandEstimate:
    """Return the estimate: the hand at its size, in front of the camera."""
    rays = camera.normalize(hand.detection.keypoints_px)
    fit = _root(state, pose.points, rays, camera, depth)
    translation = state.filter.place(fit.translation, state.dt)
    T_cam_wrist = _UNMOVED.copy()
    T_cam_wrist[:3, :3], T_cam_wrist[:3, 3] = pose.rotations[0], translation
    yaw_pitch_roll = euler_angles(pose.rotations[0])
    return HandEstimate(
        id=hand.id,
        side=hand.side,
        side_score=hand.side_score,
        score=hand.detection.score,
        keypoints=pose.points * state.anchor + translation,
        keypoints_px=hand.detection.keypoints_px,
        keypoints_std=pose.std * state.anchor,
        T_cam_wrist=T_cam_wrist,
        rotations=pose.rotations,
        angles=np.concatenate((yaw_pitch_roll, pose.articulation)),
        bone_lengths=pose.ratios * state.anchor,
        offsets=pose.offsets,
        box=hand.detection.box,
        scale_source=state.scale_source(camera),
    )


def _root(
    state: HandState,
    points: npt.NDArray[np.float64],
    rays: npt.NDArray[np.float64],
    camera: Camera,
    depth: npt.NDArray[np.floating] | None,
) -> RootFit:
    """Return where the wrist is; a depth image also teaches the state how large the hand is.

    Seen by one camera, a hand of twice the size stands twice as far away. So the ratio of the
    distance that depth shows to the one that the assumed size asks for corrects that size.
    """
    by_size = metric_root(points * state.anchor, rays)
    if depth is None:
        return by_size
    by_depth = root_from_depth(points * state.anchor, rays, depth, camera)
    if not by_depth.ok or not by_size.ok:
        return by_size
    state.learn_size(float(by_depth.translation[2] / by_size.translation[2]))
    corrected = root_from_depth(points * state.anchor, rays, depth, camera)
    return corrected if corrected.ok else by_depth
