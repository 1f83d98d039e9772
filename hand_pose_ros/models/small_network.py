"""Our own image network: small enough for one CPU core, trained from scratch on renders alone.

A residual network of plain 3x3 convolutions, on a CPU the fastest for its size, a map of scores
for each keypoint, whose mean place is where the keypoint is, and what the network sees there.

Source: Sun et al. 2018, Integral human pose regression (the mean place); Iqbal et al. 2018, Hand
pose estimation via latent 2.5D heatmap regression (what is read where a keypoint is).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from hand_pose_ros.models.image_heads import POINTS

STRIDE = 16
"""Image pixels to a cell of the coarsest map; the side of an image is a multiple of it."""


@dataclass(frozen=True)
class SmallSizes:
    """Sizes of the network.

    Attributes:
        widths: channels of the three stages, at a quarter, an eighth and a 16th of the side.
        blocks: residual blocks of each.
        pooled: length of the part of the vector that is a mean over the image.
        merged: channels of the map that the scores are read from.
        local: channels of what is seen at each keypoint.
    """

    widths: tuple[int, int, int] = (32, 64, 128)
    blocks: tuple[int, int, int] = (1, 1, 2)
    pooled: int = 256
    merged: int = 96
    local: int = 24

    @property
    def features(self) -> int:
        """Length of the vector."""
        return self.pooled + POINTS * (2 + self.local)


class NormedConv(nn.Sequential):
    """A convolution and its normalisation over the batch, cut at 0 unless told otherwise."""

    def __init__(
        self, channels_in: int, channels: int, kernel: int = 3, stride: int = 1, cut: bool = True
    ) -> None:
        conv = nn.Conv2d(channels_in, channels, kernel, stride, kernel // 2, bias=False)
        super().__init__(conv, nn.BatchNorm2d(channels), *([nn.ReLU(inplace=True)] * cut))


class ResidualBlock(nn.Module):
    """Two convolutions beside a way past them (He et al. 2016); begins as the identity."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = NormedConv(channels, channels)
        self.second = NormedConv(channels, channels, cut=False)
        *_, norm = self.second
        nn.init.zeros_(norm.get_parameter("weight"))

    def forward(self, x: Float[Tensor, "batch channel y x"]) -> Float[Tensor, "batch channel y x"]:
        """Return a map of the same size."""
        return functional.relu(x + self.second(self.first(x)))


class SmallNetwork(nn.Module):
    """From an image to a vector that says where the keypoints are and what is seen there."""

    def __init__(self, sizes: SmallSizes | None = None) -> None:
        super().__init__()
        self.sizes = sizes = sizes or SmallSizes()
        ends = (12, *sizes.widths)  # four pixels of three colours come in as one
        stages = [_stage(*each) for each in zip(ends, sizes.widths, sizes.blocks, strict=False)]
        self.fine = nn.Sequential(nn.PixelUnshuffle(2), *stages[:2])
        self.coarse = stages[2]
        _, middle, wide = sizes.widths
        self.widen = NormedConv(wide, sizes.pooled, 1)
        self.lateral = nn.Conv2d(wide, middle, 1)
        self.merge = NormedConv(middle, sizes.merged)
        self.scores = nn.Conv2d(sizes.merged, POINTS, 1)
        self.local = nn.Conv2d(sizes.merged, sizes.local, 1)

    @property
    def features(self) -> int:
        """Length of the vector."""
        return self.sizes.features

    def forward(
        self, image: Float[Tensor, "batch 3 y x"]
    ) -> tuple[Float[Tensor, "batch feature"], Float[Tensor, "batch point cell"]]:
        """Return the vector, and the logarithm of the scores of each keypoint.

        Args:
            image: RGB in 0..1, square, of a side that is a multiple of `STRIDE`.
        """
        fine = self.fine(image - 0.5)
        coarse = self.coarse(fine)
        pooled = self.widen(coarse).mean(dim=(2, 3))
        merged = self.merge(fine + functional.interpolate(self.lateral(coarse), scale_factor=2.0))
        log_scores = functional.log_softmax(self.scores(merged).flatten(2), dim=-1)
        scores = log_scores.exp()
        places = scores @ cell_places(merged.shape[-1]).to(scores)
        local = scores @ self.local(merged).flatten(2).transpose(1, 2)
        vector = torch.cat((pooled, places.flatten(1), local.flatten(1)), dim=-1)
        return vector, log_scores

    def places(self, vector: Float[Tensor, "batch feature"]) -> Float[Tensor, "batch point 2"]:
        """Return the mean place of each keypoint's scores; the image is -1 to 1."""
        return vector[:, self.sizes.pooled :][:, : 2 * POINTS].unflatten(-1, (POINTS, 2))


def cell_places(side: int) -> Float[Tensor, "cell 2"]:
    """Return x and y of the middles of the cells of a square map, row by row; it is -1 to 1."""
    at = (2.0 * torch.arange(side) + 1.0) / side - 1.0
    y, x = torch.meshgrid(at, at, indexing="ij")
    return torch.stack((x, y), dim=-1).flatten(0, 1)


def _stage(channels_in: int, channels: int, blocks: int) -> nn.Sequential:
    return nn.Sequential(
        NormedConv(channels_in, channels, stride=2),
        *(ResidualBlock(channels) for _ in range(blocks)),
    )
