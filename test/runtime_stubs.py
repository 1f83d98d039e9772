"""Hands and parts of the estimator that tests know the truth of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from hand_pose_ros.data.boxes import box_around
from hand_pose_ros.hand import skeleton
from hand_pose_ros.hand.camera import Camera
from hand_pose_ros.hand.kinematics import HandParameters, forward_kinematics
from hand_pose_ros.hand.rotations import matrix_from_euler
from hand_pose_ros.runtime.detect import Detection
from hand_pose_ros.runtime.lift import LiftedHand

CAMERA = Camera(np.array([[600.0, 0.0, 319.5], [0.0, 600.0, 239.5], [0.0, 0.0, 1.0]]), 640, 480)
IMAGE = np.zeros((480, 640, 3), np.uint8)
FRAME_NS = 33_333_333


@dataclass(frozen=True)
class TrueHand:
    """A hand whose lift is exact, as a detector without error would see it."""

    lifted: LiftedHand
    points: np.ndarray
    """(21, 3) true joints in the camera frame [m]."""
    detection: Detection


def true_hand(
    side: str = "right",
    place: Sequence[float] = (0.05, 0.02, 0.5),
    turn: Sequence[float] = (1.4, 0.3, 0.2),
    flexion: float = 0.3,
    anchor: float = skeleton.DEFAULT_ANCHOR_LENGTH,
) -> TrueHand:
    """Return a hand of one side at a place [m], with all angles alike."""
    low, high = np.array(skeleton.ARTICULATION_LIMITS).T
    lifted = LiftedHand(
        matrix_from_euler(torch.tensor(turn, dtype=torch.float64)).numpy(),
        np.clip(np.full(23, flexion), low, high),
        np.array(skeleton.DEFAULT_RATIOS),
        np.array(skeleton.DEFAULT_OFFSETS),
        np.full(21, 0.05),
        np.zeros((1, 21, 3)),
    )
    relative = joints_of(lifted) * anchor * ([-1.0, 1.0, 1.0] if side == "left" else 1.0)
    points = relative + np.asarray(place)
    pixels = CAMERA.project(points)
    depth = relative[:, 2] / place[2] * 600.0
    world = relative - relative.mean(axis=0)
    detection = Detection(side, 0.98, 0.99, pixels, depth, world, box_around(pixels))
    return TrueHand(lifted, points, detection)


def joints_of(lifted: LiftedHand) -> np.ndarray:
    """Return the (21, 3) joints of a lifted hand in anchor lengths."""
    names = ("root_rotation", "articulation", "ratios", "offsets")
    return forward_kinematics(
        HandParameters(*(torch.from_numpy(getattr(lifted, name)) for name in names))
    ).positions.numpy()


def moved(detection: Detection, x: float, y: float = 0.0) -> Detection:
    """Return a detection shifted by pixels."""
    keypoints = detection.keypoints_px + (x, y)
    return replace(detection, keypoints_px=keypoints, box=box_around(keypoints))


class ScriptedDetector:
    """Answers with the next of a list of lists of detections; the last one again and again."""

    def __init__(self, script: Sequence[Sequence[Detection]]) -> None:
        self.script, self.calls, self.resets = [list(entry) for entry in script], 0, 0

    def detect(self, image_rgb: np.ndarray) -> list[Detection]:
        self.calls += 1
        return self.script[min(self.calls, len(self.script)) - 1]

    def reset(self) -> None:
        self.resets += 1


class ExactLift:
    """Knows the lifted hand of each detection by its side and the order it was given in."""

    def __init__(self, *hands: TrueHand) -> None:
        self._hands = hands
        self.sides: list[str] = []

    def __call__(
        self, detections: Sequence[Detection], camera: Camera, image_rgb: np.ndarray | None = None
    ) -> list[LiftedHand]:
        self.sides = [detection.side for detection in detections]
        nearest = [
            min(
                self._hands,
                key=lambda h: np.abs(h.detection.keypoints_px - d.keypoints_px).sum(),
            )
            for d in detections
        ]
        return [hand.lifted for hand in nearest]
