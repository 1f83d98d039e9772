"""The surface of estimated hands, in metres in the camera frame."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from hand_pose_ros.hand import skeleton
from hand_pose_ros.hand.kinematics import HandParameters, Joints
from hand_pose_ros.hand.mesh import load_hand_mesh
from hand_pose_ros.hand.placing import MIRROR_FRAMES, MIRROR_POINTS
from hand_pose_ros.runtime.estimate import HandEstimate

Surface = tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]
"""Vertices (V, 3) [m] in the camera frame, and faces (F, 3)."""


def surface_of(hand: HandEstimate) -> Surface:
    """Return the surface of an estimated hand, its faces counter-clockwise from outside."""
    mesh = load_hand_mesh()
    wrist = hand.T_cam_wrist[:3, 3]
    points, rotations = hand.keypoints - wrist, hand.rotations
    if hand.side == "left":
        points, rotations = points * MIRROR_POINTS, rotations * MIRROR_FRAMES
    placed = [torch.from_numpy(np.asarray(array, np.float64)) for array in (points, rotations)]
    rest = (hand.angles[skeleton.WRIST_DOFS :], hand.bone_lengths, hand.offsets)
    with torch.inference_mode():
        arrays = (torch.from_numpy(np.asarray(array, np.float64)) for array in rest)
        parameters = HandParameters(placed[1][0], *arrays)
        vertices = mesh.pose_joints(parameters, Joints(*placed)).numpy()
    if hand.side == "left":
        vertices = vertices * MIRROR_POINTS
    return vertices + wrist, mesh.faces(hand.side).numpy()
