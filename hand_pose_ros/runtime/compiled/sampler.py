"""Condition in, hands out: DDIM, IK and FK of `models.lifter.Lifter` on compiled loops.

Three calls of compiled code make a hand, each given few arrays: for Python to hand one over takes
2 us where its own code has just been pushed out of the caches by an image network.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from itertools import accumulate, pairwise

import numpy as np
import scipy.linalg  # noqa: F401 - its BLAS is what the compiled loops multiply with
import torch

from hand_pose_ros.models.lifter import Lifter, SamplingConfig
from hand_pose_ros.runtime.compiled import ddim, hands
from hand_pose_ros.runtime.compiled.ddim import Sampling, packed_steps, sample
from hand_pose_ros.runtime.compiled.hands import FIELDS, POINTS, fields_of, seen_from_palm
from hand_pose_ros.runtime.compiled.inverse_kinematics import CompiledReading
from hand_pose_ros.runtime.compiled.jit import Array, Int8, Wide
from hand_pose_ros.runtime.compiled.packing import aligned, in_8_bits, rows
from hand_pose_ros.runtime.compiled.u_net_weights import UNetWeights

Reading = Callable[[Array], Array]
"""What the IK-MLP reads off features: (hand, feature) to (hand, out)."""


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

    Threads may share one: as it writes memory of its own, they wait for each other.

    Args:
        lifter: whose weights are copied.
        sampling: one that `can_compile` takes.
        noise: (hypotheses, 21, 3) start of every hand.
        rounds: whether what is made of the condition has weights of 8 bits.
        reading: what reads hands off features in the place of `CompiledReading`.
    """

    def __init__(
        self,
        lifter: Lifter,
        sampling: SamplingConfig,
        noise: torch.Tensor,
        rounds: bool = False,
        reading: Reading | None = None,
    ) -> None:
        weights = UNetWeights(lifter.denoiser)
        matrix, _ = weights.condition
        self._of_condition: Array | Int8 = matrix
        unit = np.ones(matrix.shape[1], np.float32)
        if rounds:
            self._of_condition, unit = in_8_bits(matrix)
        self._how = Sampling(
            weights.sizes,
            sampling.hypotheses,
            sampling.steps,
            sampling.share_first,
            1.0 / lifter.config.point_scale,
        )
        self._denoiser = (
            packed_steps(lifter, sampling, weights, rows(noise), unit),
            weights.weights,
            weights.steps,
            weights.sources,
        )
        count = 1 + sampling.hypotheses
        self._reading = reading or CompiledReading(lifter.inverse_kinematics, count)
        self._limits = rows(lifter.inverse_kinematics.head.limits)
        self._memory = aligned(ddim.memory_size(self._how))
        self._every, self._palms = aligned(count, POINTS, 3), aligned(count, 3, 3)
        self._features = aligned(count, 3 * POINTS)
        self._fields_memory = aligned(hands.memory_size(count))
        shapes = (*FIELDS.values(), tuple(noise.shape))
        ends = list(accumulate(map(math.prod, shapes), initial=0))
        self._fields = list(zip(pairwise(ends), shapes, strict=True))
        self._size = ends[-1]
        self._lock = threading.Lock()

    def warm_up(self) -> None:
        """Compile all that a call compiles."""
        condition = np.zeros((1, len(self._of_condition)), np.float32)
        self(condition, np.eye(3, dtype=np.float32)[None])

    def __call__(self, conditions: Array, R: Array) -> tuple[Wide, ...]:
        """Return root rotation, articulation, ratios, offsets, std and hypotheses of hands.

        Args:
            conditions: (hand, condition).
            R: (hand, 3, 3) camera frame to the frame of the condition.
        """
        found = np.empty((len(R), self._size))
        with self._lock:
            inputs = np.ascontiguousarray(conditions), np.ascontiguousarray(R)
            for condition, turn, fields in zip(*inputs, found, strict=True):
                self._lift(condition, turn, fields)
        return tuple(
            found[:, start:end].reshape(-1, *shape) for (start, end), shape in self._fields
        )

    def _lift(self, condition: Array, R: Array, fields: Wide) -> None:
        """Write the fields of a hand."""
        sample(
            condition, self._of_condition, *self._denoiser, self._how, self._memory, self._every
        )
        seen_from_palm(self._every, self._palms, self._features)
        read = self._reading(self._features)
        fields_of(read, self._palms, self._limits, R, self._fields_memory, fields)
