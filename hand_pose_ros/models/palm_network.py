"""The palm detection network of MediaPipe as a torch module, to find hands with.

A chain of residual blocks, each a depthwise and a pointwise convolution, that halves the image
five times and widens it again twice; palms are read off two of the maps. What it learnt is read
from an installed mediapipe by `training.pretrained`, or from the weights that ship.

Source: Zhang et al. 2020, MediaPipe Hands, section 2.1 (the full network of the 0.10 releases).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from hand_pose_ros.models.landmark_network import SameConv

SIDE = 192
"""Width and height of the image that the network sees [px]."""

WIDTHS = (32, 64, 128, 256, 256)
"""Channels at each size of the map, the image's half first."""

STRIDES = (8, 16)
"""Image pixels to a cell of the maps that palms are read off."""

ANCHORS = (2, 6)
"""Palms that a cell of each may hold."""

_BLOCKS, _BLOCKS_UP = 4, 2
POINTS = 7
"""Points of a palm: wrist, knuckles of index, middle, ring, little finger, thumb CMC and MCP."""
NUMBERS = 4 + 2 * POINTS
"""Numbers of a palm: centre, size, points; pixels of the image about the middle of the cell."""


class Residual(nn.Module):
    """One block; with a stride of 2 it halves the map, and may make it deeper."""

    def __init__(self, channels_in: int, channels: int, stride: int = 1) -> None:
        super().__init__()
        self.stride, self.deeper = stride, channels - channels_in
        self.each = SameConv(channels_in, channels_in, 5, stride, channels_in)
        self.narrow = SameConv(channels_in, channels, 1)
        self.cut = nn.PReLU(channels)

    def forward(self, x: Float[Tensor, "batch channel y x"]) -> Float[Tensor, "batch out y2 x2"]:
        """Return the block's map."""
        added = self.narrow(self.each(x))
        if self.stride > 1:
            x = functional.max_pool2d(x, self.stride)
        if self.deeper:
            x = functional.pad(x, (0, 0, 0, 0, 0, self.deeper))
        return self.cut(x + added)


class Up(nn.Module):
    """A map made twice as large and added to an earlier one of that size, and blocks after it."""

    def __init__(self, channels_in: int, channels: int) -> None:
        super().__init__()
        self.narrow = SameConv(channels_in, channels, 1)
        self.cut = nn.PReLU(channels)
        self.blocks = nn.Sequential(*(Residual(channels, channels) for _ in range(_BLOCKS_UP)))

    def forward(
        self, x: Float[Tensor, "batch channel y x"], finer: Float[Tensor, "batch out y2 x2"]
    ) -> Float[Tensor, "batch out y2 x2"]:
        """Return the map after the blocks."""
        x = functional.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)
        out: Tensor = self.blocks(finer + self.cut(self.narrow(x)))
        return out


class PalmReadout(nn.Module):
    """Scores and numbers of the palms of a map."""

    def __init__(self, channels: int, anchors: int) -> None:
        super().__init__()
        self.score = SameConv(channels, anchors, 1)
        self.numbers = SameConv(channels, anchors * NUMBERS, 1)

    def forward(
        self, x: Float[Tensor, "batch channel y x"]
    ) -> tuple[Float[Tensor, "batch palm"], Float[Tensor, "batch palm number"]]:
        """Return a row for each anchor of each cell, row by row of the map."""
        score = self.score(x).permute(0, 2, 3, 1).flatten(1)
        numbers = self.numbers(x).permute(0, 2, 3, 1)
        return score, numbers.flatten(1).unflatten(1, (-1, NUMBERS))


@dataclass(frozen=True, eq=False)
class PalmMaps:
    """What the trunk sees of an image.

    Attributes:
        halved: the last three maps on the way down, the coarsest first: (batch, 256, side / 32,
            side / 32), (batch, 256, side / 16, side / 16), (batch, 128, side / 8, side / 8).
        maps: what palms are read off, in the order of `STRIDES`.
    """

    halved: tuple[Tensor, Tensor, Tensor]
    maps: tuple[Tensor, Tensor]


class PalmTrunk(nn.Module):
    """From an image to the maps that palms are read off."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = SameConv(3, WIDTHS[0], 5, 2)
        self.cut = nn.PReLU(WIDTHS[0])
        stages = []
        for before, width in zip((0, *WIDTHS), WIDTHS, strict=False):
            down = [Residual(before, width, 2)] if before else []
            stages.append(nn.Sequential(*down, *(Residual(width, width) for _ in range(_BLOCKS))))
        self.stages = nn.ModuleList(stages)
        self.up_middle = Up(WIDTHS[4], WIDTHS[3])
        self.up_fine = Up(WIDTHS[3], WIDTHS[2])

    def down(self, image: Float[Tensor, "batch 3 y x"]) -> tuple[Tensor, Tensor, Tensor]:
        """Return `PalmMaps.halved` of RGB images in 0..1, of sides that are multiples of 32."""
        hidden, seen = self.cut(self.stem(image)), []
        for stage in self.stages:
            hidden = stage(hidden)
            seen.append(hidden)
        return seen[4], seen[3], seen[2]

    def forward(self, image: Float[Tensor, "batch 3 y x"]) -> PalmMaps:
        """Return the maps of images, see `down`."""
        coarse, middle, fine = self.down(image)
        wider = self.up_middle(coarse, middle)
        return PalmMaps((coarse, middle, fine), (self.up_fine(wider, fine), wider))


class PalmNetwork(nn.Module):
    """The whole network: the trunk and what reads palms off its maps."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = PalmTrunk()
        self.readouts = nn.ModuleList(
            PalmReadout(channels, anchors)
            for channels, anchors in zip((WIDTHS[2], WIDTHS[3]), ANCHORS, strict=True)
        )

    def forward(
        self, image: Float[Tensor, "batch 3 y x"]
    ) -> tuple[Float[Tensor, "batch palm"], Float[Tensor, "batch palm number"]]:
        """Return scores, as log odds, and numbers of the palms of all anchors, see `anchors`."""
        return self.read(self.trunk(image))

    def read(
        self, seen: PalmMaps
    ) -> tuple[Float[Tensor, "batch palm"], Float[Tensor, "batch palm number"]]:
        """Return what `forward` does, of maps."""
        pairs = [read(x) for read, x in zip(self.readouts, seen.maps, strict=True)]
        scores, numbers = zip(*pairs, strict=True)
        return torch.cat(scores, 1), torch.cat(numbers, 1)


def anchors(width: int = SIDE, height: int = SIDE) -> Float[Tensor, "palm 2"]:
    """Return the middles (x, y) [px] of the cells of all anchors, in the order of the network."""
    return torch.cat([_cells(width, height, *of) for of in zip(STRIDES, ANCHORS, strict=True)])


def _cells(width: int, height: int, stride: int, count: int) -> Float[Tensor, "palm 2"]:
    y, x = torch.meshgrid(
        (torch.arange(height // stride) + 0.5) * stride,
        (torch.arange(width // stride) + 0.5) * stride,
        indexing="ij",
    )
    return torch.stack((x, y), -1).reshape(-1, 2).repeat_interleave(count, 0)
