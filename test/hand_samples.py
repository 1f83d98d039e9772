"""Random hands for the tests of the hand: every parameter anywhere within its limits."""

from __future__ import annotations

import torch

from hand_pose_ros.hand import skeleton
from hand_pose_ros.hand.kinematics import HandParameters
from hand_pose_ros.hand.rotations import matrix_from_9d

ANCHOR = 0.09


def random_hands(*batch: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> HandParameters:
    generator = torch.Generator().manual_seed(seed)

    def within(limits: tuple[tuple[float, float], ...]) -> torch.Tensor:
        low, high = torch.tensor(limits, dtype=dtype).unbind(-1)
        return low + (high - low) * torch.rand(
            *batch, len(limits), generator=generator, dtype=dtype
        )

    return HandParameters(
        matrix_from_9d(torch.randn(*batch, 9, generator=generator, dtype=dtype)),
        within(skeleton.ARTICULATION_LIMITS),
        within(skeleton.RATIO_LIMITS) * ANCHOR,
        within(skeleton.OFFSET_LIMITS),
    )


def flat_hand(dtype: torch.dtype = torch.float64) -> HandParameters:
    """Return the mean hand with straight fingers, its wrist frame the camera's axes."""
    return HandParameters(
        torch.eye(3, dtype=dtype),
        torch.zeros(len(skeleton.ARTICULATION), dtype=dtype),
        torch.tensor(skeleton.DEFAULT_RATIOS, dtype=dtype) * skeleton.DEFAULT_ANCHOR_LENGTH,
        torch.tensor(skeleton.DEFAULT_OFFSETS, dtype=dtype),
    )
