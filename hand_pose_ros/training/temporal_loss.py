"""What the temporal transformer is trained on: joints, angles, and how the joints move."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from hand_pose_ros.hand.kinematics import HandParameters, forward_kinematics
from hand_pose_ros.models.temporal import TemporalTransformer
from hand_pose_ros.training.config import TemporalLossWeights
from hand_pose_ros.training.devices import Whole
from hand_pose_ros.training.tracks import LiftedTracks

_UNSEEN = 0.25
"""Weight of a slot without a frame, of which no answer is ever used."""


class TemporalObjective(nn.Module):
    """The loss as one module, whose gradients several processes can average."""

    def __init__(self, model: TemporalTransformer, weights: TemporalLossWeights) -> None:
        super().__init__()
        self.model, self._weights = model, weights

    def forward(self, whole: Whole, causal: bool) -> tuple[Tensor, dict[str, Tensor]]:
        """Return what `temporal_loss` does of `LiftedTracks`."""
        return temporal_loss(self.model, whole.batch, self._weights, causal)


def temporal_loss(
    model: TemporalTransformer, batch: LiftedTracks, weights: TemporalLossWeights, causal: bool
) -> tuple[Tensor, dict[str, Tensor]]:
    """Return the weighted loss of a batch of windows, and its terms.

    L1 errors of the joints (anchor length 1) and of the angles, as for the lifter, and of what the
    joints do from slot to slot and over three slots: their velocity and acceleration.
    Slots beyond the first and last seen one do not count.

    Source: Ivashechkin et al. 2023, section 2.4; velocity and acceleration are ours.
    """
    hand = model(batch.window, causal)
    joints = forward_kinematics(hand).positions
    error = joints - forward_kinematics(batch.true).positions
    weight = _counts(batch.window.seen)
    pair = weight[:, 1:] * weight[:, :-1]
    triple = pair[:, 1:] * pair[:, :-1]
    terms = {
        "joints": _mean(error.abs().mean((-1, -2)), weight),
        "angles": _mean(_angle_error(hand, batch.true), weight),
        "velocity": _mean(error.diff(dim=1).abs().mean((-1, -2)), pair),
        "acceleration": _mean(error.diff(n=2, dim=1).abs().mean((-1, -2)), triple),
    }
    total = joints.new_zeros(())
    for name, term in terms.items():
        total = total + getattr(weights, name) * term
    return total, terms


def _counts(seen: Tensor) -> Tensor:
    """Return (batch, slot) how much each slot counts."""
    begun = seen.cumsum(dim=1) > 0
    goes_on = seen.flip(1).cumsum(dim=1).flip(1) > 0
    return torch.where(seen, 1.0, _UNSEEN) * (begun & goes_on)


def _mean(values: Tensor, weight: Tensor) -> Tensor:
    return (values * weight).sum() / weight.sum().clamp_min(1.0)


def _angle_error(hand: HandParameters, true: HandParameters) -> Tensor:
    return (
        (hand.articulation - true.articulation).abs().mean(-1)
        + (hand.offsets - true.offsets).abs().mean(-1)
        + (hand.root_rotation - true.root_rotation).abs().mean((-1, -2))
    )
