"""Inverse kinematics: the hand, within its limits, that comes nearest to 21 points."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import repeat

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from hand_pose_ros.errors import ConfigError, InputError, ShapeError
from hand_pose_ros.hand import skeleton
from hand_pose_ros.hand.fitting_problem import FitProblem, FitState, prior_of
from hand_pose_ros.hand.initial import initial_hand
from hand_pose_ros.hand.kinematics import HandParameters, forward_kinematics
from hand_pose_ros.hand.least_squares import minimize
from hand_pose_ros.hand.limits import HandLimits

_CHUNK = 2048  # hands solved at once: their normal equations take 70 MB
_SIZES = {
    "weights": len(skeleton.KEYPOINTS),
    "bone_lengths": len(skeleton.BONES),
    "offsets": len(skeleton.OFFSETS),
}


@dataclass(frozen=True)
class FitOptions:
    """How to fit.

    Attributes:
        limits: ranges and means of the parameters.
        noise: standard deviation of the points over the length of the anchor bone. What the points
            say is weighed by it against the priors: toward straight fingers, the mean palm and the
            mean proportions. The default leaves the priors only what the points do not show.
        max_iterations: Gauss-Newton steps at most.
        tolerance: a hand is done when a step lowers its cost by a smaller share than this.
    """

    limits: HandLimits = field(default_factory=HandLimits)
    noise: float = 0.002
    max_iterations: int = 40
    tolerance: float = 1e-5

    def __post_init__(self) -> None:
        for name in ("noise", "max_iterations", "tolerance"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"{name} is {getattr(self, name)}; it must be above 0")


@dataclass(frozen=True)
class FitResult:
    """The fitted hands and how well they fit.

    Attributes:
        hand: parameters of right hands, all angles and ratios within the limits.
        translation: (*batch, 3) place of the wrist [m]; add to the joints of the kinematics.
        residual: (*batch, 21) distance of each joint to its point [m].
        converged: (*batch) False where the steps ran out first.
    """

    hand: HandParameters
    translation: Float[Tensor, "*batch 3"]
    residual: Float[Tensor, "*batch 21"]
    converged: Bool[Tensor, "*batch"]

    @property
    def positions(self) -> Float[Tensor, "*batch 21 3"]:
        """The fitted joints [m], in the frame of the points."""
        return forward_kinematics(self.hand).positions + self.translation.unsqueeze(-2)


@torch.no_grad()
def fit_hand(
    points: Float[Tensor, "*batch 21 3"],
    *,
    weights: Float[Tensor, "*#batch 21"] | None = None,
    bone_lengths: Float[Tensor, "*#batch 20"] | None = None,
    offsets: Float[Tensor, "*#batch 15"] | None = None,
    options: FitOptions | None = None,
) -> FitResult:
    """Fit a right hand to points: wrist rotation and place, angles, finger offsets and lengths.

    A closed-form guess, then bounded Levenberg-Marquardt steps on the whole batch, in float64; the
    result has the dtype and device of the points. Mirror a left hand before (`kinematics.mirror`).

    Args:
        points: 21 joints [m] (or any unit), order `skeleton.KEYPOINTS`, in any frame.
        weights: trust in each joint, at least 0; a joint of weight 0 may be anywhere finite.
        bone_lengths: lengths [m] to keep instead of fitting them; they need not obey the limits.
        offsets: finger offsets [rad] to keep instead of fitting them.
        options: limits, noise and when to stop.

    Raises:
        ShapeError: a shape does not match the skeleton.
        InputError: points or weights are not finite, weights negative, or all points in one place.

    Source: Ivashechkin et al. 2023, section 3.1 (the IK solver).
    """
    options = options or FitOptions()
    _check(points, weights)
    batch = points.shape[:-2]
    flat = points.reshape(-1, len(skeleton.KEYPOINTS), 3).double()
    given = (
        _flat(torch.ones_like(points[..., 0]) if weights is None else weights, batch, "weights"),
        None if bone_lengths is None else _flat(bone_lengths, batch, "bone_lengths"),
        None if offsets is None else _flat(offsets, batch, "offsets"),
    )
    chunks = (repeat(None) if value is None else value.split(_CHUNK) for value in given)
    parts = [_fit_chunk(options, *part) for part in zip(flat.split(_CHUNK), *chunks)]  # noqa: B905
    *floats, converged = (torch.cat(values) for values in zip(*parts, strict=True))
    *hand, place, residual = (
        value.to(points.dtype).reshape(*batch, *value.shape[1:]) for value in floats
    )
    return FitResult(HandParameters(*hand), place, residual, converged.reshape(batch))


def _fit_chunk(
    options: FitOptions,
    points: Tensor,
    weights: Tensor,
    bone_lengths: Tensor | None,
    offsets: Tensor | None,
) -> tuple[Tensor, ...]:
    """Return root rotation, articulation, lengths, offsets, place, residual and convergence."""
    first = initial_hand(points, options.limits)
    if bone_lengths is not None:
        first = replace(first, bone_lengths=bone_lengths)
    if offsets is not None:
        first = replace(first, offsets=offsets)
    unit = first.bone_lengths[..., skeleton.ANCHOR_BONE]
    state = FitState.of(first, unit, points[..., 0, :] / unit.unsqueeze(-1))
    prior = prior_of(options.limits, state, bone_lengths is not None, offsets is not None)
    precision = weights / options.noise**2
    problem = FitProblem(points / unit[:, None, None], precision, unit, prior)
    state, converged = minimize(problem, state, options.max_iterations, options.tolerance)
    hand, place = state.hand(unit), state.place * unit.unsqueeze(-1)
    away = forward_kinematics(hand).positions + place.unsqueeze(-2) - points
    parameters = (hand.root_rotation, hand.articulation, hand.bone_lengths, hand.offsets)
    return (*parameters, place, away.norm(dim=-1), converged)


def _flat(values: Tensor, batch: torch.Size, name: str) -> Float[Tensor, "hand n"]:
    """Return one row per hand in float64.

    Raises:
        ShapeError: another number of entries, or batch axes that do not fit the points'.
    """
    size = _SIZES[name]
    try:
        return values.double().expand(*batch, size).reshape(-1, size)
    except RuntimeError as error:
        came = tuple(values.shape)
        raise ShapeError(f"{name} have shape {came}; they must fit {(*batch, size)}") from error


def _check(points: Tensor, weights: Tensor | None) -> None:
    if points.shape[-2:] != (len(skeleton.KEYPOINTS), 3):
        raise ShapeError(f"points have shape {tuple(points.shape)}; they must be (*, 21, 3)")
    if not torch.isfinite(points).all():
        raise InputError("points to fit a hand to have values that are not finite")
    if (points - points[..., :1, :]).abs().amax((-2, -1)).eq(0).any():
        raise InputError("points to fit a hand to are all in one place")
    if weights is not None and not (torch.isfinite(weights) & (weights >= 0)).all():
        raise InputError("weights to fit a hand with must be finite and at least 0")
