"""Weights of PyTorch layers as arrays that a compiled loop or a matrix product takes."""

from __future__ import annotations

import numpy as np
import torch

from hand_pose_ros.runtime.compiled.jit import Array


def rows(tensor: torch.Tensor | None) -> Array:
    """Return a tensor as an array of its own, its last axis along memory."""
    assert tensor is not None
    return np.array(tensor.detach().cpu().numpy(), np.float32, order="C")


def columns(weight: torch.Tensor) -> Array:
    """Return a convolution's weight (out, in, tap) as a matrix (tap * in, out)."""
    return rows(weight.permute(2, 1, 0).flatten(0, 1))


def dense(layer: torch.nn.Linear) -> tuple[Array, Array]:
    """Return weight (in, out) and bias (out,) of a layer."""
    return rows(layer.weight.T), rows(layer.bias)
