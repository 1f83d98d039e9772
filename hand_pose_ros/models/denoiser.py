"""The 1D U-Net that cleans noisy hand points under a condition and a time step."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

_FEW = 64
"""Batches up to this size (8 hands of 8 hypotheses) take the matrix product of `PointConv`."""


def time_embedding(t: Int[Tensor, " batch"], size: int) -> Float[Tensor, "batch {size}"]:
    """Return sines and cosines of the step at geometrically spaced rates (Vaswani et al. 2017)."""
    rates = torch.exp(-math.log(1000.0) * torch.arange(size // 2, device=t.device) / (size // 2))
    phase = t.float().unsqueeze(-1) * rates
    return torch.cat((phase.sin(), phase.cos()), dim=-1)


def nearest(few: int, many: int) -> list[int]:
    """Return which of few points each of many takes after: `interpolate` to the nearest."""
    return [index * few // many for index in range(many)]


def _is_exported() -> bool:
    return torch.onnx.is_in_onnx_export() or torch.compiler.is_compiling()


class PointConv(nn.Conv1d):
    """A convolution over three neighbouring points that is fast for the few hands of an image.

    For batches of that size a general convolution spends its time on preparing itself; one matrix
    product of the unfolded points gives the same numbers sooner. Training takes the general one,
    and so do engines that are given the network as a graph: theirs are prepared before.
    """

    def __init__(self, channels_in: int, channels_out: int, stride: int = 1) -> None:
        super().__init__(channels_in, channels_out, 3, stride=stride, padding=1)

    def forward(
        self, x: Float[Tensor, "batch channel point"]
    ) -> Float[Tensor, "batch out point_out"]:
        """Return the convolved points, every `stride`-th of them."""
        if torch.is_grad_enabled() or _is_exported() or len(x) > _FEW:
            return super().forward(x)
        padded = functional.pad(x.transpose(1, 2), (0, 0, 1, 1))
        last, step = int(x.shape[-1]), self.stride[0]
        rows = torch.cat([padded.narrow(1, tap, last) for tap in range(3)], dim=-1)
        rows = rows[:, ::step] if step > 1 else rows
        weight = self.weight.transpose(1, 2).flatten(1)
        points = functional.linear(rows.flatten(0, 1), weight, self.bias)
        return points.unflatten(0, (-1, -(-last // step))).transpose(1, 2)


class ResidualBlock(nn.Module):
    """Two convolutions over the points, modulated in between by time and condition."""

    def __init__(self, channels_in: int, channels_out: int, modulation: int) -> None:
        super().__init__()
        self.norm_in = nn.GroupNorm(8, channels_in)
        self.convolve_in = PointConv(channels_in, channels_out)
        self.modulate = nn.Linear(modulation, 2 * channels_out)
        self.norm_out = nn.GroupNorm(8, channels_out)
        self.convolve_out = PointConv(channels_out, channels_out)
        same = channels_in == channels_out
        self.skip = nn.Identity() if same else nn.Conv1d(channels_in, channels_out, 1)

    def forward(
        self, x: Float[Tensor, "batch channel point"], modulation: Float[Tensor, "batch mod"]
    ) -> Float[Tensor, "batch out point"]:
        """Return the block's output with as many points as came in."""
        hidden = self.convolve_in(functional.silu(self.norm_in(x)))
        scale, shift = self.modulate(modulation).unsqueeze(-1).chunk(2, dim=1)
        hidden = self.norm_out(hidden) * (1.0 + scale) + shift
        return self.skip(x) + self.convolve_out(functional.silu(hidden))


class UNet1D(nn.Module):
    """Denoiser over a sequence of 3D points: points and condition in, clean points (or noise) out.

    The condition enters twice: projected to features of each point, beside the noisy coordinates,
    and with the time embedding as scale and shift in every block.

    Source: Ivashechkin et al. 2023, section 2.5 (a 1D U-Net over 3D points concatenated with
    features and time step).
    """

    def __init__(
        self, points: int, condition: int, widths: tuple[int, ...] = (32, 64, 96)
    ) -> None:
        super().__init__()
        self.points, self.width = points, widths[0]
        modulation = 2 * widths[0]
        self.embed_time = nn.Sequential(
            nn.Linear(widths[0], modulation), nn.SiLU(), nn.Linear(modulation, modulation)
        )
        self.embed_condition = nn.Linear(condition, modulation)
        self.condition_points = nn.Linear(condition, points * widths[0])
        self.lift = PointConv(3 + widths[0], widths[0])
        pairs = list(pairwise(widths))
        self.down = nn.ModuleList(ResidualBlock(a, a, modulation) for a, _ in pairs)
        self.shrink = nn.ModuleList(PointConv(a, b, stride=2) for a, b in pairs)
        self.middle = ResidualBlock(widths[-1], widths[-1], modulation)
        self.grow = nn.ModuleList(PointConv(b, a) for a, b in reversed(pairs))
        self.up = nn.ModuleList(ResidualBlock(2 * a, a, modulation) for a, _ in reversed(pairs))
        self.norm = nn.GroupNorm(8, widths[0])
        # One readout for each point: a convolution would treat a wrist like a finger tip.
        self.readout = nn.Parameter(torch.randn(points, 3, widths[0]) * 0.5 / math.sqrt(widths[0]))
        self.bias = nn.Parameter(torch.zeros(points, 3))

    def prepare(
        self, condition: Float[Tensor, "batch condition"]
    ) -> tuple[Float[Tensor, "batch mod"], Float[Tensor, "batch width point"]]:
        """Return what depends on the condition alone, once for all steps and hypotheses."""
        points = self.condition_points(condition).unflatten(-1, (self.width, self.points))
        return self.embed_condition(condition), points

    def forward(
        self,
        x: Float[Tensor, "batch point 3"],
        t: Int[Tensor, " batch"],
        prepared: tuple[Tensor, Tensor],
    ) -> Float[Tensor, "batch point 3"]:
        """Return the clean points (or the noise, as trained) of noisy points at steps t."""
        condition, condition_points = prepared
        time = self.embed_time(time_embedding(t, self.width))
        modulation = functional.silu(time + condition)
        hidden = self.lift(torch.cat((x.transpose(1, 2), condition_points), dim=1))
        skips = []
        for block, shrink in zip(self.down, self.shrink, strict=True):
            hidden = block(hidden, modulation)
            skips.append(hidden)
            hidden = shrink(hidden)
        hidden = self.middle(hidden, modulation)
        for grow, block in zip(self.grow, self.up, strict=True):
            skip = skips.pop()
            hidden = grow(hidden[..., nearest(int(hidden.shape[-1]), int(skip.shape[-1]))])
            hidden = block(torch.cat((hidden, skip), dim=1), modulation)
        features = functional.silu(self.norm(hidden)).permute(2, 0, 1)
        return (features @ self.readout.transpose(1, 2)).transpose(0, 1) + self.bias
