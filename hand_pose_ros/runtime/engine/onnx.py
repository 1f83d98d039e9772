"""Networks as ONNX models, and ONNX Runtime, which runs them on the CPU."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy.typing as npt
import torch

from hand_pose_ros.runtime.engine.cache import default_cache, network_checksum, versions
from hand_pose_ros.runtime.engine.program import Program

OPSET = 17


def to_onnx(
    network: torch.nn.Module,
    example: tuple[torch.Tensor, ...],
    inputs: Sequence[str] = (),
    outputs: Sequence[str] = (),
    fixed: Sequence[str] = (),
) -> bytes:
    """Return a network as an ONNX model whose inputs and outputs have any number of rows.

    The exporter that follows TorchScript is used: it needs no package beside onnx, and takes 2 s
    where that of `torch.export` takes 16 s.

    Args:
        network: in evaluation mode.
        example: inputs, of two rows or more.
        inputs: names of what goes in; numbered ones where there are none.
        outputs: names of what comes out, likewise.
        fixed: inputs whose first axis is none of rows.
    """
    with tempfile.TemporaryDirectory() as folder, torch.no_grad(), quiet_tracer():
        path = Path(folder, "network.onnx")
        inputs = list(inputs) or names("input", len(example))
        outputs = list(outputs) or names("output", len(network(*example)))
        rows = [name for name in (*inputs, *outputs) if name not in fixed]
        torch.onnx.export(
            network,
            example,
            path,
            input_names=inputs,
            output_names=outputs,
            dynamic_axes={name: {0: "row"} for name in rows},
            opset_version=OPSET,
            dynamo=False,
        )
        return path.read_bytes()


def onnx_key(network: torch.nn.Module, example: tuple[torch.Tensor, ...]) -> dict[str, str]:
    """Return what an ONNX model depends on, see `cache`."""
    checksum = network_checksum(network, example)
    return {"kind": "onnx", "network": checksum, "opset": str(OPSET)} | versions("onnx")


def build_onnxruntime(network: torch.nn.Module, example: tuple[torch.Tensor, ...]) -> Program:
    """Return the program of a network on ONNX Runtime."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    # These networks are small: a second thread made them slower (2.4 to 5.2 ms), by waiting.
    options.intra_op_num_threads = 1
    session = default_cache().fetch(
        onnx_key(network, example),
        make=lambda: to_onnx(network, example),
        use=lambda model: onnxruntime.InferenceSession(
            model, options, providers=["CPUExecutionProvider"]
        ),
    )
    inputs = names("input", len(example))

    def run(*arrays: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], ...]:
        return tuple(session.run(None, dict(zip(inputs, arrays, strict=True))))

    return run


def names(kind: str, count: int) -> list[str]:
    """Return the names of so many inputs or outputs."""
    return [f"{kind}_{index}" for index in range(count)]


@contextmanager
def quiet_tracer() -> Iterator[None]:
    """Keep off the screen what both ways to trace warn of; the tests compare their numbers."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", torch.jit.TracerWarning)
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.filterwarnings("ignore", "Constant folding", UserWarning)
        yield
