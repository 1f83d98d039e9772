"""Heads that end in a kinematic hand: whatever they are given, it is a valid hand that leaves."""

from __future__ import annotations

from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor, nn

from hand_pose_ros.hand import skeleton
from hand_pose_ros.hand.kinematics import HandParameters, sine_limit
from hand_pose_ros.hand.rotations import matrix_from_6d, matrix_from_9d, nearest_rotation

PALM = [skeleton.KEYPOINTS.index(k) for k in ("wrist", "index_mcp", "middle_mcp", "little_mcp")]

_ANCHOR_FIRST = sorted(range(len(skeleton.BONES)), key=lambda bone: bone != skeleton.ANCHOR_BONE)
FROM_ANCHOR_FIRST = [_ANCHOR_FIRST.index(bone) for bone in range(len(skeleton.BONES))]


class KinematicHead(nn.Module):
    """Turns features into root rotation (9D, SVD), limited angles, offsets and proportions.

    Bone lengths come out as ratios of the anchor bone: the anchor is exactly 1.

    Source: Ivashechkin et al. 2023, section 2.2 and equation 1.
    """

    limits: Tensor

    def __init__(self, features: int) -> None:
        super().__init__()
        free_ratios = [b for b in range(len(skeleton.BONES)) if b != skeleton.ANCHOR_BONE]
        limits = (
            *skeleton.ARTICULATION_LIMITS,
            *skeleton.OFFSET_LIMITS,
            *(skeleton.RATIO_LIMITS[bone] for bone in free_ratios),
        )
        self.register_buffer("limits", torch.tensor(limits), persistent=False)
        self.root = nn.Linear(features, 9)
        # Start near no turn: around a random matrix of small norm the SVD's gradient is wild.
        self.root.bias.data = torch.eye(3).flatten()
        self.limited = nn.Linear(features, len(limits))
        self.sizes = (len(skeleton.ARTICULATION), len(skeleton.OFFSETS), len(free_ratios))

    def forward(self, features: Float[Tensor, "batch feature"]) -> HandParameters:
        """Return hands of anchor length 1, all within the limits of the skeleton."""
        limited = sine_limit(self.limited(features), self.limits)
        articulation, offsets, ratios = limited.split(self.sizes, dim=-1)
        anchor_first = nn.functional.pad(ratios, (1, 0), value=1.0)
        bone_lengths = anchor_first[..., FROM_ANCHOR_FIRST]
        # Both give one rotation: the first is the paper's to learn by, the second runs everywhere.
        to_rotation = matrix_from_9d if torch.is_grad_enabled() else nearest_rotation
        return HandParameters(
            to_rotation(self.root(features)), articulation, bone_lengths, offsets
        )


class ResidualMLP(nn.Module):
    """A stem and blocks of two layers with a skip; normalised at the end."""

    def __init__(self, features_in: int, width: int, blocks: int) -> None:
        super().__init__()
        self.stem = nn.Linear(features_in, width)
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.LayerNorm(width), nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width)
            )
            for _ in range(blocks)
        )
        self.norm = nn.LayerNorm(width)

    def forward(self, x: Float[Tensor, "batch feature"]) -> Float[Tensor, "batch width"]:
        """Return `width` features."""
        return self.after_stem(self.stem(x))

    def after_stem(self, hidden: Float[Tensor, "batch width"]) -> Float[Tensor, "batch width"]:
        """Return the features of what the stem gave, or of something in its place."""
        for block in self.blocks:
            hidden = hidden + block(hidden)
        return self.norm(hidden)


class BaselineMLP(nn.Module):
    """The paper's baseline: condition to angles and lengths, without diffusion."""

    def __init__(self, condition: int, width: int, blocks: int) -> None:
        super().__init__()
        self.trunk = ResidualMLP(condition, width, blocks)
        self.head = KinematicHead(width)

    def forward(self, condition: Float[Tensor, "batch condition"]) -> HandParameters:
        """Return one hand of anchor length 1 for each condition."""
        return self.head(self.trunk(condition))


class InverseKinematicsMLP(nn.Module):
    """The IK-MLP of D*: noisy points of unit anchor length to the valid hand nearest to them.

    The points are turned into the frame of their palm before and the root rotation back after:
    what is left to learn does not depend on how the hand is turned.
    """

    def __init__(self, points: int, width: int, blocks: int) -> None:
        super().__init__()
        self.trunk = ResidualMLP(3 * points, width, blocks)
        self.head = KinematicHead(width)

    def forward(self, points: Float[Tensor, "batch point 3"]) -> HandParameters:
        """Return one hand of anchor length 1 for each set of points."""
        R_palm = palm_frame(points)
        return self.place(self.trunk(self.features(points, R_palm)), R_palm)

    def features(
        self, points: Float[Tensor, "batch point 3"], R_palm: Float[Tensor, "batch 3 3"]
    ) -> Float[Tensor, "batch feature"]:
        """Return what the trunk sees: the points in the frame of their palm."""
        return (points @ R_palm).flatten(-2)

    def place(
        self, hidden: Float[Tensor, "batch width"], R_palm: Float[Tensor, "batch 3 3"]
    ) -> HandParameters:
        """Return the hand of the trunk's output, turned back out of the frame of the palm."""
        hand = self.head(hidden)
        return replace(hand, root_rotation=R_palm @ hand.root_rotation)


def palm_frame(points: Float[Tensor, "*batch point 3"]) -> Float[Tensor, "*batch 3 3"]:
    """Return axes of the palm as columns: to the fingers, to the thumb's side, out of the back."""
    wrist, index, middle, little = (points[..., k, :] for k in PALM)
    along_across = torch.cat((middle - wrist, index - little), dim=-1)
    return matrix_from_6d(along_across)


def take_hands(hand: HandParameters, index: slice) -> HandParameters:
    """Return some hands of a batch, by the first axis."""
    return HandParameters(
        hand.root_rotation[index],
        hand.articulation[index],
        hand.bone_lengths[index],
        hand.offsets[index],
    )
