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

from hand_pose_ros.models.keypoints import KeypointEncoder
from hand_pose_ros.models.landmark_network import FEATURES, LandmarkTrunk

VIEW_RADII = 2.4
"""Half the side of the image over the radius of the hand in view (`CanonicalFrame.radius`)."""


@dataclass(frozen=True)
class ImageView:
    """What the encoder sees of hands; the first rows have an image, those after them none.

    Attributes:
        patch: (image, 3, side, side) what the virtual camera sees, RGB in 0..1.
        half_width: (image,) half the side of that, at depth 1.
        features: (batch, feature) of the keypoints in the same frame, see `canonical_view`.
        has_keypoints: (batch,) whether they are to be used.
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
    the keypoints come in. What is missing is replaced by a learnt vector. So a trained keypoint
    encoder is a start for this one, which then says the same until it has learnt to look.
    """

    def __init__(self, condition: int, width: int, blocks: int) -> None:
        super().__init__(condition, width, blocks)
        self.look = LandmarkTrunk()
        self.norm = nn.LayerNorm(FEATURES)
        self.hidden = nn.Linear(FEATURES + 1, width)
        self.no_image = nn.Parameter(torch.zeros(width))
        self.no_keypoints = nn.Parameter(torch.zeros(width))

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
        size = torch.log(half_width).unsqueeze(-1) + 1.0
        seen = self.norm(self.look(patch).mean(dim=(2, 3)))
        hidden = self.hidden(torch.cat((seen, size), dim=-1))
        if features is None:
            return self.out(self.trunk.after_stem(hidden + self.no_keypoints))
        known = self.trunk.stem(features)
        if has_keypoints is not None:
            known = torch.where(has_keypoints.unsqueeze(-1), known, self.no_keypoints)
        if len(features) > len(hidden):
            blank = self.no_image.expand(len(features) - len(hidden), -1)
            hidden = torch.cat((hidden, blank))
        return self.out(self.trunk.after_stem(hidden + known))
