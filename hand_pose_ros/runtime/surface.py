"""The surfaces of estimated hands, in metres in the camera frame."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch

from hand_pose_ros.hand import skeleton
from hand_pose_ros.hand.kinematics import HandParameters, Joints, mirror, mirror_rotation
from hand_pose_ros.hand.mesh import load_hand_mesh
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
    left = torch.tensor([hand.side == "left" for hand in hands])[:, None, None]
    wrists = np.stack([hand.T_cam_wrist[:3, 3] for hand in hands])[:, None]
    with torch.inference_mode():
        positions = _stacked([hand.keypoints for hand in hands]) - torch.from_numpy(wrists)
        rotations = _stacked([hand.rotations for hand in hands])
        joints = Joints(
            torch.where(left, mirror(positions), positions),
            torch.where(left[..., None], mirror_rotation(rotations), rotations),
        )
        angles, lengths, offsets = (
            _stacked([getattr(hand, name) for hand in hands])
            for name in ("angles", "bone_lengths", "offsets")
        )
        articulation = angles[:, skeleton.WRIST_DOFS :]
        posed = HandParameters(joints.rotations[:, 0], articulation, lengths, offsets)
        vertices = mesh.pose_joints(posed, joints)
        vertices = torch.where(left, mirror(vertices), vertices).numpy() + wrists
    faces = {side: mesh.faces(side).numpy() for side in skeleton.SIDES}
    return {
        hand.id: (placed, faces[hand.side]) for hand, placed in zip(hands, vertices, strict=True)
    }


def _stacked(arrays: Sequence[npt.NDArray[np.floating]]) -> torch.Tensor:
    return torch.from_numpy(np.stack(arrays).astype(np.float64, copy=False))
