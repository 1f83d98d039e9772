"""The table of engines, and how one of them is chosen."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec

import torch

from hand_pose_ros.errors import ConfigError, UnavailableError
from hand_pose_ros.runtime.engine.onnx import build_onnxruntime
from hand_pose_ros.runtime.engine.openvino import build_openvino, build_openvino_int8
from hand_pose_ros.runtime.engine.program import CPU_PROFILES, GPU_PROFILES, Program, rows_of
from hand_pose_ros.runtime.engine.pytorch import (
    build_cudagraphs,
    build_eager,
    build_torchscript,
)
from hand_pose_ros.runtime.engine.tensorrt import build_tensorrt

_WARM_UP = 3
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Engine:
    """One way to execute a network.

    Attributes:
        summary: what `hand-pose models` says of it.
        build: makes the program of a network and example inputs.
        modules: what must be installed beside PyTorch.
        install: what pip is asked for to get those.
        needs_cuda: whether it runs on an NVIDIA GPU only.
        is_exact: whether its numbers are those of `eager` up to rounding in float32.
        profiles: numbers of rows that it is built for; none where any number is alike.
        repeats_noise: whether noise that a network draws would be the same in every call.
        takes_loops: whether the compiled loops of `runtime.compiled` sample in its place.
        rounds: whether it rounds networks that ship to 8 bits, see `engine.int8`.
    """

    summary: str
    build: Callable[[torch.nn.Module, tuple[torch.Tensor, ...]], Program]
    modules: tuple[str, ...] = ()
    install: str = ""
    needs_cuda: bool = False
    is_exact: bool = True
    profiles: tuple[int, ...] = ()
    repeats_noise: bool = True
    takes_loops: bool = False
    rounds: bool = False

    @property
    def missing(self) -> list[str]:
        """The modules that are not installed."""
        return [module for module in self.modules if find_spec(module) is None]

    @property
    def lacks(self) -> str:
        """What keeps it from running here, empty where nothing does."""
        if self.needs_cuda and not torch.cuda.is_available():
            return "no CUDA device"
        return f"{' and '.join(self.missing)} not installed" if self.missing else ""


def choose_engine(name: str, *, draws_noise: bool = False) -> str:
    """Return the engine that a name stands for: `AUTO` is the first of `PREFERRED` that can run.

    The reason is logged. Where a package is missing that a faster one needs, that is said once.

    Args:
        name: `AUTO` or a key of `ENGINES`.
        draws_noise: whether the network draws noise while it runs, which only `eager` can.

    Raises:
        ConfigError: no such engine, or one that cannot draw noise where that is needed.
        UnavailableError: it needs a GPU, or modules that are not installed.
    """
    if name == AUTO:
        return _first_that_runs(draws_noise)
    if name not in ENGINES:
        raise ConfigError(f"engine {name!r} is unknown; there are {AUTO}, {', '.join(ENGINES)}")
    engine = ENGINES[name]
    if draws_noise and engine.repeats_noise:
        raise ConfigError(
            f"engine {name!r} cannot draw noise, which sampler 'ddpm' and eta > 0 do; "
            "take engine 'eager'"
        )
    if engine.needs_cuda and not torch.cuda.is_available():
        raise UnavailableError(f"engine {name!r} needs a CUDA device, and PyTorch sees none")
    if missing := engine.missing:
        wanted = " and ".join(missing)
        raise UnavailableError(
            f"engine {name!r} needs {wanted}; install `pip install {engine.install}`"
        )
    _LOG.info("engine %s: asked for by name", name)
    return name


def compile_network(
    name: str, network: torch.nn.Module, example: tuple[torch.Tensor, ...]
) -> Program:
    """Return the program of a network, ready to run: all that is compiled is compiled here.

    Args:
        name: a key of `ENGINES`, as `choose_engine` returns it.
        network: in evaluation mode; returns a tuple of tensors, row by row of its inputs.
        example: finite inputs of at least two rows.
    """
    engine = ENGINES[name]
    program = engine.build(network, example)
    for rows in engine.profiles or (len(example[0]),):
        arrays = [tensor.numpy() for tensor in rows_of(example, rows)]
        for _ in range(_WARM_UP):
            program(*arrays)
    return program


def _first_that_runs(draws_noise: bool) -> str:
    passed: dict[str, str] = {}
    for name in PREFERRED:
        engine = ENGINES[name]
        reason = "cannot draw noise" if draws_noise and engine.repeats_noise else engine.lacks
        if not reason and engine.needs_cuda:
            reason = _failure(name)
        if not reason:
            tried = "".join(f"{other}: {why}; " for other, why in passed.items())
            _LOG.info("engine %s: the first that runs here (%s)", name, tried.rstrip("; "))
            _warn_of_missing(name, tuple(passed.items()))
            return name
        passed[name] = reason
    raise UnavailableError(f"no engine runs here: {passed}")


@functools.cache
def _failure(name: str) -> str:
    """Return why an engine fails at a small network, empty where it does not."""
    network = torch.nn.Sequential(torch.nn.Linear(8, 8), torch.nn.LayerNorm(8)).eval()
    try:
        compile_network(name, _OneOutput(network), (torch.rand(2, 8),))
    except Exception as error:  # whatever drivers, compilers and libraries raise
        _LOG.warning("engine %s is installed but fails (%s); the next is taken", name, error)
        return f"fails: {error}"
    return ""


class _OneOutput(torch.nn.Module):
    """A network whose only output comes as a tuple, as engines want it."""

    def __init__(self, network: torch.nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, rows: torch.Tensor) -> tuple[torch.Tensor]:
        return (self.network(rows),)


@functools.cache
def _warn_of_missing(chosen: str, passed: tuple[tuple[str, str], ...]) -> None:
    """Say once which faster engines only wait for a package."""
    waiting = {ENGINES[name].install: name for name, why in passed if why.endswith("installed")}
    if waiting:
        wanted = ", ".join(f"{name} (pip install {what})" for what, name in waiting.items())
        _LOG.warning("engine %s is used; faster where installed: %s", chosen, wanted)


ENGINES = {
    "tensorrt": Engine(
        "TensorRT on an NVIDIA GPU, half precision, engines kept on disk",
        build_tensorrt,
        ("torch_tensorrt", "tensorrt"),
        "'torch-tensorrt==2.13.*'",
        needs_cuda=True,
        is_exact=False,
        profiles=GPU_PROFILES,
    ),
    "cudagraphs": Engine(
        "PyTorch compiled for an NVIDIA GPU, as CUDA graphs",
        build_cudagraphs,
        ("triton",),
        "triton",
        needs_cuda=True,
        profiles=GPU_PROFILES,
    ),
    "openvino-int8": Engine(
        "OpenVINO, the landmark network in 8-bit integers: fastest on CPUs with VNNI or AMX",
        build_openvino_int8,
        ("onnx", "openvino"),
        "'hand_pose_ros[openvino]'",
        is_exact=False,
        profiles=CPU_PROFILES,
        takes_loops=True,
        rounds=True,
    ),
    "openvino": Engine(
        "OpenVINO on the CPU",
        build_openvino,
        ("onnx", "openvino"),
        "'hand_pose_ros[openvino]'",
        profiles=CPU_PROFILES,
        takes_loops=True,
    ),
    "onnxruntime": Engine(
        "ONNX Runtime on the CPU",
        build_onnxruntime,
        ("onnx", "onnxruntime"),
        "'hand_pose_ros[onnx]'",
        takes_loops=True,
    ),
    "torchscript": Engine(
        "PyTorch, traced: needs nothing else", build_torchscript, takes_loops=True
    ),
    "eager": Engine("PyTorch as it is: the reference", build_eager, repeats_noise=False),
}
AUTO = "auto"
PREFERRED = (
    *("tensorrt", "cudagraphs"),
    *("onnxruntime", "openvino", "torchscript", "eager"),
)
"""What `AUTO` tries; the last can always run. OpenVINO is faster than ONNX Runtime, but compiles
for seconds at its first start, and what rounds is not among them: both are there by name."""
