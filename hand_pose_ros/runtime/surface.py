"""The surfaces of estimated hands, in metres in the camera frame."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import torch

from hand_pose_ros.hand.kinematics import Joints
from hand_pose_ros.hand.mesh import load_hand_mesh
from hand_pose_ros.hand.placing import MIRROR_FRAMES, MIRROR_POINTS
from hand_pose_ros.runtime.estimate import HandEstimate

Surface = tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]
"""Vertices (V, 3) [m] in the camera frame, and faces (F, 3)."""


def surface_of(hand: HandEstimate) -> Surface:
    """Return the surface of an estimated hand, its faces counter-clockwise from outside."""
    return surfaces_of((hand,))[hand.id]


def surfaces_of(hands: Sequence[HandEstimate]) -> dict[str, Surface]:
    """Return the surface of each hand by its id, posed about the joints that it has."""
    if not hands:
        return {}
    mesh = load_hand_mesh()
    right = np.array([hand.side == "right" for hand in hands])[:, None, None]
    points_sign = np.where(right, 1.0, MIRROR_POINTS)
    frames_sign = np.where(right[..., None], 1.0, MIRROR_FRAMES)
    wrists = np.array([hand.T_cam_wrist[:3, 3] for hand in hands])[:, None]
    positions = (np.array([hand.keypoints for hand in hands]) - wrists) * points_sign
    rotations = np.array([hand.rotations for hand in hands]) * frames_sign
    lengths = np.array([hand.bone_lengths for hand in hands])
    with torch.inference_mode():
        joints = Joints(_tensor(positions), _tensor(rotations))
        vertices = mesh.pose_joints(_tensor(lengths), joints).numpy()
    vertices = vertices * points_sign + wrists
    return {
        hand.id: (placed, _faces(hand.side)) for hand, placed in zip(hands, vertices, strict=True)
    }


@lru_cache
def _faces(side: str) -> npt.NDArray[np.int64]:
    return np.asarray(load_hand_mesh().faces(side).numpy())


def _tensor(array: npt.NDArray[np.floating]) -> torch.Tensor:
    """Return an array about the wrist in single precision: nanometres."""
    return torch.from_numpy(array.astype(np.float32))
