"""The least-squares problem that fitting a hand is: variables, bounds, priors and linearisation.

Everything is in units of the hand's own anchor bone as the first guess measured it, so that a hand
of any size, in any unit of length, is the same problem.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TypeVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from hand_pose_ros.hand import skeleton
from hand_pose_ros.hand.jacobian import angle_jacobian, length_jacobian
from hand_pose_ros.hand.kinematics import HandParameters, forward_kinematics
from hand_pose_ros.hand.limits import HandLimits

# What a hand does where the points do not say: standard deviations [rad] of the articulations.
_PRIOR_STD = {"abduction": 0.25, "flexion": 0.7, "rotation": 0.2}
_RANGE_IN_STD = 4.0  # a range of offsets or ratios is two standard deviations to each side
_LOG_SCALE_RANGE = (-1.5, 1.5)
_FREE = 6  # wrist rotation and place come before the bounded variables in a step

_ARTICULATION, _OFFSETS, _SCALE, _RATIOS = slice(0, 23), slice(23, 38), 38, slice(39, 59)

Fields = TypeVar("Fields", "FitState", "Prior")


@dataclass(frozen=True)
class FitState:
    """One guess per hand.

    Attributes:
        root: (batch, 3, 3) wrist frame to the frame of the points.
        place: (batch, 3) wrist.
        bounded: (batch, 59) articulations, offsets, log of the anchor bone's length, ratios.
    """

    root: Tensor
    place: Tensor
    bounded: Tensor

    @classmethod
    def of(cls, hand: HandParameters, unit: Tensor, place: Tensor) -> FitState:
        """Return the state of a hand whose lengths count in `unit`; `hand` inverts it."""
        anchor = hand.bone_lengths[..., skeleton.ANCHOR_BONE, None]
        log_scale = torch.log(anchor / unit.unsqueeze(-1))
        parts = (hand.articulation, hand.offsets, log_scale, hand.bone_lengths / anchor)
        return cls(hand.root_rotation, place, torch.cat(parts, dim=-1))

    def hand(self, unit: Tensor) -> HandParameters:
        """Return the hand, its bone lengths times `unit`."""
        anchor = torch.exp(self.bounded[..., _SCALE, None]) * unit.unsqueeze(-1)
        return HandParameters(
            self.root,
            self.bounded[..., _ARTICULATION],
            anchor * self.bounded[..., _RATIOS],
            self.bounded[..., _OFFSETS],
        )


@dataclass(frozen=True)
class Prior:
    """Bounds, mean and precision (1 / variance) of the bounded variables, each (batch, 59)."""

    low: Tensor
    high: Tensor
    mean: Tensor
    precision: Tensor


def prior_of(limits: HandLimits, state: FitState, keep_lengths: bool, keep_offsets: bool) -> Prior:
    """Return the prior of the limits; what is kept is bounded to its value in the state."""
    like = state.bounded
    ranges = torch.cat(
        (
            limits.tensor("articulation", like),
            limits.tensor("offsets", like),
            like.new_tensor([_LOG_SCALE_RANGE]),
            limits.tensor("ratios", like),
        )
    )
    low, high = (bound.expand_as(like).clone() for bound in ranges.unbind(-1))
    for keep, part in ((keep_offsets, _OFFSETS), (keep_lengths, slice(_SCALE, None))):
        if keep:
            low[:, part] = high[:, part] = like[:, part]
    std = (ranges[:, 1] - ranges[:, 0]) / _RANGE_IN_STD
    motions = [dof.rsplit("_", 1)[1] for dof in skeleton.ARTICULATION]
    std[_ARTICULATION] = like.new_tensor([_PRIOR_STD[motion] for motion in motions])
    std[_SCALE] = torch.inf
    mean = torch.cat(
        (
            like.new_zeros(len(skeleton.ARTICULATION)),
            limits.tensor("default_offsets", like),
            like.new_zeros(1),
            limits.tensor("default_ratios", like),
        )
    )
    precision = torch.where(high > low, 1.0 / std.square(), 0.0)
    return Prior(low, high, mean.expand_as(like), precision)


@dataclass(frozen=True)
class FitProblem:
    """Points to fit, how precisely each is known, and the prior; see `least_squares.Problem`.

    Attributes:
        points: (batch, 21, 3) in units of `unit`.
        precision: (batch, 21) 1 / variance of each point.
        unit: (batch) length that is 1 here [m].
        prior: of the bounded variables.
    """

    points: Tensor
    precision: Tensor
    unit: Tensor
    prior: Prior

    def cost(self, state: FitState) -> Float[Tensor, " batch"]:
        """Return half the squared distances to points and prior, in standard deviations."""
        away = forward_kinematics(self._hand(state)).positions
        away = away + state.place.unsqueeze(-2) - self.points
        data = (self.precision * away.square().sum(-1)).sum(-1)
        return 0.5 * (data + (self.prior.precision * self._off(state).square()).sum(-1))

    def linearize(
        self, state: FitState
    ) -> tuple[Float[Tensor, "batch 65 65"], Float[Tensor, "batch 65"]]:
        """Return Hessian and gradient: turn about and shift along x, y, z, then the bounded."""
        hand = self._hand(state)
        joints = forward_kinematics(hand)
        jacobian = torch.cat(
            (
                _turning(joints.positions),
                _shifting(joints.positions),
                angle_jacobian(hand, joints),
                joints.positions.unsqueeze(-3),
                length_jacobian(joints) * _anchor(hand),
            ),
            dim=-3,
        ).flatten(-2)
        away = (joints.positions + state.place.unsqueeze(-2) - self.points).flatten(-2)
        precise = jacobian * self.precision.repeat_interleave(3, dim=-1).unsqueeze(-2)
        gradient = (precise @ away.unsqueeze(-1)).squeeze(-1)
        hessian = precise @ jacobian.transpose(-1, -2)
        gradient[..., _FREE:] += self.prior.precision * self._off(state)
        hessian.diagonal(dim1=-2, dim2=-1)[..., _FREE:] += self.prior.precision
        return hessian, gradient

    def blocked(self, state: FitState, gradient: Tensor) -> Bool[Tensor, "batch 65"]:
        """Return which variables stand at a bound that the descent would cross."""
        downhill = -gradient[..., _FREE:]
        at_low = (state.bounded <= self.prior.low) & (downhill <= 0)
        at_high = (state.bounded >= self.prior.high) & (downhill >= 0)
        return torch.nn.functional.pad(at_low | at_high, (_FREE, 0))

    def retract(self, state: FitState, step: Tensor) -> FitState:
        """Return the state after a step; rotations turn about the axes of the points' frame."""
        bounded = torch.minimum(state.bounded + step[..., _FREE:], self.prior.high)
        return FitState(
            torch.linalg.matrix_exp(_skew(step[..., :3])) @ state.root,
            state.place + step[..., 3:_FREE],
            torch.maximum(bounded, self.prior.low),
        )

    def select(self, index: Tensor) -> FitProblem:
        """Return the problems of some indices."""
        points, precision, unit = self.points[index], self.precision[index], self.unit[index]
        return FitProblem(points, precision, unit, _rows(self.prior, index))

    def take(self, state: FitState, index: Tensor) -> FitState:
        """Return the guesses of some indices."""
        return _rows(state, index)

    def put(self, state: FitState, index: Tensor, part: FitState) -> FitState:
        """Return a state whose guesses at some indices are replaced."""
        return FitState(
            *(
                getattr(state, field.name).index_copy(0, index, getattr(part, field.name))
                for field in fields(FitState)
            )
        )

    def _hand(self, state: FitState) -> HandParameters:
        return state.hand(torch.ones_like(self.unit))

    def _off(self, state: FitState) -> Tensor:
        return state.bounded - self.prior.mean


