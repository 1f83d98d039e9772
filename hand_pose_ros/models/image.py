"""The condition made of an image, of 2D keypoints, or of both: one encoder, its inputs optional.

The image is what a virtual camera sees that looks at the hand (`keypoints.canonical_frame`), so
that the condition, and the hand lifted from it, live in the frame of the keypoint route.

Source: Ivashechkin et al. 2023, section 2.1 (pooled features of a convolutional network, then a
hidden layer that makes them fewer).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from hand_pose_ros.models.encoders import MEDIAPIPE, Look, build_look
from hand_pose_ros.models.keypoints import KeypointEncoder, keypoint_features
from hand_pose_ros.models.landmark_network import SIDE

VIEW_RADII = 2.4
"""Half the side of the image over the radius of the hand in view (`CanonicalFrame.radius`)."""


@dataclass(frozen=True)
class ImageView:
    """What the encoder sees of hands; the first rows have an image, those after them none.

    Attributes:
        patch: (image, 3, side, side) what the virtual camera sees, RGB in 0..1.
        half_width: (image,) half the side of that, at depth 1.
        features: (batch, feature) of the keypoints in the same frame, see `canonical_view`.
        has_keypoints: (batch,) whether they are to be used; if not, the encoder reads keypoints
            off the image. All without an image have them.
        R_canonical_camera: (batch, 3, 3) camera frame to canonical frame.
    """

    patch: Tensor
    half_width: Tensor
    features: Tensor
    has_keypoints: Tensor
    R_canonical_camera: Tensor

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        """What the encoder is called with."""
        return self.patch, self.half_width, self.features, self.has_keypoints


class ImageEncoder(KeypointEncoder):
    """Turns an image, keypoint features or both into the condition vector.

    It is the keypoint encoder with a second entrance: what the image network sees is added where
    the keypoints come in. So a trained keypoint encoder is a start for this one. Where it is given
    no keypoints it reads them off the image, where no image a learnt vector stands in.

    The network that looks is one of `encoders.ENCODERS` or of timm. That of MediaPipe stays as it
    is and whoever builds the encoder fills it; the others learn.
    """

    def __init__(self, condition: int, width: int, blocks: int, look: str = MEDIAPIPE) -> None:
        super().__init__(condition, width, blocks)
        self.look: Look = build_look(look)
        self.norm = nn.LayerNorm(self.look.features)
        self.hidden = nn.Linear(self.look.features + 1, width)
        self.no_image = nn.Parameter(torch.zeros(width))

    def forward(  # type: ignore[override]
        self,
        patch: Float[Tensor, "image 3 y x"],
        half_width: Float[Tensor, " image"],
        features: Float[Tensor, "batch feature"] | None = None,
        has_keypoints: Bool[Tensor, " batch"] | None = None,
    ) -> Float[Tensor, "all condition"]:
        """Return one condition for each hand; see `ImageView`.

        Args:
            patch: what the virtual camera sees.
            half_width: how wide that is.
            features: of the keypoints; None where there are none of any hand.
            has_keypoints: whose keypoints are used; of all hands where None.
        """
        return self.condition(self.look.pool(patch), half_width, features, has_keypoints)

    def condition(
        self,
        pooled: Float[Tensor, "image channel"],
        half_width: Float[Tensor, " image"],
        features: Float[Tensor, "batch feature"] | None = None,
        has_keypoints: Bool[Tensor, " batch"] | None = None,
    ) -> Float[Tensor, "all condition"]:
        """Return one condition for each hand, of what the image network saw; see `forward`."""
        size = torch.log(half_width).unsqueeze(-1) + 1.0
        hidden = self.hidden(torch.cat((self.norm(pooled), size), dim=-1))
        if features is None:
            known = self.read_keypoints(pooled, half_width)
        else:
            known = features
            if has_keypoints is not None:
                count = len(pooled)
                own = self.read_keypoints(pooled, half_width)
                mixed = torch.where(has_keypoints[:count].unsqueeze(-1), features[:count], own)
                known = torch.cat((mixed, features[count:]))
            if len(features) > len(hidden):
                blank = self.no_image.expand(len(features) - len(hidden), -1)
                hidden = torch.cat((hidden, blank))
        return self.out(self.trunk.after_stem(hidden + self.trunk.stem(known)))

    def read_keypoints(
        self, pooled: Float[Tensor, "image channel"], half_width: Float[Tensor, " image"]
    ) -> Float[Tensor, "image feature"]:
        """Return features of the keypoints that the image network itself sees.

        They send no gradient to it: where the keypoints are, its heads learn from the truth.
        """
        landmarks, world = (points.detach() for points in self.look.points(pooled))
        at_depth_1 = half_width.reshape(-1, 1, 1) * (2.0 / SIDE)
        flat = (landmarks[..., :2] - SIDE / 2.0) * at_depth_1
        return keypoint_features(flat, landmarks[..., 2] * at_depth_1[..., 0], world)
