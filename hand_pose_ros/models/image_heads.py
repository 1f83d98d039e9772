"""What is read off the vector that an image network makes of a hand's image, beside the lift.

2D keypoints with their visibility (for the metric root and to follow a hand), the side of the
hand, and whether there is a hand.
"""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor, nn

from hand_pose_ros.hand import skeleton
from hand_pose_ros.models.heads import ResidualMLP

POINTS = len(skeleton.KEYPOINTS)


@dataclass(frozen=True)
class Reading:
    """What the heads say of a batch of images of hands.

    Attributes:
        places: (batch, 21, 2) keypoints in the image, which is -1 to 1 from edge to edge.
        depth: (batch, 21) how much deeper than the wrist, over the wrist's depth, in the unit of
            the places: 1 is half the width of the view.
        world: (batch, 21, 3) joints about the wrist in the view's axes, anchor bone = 1.
        visible: (batch, 21) logit of each joint being seen.
        left: (batch,) logit of a left hand: the mirror image of a right one.
        present: (batch,) logit of there being a hand.
    """

    places: Tensor
    depth: Tensor
    world: Tensor
    visible: Tensor
    left: Tensor
    present: Tensor


class ImageHeads(nn.Module):
    """A hidden layer and a linear readout for each part of a `Reading`.

    Args:
        features: length of the vector.
        width: of what is between.
    """

    def __init__(self, features: int, width: int = 256) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(features)
        self.trunk = ResidualMLP(features, width, 1)
        self.sizes = (2 * POINTS, POINTS, 3 * POINTS, POINTS, 1, 1)
        self.out = nn.Linear(width, sum(self.sizes))
        nn.init.normal_(self.out.weight, std=0.01)

    def forward(
        self,
        features: Float[Tensor, "batch feature"],
        places: Float[Tensor, "batch point 2"] | None = None,
    ) -> Reading:
        """Return what is read.

        Args:
            features: of the images.
            places: of the keypoints, where the network has found them; they are then corrected.
        """
        hidden = self.trunk(self.norm(features))
        offsets, depth, world, visible, left, present = self.out(hidden).split(self.sizes, dim=-1)
        found = offsets.unflatten(-1, (POINTS, 2))
        return Reading(
            found if places is None else places + found,
            depth,
            world.unflatten(-1, (POINTS, 3)),
            visible,
            left.squeeze(-1),
            present.squeeze(-1),
        )
