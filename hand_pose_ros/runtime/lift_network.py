"""What an engine executes: from what is seen of hands to the hands, for each kind of condition."""

from __future__ import annotations

import torch

from hand_pose_ros.errors import ConfigError
from hand_pose_ros.models.image import ImageEncoder
from hand_pose_ros.models.keypoints import (
    FEATURES,
    KeypointEncoder,
    KeypointObservation,
    canonical_view,
)
from hand_pose_ros.models.landmark_network import SIDE
from hand_pose_ros.models.lifter import POINTS, Lifted, Lifter, SamplingConfig


class LiftNetwork(torch.nn.Module):
    """From what is seen to the fields of `LiftedHand`, in the camera frame.

    Attributes:
        shapes: of one row of each input.
    """

    shapes: tuple[tuple[int, ...], ...]

    def __init__(
        self,
        encoder: KeypointEncoder,
        lifter: Lifter,
        sampling: SamplingConfig,
        noise: torch.Tensor,
    ) -> None:
        super().__init__()
        self.encoder, self.lifter = encoder, lifter
        self.sampling, self.noise = sampling, noise

    def lift(self, condition: torch.Tensor, R: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Return root rotation, articulation, ratios, offsets, std and hypotheses.

        R turns the camera frame into that in which the condition is lifted.
        """
        lifted: Lifted = self.lifter(condition, self.sampling, self.noise)
        hand = lifted.hand
        if hand is None:
            raise ConfigError("method 'd' has no kinematic hand; it cannot be followed")
        return (
            R.transpose(-1, -2) @ hand.root_rotation,
            hand.articulation,
            hand.bone_lengths,
            hand.offsets,
            lifted.std,
            lifted.hypotheses @ R.unsqueeze(1),
        )


class KeypointNetwork(LiftNetwork):
    """Of an observation."""

    shapes = ((POINTS, 2), (POINTS,), (POINTS, 3))

    def forward(
        self, rays: torch.Tensor, depth: torch.Tensor, world: torch.Tensor
    ) -> tuple[torch.Tensor, ...]:
        """Return the fields of the hands."""
        view = canonical_view(KeypointObservation(rays, depth, world))
        return self.lift(self.encoder(view.features), view.R_canonical_camera)


class ImageNetwork(LiftNetwork):
    """Of a view of a hand, its width and its frame."""

    shapes: tuple[tuple[int, ...], ...] = ((3, SIDE, SIDE), (), (3, 3))
    encoder: ImageEncoder

    def forward(
        self, patch: torch.Tensor, half_width: torch.Tensor, R: torch.Tensor
    ) -> tuple[torch.Tensor, ...]:
        """Return the fields of the hands."""
        return self.lift(self.encoder(patch, half_width), R)


class FusedNetwork(LiftNetwork):
    """Of a view of a hand, its width and its frame, and keypoint features in that frame."""

    shapes = ((3, SIDE, SIDE), (), (3, 3), (FEATURES,))
    encoder: ImageEncoder

    def forward(
        self,
        patch: torch.Tensor,
        half_width: torch.Tensor,
        R: torch.Tensor,
        features: torch.Tensor,
    ) -> tuple[torch.Tensor, ...]:
        """Return the fields of the hands."""
        return self.lift(self.encoder(patch, half_width, features), R)


NETWORKS: dict[str, type[LiftNetwork]] = {
    "keypoints": KeypointNetwork,
    "image": ImageNetwork,
    "fused": FusedNetwork,
}
