"""The weights of `models.denoiser.UNet1D`, as the loops of `points` take them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from hand_pose_ros.models.denoiser import (
    PointConv,
    ResidualBlock,
    UNet1D,
    nearest,
    time_embedding,
)
from hand_pose_ros.runtime.compiled.jit import EPSILON, Array, Indices
from hand_pose_ros.runtime.compiled.packing import columns, rows
from hand_pose_ros.runtime.compiled.points import GROUPS


@dataclass(frozen=True, eq=False)
class Convolution:
    """Weights of a convolution over three points, and which points each one out is made of."""

    weight: Array
    bias: Array
    sources: Indices


@dataclass(frozen=True, eq=False)
class Block:
    """Weights of a residual block but for its modulation, as `points.residual` takes them."""

    sources: Indices
    norm: Array
    weight_in: Array
    bias_in: Array
    weight_out: Array
    bias_out: Array
    skip: Array


class DenoiserWeights:
    """A denoiser's weights as the compiled loops take them, for any number of hypotheses."""

    def __init__(self, network: UNet1D) -> None:
        norms = [module for module in network.modules() if isinstance(module, nn.GroupNorm)]
        assert all(norm.num_groups == GROUPS and norm.eps == EPSILON for norm in norms)
        counts = [network.points]
        for _ in network.down:
            counts.append(-(-counts[-1] // 2))
        self.points, self.width = network.points, network.width
        blocks = [*network.down, network.middle, *network.up]
        levels = [*range(len(counts)), *reversed(range(len(counts) - 1))]
        self.blocks = [_block(b, counts[level]) for b, level in zip(blocks, levels, strict=True)]
        self.shrink = [
            _convolution(layer, _sources(range(count), 2))
            for layer, count in zip(network.shrink, counts, strict=False)
        ]
        self.grow = [
            _convolution(layer, _sources(nearest(few, many)))
            for layer, few, many in zip(network.grow, counts[:0:-1], counts[-2::-1], strict=True)
        ]
        every = _sources(range(network.points))
        coordinates = network.lift.weight[:, :3]
        self.lift = Convolution(columns(coordinates), np.zeros(network.width, np.float32), every)
        self.condition = _condition(network)
        self.modulation = _modulation(blocks)
        widths = [2 * len(block.bias_in) for block in self.blocks]
        self.parts = [0, *np.cumsum(widths).tolist()]
        self.norm = (rows(network.norm.weight), rows(network.norm.bias))
        self.readout, self.bias = rows(network.readout), rows(network.bias)
        self._network = network

    def time(self, step: int) -> Array:
        """Return what a step of the diffusion adds to the condition, (mod,)."""
        with torch.no_grad():
            embedding = time_embedding(torch.tensor([step]), self.width)
            return rows(self._network.embed_time(embedding)[0])


def _sources(points: range | list[int], stride: int = 1) -> Indices:
    """Return which points each one out sees: neighbours in a list of points, -1 beyond it."""
    around = [-1, *points, -1]
    return np.array([around[at : at + 3] for at in range(0, len(points), stride)], np.int64)


def _convolution(layer: nn.Module, sources: Indices) -> Convolution:
    assert isinstance(layer, PointConv)
    return Convolution(columns(layer.weight), rows(layer.bias), sources)


def _block(module: ResidualBlock, points: int) -> Block:
    bias, skip = module.convolve_out.bias, torch.zeros(0, module.convolve_out.out_channels)
    assert bias is not None
    if isinstance(module.skip, nn.Conv1d):
        assert module.skip.bias is not None
        bias, skip = bias + module.skip.bias, module.skip.weight[:, :, 0].T
    return Block(
        _sources(range(points)),
        rows(torch.stack((module.norm_in.weight, module.norm_in.bias))),
        columns(module.convolve_in.weight),
        rows(module.convolve_in.bias),
        columns(module.convolve_out.weight),
        rows(bias),
        rows(skip),
    )


def _condition(network: UNet1D) -> tuple[Array, Array]:
    """Return weight and bias of all that is made of the condition alone.

    That is what goes beside the time, and what the condition adds to the lifted points: channels
    of the points and then their part of the first convolution, which are one linear map.
    """
    layer, shape = network.condition_points, (-1, network.width, network.points)
    both = torch.cat((layer.weight.T, layer.bias[None])).unflatten(-1, shape[1:])
    with torch.no_grad():
        lifted = functional.conv1d(both, network.lift.weight[:, 3:], padding=1)
    lifted = lifted.transpose(1, 2).contiguous()
    assert network.lift.bias is not None
    lifted[-1] += network.lift.bias
    lifted = lifted.flatten(1)
    first = network.embed_condition
    weight = torch.cat((first.weight.T, lifted[:-1]), dim=1)
    return rows(weight), rows(torch.cat((first.bias, lifted[-1])))


def _modulation(blocks: list[ResidualBlock]) -> tuple[Array, Array]:
    """Return one linear map to the weights and shifts of all blocks' second norms.

    What such a norm scales and shifts with, and what the modulation s, t then does, is linear in
    that: w (1 + s) and b (1 + s) + t.
    """
    weights, biases = [], []
    for block in blocks:
        norm, layer = block.norm_out, block.modulate
        (scale, shift), (scale_bias, shift_bias) = layer.weight.chunk(2), layer.bias.chunk(2)
        weights += [scale * norm.weight[:, None], scale * norm.bias[:, None] + shift]
        biases += [(1.0 + scale_bias) * norm.weight, (1.0 + scale_bias) * norm.bias + shift_bias]
    return rows(torch.cat(weights).T), rows(torch.cat(biases))
