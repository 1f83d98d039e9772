"""Condition in, hands out: DDIM, IK and FK of `models.lifter.Lifter` on compiled loops."""

from __future__ import annotations

import math
import threading
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.linalg  # noqa: F401 - its BLAS is what the compiled loops multiply with
import torch
from threadpoolctl import LibController, ThreadpoolController

from hand_pose_ros.models.diffusion import ddim_coefficients, ddim_timesteps
from hand_pose_ros.models.lifter import Lifter, SamplingConfig
from hand_pose_ros.runtime.compiled.denoiser import CompiledDenoiser, DenoiserWeights
from hand_pose_ros.runtime.compiled.hands import (
    ANGLES,
    BONES,
    OFFSETS,
    POINTS,
    joints_of,
    turned_with_spread,
    with_mean,
)
from hand_pose_ros.runtime.compiled.inverse_kinematics import CompiledInverseKinematics
from hand_pose_ros.runtime.compiled.jit import Array
from hand_pose_ros.runtime.compiled.packing import rows
from hand_pose_ros.runtime.compiled.points import moved

_LOCK = threading.Lock()
"""Held while hands are sampled: samplers write their own memory, and set the threads of a BLAS
that they share."""


def can_compile(lifter: Lifter, sampling: SamplingConfig) -> bool:
    """Return whether `CompiledSampler` does this sampling: D* by DDIM without fresh noise."""
    return (
        sampling.method == "d_star"
        and sampling.sampler == "ddim"
        and sampling.eta == 0.0
        and lifter.config.prediction == "x0"
    )


class CompiledSampler:
    """What `runtime.lift_network.LiftNetwork.lift` computes, hand by hand.

    Args:
        lifter: whose weights are copied.
        sampling: one that `can_compile` takes.
        noise: (hypotheses, 21, 3) start of every hand.
    """

    def __init__(self, lifter: Lifter, sampling: SamplingConfig, noise: torch.Tensor) -> None:
        self._noise = rows(noise)
        self._scale = np.float32(1.0 / lifter.config.point_scale)
        self._condition = lifter.config.condition
        self._blas = _blas_of_scipy()
        weights = DenoiserWeights(lifter.denoiser)
        timesteps = ddim_timesteps(lifter.schedule.steps, sampling.steps)
        self._times = [weights.time(step) for step in timesteps]
        kept = lifter.schedule.kept
        self._moves = [_move(kept[now], kept[after]) for now, after in pairwise(timesteps)]
        self._denoise = CompiledDenoiser(weights, sampling.hypotheses)
        shares = sampling.share_first and len(timesteps) > 1
        self._first = CompiledDenoiser(weights, 1) if shares else None
        count = 1 + sampling.hypotheses
        self._solve = CompiledInverseKinematics(lifter.inverse_kinematics, count)
        self._x = np.empty_like(self._noise)
        self._every, self._placed = np.empty((2, count, *noise.shape[1:]), np.float32)

    def warm_up(self) -> None:
        """Compile all that a call compiles."""
        self(np.zeros((1, self._condition), np.float32), np.eye(3, dtype=np.float32)[None])

    def __call__(self, conditions: Array, R: Array) -> tuple[npt.NDArray[Any], ...]:
        """Return root rotation, articulation, ratios, offsets, std and hypotheses of hands.

        Args:
            conditions: (hand, condition).
            R: (hand, 3, 3) camera frame to the frame of the condition.
        """
        shapes = ((3, 3), (ANGLES,), (BONES,), (OFFSETS,), (POINTS,), self._noise.shape)
        found = tuple(np.empty((len(R), *shape), np.float32) for shape in shapes)
        with _LOCK:
            threads = [blas.num_threads for blas in self._blas]
            # The products are small: a second thread would cost more than it does.
            for blas in self._blas:
                blas.set_num_threads(1)
            try:
                for hand in zip(conditions, R, *found, strict=True):
                    self._lift(*hand)
            finally:
                for blas, count in zip(self._blas, threads, strict=True):
                    blas.set_num_threads(count)
        return found

    def _lift(
        self,
        condition: Array,
        R: Array,
        root: Array,
        articulation: Array,
        lengths: Array,
        offsets: Array,
        std: Array,
        hypotheses: Array,
    ) -> None:
        """Write the fields of a hand."""
        with_mean(self._sample(condition), self._scale, self._every)
        hands = self._solve(self._every)
        joints_of(*hands, self._placed)
        turned_with_spread(self._placed, np.ascontiguousarray(R), hypotheses, std)
        root[:] = R.T @ hands[0][0]
        articulation[:], lengths[:], offsets[:] = (field[0] for field in hands[1:])

    def _sample(self, condition: Array) -> Array:
        """Return the hypotheses (hypothesis, 21, 3) of D, scaled."""
        x = self._noise
        prepared = self._denoise.prepare(condition)
        for number, (of_clean, of_noisy) in enumerate(self._moves):
            time = self._times[number]
            if number == 0 and self._first is not None:
                clean = self._first(None, time, prepared)
            else:
                clean = self._denoise(x, time, prepared)
            moved(clean, of_clean, x, of_noisy, self._x)
            x = self._x
        return self._denoise(x, self._times[-1], prepared)


def _blas_of_scipy() -> list[LibController]:
    """Return what sets the threads of SciPy's BLAS; of all, where it is not told from others."""
    every = ThreadpoolController().select(user_api="blas").lib_controllers
    return [each for each in every if "scipy.libs" in (each.filepath or "")] or every


def _move(now: float, after: float) -> tuple[np.float32, np.float32]:
    """Return the factors of the clean and of the noisy points in a step of DDIM.

    Args:
        now: alpha_bar of the step at hand.
        after: that of the step that it leads to.
    """
    kept, direction, _ = ddim_coefficients(now, after, 0.0)
    back = direction / math.sqrt(1.0 - now)
    return np.float32(kept - back * math.sqrt(now)), np.float32(back)
