"""The weights of `models.denoiser.UNet1D`, as the loops of `u_net` take them."""

from __future__ import annotations

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
from hand_pose_ros.runtime.compiled.packing import Packed, columns, rows
from hand_pose_ros.runtime.compiled.points import GROUPS
from hand_pose_ros.runtime.compiled.u_net import BLOCK, GROW, SHRINK, STEP, Sizes

_BEYOND = -1
"""Index of a neighbour where there is none."""


class UNetWeights:
    """A U-Net's weights as the compiled loops take them, for any number of hypotheses.

    Attributes:
        sizes: of the U-Net.
        steps: what `u_net.network_of` is given, as are the next two.
        sources: likewise.
        weights: likewise.
        condition: weight and bias of all that is made of the condition.
    """

    def __init__(self, network: UNet1D) -> None:
        norms = [module for module in network.modules() if isinstance(module, nn.GroupNorm)]
        assert all(norm.num_groups == GROUPS and norm.eps == EPSILON for norm in norms)
        table = _Table(network)
        modulation = torch.cat(table.modulation, dim=1)
        packed = Packed()
        packed.add(columns(network.lift.weight[:, :3]))
        packed.add(rows(modulation))
        packed.add(rows(torch.cat(table.modulation_bias)))
        packed.add(rows(torch.stack((network.norm.weight, network.norm.bias))))
        packed.add(rows(network.readout))
        packed.add(rows(network.bias))
        packed.add(table.weights.array())
        mod, modulated = modulation.shape
        size, scratch = table.hidden.size, table.scratch
        self.sizes = Sizes(network.points, network.width, mod, modulated, size, *scratch)
        self.steps = np.array(table.steps, STEP)
        self.sources = np.concatenate(table.sources)
        self.weights = packed.array()
        self.condition = _condition(network)
        self._module = network

    def time(self, step: int) -> Array:
        """Return what a step of the diffusion adds to the condition, (mod,)."""
        with torch.no_grad():
            embedding = time_embedding(torch.tensor([step]), self._module.width)
            return rows(self._module.embed_time(embedding)[0])


class _Table:
    """What the steps of a U-Net are, gathered one after the other.

    Attributes:
        steps: rows of `STEP`.
        sources: what `Network.sources` is made of, as are the next three.
        weights, modulation, modulation_bias: likewise.
        hidden: where outputs lie in the memory of a hypothesis.
        scratch: numbers of a hypothesis in taps, values and rows.
    """

    def __init__(self, network: UNet1D) -> None:
        self.steps: list[tuple[int, ...]] = []
        self.sources = [_sources(range(network.points))]
        self.weights, self.hidden = Packed(), Packed()
        self.modulation: list[torch.Tensor] = []
        self.modulation_bias: list[torch.Tensor] = []
        self.scratch = (9 * network.points, 0, 0)
        self._around, self._modulated = network.points, 0
        self._points, self._channels = network.points, network.width
        self._last = self.hidden.reserve(network.points * network.width)
        left = []
        for block, shrink in zip(network.down, network.shrink, strict=True):
            self._block(block)
            left.append((self._last, self._points))
            self._convolution(SHRINK, shrink, _sources(range(self._points), 2))
        self._block(network.middle)
        for grow, block in zip(network.grow, network.up, strict=True):
            beside, points = left.pop()
            self._convolution(GROW, grow, _sources(nearest(self._points, points)), beside)
            self._block(block)

    def _block(self, module: nn.Module) -> None:
        """Append a residual block."""
        assert isinstance(module, ResidualBlock)
        first, second, add = module.convolve_in, module.convolve_out, self.weights.add
        assert second.bias is not None
        bias, skip = second.bias, -1
        if isinstance(module.skip, nn.Conv1d):
            assert module.skip.bias is not None
            bias, skip = bias + module.skip.bias, add(rows(module.skip.weight[:, :, 0].T))
        modulated, channels = self._modulated, second.out_channels
        self._modulate(module)
        self._append(
            channels,
            _sources(range(self._points)),
            channels,
            kind=BLOCK,
            norm=add(rows(torch.stack((module.norm_in.weight, module.norm_in.bias)))),
            weight=add(columns(first.weight)),
            bias=add(rows(first.bias)),
            weight_out=add(columns(second.weight)),
            bias_out=add(rows(bias)),
            skip=skip,
            modulated=modulated,
        )

    def _convolution(self, kind: int, layer: nn.Module, sources: Indices, beside: int = 0) -> None:
        """Append a convolution to other points."""
        assert isinstance(layer, PointConv)
        self._append(
            layer.out_channels,
            sources,
            layer.out_channels * (2 if kind == GROW else 1),
            kind=kind,
            weight=self.weights.add(columns(layer.weight)),
            bias=self.weights.add(rows(layer.bias)),
            beside=beside,
        )

    def _append(self, channels: int, sources: Indices, channels_out: int, **fields: int) -> None:
        """Append a step that makes so many channels, and leaves perhaps more, of these points."""
        points, widest = len(sources), max(channels, self._channels)
        target = self.hidden.reserve(points * channels_out)
        fields |= {
            "points_in": self._points,
            "channels_in": self._channels,
            "points": points,
            "channels": channels,
            "around": self._around,
            "source": self._last,
            "target": target,
        }
        assert STEP.names is not None
        self.steps.append(tuple(fields.get(name, 0) for name in STEP.names))
        self.sources.append(sources)
        taps, values, rows = self.scratch
        self.scratch = (
            max(taps, 3 * points * widest),
            max(values, points * widest),
            max(rows, points * channels),
        )
        self._around += points
        self._last, self._points, self._channels = target, points, channels_out

    def _modulate(self, block: ResidualBlock) -> None:
        """Append one linear map to weight and shift of a block's second norm.

        What such a norm scales and shifts with, and what the modulation s, t then does, is linear
        in that: w (1 + s) and b (1 + s) + t.
        """
        norm, layer = block.norm_out, block.modulate
        (scale, shift), (scale_bias, shift_bias) = layer.weight.chunk(2), layer.bias.chunk(2)
        self.modulation += [
            (scale * norm.weight[:, None]).T,
            (scale * norm.bias[:, None] + shift).T,
        ]
        self.modulation_bias += [
            (1.0 + scale_bias) * norm.weight,
            (1.0 + scale_bias) * norm.bias + shift_bias,
        ]
        self._modulated += 2 * len(norm.weight)


def _sources(points: range | list[int], stride: int = 1) -> Indices:
    """Return which points each one out sees: neighbours in a list of points."""
    around = [_BEYOND, *points, _BEYOND]
    return np.array([around[at : at + 3] for at in range(0, len(points), stride)], np.int64)


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
