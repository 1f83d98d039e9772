"""How the joints move with each parameter of the hand: the analytic Jacobian of the kinematics."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from hand_pose_ros.hand import skeleton
from hand_pose_ros.hand.kinematics import HandParameters, Joints

_NODES = (*skeleton.DOF_NODES, *skeleton.OFFSET_NODES)
_AXES = (*skeleton.DOF_AXES, *skeleton.OFFSET_AXES)
_YAW_INPUTS = {
    node: i for i, (node, axis) in enumerate(zip(_NODES, _AXES, strict=True)) if axis == 2
}


def _descendants() -> list[list[float]]:
    """Return (21, 21): row n marks the joints that node n carries, itself among them."""
    carried = [[0.0] * len(skeleton.KEYPOINTS) for _ in skeleton.KEYPOINTS]
    for joint in range(len(skeleton.KEYPOINTS)):
        node = joint
        while node >= 0:
            carried[node][joint] = 1.0
            node = skeleton.PARENTS[node]
    return carried


_CARRIED = _descendants()


def angle_jacobian(hand: HandParameters, joints: Joints) -> Float[Tensor, "*batch 38 21 3"]:
    """Return d position / d angle [m/rad] of all joints, for the 23 articulations and 15 offsets.

    A joint that an angle carries moves about its axis: axis x (joint - centre), the centre being
    the far end of the node's parent. The axes of Rz Ry Rx are the parent's z, then y after the
    yaw, then the node's own x.
    """
    axes = rotation_axes(hand, joints)
    parents = [skeleton.PARENTS[node] for node in _NODES]
    positions = joints.positions.unsqueeze(-3)
    lever = positions - joints.positions[..., parents, :].unsqueeze(-2)
    carried = lever.new_tensor(_CARRIED)[list(_NODES)].unsqueeze(-1)
    return torch.linalg.cross(axes.unsqueeze(-2).expand_as(lever), lever) * carried


def rotation_axes(hand: HandParameters, joints: Joints) -> Float[Tensor, "*batch 38 3"]:
    """Return the axis, in the camera's axes, that each articulation and offset turns about."""
    parents = [skeleton.PARENTS[node] for node in _NODES]
    parent = joints.rotations[..., parents, :, :]
    own_x = joints.rotations[..., list(_NODES), :, 0]
    yaw = _yaw(hand).unsqueeze(-1)
    turned_y = torch.cos(yaw) * parent[..., 1] - torch.sin(yaw) * parent[..., 0]
    axis = torch.tensor(_AXES, device=yaw.device).unsqueeze(-1)
    return torch.where(axis == 2, parent[..., 2], torch.where(axis == 1, turned_y, own_x))


def length_jacobian(joints: Joints) -> Float[Tensor, "*batch 20 21 3"]:
    """Return d position / d bone length of all joints: its direction, for those it carries."""
    direction = joints.rotations[..., 1:, :, 0].unsqueeze(-2)
    return direction * direction.new_tensor(_CARRIED)[1:].unsqueeze(-1)


def _yaw(hand: HandParameters) -> Float[Tensor, "*batch 38"]:
    """Return for each angle the yaw of its node, which turns the axis of the node's flexion."""
    angles = torch.cat((hand.articulation, hand.offsets), dim=-1)
    padded = torch.cat((angles, torch.zeros_like(angles[..., :1])), dim=-1)
    return padded[..., [_YAW_INPUTS.get(node, len(_NODES)) for node in _NODES]]
