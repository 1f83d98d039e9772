"""From angles, offsets and bone lengths to joints: forward kinematics and limits."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from hand_pose_ros.errors import ShapeError
from hand_pose_ros.hand import skeleton
from hand_pose_ros.hand.rotations import euler_from_matrix, matrix_from_euler


@dataclass(frozen=True)
class HandParameters:
    """Everything that places the joints of a right hand around its wrist.

    Attributes:
        root_rotation: (*batch, 3, 3) wrist frame to camera frame.
        articulation: (*batch, 23) joint angles [rad], order `skeleton.ARTICULATION`.
        bone_lengths: (*batch, 20) [m], order `skeleton.BONES`.
        offsets: (*batch, 15) finger offsets [rad], order `skeleton.OFFSETS`.
    """

    root_rotation: Tensor
    articulation: Tensor
    bone_lengths: Tensor
    offsets: Tensor

    def __post_init__(self) -> None:
        for name, shape in (
            ("root_rotation", (3, 3)),
            ("articulation", (len(skeleton.ARTICULATION),)),
            ("bone_lengths", (len(skeleton.BONES),)),
            ("offsets", (len(skeleton.OFFSETS),)),
        ):
            came = tuple(getattr(self, name).shape)
            if came[-len(shape) :] != shape:
                raise ShapeError(f"{name} has shape {came}; its last axes must be {shape}")

    @property
    def angles(self) -> Float[Tensor, "*batch 26"]:
        """All 26 angles [rad], order `skeleton.DOFS`: wrist yaw, pitch, roll, articulation."""
        return torch.cat((euler_from_matrix(self.root_rotation), self.articulation), dim=-1)


@dataclass(frozen=True)
class Joints:
    """Placed joints: positions (*batch, 21, 3) [m] and node rotations (*batch, 21, 3, 3)."""

    positions: Tensor
    rotations: Tensor


def forward_kinematics(hand: HandParameters) -> Joints:
    """Place every joint, breadth first: one batched product for each of the four tree levels.

    Joints follow `skeleton.KEYPOINTS`, in the camera's axes with the wrist as origin. Rotation i
    is the frame of the bone that ends in joint i (x along it); rotation 0 is the wrist frame.
    Differentiable; keeps dtype and device.

    Source: Ivashechkin et al. 2023, equation 7.
    """
    local = _local_rotations(hand.articulation, hand.offsets)
    rotations = hand.root_rotation.unsqueeze(-3)
    positions = rotations.new_zeros(())
    level_rotations, level_positions = [rotations], []
    for nodes in skeleton.LEVELS:
        rotations = rotations @ local[..., [node - 1 for node in nodes], :, :]
        lengths = hand.bone_lengths[..., [node - 1 for node in nodes]]
        positions = positions + rotations[..., 0] * lengths.unsqueeze(-1)
        level_rotations.append(rotations)
        level_positions.append(positions)
    wrist_first = torch.nn.functional.pad(torch.cat(level_positions, dim=-2), (0, 0, 1, 0))
    return Joints(
        wrist_first[..., FROM_LEVELS, :],
        torch.cat(level_rotations, dim=-3)[..., FROM_LEVELS, :, :],
    )


def sine_limit(
    value: Float[Tensor, "*batch n"], limits: Float[Tensor, "n 2"]
) -> Float[Tensor, "*batch n"]:
    """Map any real numbers into [min, max] along a sine.

    Source: Ivashechkin et al. 2023, equation 1.
    """
    low, high = limits.unbind(-1)
    return (torch.sin(value) + 1.0) / 2.0 * (high - low) + low


def inverse_sine_limit(
    limited: Float[Tensor, "*batch n"], limits: Float[Tensor, "n 2"]
) -> Float[Tensor, "*batch n"]:
    """Return x in [-pi/2, pi/2] with `sine_limit(x) == limited`; values outside are clamped."""
    low, high = limits.unbind(-1)
    unit = (limited - low) / (high - low).clamp_min(1e-12)
    return torch.asin((2.0 * unit - 1.0).clamp(-1.0, 1.0))


def mirror(points: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 3"]:
    """Return points of the other hand: x of the camera frame negated (section 2.1)."""
    return points * points.new_tensor((-1.0, 1.0, 1.0))


def mirror_rotation(rotation: Float[Tensor, "*batch 3 3"]) -> Float[Tensor, "*batch 3 3"]:
    """Return the wrist (or bone) frame of the mirrored hand, again a proper rotation.

    The camera's x is negated and the frame's own y is flipped: the mirrored hand keeps x along its
    fingers and z out of its back, and y to the left of a hand with the palm down.
    """
    flip_camera = rotation.new_tensor((-1.0, 1.0, 1.0)).unsqueeze(-1)
    flip_axis = rotation.new_tensor((1.0, -1.0, 1.0))
    return rotation * flip_camera * flip_axis


def _local_rotations(articulation: Tensor, offsets: Tensor) -> Tensor:
    """Return (*batch, 20, 3, 3): the rotation of each node but the root relative to its parent."""
    slots = torch.nn.functional.pad(torch.cat((articulation, offsets), dim=-1), (0, 1))
    return matrix_from_euler(slots[..., EULER_SLOTS].unflatten(-1, (20, 3)))


def _euler_slots() -> list[int]:
    """Return for each node's (yaw, pitch, roll) which input feeds it; the last input is zero."""
    slots = [len(skeleton.ARTICULATION) + len(skeleton.OFFSETS)] * (3 * len(skeleton.BONES))
    nodes = (*skeleton.DOF_NODES, *skeleton.OFFSET_NODES)
    axes = (*skeleton.DOF_AXES, *skeleton.OFFSET_AXES)
    for source, (node, axis) in enumerate(zip(nodes, axes, strict=True)):
        slots[3 * (node - 1) + (2 - axis)] = source
    return slots


EULER_SLOTS = _euler_slots()
_ORDER = [0, *(node for level in skeleton.LEVELS for node in level)]
FROM_LEVELS = [_ORDER.index(node) for node in range(len(skeleton.KEYPOINTS))]
