"""What an engine executes: from what is seen of hands to the hands, for each kind of condition.

In a video an image network sees a hand once a frame, for its landmarks and for the lift alike. So
what sees (`LookNetwork`, `PoolNetwork`) and what lifts what was seen are programs of their own;
`WholeNetwork` is both as one, for whoever takes the program elsewhere.
"""

from __future__ import annotations

import torch

from hand_pose_ros.errors import ConfigError
from hand_pose_ros.models.detector import HandDetector
from hand_pose_ros.models.encoders import Look
from hand_pose_ros.models.image import ImageEncoder
from hand_pose_ros.models.keypoints import (
    FEATURES,
    KeypointEncoder,
    KeypointObservation,
    canonical_view,
)
from hand_pose_ros.models.landmark_correction import MAPS, LandmarkCorrection, gather
from hand_pose_ros.models.landmark_network import SIDE, LandmarkNetwork
from hand_pose_ros.models.lifter import POINTS, Lifted, Lifter, SamplingConfig


class LiftNetwork(torch.nn.Module):
    """From what is seen to the fields of `LiftedHand`, in the camera frame.

    Attributes:
        shapes: of one row of each input.
    """

    shapes: tuple[tuple[int, ...], ...]
    noise: torch.Tensor

    def __init__(
        self,
        encoder: KeypointEncoder,
        lifter: Lifter,
        sampling: SamplingConfig,
        noise: torch.Tensor,
    ) -> None:
        super().__init__()
        self.encoder, self.lifter = encoder, lifter
        self.sampling = sampling
        self.register_buffer("noise", noise, persistent=False)

    def condition(self, *seen: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return what `lift` takes of what is seen, inputs of the shapes above."""
        raise NotImplementedError

    def forward(self, *seen: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Return the fields of the hands."""
        return self.lift(*self.condition(*seen))

    def lift(self, condition: torch.Tensor, R: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Return root rotation, articulation, ratios, offsets, std and hypotheses.

        R turns the camera frame into that in which the condition is lifted.
        """
        return self.fields(self.lifter(condition, self.sampling, self.noise), R)

    @staticmethod
    def fields(lifted: Lifted, R: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Return what `lift` does, of what was lifted."""
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

    def condition(self, *seen: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return condition and frame of rays, depth and world."""
        view = canonical_view(KeypointObservation(*seen))
        return self.encoder(view.features), view.R_canonical_camera


class ImageNetwork(LiftNetwork):
    """Of what an image network saw of a hand, the width of its view and its frame."""

    encoder: ImageEncoder

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:  # type: ignore[override]
        """Those of one row of each input."""
        return ((self.encoder.look.features,), (), (3, 3))

    def condition(self, *seen: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return condition and frame of the vector, the half width, the frame and the rest."""
        pooled, half_width, R, *features = seen
        return self.encoder.condition(pooled, half_width, *features), R


class FusedNetwork(ImageNetwork):
    """The same, and of keypoint features in that frame."""

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:  # type: ignore[override]
        """Those of one row of each input."""
        return (*super().shapes, (FEATURES,))


NETWORKS: dict[str, type[LiftNetwork]] = {
    "keypoints": KeypointNetwork,
    "image": ImageNetwork,
    "fused": FusedNetwork,
}


class PoolNetwork(torch.nn.Module):
    """The image network of an encoder: RGB patches (row, y, x, 3) uint8 in, one vector each."""

    def __init__(self, look: Look) -> None:
        super().__init__()
        self.look = look

    def forward(self, patch: torch.Tensor) -> tuple[torch.Tensor]:
        """Return the vectors."""
        return (self.look.pool(as_planes(patch)),)


class LookNetwork(torch.nn.Module):
    """The landmark network: patches as above in; its read-outs and the vector behind them."""

    def __init__(self, network: LandmarkNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, patch: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Return landmarks, presence, handedness, world (see `LandmarkNetwork`) and the vector."""
        pooled = self.network.pool(as_planes(patch))
        return (*self.network.read(pooled), pooled)


class CorrectNetwork(torch.nn.Module):
    """The landmark network, and the correction of what it reads out: patches as above in."""

    def __init__(self, network: LandmarkNetwork, correction: LandmarkCorrection) -> None:
        super().__init__()
        self.network, self.correction = network, correction

    def forward(self, patch: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Return the corrected places (row, 21, 2) [px], how sure they are, and depths [px]."""
        last, inner = self.network.trunk.maps(as_planes(patch), MAPS)
        pooled = last.mean(dim=(2, 3))
        landmarks, _ = self.network.points(pooled)
        corrected: tuple[torch.Tensor, ...] = self.correction(
            landmarks, pooled, gather(inner, landmarks)
        )
        return corrected


class FindNetwork(torch.nn.Module):
    """The detector: square images as above in, what `HandDetector` says out."""

    def __init__(self, network: HandDetector) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Return scores, numbers and maps."""
        return tuple(self.network(as_planes(image)))


class WholeNetwork(torch.nn.Module):
    """All of a model as one program: from what is seen and noise to joints.

    Args:
        network: what lifts; of a model that sees images, it is shown patches here.
    """

    def __init__(self, network: LiftNetwork) -> None:
        super().__init__()
        self.network = network

    @property
    def inputs(self) -> dict[str, tuple[int, ...]]:
        """Name and shape of a row of each input but the noise."""
        if not isinstance(self.network, ImageNetwork):
            return dict(zip(("rays", "depth", "world"), self.network.shapes, strict=True))
        shapes = ((SIDE, SIDE, 3), *self.network.shapes[1:])
        names = ("patch", "half_width", "R_view_camera", "features")
        return dict(zip(names, shapes, strict=False))

    outputs = (
        "root_rotation",
        "articulation",
        "ratios",
        "offsets",
        "std",
        "hypotheses",
        "keypoints",
    )

    @property
    def noise_shape(self) -> tuple[int, ...]:
        """Shape of the noise: draws (the start, and one a step where eta is above 0), hands'."""
        sampling = self.network.sampling
        draws = sampling.steps if sampling.eta > 0.0 else 1
        return (draws, sampling.hypotheses, POINTS, 3)

    def forward(self, *inputs: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Return the fields of `LiftedHand`, and the joints (row, 21, 3) of the hand.

        The last input is the noise, the others are `inputs`. The joints are about the wrist, in
        the camera's axes, anchor bone = 1.
        """
        *seen, noise = inputs
        network, encoder = self.network, self.network.encoder
        if isinstance(encoder, ImageEncoder):
            seen[0] = encoder.look.pool(as_planes(seen[0]))
        condition, R = network.condition(*seen)
        lifted = network.lifter(condition, network.sampling, noise)
        return (*network.fields(lifted, R), lifted.points @ R)


def as_planes(patch: torch.Tensor) -> torch.Tensor:
    """Return images (row, y, x, 3) of 0..255 as (row, 3, y, x) of 0..1."""
    return patch.permute(0, 3, 1, 2).float() / 255.0
