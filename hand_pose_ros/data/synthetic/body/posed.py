"""A person's hand in a pose, placed before the camera: its joints, its surface, its labels."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt
import torch

from hand_pose_ros.data.synthetic.body.people import Person
from hand_pose_ros.hand.kinematics import (
    HandParameters,
    Joints,
    forward_kinematics,
    mirror,
    mirror_rotation,
)
from hand_pose_ros.hand.rotations import euler_from_matrix

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class PosedHand:
    """One hand in the camera's optical frame.

    A left hand is described by its mirror image, as everywhere: `articulation`, `rotation` and
    `position` are those of a right hand in the mirrored camera frame (x negated); what the
    properties return is of the true hand in the true frame.

    Attributes:
        person: whose hand.
        side: "right" or "left".
        articulation: (23,) [rad], order `skeleton.ARTICULATION`.
        rotation: (3, 3) wrist frame to camera.
        position: (3,) of the wrist [m].
        wrist_bend: (3,) what is added to the direction of the forearm of a straight wrist.
    """

    person: Person
    side: str
    articulation: Array
    rotation: Array
    position: Array
    wrist_bend: Array

    @cached_property
    def parameters(self) -> HandParameters:
        """The hand that forward kinematics places, in float64."""
        lengths = self.person.ratios * self.person.anchor
        parts = (self.rotation, self.articulation, lengths, self.person.offsets)
        return HandParameters(*(torch.from_numpy(np.ascontiguousarray(part)) for part in parts))

    @cached_property
    def keypoints(self) -> Array:
        """(21, 3) joints [m]."""
        points = self._joints.positions + torch.from_numpy(self.position)
        return np.asarray(self._in_view(points).numpy())

    @cached_property
    def vertices(self) -> npt.NDArray[np.float32]:
        """(V, 3) surface [m]."""
        joints = Joints(self._joints.positions.float(), self._joints.rotations.float())
        single = HandParameters(
            *(getattr(self.parameters, name).float() for name in _FIELDS),
        )
        surface = self.person.mesh().pose_joints(single, joints)
        surface = surface + torch.from_numpy(self.position.astype(np.float32))
        return np.asarray(self._in_view(surface).numpy())

    @cached_property
    def wrist_pose(self) -> Array:
        """(4, 4) pose of the wrist frame."""
        T = np.eye(4)
        rotation = self._joints.rotations[0]
        T[:3, :3] = mirror_rotation(rotation) if self.side == "left" else rotation
        T[:3, 3] = self.keypoints[0]
        return T

    @property
    def angles(self) -> Array:
        """(26,) [rad], order `skeleton.DOFS`."""
        wrist = euler_from_matrix(torch.from_numpy(self.wrist_pose[:3, :3]))
        return np.concatenate((wrist.numpy(), self.articulation))

    @property
    def forearm(self) -> Array:
        """(3,) direction from the wrist to the elbow, not of unit length."""
        direction = -self.rotation[:, 0] + self.wrist_bend
        return direction * (-1.0, 1.0, 1.0) if self.side == "left" else direction

    def placed(self, position: Array, side: str | None = None) -> PosedHand:
        """Return the same hand elsewhere, or as another side; its joints are not posed again."""
        moved = replace(self, position=position, side=side or self.side)
        moved.__dict__.update({k: v for k, v in self.__dict__.items() if k in _UNPLACED})
        return moved

    @cached_property
    def _joints(self) -> Joints:
        return forward_kinematics(self.parameters)

    def _in_view(self, points: torch.Tensor) -> torch.Tensor:
        return mirror(points) if self.side == "left" else points


_FIELDS = ("root_rotation", "articulation", "bone_lengths", "offsets")
_UNPLACED = ("parameters", "_joints")
"""What is worked out once and does not depend on where a hand is."""
