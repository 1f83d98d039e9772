"""From a dataset of 3D hands to the limits and proportions of its hands."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from hand_pose_ros.errors import ConfigError, InputError, ShapeError
from hand_pose_ros.hand import skeleton
from hand_pose_ros.hand.fitting import FitOptions, FitResult, fit_hand
from hand_pose_ros.hand.kinematics import HandParameters
from hand_pose_ros.hand.limits import HandLimits

MIN_HANDS = 20
"""Fewer hands than this have no percentiles worth the name."""

MEASURING = FitOptions(limits=HandLimits().widened(math.radians(30.0), 0.2), noise=0.01)
"""Fits as they are measured from: with room beyond the shipped limits, and points 1 mm noisy."""


@dataclass(frozen=True)
class HandStatistics:
    """What a dataset says about hands.

    Attributes:
        limits: percentiles and medians of the fitted parameters; `limits.save` keeps them, and
            `FitOptions(limits=...)` uses them.
        hands: number of hands measured.
        left_out: number of hands that the kinematic hand did not fit.
        mean_error: of the hands measured, mean distance of a fitted joint to its point [m].
    """

    limits: HandLimits
    hands: int
    left_out: int
    mean_error: float


def hand_statistics(
    points: Float[Tensor, "hand 21 3"],
    *,
    percentiles: tuple[float, float] = (0.5, 99.5),
    max_error: float = 0.006,
    options: FitOptions = MEASURING,
) -> HandStatistics:
    """Return the limits and proportions of the right hands of a dataset.

    Args:
        points: joints [m], order `skeleton.KEYPOINTS`, in any frame; mirror left hands before.
        percentiles: which of each angle, offset and ratio are its limits.
        max_error: hands whose joints lie further than this from the fit, in the mean [m], are left
            out: wrong annotations would set the limits otherwise.
        options: how to fit. The limits bound what can be measured.

    Raises:
        ShapeError: points are not (hand, 21, 3).
        ConfigError: percentiles do not rise within 0 and 100.
        InputError: fewer than `MIN_HANDS` hands fit; or as `fit_hand`.

    Source: Ivashechkin et al. 2023, section 3.1.
    """
    if points.ndim != 3:
        raise ShapeError(f"points have shape {tuple(points.shape)}; they must be (hand, 21, 3)")
    if not 0.0 <= percentiles[0] < percentiles[1] <= 100.0:
        raise ConfigError(f"percentiles are {percentiles}; they must rise within 0 and 100")
    fit = fit_hand(points, options=options)
    good = fit.residual.mean(-1) <= max_error
    hands = int(good.sum())
    if hands < MIN_HANDS:
        raise InputError(
            f"{hands} of {len(points)} hands fit within {max_error} m; it takes {MIN_HANDS}"
        )
    return HandStatistics(
        _measured_limits(_rows(fit, good), percentiles, options.limits),
        hands,
        len(points) - hands,
        float(fit.residual[good].mean()),
    )


def _rows(fit: FitResult, good: Tensor) -> HandParameters:
    hand = fit.hand
    return HandParameters(
        hand.root_rotation[good],
        hand.articulation[good],
        hand.bone_lengths[good],
        hand.offsets[good],
    )


def _measured_limits(
    hand: HandParameters, percentiles: tuple[float, float], within: HandLimits
) -> HandLimits:
    anchor = hand.bone_lengths[:, skeleton.ANCHOR_BONE, None]
    ratios = hand.bone_lengths / anchor
    ratios[:, skeleton.ANCHOR_BONE] = 1.0
    return replace(
        within,
        articulation=_ranges(hand.articulation, percentiles),
        offsets=_ranges(hand.offsets, percentiles),
        ratios=_ranges(ratios, percentiles),
        default_offsets=_medians(hand.offsets),
        default_ratios=_medians(ratios),
        anchor_length=float(anchor.median()),
    )


def _ranges(
    values: Float[Tensor, "hand n"], percentiles: tuple[float, float]
) -> tuple[tuple[float, float], ...]:
    values = values.double()
    share = values.new_tensor(percentiles) / 100.0
    low, high = torch.quantile(values, share, dim=0)
    # The median belongs to the range even where nearly all hands are alike.
    middle = values.quantile(0.5, dim=0)
    low, high = torch.minimum(low, middle), torch.maximum(high, middle)
    return tuple(zip(low.tolist(), high.tolist(), strict=True))


def _medians(values: Float[Tensor, "hand n"]) -> tuple[float, ...]:
    return tuple(values.double().quantile(0.5, dim=0).tolist())
