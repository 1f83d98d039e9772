"""People's hands in poses, in the frames of their wrists: many at once, which takes less time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from hand_pose_ros.data.synthetic.body.people import Person
from hand_pose_ros.hand.kinematics import HandParameters, Joints, forward_kinematics

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class BentHand:
    """One right hand in the frame of its wrist.

    Attributes:
        person: whose hand.
        articulation: (23,) [rad], order `skeleton.ARTICULATION`.
        joints: (21, 3) [m].
        vertices: (V, 3) float32, surface [m].
    """

    person: Person
    articulation: Array
    joints: Array
    vertices: npt.NDArray[np.float32]


def bend(people: Sequence[Person], articulations: npt.ArrayLike) -> list[BentHand]:
    """Return each person's hand in the pose (23,) [rad] of the same row of `articulations`."""
    articulations = np.asarray(articulations, np.float64)
    hands = _parameters(people, articulations)
    joints = forward_kinematics(hands)
    vertices = _surfaces(people, hands, joints)
    rows = (people, articulations, joints.positions.numpy(), vertices)
    return [BentHand(*row) for row in zip(*rows, strict=True)]


def _parameters(people: Sequence[Person], articulations: Array) -> HandParameters:
    lengths = np.stack([person.ratios * person.anchor for person in people])
    offsets = np.stack([person.offsets for person in people])
    straight = torch.eye(3, dtype=torch.float64).expand(len(people), 3, 3)
    parts = (articulations, lengths, offsets)
    return HandParameters(straight, *(torch.from_numpy(part) for part in parts))


def _surfaces(
    people: Sequence[Person], hands: HandParameters, joints: Joints
) -> list[npt.NDArray[np.float32]]:
    """Return the surfaces (V, 3), those of each person in one product."""
    rows = defaultdict(list)
    for row, person in enumerate(people):
        rows[person.number].append(row)
    surfaces: list[npt.NDArray[np.float32]] = [np.empty(0, np.float32)] * len(people)
    for own in rows.values():
        lengths = hands.bone_lengths[own].float()
        own_joints = Joints(joints.positions[own].float(), joints.rotations[own].float())
        posed = people[own[0]].mesh().pose_joints(lengths, own_joints).numpy()
        for row, surface in zip(own, posed, strict=True):
            surfaces[row] = np.ascontiguousarray(surface)
    return surfaces
