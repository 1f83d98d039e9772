"""Condition in, hands out: DDIM, IK and FK of `models.lifter.Lifter` on compiled loops."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.linalg  # noqa: F401 - its BLAS is what the compiled loops multiply with
import torch
from threadpoolctl import ThreadpoolController

from hand_pose_ros.models.diffusion import ddim_coefficients, ddim_timesteps
from hand_pose_ros.models.lifter import Lifter, SamplingConfig
from hand_pose_ros.runtime.compiled.denoiser import CompiledDenoiser, DenoiserWeights
from hand_pose_ros.runtime.compiled.hands import joints_of
from hand_pose_ros.runtime.compiled.inverse_kinematics import CompiledInverseKinematics
from hand_pose_ros.runtime.compiled.jit import Array
from hand_pose_ros.runtime.compiled.packing import rows


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
        self._blas = ThreadpoolController().select(user_api="blas")
        self._scale = np.float32(lifter.config.point_scale)
        weights = DenoiserWeights(lifter.denoiser)
        timesteps = ddim_timesteps(lifter.schedule.steps, sampling.steps)
        self._times = [weights.time(step) for step in timesteps]
        kept = lifter.schedule.kept
        self._moves = [_move(kept[now], kept[after]) for now, after in pairwise(timesteps)]
        self._denoise = CompiledDenoiser(weights, sampling.hypotheses)
        shares = sampling.share_first and len(timesteps) > 1
        self._first = CompiledDenoiser(weights, 1) if shares else None
        self._solve = CompiledInverseKinematics(lifter.inverse_kinematics, 1 + sampling.hypotheses)

    def __call__(self, conditions: Array, R: Array) -> tuple[npt.NDArray[Any], ...]:
        """Return root rotation, articulation, ratios, offsets, std and hypotheses of hands.

        Args:
            conditions: (hand, condition).
            R: (hand, 3, 3) camera frame to the frame of the condition.
        """
        # The products are small: a second thread would cost more than it does.
        with self._blas.limit(limits=1):
            found = [self._lift(*hand) for hand in zip(conditions, R, strict=True)]
        return tuple(np.stack(field) for field in zip(*found, strict=True))

    def _lift(self, condition: Array, R: Array) -> tuple[Array, ...]:
        drawn = self._sample(condition)
        hands = self._solve(np.concatenate((drawn.mean(axis=0, keepdims=True), drawn)))
        placed = np.empty((len(drawn) + 1, *drawn.shape[1:]), np.float32)
        joints_of(*hands, placed)
        hypotheses = placed[1:]
        std = np.sqrt(hypotheses.var(axis=0).sum(axis=-1))
        root, articulation, lengths, offsets = (field[0] for field in hands)
        return R.T @ root, articulation, lengths, offsets, std, hypotheses @ R

    def _sample(self, condition: Array) -> Array:
        """Return the hypotheses (hypothesis, 21, 3) of D, anchor bone = 1."""
        x = self._noise
        prepared = self._denoise.prepare(condition)
        for number, (of_clean, of_noisy) in enumerate(self._moves):
            time = self._times[number]
            if number == 0 and self._first is not None:
                clean = self._first(None, time, prepared)
            else:
                clean = self._denoise(x, time, prepared)
            x = of_clean * clean + of_noisy * x
        return self._denoise(x, self._times[-1], prepared) / self._scale


def _move(now: float, after: float) -> tuple[np.float32, np.float32]:
    """Return the factors of the clean and of the noisy points in a step of DDIM.

    Args:
        now: alpha_bar of the step at hand.
        after: that of the step that it leads to.
    """
    kept, direction, _ = ddim_coefficients(now, after, 0.0)
    back = direction / math.sqrt(1.0 - now)
    return np.float32(kept - back * math.sqrt(now)), np.float32(back)
