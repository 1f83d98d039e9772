"""A person's hand in a pose, placed before the camera: its joints, its surface, its labels."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import torch

from hand_pose_ros.data.synthetic.body.bent import BentHand
from hand_pose_ros.data.synthetic.body.people import Person
from hand_pose_ros.hand.kinematics import mirror_rotation
from hand_pose_ros.hand.rotations import euler_from_matrix

Array = npt.NDArray[np.float64]

_MIRROR = np.array((-1.0, 1.0, 1.0))


@dataclass(frozen=True, eq=False)
class PosedHand:
    """One hand in the camera's optical frame.

    A left hand is described by its mirror image, as everywhere: `bent`, `rotation` and `position`
    are those of a right hand in the mirrored camera frame (x negated); what the properties return
    is of the true hand in the true frame.

    Attributes:
        bent: the hand in the frame of its wrist.
        side: "right" or "left".
        rotation: (3, 3) wrist frame to camera.
        position: (3,) of the wrist [m].
        wrist_bend: (3,) what is added to the direction of the forearm of a straight wrist.
    """

    bent: BentHand
    side: str
    rotation: Array
    position: Array
    wrist_bend: Array

    @property
    def person(self) -> Person:
        """Whose hand."""
        return self.bent.person

    @cached_property
    def keypoints(self) -> Array:
        """(21, 3) joints [m]."""
        return self._in_view(self.bent.joints @ self.rotation.T + self.position)

    @cached_property
    def vertices(self) -> npt.NDArray[np.float32]:
        """(V, 3) surface [m]."""
        turned = self.bent.vertices @ self.rotation.T.astype(np.float32)
        return self._in_view(turned + self.position).astype(np.float32)

    @cached_property
    def wrist_pose(self) -> Array:
        """(4, 4) pose of the wrist frame."""
        T = np.eye(4)
        T[:3, :3] = self.rotation
        if self.side == "left":
            T[:3, :3] = mirror_rotation(torch.from_numpy(self.rotation)).numpy()
        T[:3, 3] = self.keypoints[0]
        return T

    @property
    def angles(self) -> Array:
        """(26,) [rad], order `skeleton.DOFS`."""
        wrist = euler_from_matrix(torch.from_numpy(self.wrist_pose[:3, :3]))
        return np.concatenate((wrist.numpy(), self.bent.articulation))

    @property
    def forearm(self) -> Array:
        """(3,) direction from the wrist to the elbow, not of unit length."""
        return self._in_view(self.wrist_bend - self.rotation[:, 0])

    def _in_view(self, points: Array) -> Array:
        return points * _MIRROR if self.side == "left" else points
