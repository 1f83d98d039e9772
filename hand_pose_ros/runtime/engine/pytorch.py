"""PyTorch itself: as it is, traced, and compiled and recorded as CUDA graphs.

Compiled for the CPU it is of no use: the lift took 250 s to compile and 10 ms to run, where
OpenVINO takes 2 s and 4 ms.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy.typing as npt
import torch

from hand_pose_ros.runtime.engine.onnx import quiet_tracer
from hand_pose_ros.runtime.engine.program import (
    GPU_PROFILES,
    Program,
    in_profiles,
    rows_of,
)

Network = Callable[..., tuple[torch.Tensor, ...]]


def build_eager(network: torch.nn.Module, example: tuple[torch.Tensor, ...]) -> Program:
    """Return a network as it is."""
    return _from_torch(network)


def build_torchscript(network: torch.nn.Module, example: tuple[torch.Tensor, ...]) -> Program:
    """Return a network traced."""
    with torch.inference_mode(), quiet_tracer():
        return _from_torch(torch.jit.trace(network, example, check_trace=False))


def build_cudagraphs(network: torch.nn.Module, example: tuple[torch.Tensor, ...]) -> Program:
    """Return a network compiled for the GPU and recorded as CUDA graphs, one for each profile."""
    network = network.to("cuda")
    return in_profiles(
        {rows: record(_compiled(network), rows_of(example, rows)) for rows in GPU_PROFILES}
    )


def record(network: Network, example: tuple[torch.Tensor, ...], warm_up: int = 3) -> Program:
    """Return what a network does on the GPU, recorded once and then only played.

    Inputs go through pinned memory into buffers that the graph reads, and come back likewise.

    Source: PyTorch's documentation of `torch.cuda.CUDAGraph`.
    """
    pinned = [tensor.cpu().pin_memory() for tensor in example]
    inputs = [tensor.to("cuda") for tensor in pinned]
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.inference_mode(), torch.cuda.stream(stream):
        for _ in range(warm_up):
            network(*inputs)
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.inference_mode(), torch.cuda.graph(graph):
        outputs = network(*inputs)
    results = [torch.empty_like(tensor, device="cpu").pin_memory() for tensor in outputs]

    def run(*arrays: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], ...]:
        for host, buffer, array in zip(pinned, inputs, arrays, strict=True):
            host.numpy()[...] = array
            buffer.copy_(host, non_blocking=True)
        graph.replay()
        for host, tensor in zip(results, outputs, strict=True):
            host.copy_(tensor, non_blocking=True)
        torch.cuda.current_stream().synchronize()
        return tuple(host.numpy().copy() for host in results)

    return run


def _compiled(network: torch.nn.Module) -> Network:
    """Return a network compiled for the shapes of its first call, apart from other programs."""
    compiled: Network = torch.compile(network, fullgraph=True, dynamic=False)
    return compiled


def _from_torch(network: Network) -> Program:
    def run(*arrays: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], ...]:
        with torch.inference_mode():
            return tuple(t.numpy() for t in network(*(torch.from_numpy(a) for a in arrays)))

    return run
