"""TensorRT through torch-tensorrt: an engine in half precision for each number of hands.

Written for torch-tensorrt 2.13 and TensorRT 11, whose networks are strongly typed: half precision
is chosen by its autocast. Not run where there was no GPU to run it on, see `docs/performance.md`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from hand_pose_ros.runtime.engine.cache import default_cache, network_checksum, versions
from hand_pose_ros.runtime.engine.export import to_exported_program
from hand_pose_ros.runtime.engine.program import GPU_PROFILES, Program, in_profiles, rows_of
from hand_pose_ros.runtime.engine.pytorch import record

_FULL_PRECISION = ("sum.dim_IntList", "native_group_norm.default", "native_layer_norm.default")
"""What stays in float32: sums, whose squares half precision cannot hold."""


def build_tensorrt(network: torch.nn.Module, example: tuple[torch.Tensor, ...]) -> Program:
    """Return the program of a network on TensorRT, one engine for each of `GPU_PROFILES`."""
    key = tensorrt_key(network, example)
    network = network.to("cuda")
    return in_profiles(
        {
            rows: _program(network, rows_of(example, rows), key | {"rows": str(rows)})
            for rows in GPU_PROFILES
        }
    )


def tensorrt_key(network: torch.nn.Module, example: tuple[torch.Tensor, ...]) -> dict[str, str]:
    """Return what an engine depends on, see `cache`: network, GPU, driver, versions."""
    return (
        {"kind": "tensorrt", "network": network_checksum(network, example)}
        | versions("torch-tensorrt", "tensorrt")
        | graphics_card()
    )


def graphics_card() -> dict[str, str]:
    """Return name, compute capability and driver of the GPU in use, and the CUDA of PyTorch."""
    major, minor = torch.cuda.get_device_capability()
    return {
        "gpu": f"{torch.cuda.get_device_name()} {major}.{minor}",
        "driver": _driver(),
        "cuda": str(torch.version.cuda),
    }


def _driver() -> str:
    try:
        return Path("/proc/driver/nvidia/version").read_text().strip()
    except OSError:
        return "unknown"


def _program(
    network: torch.nn.Module, example: tuple[torch.Tensor, ...], key: dict[str, str]
) -> Program:
    inputs = tuple(tensor.to("cuda") for tensor in example)
    compiled = default_cache().fetch(key, lambda: compile_tensorrt(network, inputs), _load)
    return record(compiled, example)


def compile_tensorrt(network: torch.nn.Module, inputs: tuple[torch.Tensor, ...]) -> bytes:
    """Return the engine of a network on the GPU as a file of `torch_tensorrt.save`."""
    import torch_tensorrt

    compiled = torch_tensorrt.dynamo.compile(
        to_exported_program(network, inputs),
        arg_inputs=inputs,
        require_full_compilation=True,
        min_block_size=1,
        enable_autocast=True,
        autocast_low_precision_type=torch.float16,
        autocast_excluded_ops=_excluded(),
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "engine.ep")
        torch_tensorrt.save(
            compiled, str(path), output_format="exported_program", arg_inputs=inputs
        )
        return path.read_bytes()


def _load(content: bytes) -> Callable[..., tuple[torch.Tensor, ...]]:
    import torch_tensorrt

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "engine.ep")
        path.write_bytes(content)
        loaded: Any = torch_tensorrt.load(str(path)).module()
    return lambda *tensors: tuple(loaded(*tensors))


def _excluded() -> set[Any]:
    aten = torch.ops.aten
    found = set()
    for name in _FULL_PRECISION:
        packet, overload = name.split(".")
        found.add(getattr(getattr(aten, packet), overload))
    return found
