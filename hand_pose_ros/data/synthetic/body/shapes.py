"""Proportions and palms of different people, around the mean hand of the skeleton."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from hand_pose_ros.hand import skeleton

_ROOT_BONES = [skeleton.BONES.index(f"{finger}_mcp") for finger in skeleton.FINGERS[1:]]
_FINGER_BONES = [bone for bone in range(len(skeleton.BONES)) if bone % 4]
_OFFSET_STD_DEG = {"thumb": (6.0, 6.0, 9.0)}


def sample_ratios(count: int, generator: torch.Generator) -> Float[Tensor, "{count} 20"]:
    """Draw bone lengths over the anchor bone, order `skeleton.BONES`, inside the limits.

    Three things vary: fingers long or short for the palm (5 %), each bone on its own (5 %), and
    where along the forearm the wrist is taken to be (5 % of the anchor), on which datasets differ.
    """
    ratios = torch.tensor(skeleton.DEFAULT_RATIOS).expand(count, -1).clone()
    long_fingers = 1.0 + 0.05 * torch.randn(count, 1, generator=generator)
    ratios[:, _FINGER_BONES] *= long_fingers
    shift = 0.05 * torch.randn(count, 1, generator=generator)
    ratios[:, _ROOT_BONES] += shift
    # The anchor was moved like its neighbours: divide, so that it is 1 again.
    ratios /= ratios[:, [skeleton.ANCHOR_BONE]].clone()
    ratios *= 1.0 + 0.05 * torch.randn(ratios.shape, generator=generator)
    low, high = torch.tensor(skeleton.RATIO_LIMITS).unbind(-1)
    return ratios.clamp(low, high)


def sample_offsets(count: int, generator: torch.Generator) -> Float[Tensor, "{count} 15"]:
    """Draw finger offsets [rad], order `skeleton.OFFSETS`, inside the limits.

    Besides each angle on its own, all fingers pitch and yaw together (3 and 1.5 degrees): datasets
    also differ in how deep in the forearm, and where across it, the wrist is.
    """
    std_deg = [s for f in skeleton.FINGERS for s in _OFFSET_STD_DEG.get(f, (2.5, 3.5, 4.0))]
    std = torch.tensor([math.radians(value) for value in std_deg])
    offsets = torch.tensor(skeleton.DEFAULT_OFFSETS) + std * torch.randn(
        count, len(std_deg), generator=generator
    )
    common = torch.randn(count, 1, 2, generator=generator) * torch.tensor((0.026, 0.052))
    offsets = (offsets.unflatten(-1, (5, 3)) + torch.nn.functional.pad(common, (0, 1))).flatten(1)
    low, high = torch.tensor(skeleton.OFFSET_LIMITS).unbind(-1)
    return offsets.clamp(low, high)


def sample_anchor_length(count: int, generator: torch.Generator) -> Float[Tensor, "{count} 1"]:
    """Draw the wrist to index MCP length [m]: 8 % around the mean adult hand."""
    factor = torch.exp(0.08 * torch.randn(count, 1, generator=generator))
    return skeleton.DEFAULT_ANCHOR_LENGTH * factor
