"""Levenberg-Marquardt for a batch of bounded nonlinear least-squares problems at once."""

from __future__ import annotations

from typing import Protocol, TypeVar, runtime_checkable

import torch
from jaxtyping import Bool, Float
from torch import Tensor

_FIRST_DAMPING = 1e-3
_RELAX, _TIGHTEN = 0.2, 8.0
_LEAST_DAMPING, _MOST_DAMPING = 1e-9, 1e6

State = TypeVar("State")


@runtime_checkable
class Problem(Protocol[State]):
    """What the solver has to know about a batch of problems; a state holds one guess for each."""

    def cost(self, state: State) -> Float[Tensor, " batch"]:
        """Return half the sum of squares to be minimised."""

    def linearize(
        self, state: State
    ) -> tuple[Float[Tensor, "batch n n"], Float[Tensor, "batch n"]]:
        """Return the Gauss-Newton Hessian and the gradient of the cost for a small step."""

    def blocked(self, state: State, gradient: Float[Tensor, "batch n"]) -> Bool[Tensor, "batch n"]:
        """Return which variables stand at a bound that the descent would cross."""

    def retract(self, state: State, step: Float[Tensor, "batch n"]) -> State:
        """Return the state after a step, cut off at the bounds."""

    def select(self, index: Tensor) -> Problem[State]:
        """Return the problems of some indices."""

    def take(self, state: State, index: Tensor) -> State:
        """Return the guesses of some indices."""

    def put(self, state: State, index: Tensor, part: State) -> State:
        """Return a state whose guesses at some indices are replaced."""


def minimize(
    problem: Problem[State], state: State, max_iterations: int, tolerance: float
) -> tuple[State, Bool[Tensor, " batch"]]:
    """Return the best state found and which problems converged.

    Variables at a bound that the gradient pushes against are held for a step; the others move by a
    damped Gauss-Newton step, cut off at their bounds. Each problem has its own damping, and leaves
    the batch when a step gains a smaller share of its cost than `tolerance`.

    Source: More 1978, The Levenberg-Marquardt algorithm; Bertsekas 1982 for the projection.
    """
    cost = problem.cost(state)
    damping = torch.full_like(cost, _FIRST_DAMPING)
    converged = ~torch.isfinite(cost)
    for _ in range(max_iterations):
        index = (~converged).nonzero().squeeze(-1)
        if index.numel() == 0:
            break
        some, guess = problem.select(index), problem.take(state, index)
        trial = some.retract(guess, _step(some, guess, damping[index]))
        before, after = cost[index], some.cost(trial)
        better = after < before
        won = index[better]
        state = problem.put(state, won, some.take(trial, better.nonzero().squeeze(-1)))
        cost = cost.index_copy(0, won, after[better])
        factor = torch.where(better, _RELAX, _TIGHTEN)
        stuck = damping[index] * factor > _MOST_DAMPING
        damping = damping.index_copy(0, index, (damping[index] * factor).clamp_min(_LEAST_DAMPING))
        done = (better & (before - after <= tolerance * before)) | stuck
        converged = converged.index_copy(0, index, done)
    return state, converged


def _step(problem: Problem[State], state: State, damping: Tensor) -> Float[Tensor, "batch n"]:
    hessian, gradient = problem.linearize(state)
    free = (~problem.blocked(state, gradient)).to(gradient.dtype)
    diagonal = hessian.diagonal(dim1=-2, dim2=-1)
    added = diagonal * damping.unsqueeze(-1) + 1e-12 * diagonal.amax(-1, keepdim=True)
    hessian = hessian * free.unsqueeze(-1) * free.unsqueeze(-2)
    hessian = hessian + torch.diag_embed(added * free + (1.0 - free))
    factor, _ = torch.linalg.cholesky_ex(hessian)
    return -torch.cholesky_solve((gradient * free).unsqueeze(-1), factor).squeeze(-1)
