"""The condition made of 2D keypoints: a canonical view of what a keypoint detector saw."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from hand_pose_ros.hand import skeleton
from hand_pose_ros.hand.projection import view_rotation
from hand_pose_ros.models.heads import ResidualMLP

_WRIST = skeleton.KEYPOINTS.index("wrist")
_MCPS = [skeleton.KEYPOINTS.index(f"{finger}_mcp") for finger in skeleton.FINGERS[1:]]


@dataclass(frozen=True)
class KeypointObservation:
    """What a keypoint detector says of right hands (left ones are mirrored before).

    Attributes:
        rays: (batch, 21, 2) keypoints as undistorted x/z, y/z in the camera frame.
        depth: (batch, 21) relative depth, in the unit of the rays (pixels over focal length),
            growing away from the camera; zeros where the detector has none.
        world: (batch, 21, 3) the detector's own 3D points, axes of a camera that looks straight at
            the hand, any scale and origin; only their bone directions are used.
    """

    rays: Tensor
    depth: Tensor
    world: Tensor


@dataclass(frozen=True)
class CanonicalFrame:
    """A virtual camera for each hand: it looks at the hand and has its fingers up.

    Attributes:
        towards: (batch, 3, 3) turn of the camera that brings the hand onto its axis.
        upright: (batch, 3, 3) turn about that axis that brings the fingers up.
        radius: (batch,) root-mean-square radius of the hand in view, at depth 1.
    """

    towards: Tensor
    upright: Tensor
    radius: Tensor

    @property
    def R_canonical_camera(self) -> Tensor:  # noqa: N802
        """(batch, 3, 3) camera frame to canonical frame."""
        return self.upright @ self.towards


@dataclass(frozen=True)
class CanonicalView:
    """A hand turned to the optical axis, fingers up, size one.

    Attributes:
        features: (batch, feature) input of the encoder.
        R_canonical_camera: (batch, 3, 3) camera frame to canonical frame.
    """

    features: Tensor
    R_canonical_camera: Tensor

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        """What the encoder is called with."""
        return (self.features,)


FEATURES = 2 * len(skeleton.KEYPOINTS) + 1 + len(skeleton.KEYPOINTS) + 3 * len(skeleton.BONES)


def canonical_frame(
    rays: Float[Tensor, "batch point 2"],
    shift: Float[Tensor, "batch 2"] | None = None,
    turn: Float[Tensor, " batch"] | None = None,
) -> CanonicalFrame:
    """Return the virtual camera that looks at the hand's middle.

    It is turned about its axis until the line from the wrist to the MCP joints points up.

    Args:
        rays: keypoints as undistorted x/z, y/z in the camera frame.
        shift: how far beside the middle it looks, in radii of the hand; nothing where None.
        turn: how far it is turned beyond that [rad].
    """
    ray = rays.mean(dim=-2)
    if shift is not None:
        centred = rays - ray.unsqueeze(-2)
        ray = ray + shift * centred.square().sum(-1).mean(-1).sqrt().unsqueeze(-1)
    towards = view_rotation(ray)
    seen = _project(rays, towards)
    up = seen[..., _MCPS, :].mean(dim=-2) - seen[..., _WRIST, :]
    upright = _turn_up(up)
    if turn is not None:
        x, y = torch.sin(turn), -torch.cos(turn)
        upright = _turn_up(torch.stack((x, y), dim=-1)) @ upright
    centred = seen - seen.mean(dim=-2, keepdim=True)
    radius = centred.square().sum(-1).mean(-1).sqrt().clamp_min(1e-6)
    return CanonicalFrame(towards, upright, radius)


def canonical_view(
    observation: KeypointObservation, frame: CanonicalFrame | None = None
) -> CanonicalView:
    """Return the observation as seen by a virtual camera that looks at the hand's middle.

    By `canonical_frame`, where no other frame is given, neither the place in the image nor the
    hand's turn in it is left to be learnt. The angular size, which sets the strength of
    perspective, stays as a feature.
    """
    frame = frame or canonical_frame(observation.rays)
    upright = frame.upright
    flat = _project(observation.rays, frame.towards) @ upright[..., :2, :2].transpose(-1, -2)
    features = keypoint_features(
        flat, observation.depth, observation.world @ upright.transpose(-1, -2)
    )
    return CanonicalView(features, frame.R_canonical_camera)


def keypoint_features(
    flat: Float[Tensor, "batch point 2"],
    depth: Float[Tensor, "batch point"],
    world: Float[Tensor, "batch point 3"],
) -> Float[Tensor, "batch feature"]:
    """Return the features of keypoints that are seen by a virtual camera, see `canonical_view`.

    Args:
        flat: x/z, y/z in the frame of that camera.
        depth: relative depth, see `KeypointObservation`.
        world: 3D points in its axes.
    """
    flat = flat - flat.mean(dim=-2, keepdim=True)
    size = flat.square().sum(-1).mean(-1).sqrt().clamp_min(1e-6).unsqueeze(-1)
    bones = world[..., 1:, :] - world[..., list(skeleton.PARENTS[1:]), :]
    return torch.cat(
        (
            (flat / size.unsqueeze(-1)).flatten(-2),
            torch.log(size) + 2.0,
            (depth - depth[..., :1]) / size,
            nn.functional.normalize(bones, dim=-1).flatten(-2),
        ),
        dim=-1,
    )


class KeypointEncoder(nn.Module):
    """Turns canonical keypoint features into the condition vector.

    Attributes:
        weights_sha256: of the file that its weights are from, empty where that is none that ships.
    """

    weights_sha256 = ""

    def __init__(self, condition: int, width: int, blocks: int) -> None:
        super().__init__()
        self.trunk = ResidualMLP(FEATURES, width, blocks)
        self.out = nn.Linear(width, condition)

    def forward(
        self, features: Float[Tensor, "batch feature"]
    ) -> Float[Tensor, "batch condition"]:
        """Return one condition for each hand."""
        return self.out(self.trunk(features))


def _turn_up(direction: Float[Tensor, "*batch 2"]) -> Float[Tensor, "*batch 3 3"]:
    """Return the rotation about z that turns an image direction up (to -y)."""
    x, y = nn.functional.normalize(direction, dim=-1, eps=1e-9).unbind(-1)
    zero, one = torch.zeros_like(x), torch.ones_like(x)
    return torch.stack((-y, x, zero, -x, -y, zero, zero, zero, one), -1).unflatten(-1, (3, 3))


def _project(
    rays: Float[Tensor, "*batch point 2"], rotation: Float[Tensor, "*batch 3 3"]
) -> Float[Tensor, "*batch point 2"]:
    turned = torch.cat((rays, torch.ones_like(rays[..., :1])), -1) @ rotation.transpose(-1, -2)
    return turned[..., :2] / turned[..., 2:].clamp_min(1e-3)
