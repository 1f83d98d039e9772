"""The program of a lift: an engine's, with the sampler on compiled loops where that is faster.

An engine takes each of the sampler's hundreds of small operations by itself. On a CPU the loops
of `compiled` take two fifths to a half as long; the engine then runs what makes the condition and,
where it rounds to 8 bits, most of the IK-MLP. Which of both an answer is from cannot be told: in
float32 they agree up to rounding.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from importlib.util import find_spec

import numpy as np
import numpy.typing as npt
import torch

from hand_pose_ros.models.lifter import POINTS, Lifter
from hand_pose_ros.runtime.engine import ENGINES, Program, compile_network
from hand_pose_ros.runtime.engine.int8 import key_of
from hand_pose_ros.runtime.lift_network import LiftNetwork

Array = npt.NDArray[np.float32]

MODULES = ("numba",)
"""What must be installed for the compiled loops."""

_LOG = logging.getLogger(__name__)


class SeenNetwork(torch.nn.Module):
    """The first half of a lift: what was seen in, condition and frame out."""

    def __init__(self, network: LiftNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, *seen: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return what `LiftNetwork.lift` takes."""
        return self.network.condition(*seen)


class SamplerNetwork(torch.nn.Module):
    """The second half: what is made of a condition by DDIM, IK and FK."""

    def __init__(self, network: LiftNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, condition: torch.Tensor, R: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Return the fields of the hands."""
        return self.network.lift(condition, R)


class ReadNetwork(torch.nn.Module):
    """The IK-MLP between the frame of the palm and the hand: most of the sampler's weights."""

    def __init__(self, lifter: Lifter) -> None:
        super().__init__()
        self.lifter = lifter

    def forward(self, features: torch.Tensor) -> tuple[torch.Tensor]:
        """Return what the head says of features (row, hand, 3 * point)."""
        network = self.lifter.inverse_kinematics
        hidden = network.trunk(features.flatten(0, 1))
        read = torch.cat((network.head.root(hidden), network.head.limited(hidden)), dim=-1)
        return (read.unflatten(0, features.shape[:2]),)


def compile_lift(engine: str, network: LiftNetwork, example: tuple[torch.Tensor, ...]) -> Program:
    """Return the program of a lift, ready to run.

    Args:
        engine: a key of `ENGINES`.
        network: in evaluation mode.
        example: inputs of at least two rows.
    """
    sampler = _compiled_sampler(engine, network)
    if sampler is None:
        return compile_network(engine, network, example)
    seen = compile_network(engine, SeenNetwork(network).eval(), example)
    return lambda *arrays: sampler(*seen(*arrays))


def compile_sampler(
    engine: str, network: LiftNetwork, example: tuple[torch.Tensor, ...]
) -> Program:
    """Return the program of the second half alone, as `compile_lift` would run it."""
    sampler = _compiled_sampler(engine, network)
    return sampler or compile_network(engine, SamplerNetwork(network).eval(), example)


def _compiled_sampler(engine: str, network: LiftNetwork) -> Program | None:
    """Return the compiled loops for a network, ready to run; None where the engine does it all."""
    if not ENGINES[engine].takes_loops:
        return None
    if missing := [module for module in MODULES if find_spec(module) is None]:
        _warn_once(f"compiled loops would be faster: pip install {' '.join(missing)}")
        return None
    try:
        from hand_pose_ros.runtime.compiled.sampler import CompiledSampler, can_compile

        if not can_compile(network.lifter, network.sampling):
            return None
        rounds = ENGINES[engine].rounds and bool(key_of(network.lifter))
        reading = _reading(engine, network) if rounds else None
        parts = network.lifter, network.sampling, network.noise
        sampler = CompiledSampler(*parts, rounds, reading)
        sampler.warm_up()
    except Exception as error:  # whatever a Numba raises that does not fit NumPy or the CPU
        _warn_once(f"compiled loops fail here: {error}")
        return None
    return sampler


def _reading(engine: str, network: LiftNetwork) -> Callable[[Array], Array]:
    """Return `ReadNetwork` for the mean of a hand's hypotheses and for them, on an engine."""
    features = torch.zeros(2, 1 + network.sampling.hypotheses, 3 * POINTS)
    program = compile_network(engine, ReadNetwork(network.lifter).eval(), (features,))
    return lambda features: program(features[None])[0][0]


@functools.cache
def _warn_once(reason: str) -> None:
    _LOG.warning("engines sample by themselves; %s", reason)
