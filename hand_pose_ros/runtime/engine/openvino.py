"""OpenVINO on the CPU: a program for one hand and one for both, their buffers made once."""

from __future__ import annotations

import functools
import io
import platform
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy.typing as npt
import torch

from hand_pose_ros.runtime.engine.cache import default_cache, versions
from hand_pose_ros.runtime.engine.int8 import rounded_copy
from hand_pose_ros.runtime.engine.onnx import onnx_key, to_onnx
from hand_pose_ros.runtime.engine.program import CPU_PROFILES, Program, in_profiles

_SETTINGS = {
    "INFERENCE_NUM_THREADS": 1,
    "PERFORMANCE_HINT": "LATENCY",
    # Where a CPU has bfloat16 OpenVINO takes that by itself; our numbers are those of float32.
    "INFERENCE_PRECISION_HINT": "f32",
    "ENABLE_CPU_PINNING": False,
}


def build_openvino(network: torch.nn.Module, example: tuple[torch.Tensor, ...]) -> Program:
    """Return the program of a network on OpenVINO."""
    key = onnx_key(network, example)

    def model() -> bytes:
        return default_cache().fetch(key, lambda: to_onnx(network, example), lambda made: made)

    machine = {"cpu": processor(), "settings": str(_SETTINGS)}
    keys = key | {"kind": "openvino"} | versions("onnx", "openvino") | machine
    return in_profiles({rows: _program(model, rows, keys) for rows in CPU_PROFILES})


def build_openvino_int8(network: torch.nn.Module, example: tuple[torch.Tensor, ...]) -> Program:
    """Return the same with the landmark network in 8-bit integers, where the network has one."""
    return build_openvino(rounded_copy(network), example)


@functools.cache
def openvino_core() -> Any:
    """Return OpenVINO's core, one for as long as the process lives.

    Its CPU plugin gives the thread a stack for signal handlers and takes that back with itself:
    with a core for each program a later SIGTERM or Ctrl-C would find a stack that is gone.
    """
    import openvino

    return openvino.Core()


def _program(model: Callable[[], bytes], rows: int, key: dict[str, str]) -> Program:
    core = openvino_core()

    def make() -> bytes:
        read = core.read_model(io.BytesIO(model()))
        read.reshape({port: [rows, *list(port.partial_shape)[1:]] for port in read.inputs})
        blob = io.BytesIO()
        core.compile_model(read, "CPU", _SETTINGS).export_model(blob)
        return blob.getvalue()

    compiled = default_cache().fetch(
        key | {"rows": str(rows)},
        make,
        lambda blob: core.import_model(io.BytesIO(blob), "CPU", _SETTINGS),
    )
    request = compiled.create_infer_request()
    inputs = [request.get_input_tensor(index).data for index in range(len(compiled.inputs))]
    outputs = [request.get_output_tensor(index) for index in range(len(compiled.outputs))]

    def run(*arrays: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], ...]:
        for buffer, array in zip(inputs, arrays, strict=True):
            buffer[...] = array
        request.infer()
        return tuple(tensor.data.copy() for tensor in outputs)

    return run


def processor() -> str:
    """Return what the CPU calls itself and can do, which compiled programs depend on."""
    name = _told().get("model name", platform.processor())
    return f"{name}; {' '.join(sorted(cpu_features()))}"


def cpu_features() -> set[str]:
    """Return what the CPU can do, in the words of Linux; nothing elsewhere."""
    told = _told()
    return set((told.get("flags") or told.get("Features") or "").split())


@functools.cache
def _told() -> dict[str, str]:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return {}
    pairs = (line.split(":", 1) for line in lines if ":" in line)
    return {name.strip(): text.strip() for name, text in pairs}
