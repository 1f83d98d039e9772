"""Proportions and palms of different people, around the mean hand of the skeleton."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from hand_pose_ros.hand import skeleton

_ROOT_BONES = [skeleton.BONES.index(f"{finger}_mcp") for finger in skeleton.FINGERS[1:]]
_FINGER_BONES = [bone for bone in range(len(skeleton.BONES)) if bone % 4]


@dataclass(frozen=True)
class Spread:
    """Standard deviations of hands from the mean hand; ratios are shares, angles degrees.

    Attributes:
        fingers: of the length of all fingers over that of the palm.
        bone: of each bone on its own.
        wrist: of where along the forearm the wrist is taken to be, over the anchor bone.
        thumb, finger: of yaw, pitch and roll of the offset of the thumb, and of each finger.
        common: of yaw and pitch that all fingers share.
    """

    fingers: float
    bone: float
    wrist: float
    thumb: tuple[float, float, float]
    finger: tuple[float, float, float]
    common: tuple[float, float]


PEOPLE = Spread(0.04, 0.025, 0.0, (3.0, 3.0, 5.0), (1.2, 1.2, 2.0), (0.0, 0.0))
"""How people differ whose joints are defined alike: knuckles stay within 2 mm of a smooth arch."""
DATASETS = Spread(0.05, 0.05, 0.05, (6.0, 6.0, 9.0), (2.5, 3.5, 4.0), (1.5, 3.0))
"""How people differ and, far more, what datasets call a joint: also how deep in the forearm, and
where across it, the wrist is. For points that a network must read whatever they were set by."""


def sample_ratios(
    count: int, generator: torch.Generator, spread: Spread = DATASETS
) -> Float[Tensor, "{count} 20"]:
    """Draw bone lengths over the anchor bone, order `skeleton.BONES`, inside the limits."""
    ratios = torch.tensor(skeleton.DEFAULT_RATIOS).expand(count, -1).clone()
    long_fingers = 1.0 + spread.fingers * torch.randn(count, 1, generator=generator)
    ratios[:, _FINGER_BONES] *= long_fingers
    shift = spread.wrist * torch.randn(count, 1, generator=generator)
    ratios[:, _ROOT_BONES] += shift
    # The anchor was moved like its neighbours: divide, so that it is 1 again.
    ratios /= ratios[:, [skeleton.ANCHOR_BONE]].clone()
    ratios *= 1.0 + spread.bone * torch.randn(ratios.shape, generator=generator)
    low, high = torch.tensor(skeleton.RATIO_LIMITS).unbind(-1)
    return ratios.clamp(low, high)


def sample_offsets(
    count: int, generator: torch.Generator, spread: Spread = DATASETS
) -> Float[Tensor, "{count} 15"]:
    """Draw finger offsets [rad], order `skeleton.OFFSETS`, inside the limits."""
    std_deg = [
        s for f in skeleton.FINGERS for s in (spread.thumb if f == "thumb" else spread.finger)
    ]
    std = torch.tensor([math.radians(value) for value in std_deg])
    offsets = torch.tensor(skeleton.DEFAULT_OFFSETS) + std * torch.randn(
        count, len(std_deg), generator=generator
    )
    common = torch.tensor([math.radians(value) for value in spread.common])
    common = common * torch.randn(count, 1, 2, generator=generator)
    offsets = (offsets.unflatten(-1, (5, 3)) + torch.nn.functional.pad(common, (0, 1))).flatten(1)
    low, high = torch.tensor(skeleton.OFFSET_LIMITS).unbind(-1)
    return offsets.clamp(low, high)


def sample_anchor_length(count: int, generator: torch.Generator) -> Float[Tensor, "{count} 1"]:
    """Draw the wrist to index MCP length [m]: 8 % around the mean adult hand."""
    factor = torch.exp(0.08 * torch.randn(count, 1, generator=generator))
    return skeleton.DEFAULT_ANCHOR_LENGTH * factor
