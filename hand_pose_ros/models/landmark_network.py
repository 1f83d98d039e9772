"""The hand landmark network of MediaPipe as a torch module, to see with.

A chain of inverted residuals in the manner of EfficientNet, its normalisation folded into the
convolutions, its activation cut at 6. What it learnt was read from mediapipe's wheel by
`training.pretrained`, and ships in the weights.

Source: Zhang et al. 2020, MediaPipe Hands (the full network of the 0.10 releases).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

SIDE = 224
"""Width and height of the image that the network sees [px]."""

FEATURES = 1152
"""Channels of its last map."""

STRIDE = 32
"""Image pixels to a cell of that map."""


@dataclass(frozen=True)
class Inverted:
    """Sizes of one inverted residual: widen, convolve each channel, narrow, add where it fits."""

    channels_in: int
    wide: int
    channels: int
    kernel: int
    stride: int = 1

    @property
    def adds(self) -> bool:
        """Whether what came in is added to what goes out."""
        return self.stride == 1 and self.channels_in == self.channels


BLOCKS = (
    Inverted(16, 64, 24, 3, 2),
    Inverted(24, 144, 24, 3),
    Inverted(24, 144, 40, 5, 2),
    Inverted(40, 240, 40, 5),
    Inverted(40, 240, 80, 3, 2),
    Inverted(80, 480, 80, 3),
    Inverted(80, 480, 80, 3),
    Inverted(80, 480, 112, 5),
    Inverted(112, 672, 112, 5),
    Inverted(112, 672, 112, 5),
    Inverted(112, 672, 192, 5, 2),
    Inverted(192, 1152, 192, 5),
    Inverted(192, 1152, 192, 5),
    Inverted(192, 1152, 192, 5),
)


class SameConv(nn.Conv2d):
    """A convolution padded as TensorFlow's SAME: with a stride of 2, on the right and below."""

    def __init__(
        self, channels_in: int, channels: int, kernel: int, stride: int = 1, groups: int = 1
    ) -> None:
        centred = kernel // 2 if stride == 1 else 0
        super().__init__(channels_in, channels, kernel, stride, centred, groups=groups)
        # Even sides are halved: the window of the first output begins at pixel 0 or before it.
        before = (kernel - stride) // 2
        nn.init.kaiming_normal_(self.weight, nonlinearity="relu")
        if self.bias is not None:
            nn.init.zeros_(self.bias)
        self.margins = None if stride == 1 else (before, kernel - stride - before) * 2

    def forward(self, x: Float[Tensor, "batch channel y x"]) -> Float[Tensor, "batch out y2 x2"]:
        """Return the convolved image, of sides divided by the stride."""
        return super().forward(x if self.margins is None else functional.pad(x, self.margins))


class InvertedResidual(nn.Module):
    """One block of the chain, see `Inverted`."""

    def __init__(self, sizes: Inverted) -> None:
        super().__init__()
        self.adds = sizes.adds
        self.widen = SameConv(sizes.channels_in, sizes.wide, 1)
        self.each = SameConv(sizes.wide, sizes.wide, sizes.kernel, sizes.stride, sizes.wide)
        self.narrow = SameConv(sizes.wide, sizes.channels, 1)

    def forward(self, x: Float[Tensor, "batch channel y x"]) -> Float[Tensor, "batch out y2 x2"]:
        """Return the block's map."""
        hidden = functional.relu6(self.each(functional.relu6(self.widen(x))))
        hidden = self.narrow(hidden)
        return x + hidden if self.adds else hidden


class LandmarkTrunk(nn.Module):
    """From an image to the last map of the network: all of it but its read-outs."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = SameConv(3, 24, 3, 2)
        self.stem_each = SameConv(24, 24, 3, groups=24)
        self.stem_narrow = SameConv(24, 16, 1)
        self.blocks = nn.ModuleList(InvertedResidual(sizes) for sizes in BLOCKS)
        self.widen = SameConv(192, FEATURES, 1)
        self.each = SameConv(FEATURES, FEATURES, 3, groups=FEATURES)

    def forward(self, image: Float[Tensor, "batch 3 y x"]) -> Float[Tensor, "batch feature y2 x2"]:
        """Return the last map of RGB images in 0..1, of sides that are multiples of `STRIDE`."""
        return self.maps(image)[0]

    def maps(
        self, image: Float[Tensor, "batch 3 y x"], behind: Sequence[int] = ()
    ) -> tuple[Tensor, list[Tensor]]:
        """Return the last map, as `forward` does, and those behind some of `BLOCKS`."""
        hidden = functional.relu6(self.stem_each(functional.relu6(self.stem(image))))
        hidden = self.stem_narrow(hidden)
        inner = []
        for number, block in enumerate(self.blocks):
            hidden = block(hidden)
            if number in behind:
                inner.append(hidden)
        return functional.relu6(self.each(functional.relu6(self.widen(hidden)))), inner


class LandmarkNetwork(nn.Module):
    """The whole network: the trunk and the four read-outs of its pooled map.

    Attributes:
        weights_sha256: of the file that its weights are from, empty where they are from none.
    """

    features = FEATURES
    weights_sha256 = ""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = LandmarkTrunk()
        self.presence = nn.Linear(FEATURES, 1)
        self.handedness = nn.Linear(FEATURES, 1)
        self.landmarks = nn.Linear(FEATURES, 63)
        self.world = nn.Linear(FEATURES, 63)

    def forward(self, image: Float[Tensor, "batch 3 y x"]) -> tuple[Tensor, ...]:
        """Return landmarks [px], presence, handedness (both 0..1) and world landmarks [m].

        The handedness is that of what MediaPipe calls "Left", which is a right hand.

        The landmarks are (batch, 63): x, y and relative depth of each of 21 points in pixels of
        the image; world likewise, in metres about the hand's middle.
        """
        return self.read(self.pool(image))

    def read(self, pooled: Float[Tensor, "batch feature"]) -> tuple[Tensor, ...]:
        """Return what `forward` does, of what `pool` returned."""
        presence, handedness = (
            torch.sigmoid(readout(pooled)) for readout in (self.presence, self.handedness)
        )
        return self.landmarks(pooled), presence, handedness, self.world(pooled)

    def pool(self, image: Float[Tensor, "batch 3 y x"]) -> Float[Tensor, "batch feature"]:
        """Return the mean of the last map, from which all else is read."""
        return self.trunk(image).mean(dim=(2, 3))

    def points(
        self, pooled: Float[Tensor, "batch feature"]
    ) -> tuple[Float[Tensor, "batch 21 3"], Float[Tensor, "batch 21 3"]]:
        """Return landmarks and world landmarks, see `forward`, a row for each point."""
        landmarks, world = self.landmarks(pooled), self.world(pooled)
        return landmarks.unflatten(-1, (21, 3)), world.unflatten(-1, (21, 3))
