"""A first hand from joint positions, in closed form: palm by Kabsch, fingers by directions."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from hand_pose_ros.hand import skeleton
from hand_pose_ros.hand.kinematics import HandParameters, forward_kinematics
from hand_pose_ros.hand.limits import HandLimits
from hand_pose_ros.hand.rotations import align_rotation, matrix_from_euler

PALM = tuple(
    skeleton.KEYPOINTS.index(name)
    for name in ("index_mcp", "middle_mcp", "ring_mcp", "little_mcp", "thumb_cmc")
)
_PALM_TRUST = (1.0, 1.0, 1.0, 1.0, 0.3)
_SHORTEST = 1e-9


def initial_hand(points: Float[Tensor, "*batch 21 3"], limits: HandLimits) -> HandParameters:
    """Return a hand near the points [m], within the limits, to start a fit from.

    The palm of the mean hand is turned onto the points; down each finger, every bone's direction
    in the frame of the bone before gives abduction and flexion. Rotation about the bone stays 0.
    """
    points = points - points[..., :1, :]
    offsets = limits.tensor("default_offsets", points).expand(*points.shape[:-2], -1)
    lengths = _bone_lengths(points, limits)
    zero = points.new_zeros(*points.shape[:-2], len(skeleton.ARTICULATION))
    still = torch.eye(3, dtype=points.dtype, device=points.device).expand(*points.shape[:-2], 3, 3)
    rest = HandParameters(still, zero, lengths, offsets)
    placed = forward_kinematics(rest)
    trust = points.new_tensor(_PALM_TRUST).unsqueeze(-1)
    root = align_rotation(placed.positions[..., PALM, :] * trust, points[..., PALM, :])
    angles = _angles_from_directions(
        points, root.unsqueeze(-3) @ placed.rotations[..., 1::4, :, :]
    )
    low, high = limits.tensor("articulation", points).unbind(-1)
    return HandParameters(root, angles.clamp(low, high), lengths, offsets)


def _bone_lengths(points: Tensor, limits: HandLimits) -> Float[Tensor, "*batch 20"]:
    """Return measured lengths, brought within the limits of their ratios to the anchor bone."""
    bones = points[..., 1:, :] - points[..., skeleton.PARENTS[1:], :]
    measured = bones.norm(dim=-1).clamp_min(_SHORTEST)
    default = limits.tensor("default_ratios", points)
    # The anchor of the whole hand: one bone alone would hand its own error to all others.
    anchor = (measured / default).median(dim=-1, keepdim=True).values
    low, high = limits.tensor("ratios", points).unbind(-1)
    return (measured / anchor).clamp(low, high) * anchor


def _angles_from_directions(
    points: Tensor, base: Float[Tensor, "*batch 5 3 3"]
) -> Float[Tensor, "*batch 23"]:
    angles: dict[str, Tensor] = {}
    for finger in range(len(skeleton.FINGERS)):
        frame = base[..., finger, :, :]
        for joint in range(1, 4):
            node = 4 * finger + 1 + joint
            bone = points[..., node, :] - points[..., node - 1, :]
            direction = (frame.transpose(-1, -2) @ bone.unsqueeze(-1)).squeeze(-1)
            prefix = skeleton.KEYPOINTS[node - 1]
            is_hinge = f"{prefix}_abduction" not in skeleton.ARTICULATION
            abduction, flexion = _abduction_flexion(direction, is_hinge)
            angles[f"{prefix}_abduction"], angles[f"{prefix}_flexion"] = abduction, flexion
            turn = torch.stack((abduction, flexion, torch.zeros_like(flexion)), dim=-1)
            frame = frame @ matrix_from_euler(turn)
    zero = torch.zeros_like(points[..., 0, 0])
    return torch.stack([angles.get(dof, zero) for dof in skeleton.ARTICULATION], dim=-1)


def _abduction_flexion(direction: Tensor, is_hinge: bool) -> tuple[Tensor, Tensor]:
    """Return the angles with Rz(abduction) Ry(flexion) x along a direction, flexion up to 180.

    Directions that point back are flexed beyond 90 degrees, not abducted beyond them.
    """
    x, y, z = direction.unbind(-1)
    if is_hinge:
        return torch.zeros_like(x), torch.atan2(-z, x)
    forward = torch.where(x < 0.0, -1.0, 1.0)
    abduction = torch.atan2(y * forward, x * forward)
    return abduction, torch.atan2(-z, forward * torch.hypot(x, y))
