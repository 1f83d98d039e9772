"""DDIM on compiled loops: from the condition of a hand to its hypotheses, in a single call.

All hypotheses of a hand share step and condition. So the modulation of every block, and what the
condition adds to the points, are computed once a hand.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from hand_pose_ros.models.diffusion import ddim_coefficients, ddim_timesteps
from hand_pose_ros.models.lifter import Lifter, SamplingConfig
from hand_pose_ros.runtime.compiled import u_net
from hand_pose_ros.runtime.compiled.jit import Array, Indices, Int8, compiled
from hand_pose_ros.runtime.compiled.packing import Packed, next_part
from hand_pose_ros.runtime.compiled.products import multiply_row
from hand_pose_ros.runtime.compiled.u_net import Sizes, denoised, memory_of, network_of
from hand_pose_ros.runtime.compiled.u_net_weights import UNetWeights


class Sampling(NamedTuple):
    """How hands are sampled, the same for all.

    Attributes:
        sizes: of the denoiser.
        hypotheses: of a hand.
        steps: of DDIM.
        shares_first: whether the first step is one for all hypotheses, as it sees but noise.
        scale: of the points that come out.
    """

    sizes: Sizes
    hypotheses: int
    steps: int
    shares_first: bool
    scale: float


class Steps(NamedTuple):
    """What a step adds to the condition, and how points are moved behind it.

    Attributes:
        noise: (hypothesis * point, 3) start of every hand.
        times: (step, mod) what the time of a step adds to the condition.
        moves: (step, 2) factors of the clean and of the noisy points behind it, 0 for the last.
        unit: (1, mod + point * width) steps of the weights of what is made of the condition.
        bias: (1, mod + point * width) of that.
    """

    noise: Array
    times: Array
    moves: Array
    unit: Array
    bias: Array


@compiled
def sample(
    condition: Array,
    of_condition: Array | Int8,
    packed_steps: Array,
    packed_weights: Array,
    table: npt.NDArray[np.void],
    sources: Indices,
    how: Sampling,
    memory: Array,
    every: Array,
) -> None:
    """Write the hypotheses of D for a hand behind their mean.

    Args:
        condition: (condition,).
        of_condition: (condition, mod + point * width) of all that is made of it.
        packed_steps: `Steps`.
        packed_weights: of the denoiser, see `u_net.network_of`, as are the next two.
        table: of its steps.
        sources: of its points.
        how: the sampling.
        memory: of `memory_size`, written.
        every: (1 + hypothesis, point, 3) written.
    """
    sizes, count = how.sizes, how.hypotheses
    network = network_of(packed_weights, table, sources, sizes)
    steps = _steps_of(packed_steps, how)
    shape = (count, sizes.points, 3)
    made, start = next_part(memory, 0, 1, sizes.mod + sizes.points * sizes.width)
    noisy, start = next_part(memory, start, count * sizes.points, 3)
    clean, start = next_part(memory, start, count * sizes.points, 3)
    own = memory_of(memory[start:], count, sizes)
    x, moved, cleaned = steps.noise.reshape(shape), noisy.reshape(shape), clean.reshape(shape)
    multiply_row(condition, of_condition, made[0])
    for i in range(made.shape[1]):
        made[0, i] = made[0, i] * steps.unit[0, i] + steps.bias[0, i]
    modulation = made[0, : sizes.mod]
    points = made[0, sizes.mod :].reshape((sizes.points, sizes.width))
    for number in range(how.steps):
        shared = number == 0 and how.shares_first and how.steps > 1
        seen, answer = (x[:0], cleaned[:1]) if shared else (x, cleaned)
        denoised(seen, steps.times[number], modulation, points, network, own, answer)
        if number < how.steps - 1:
            _move(answer, steps.moves[number], x, moved)
        x = moved
    _with_mean(cleaned, how.scale, every)


def memory_size(how: Sampling) -> int:
    """Return how many numbers `sample` writes beside its answer."""
    sizes, needed = how.sizes, Packed()
    needed.reserve(sizes.mod + sizes.points * sizes.width)
    for _ in range(2):
        needed.reserve(how.hypotheses * sizes.points * 3)
    return needed.size + u_net.memory_size(sizes, how.hypotheses)


@compiled
def _steps_of(packed: Array, how: Sampling) -> Steps:
    sizes = how.sizes
    made = sizes.mod + sizes.points * sizes.width
    noise, start = next_part(packed, 0, how.hypotheses * sizes.points, 3)
    times, start = next_part(packed, start, how.steps, sizes.mod)
    moves, start = next_part(packed, start, how.steps, 2)
    unit, start = next_part(packed, start, 1, made)
    bias, start = next_part(packed, start, 1, made)
    return Steps(noise, times, moves, unit, bias)


@compiled
def _move(clean: Array, factors: Array, noisy: Array, out: Array) -> None:
    """Write a step of DDIM: clean points (hypothesis or 1, point, 3) and noisy ones, weighed."""
    for b in range(noisy.shape[0]):
        own = b if clean.shape[0] > 1 else 0
        for p in range(noisy.shape[1]):
            for axis in range(3):
                back = factors[1] * noisy[b, p, axis]
                out[b, p, axis] = factors[0] * clean[own, p, axis] + back


@compiled
def _with_mean(drawn: Array, scale: float, every: Array) -> None:
    """Write the mean of point sets (hypothesis, 21, 3), and then them, all scaled."""
    count = drawn.shape[0]
    for p in range(drawn.shape[1]):
        for axis in range(3):
            total = np.float32(0.0)
            for h in range(count):
                every[1 + h, p, axis] = drawn[h, p, axis] * scale
                total += every[1 + h, p, axis]
            every[0, p, axis] = total / np.float32(count)


def packed_steps(
    lifter: Lifter, sampling: SamplingConfig, weights: UNetWeights, noise: Array, unit: Array
) -> Array:
    """Return the `Steps` of a sampling behind each other."""
    timesteps, kept = ddim_timesteps(lifter.schedule.steps, sampling.steps), lifter.schedule.kept
    moves = [_factors(kept[now], kept[after]) for now, after in pairwise(timesteps)]
    packed = Packed()
    packed.add(noise)
    packed.add(np.stack([weights.time(step) for step in timesteps]))
    packed.add(np.array([*moves, (0.0, 0.0)], np.float32))
    packed.add(unit)
    packed.add(weights.condition[1])
    return packed.array()


def _factors(now: float, after: float) -> tuple[float, float]:
    """Return the factors of the clean and of the noisy points in a step of DDIM.

    Args:
        now: alpha_bar of the step at hand.
        after: that of the step that it leads to.
    """
    kept, direction, _ = ddim_coefficients(now, after, 0.0)
    back = direction / math.sqrt(1.0 - now)
    return kept - back * math.sqrt(now), back
