"""What the heads of an image network learn: keypoints, visibility, side and presence of a hand."""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from hand_pose_ros.data.patches import SeenHands
from hand_pose_ros.models.image_heads import Reading

HIDDEN_WEIGHT = 0.5
"""What a keypoint that is not visible counts beside one that is."""

_OUTSIDE_WEIGHT = 0.3
"""What one outside of the view counts."""

_FARTHEST = 1.5
"""From where on a keypoint outside of the view need not be placed more exactly, in half sides."""


@dataclass(frozen=True)
class HeadTruth:
    """What is true of images, see `Reading`.

    Attributes:
        places: (batch, 21, 2).
        depth: (batch, 21).
        world: (batch, 21, 3).
        visible: (batch, 21) 0 or 1.
        left: (batch,) 0 or 1.
        present: (batch,) 0 or 1; where it is 0 nothing else is true or false.
    """

    places: Tensor
    depth: Tensor
    world: Tensor
    visible: Tensor
    left: Tensor
    present: Tensor


def truth_of(seen: SeenHands) -> HeadTruth:
    """Return what is true of views of right hands."""
    R = seen.frame.R_canonical_camera
    hands, half_width = seen.hands, seen.half_width.reshape(-1, 1)
    turned = hands.placed @ R.transpose(-1, -2)
    depth = turned[..., 2].clamp_min(1e-3)
    return HeadTruth(
        turned[..., :2] / depth.unsqueeze(-1) / half_width.unsqueeze(-1),
        (depth / depth[:, :1] - 1.0) / half_width,
        hands.joints @ R.transpose(-1, -2),
        seen.visible.float(),
        torch.zeros(len(depth)),
        torch.ones(len(depth)),
    )


def mirrored(truth: HeadTruth) -> HeadTruth:
    """Return what is true of the images in a mirror."""
    flip = torch.tensor((-1.0, 1.0, 1.0))
    return HeadTruth(
        truth.places * flip[:2],
        truth.depth,
        truth.world * flip,
        truth.visible,
        1.0 - truth.left,
        truth.present,
    )


def nothing(count: int, like: HeadTruth) -> HeadTruth:
    """Return what is true of images without a hand."""
    return HeadTruth(
        **{
            field.name: torch.zeros((count, *getattr(like, field.name).shape[1:]))
            for field in fields(HeadTruth)
        }
    )


def joined(*parts: HeadTruth) -> HeadTruth:
    """Return rows of several batches as one."""
    names = [field.name for field in fields(HeadTruth)]
    return HeadTruth(*(torch.cat([getattr(part, name) for part in parts]) for name in names))


def take(truth: HeadTruth, index: slice) -> HeadTruth:
    """Return some rows."""
    return HeadTruth(*(getattr(truth, field.name)[index] for field in fields(HeadTruth)))


def head_terms(reading: Reading, truth: HeadTruth) -> dict[str, Tensor]:
    """Return the terms of the heads' loss, their names those of `LossWeights`."""
    present = truth.present.unsqueeze(-1)
    is_inside = (truth.places.abs().amax(dim=-1) < 1.0).float()
    seen = HIDDEN_WEIGHT + (1.0 - HIDDEN_WEIGHT) * truth.visible
    weight = present * seen * (_OUTSIDE_WEIGHT + (1.0 - _OUTSIDE_WEIGHT) * is_inside)
    places = truth.places.clamp(-_FARTHEST, _FARTHEST)
    keypoints = _mean((reading.places - places).abs().sum(-1), weight)
    right = present * (1.0 - truth.left).unsqueeze(-1)  # the lift sees right hands only
    space = _mean((reading.depth - truth.depth).abs(), present.expand_as(truth.depth)) + _mean(
        (reading.world - truth.world).abs().mean(-1), right.expand_as(truth.depth)
    )
    visibility = _cross_entropy(reading.visible, truth.visible)
    return {
        "keypoints": keypoints,
        "space": space,
        "visibility": _mean(visibility, present.expand_as(visibility)),
        "side": _mean(_cross_entropy(reading.left, truth.left), truth.present),
        "presence": _cross_entropy(reading.present, truth.present).mean(),
    }


def score_terms(
    places: Float[Tensor, "batch point 2"],
    log_scores: Float[Tensor, "batch point cell"],
    truth: HeadTruth,
) -> dict[str, Tensor]:
    """Return the terms of maps of scores: their mean places, and that they are high there.

    Keypoints outside of the view are in no map and count for nothing.

    Args:
        places: mean place of each map.
        log_scores: logarithm of the scores, which sum to 1, of the cells of square maps.
        truth: what is true.
    """
    is_inside = (truth.places.abs().amax(dim=-1) < 1.0).float()
    seen = HIDDEN_WEIGHT + (1.0 - HIDDEN_WEIGHT) * truth.visible
    weight = truth.present.unsqueeze(-1) * seen * is_inside
    shares = cell_shares(truth.places, round(log_scores.shape[-1] ** 0.5))
    return {
        "places": _mean((places - truth.places).abs().sum(-1), weight),
        "scores": _mean(-(shares * log_scores).sum(-1), weight),
    }


def cell_shares(places: Float[Tensor, "*batch 2"], side: int) -> Float[Tensor, "*batch cell"]:
    """Return how much of a place each cell of a square map has: its nearest four, bilinearly.

    The mean of the cells' middles with these shares is the place, if it is between middles.
    """
    at = ((places + 1.0) * side / 2.0 - 0.5).clamp(0.0, side - 1.0)
    middles = torch.arange(side, device=places.device)
    x, y = ((1.0 - (at[..., k, None] - middles).abs()).clamp_min(0.0) for k in (0, 1))
    return (y.unsqueeze(-1) * x.unsqueeze(-2)).flatten(-2)


def head_scores(reading: Reading, truth: HeadTruth) -> dict[str, float]:
    """Return the mean error of the keypoints [% of the view's side] and shares of right answers.

    Of images without a hand only the presence is scored.
    """
    hand = truth.present > 0.5
    distance = (reading.places - truth.places).norm(dim=-1)[hand]

    def right(logits: Tensor, true: Tensor) -> float:
        return ((logits > 0.0) == (true > 0.5)).float().mean().item()

    return {
        "keypoints_2d": 50.0 * distance.mean().item(),
        "visibility": right(reading.visible[hand], truth.visible[hand]),
        "side": right(reading.left[hand], truth.left[hand]),
        "presence": right(reading.present, truth.present),
    }


def _mean(values: Tensor, weights: Tensor) -> Tensor:
    return (values * weights).sum() / weights.sum().clamp_min(1e-6)


def _cross_entropy(logits: Tensor, truth: Tensor) -> Tensor:
    return functional.binary_cross_entropy_with_logits(logits, truth, reduction="none")