def _rows(of: Fields, index: Tensor) -> Fields:
    return type(of)(*(getattr(of, field.name)[index] for field in fields(of)))


def _anchor(hand: HandParameters) -> Float[Tensor, "batch 1 1 1"]:
    return hand.bone_lengths[..., skeleton.ANCHOR_BONE, None, None, None]


def _turning(positions: Tensor) -> Float[Tensor, "batch 3 21 3"]:
    """Return d position / d rotation of the whole hand about x, y and z: axis x position."""
    axes = torch.eye(3, dtype=positions.dtype, device=positions.device).unsqueeze(-2)
    around = positions.unsqueeze(-3).expand(*positions.shape[:-2], 3, -1, -1)
    return torch.linalg.cross(axes.expand_as(around), around)


def _shifting(positions: Tensor) -> Float[Tensor, "batch 3 21 3"]:
    axes = torch.eye(3, dtype=positions.dtype, device=positions.device).unsqueeze(-2)
    return axes.expand(*positions.shape[:-2], 3, positions.shape[-2], 3)


def _skew(axis: Tensor) -> Float[Tensor, "batch 3 3"]:
    x, y, z = axis.unbind(-1)
    zero = torch.zeros_like(x)
    return torch.stack((zero, -z, y, z, zero, -x, -y, x, zero), dim=-1).unflatten(-1, (3, 3))
