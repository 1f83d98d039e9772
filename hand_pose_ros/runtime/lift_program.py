"""The program of a lift: an engine's, with the sampler on compiled loops where that is faster.

An engine takes each of the sampler's hundreds of small operations by itself. On a CPU the loops
of `compiled` take half to three quarters as long; the engine then runs what makes the condition.
Which of both an answer is from cannot be told: they agree up to rounding in float32.
"""

from __future__ import annotations

import functools
import logging
from importlib.util import find_spec

import torch

from hand_pose_ros.runtime.engine import ENGINES, Program, compile_network
from hand_pose_ros.runtime.lift_network import LiftNetwork

MODULES = ("numba", "threadpoolctl")
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
        sampler = CompiledSampler(network.lifter, network.sampling, network.noise)
        sampler.warm_up()
    except Exception as error:  # whatever a Numba raises that does not fit NumPy or the CPU
        _warn_once(f"compiled loops fail here: {error}")
        return None
    return sampler


@functools.cache
def _warn_once(reason: str) -> None:
    _LOG.warning("engines sample by themselves; %s", reason)
