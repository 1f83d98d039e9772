"""How a network is executed: by PyTorch as it is, traced by PyTorch, or by ONNX Runtime.

Every engine turns a network and example inputs into a program that takes and returns numpy arrays:
of the shapes of the example but for the first axis, which may have any length. All give the same
numbers, up to rounding; `eager` is the reference.
"""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from hand_pose_ros.errors import ConfigError, UnavailableError

Program = Callable[..., tuple[npt.NDArray[np.float32], ...]]
"""Float arrays in, in the order of the example; a tuple of float arrays out."""

_OPSET = 17
_WARM_UP = 3


@dataclass(frozen=True)
class Engine:
    """One way to execute a network.

    Attributes:
        summary: what `hand-pose models` says of it.
        build: makes the program of a network and example inputs.
        modules: what must be installed beside PyTorch.
        repeats_noise: whether noise that a network draws would be the same in every call.
    """

    summary: str
    build: Callable[[torch.nn.Module, tuple[torch.Tensor, ...]], Program]
    modules: tuple[str, ...] = ()
    repeats_noise: bool = True

    @property
    def missing(self) -> list[str]:
        """The modules that are not installed."""
        return [module for module in self.modules if find_spec(module) is None]


def choose_engine(name: str, *, draws_noise: bool = False) -> str:
    """Return the engine that a name stands for: `AUTO` is the first of `PREFERRED` that can run.

    Args:
        name: `AUTO` or a key of `ENGINES`.
        draws_noise: whether the network draws noise while it runs, which only `eager` can.

    Raises:
        ConfigError: no such engine, or one that cannot draw noise where that is needed.
        UnavailableError: it needs modules that are not installed.
    """
    if name == AUTO:
        able = (key for key in PREFERRED if not (draws_noise and ENGINES[key].repeats_noise))
        return next(key for key in able if not ENGINES[key].missing)
    if name not in ENGINES:
        raise ConfigError(f"engine {name!r} is unknown; there are {AUTO}, {', '.join(ENGINES)}")
    if draws_noise and ENGINES[name].repeats_noise:
        raise ConfigError(
            f"engine {name!r} cannot draw noise, which sampler 'ddpm' and eta > 0 do; "
            "take engine 'eager'"
        )
    if missing := ENGINES[name].missing:
        raise UnavailableError(
            f"engine {name!r} needs {' and '.join(missing)}; install "
            "`pip install 'hand_pose_ros[onnx]'`"
        )
    return name


def compile_network(
    name: str, network: torch.nn.Module, example: tuple[torch.Tensor, ...]
) -> Program:
    """Return the program of a network, ready to run.

    Args:
        name: a key of `ENGINES`, as `choose_engine` returns it.
        network: in evaluation mode; returns a tuple of tensors, row by row of its inputs.
        example: finite inputs, float32, of at least two rows.
    """
    program = ENGINES[name].build(network, example)
    arrays = [tensor.numpy() for tensor in example]
    for _ in range(_WARM_UP):
        program(*arrays)
    return program


def to_onnx(network: torch.nn.Module, example: tuple[torch.Tensor, ...]) -> bytes:
    """Return a network as an ONNX model whose inputs and outputs have any number of rows.

    The exporter that follows TorchScript is used: it needs no package beside onnx.
    """
    with tempfile.TemporaryDirectory() as folder, torch.no_grad(), _quiet_tracer():
        path = Path(folder, "network.onnx")
        inputs = _names("input", len(example))
        outputs = _names("output", len(network(*example)))
        torch.onnx.export(
            network,
            example,
            path,
            input_names=inputs,
            output_names=outputs,
            dynamic_axes={name: {0: "row"} for name in (*inputs, *outputs)},
            opset_version=_OPSET,
            dynamo=False,
        )
        return path.read_bytes()


def _build_eager(network: torch.nn.Module, example: tuple[torch.Tensor, ...]) -> Program:
    return _from_torch(network)


def _build_torchscript(network: torch.nn.Module, example: tuple[torch.Tensor, ...]) -> Program:
    with torch.inference_mode(), _quiet_tracer():
        return _from_torch(torch.jit.trace(network, example, check_trace=False))


def _build_onnxruntime(network: torch.nn.Module, example: tuple[torch.Tensor, ...]) -> Program:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    # These networks are small: a second thread made them slower (2.4 to 5.2 ms), by waiting.
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        to_onnx(network, example), options, providers=["CPUExecutionProvider"]
    )
    names = _names("input", len(example))

    def run(*arrays: npt.NDArray[np.float32]) -> tuple[npt.NDArray[np.float32], ...]:
        return tuple(session.run(None, dict(zip(names, arrays, strict=True))))

    return run


def _from_torch(network: Callable[..., tuple[torch.Tensor, ...]]) -> Program:
    def run(*arrays: npt.NDArray[np.float32]) -> tuple[npt.NDArray[np.float32], ...]:
        with torch.inference_mode():
            return tuple(t.numpy() for t in network(*(torch.from_numpy(a) for a in arrays)))

    return run


def _names(kind: str, count: int) -> list[str]:
    return [f"{kind}_{index}" for index in range(count)]


@contextmanager
def _quiet_tracer() -> Iterator[None]:
    """Keep off the screen what both ways to trace warn of; the tests compare their numbers."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", torch.jit.TracerWarning)
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.filterwarnings("ignore", "Constant folding", UserWarning)
        yield


ENGINES = {
    "onnxruntime": Engine(
        "ONNX Runtime on the CPU: fastest there", _build_onnxruntime, ("onnx", "onnxruntime")
    ),
    "torchscript": Engine("PyTorch, traced: needs nothing else", _build_torchscript),
    "eager": Engine("PyTorch as it is: the reference", _build_eager, repeats_noise=False),
}
AUTO = "auto"
PREFERRED = tuple(ENGINES)
"""What `AUTO` tries, the fastest first; the last can always run."""
