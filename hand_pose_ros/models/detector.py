"""Our detector: hands with box, side and score in a whole image, beside the palms of MediaPipe.

It sees with the palm network, which stays as it is, on its way down. A branch of our own, begun
as a copy of its way up, makes a fine map of that and reads hands off it: where the middle of
a palm is, and there the box of the whole hand, its side, wrist and middle knuckle.

Source: Zhou et al. 2019, Objects as Points (a map of centres, and what is read off at them).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from hand_pose_ros.models.landmark_network import SameConv
from hand_pose_ros.models.palm_network import STRIDES, WIDTHS, PalmNetwork, Up

STRIDE = STRIDES[0]
"""Image pixels to a cell of the map."""

NUMBERS = 10
"""Of a cell: log odds of a palm's middle and of a right hand; middle of the box, logarithms of its
width and height; wrist and middle knuckle."""

UNIT = 32.0
"""Image pixels that the network counts as one."""

_RARE = -4.6
"""Log odds of a hand in a cell before anything is learnt: 1 %."""

PALM_POINTS = (0, 9)
"""Wrist and middle knuckle among `skeleton.KEYPOINTS`; the palm's middle lies between them."""


class HandBranch(nn.Module):
    """What hands are read off with."""

    def __init__(self) -> None:
        super().__init__()
        self.up_middle = Up(WIDTHS[4], WIDTHS[3])
        self.up_fine = Up(WIDTHS[3], WIDTHS[2])
        self.read = SameConv(WIDTHS[2], NUMBERS, 1)
        nn.init.normal_(self.read.weight, std=0.01)
        assert self.read.bias is not None
        nn.init.constant_(self.read.bias[:1], _RARE)

    def forward(
        self,
        coarse: Float[Tensor, "batch channel y x"],
        middle: Float[Tensor, "batch channel y2 x2"],
        fine: Float[Tensor, "batch channel2 y4 x4"],
    ) -> Float[Tensor, "batch number y4 x4"]:
        """Return the numbers of each cell of the finest of `PalmMaps.halved`."""
        out: Tensor = self.read(self.up_fine(self.up_middle(coarse, middle), fine))
        return out


class HandDetector(nn.Module):
    """MediaPipe's palm network and our branch on it."""

    def __init__(self, palms: PalmNetwork | None = None) -> None:
        super().__init__()
        self.palms = palms or PalmNetwork()
        self.hands = HandBranch()
        self.hands.up_middle.load_state_dict(self.palms.trunk.up_middle.state_dict())
        self.hands.up_fine.load_state_dict(self.palms.trunk.up_fine.state_dict())

    def forward(self, image: Float[Tensor, "batch 3 y x"]) -> tuple[Tensor, Tensor, Tensor]:
        """Return scores and numbers of palms, see `PalmNetwork`, and the map of hands.

        The images are RGB in 0..1, of sides that are multiples of 32.
        """
        seen = self.palms.trunk(image)
        scores, numbers = self.palms.read(seen)
        return scores, numbers, self.hands(*seen.halved)


@dataclass(frozen=True, eq=False)
class HandCells:
    """Hands as the cells of maps tell of them; lengths in pixels of the network's image.

    Attributes:
        score, right: (*cell) log odds of a hand, and of its being a right one.
        box: (*cell, 4) middle x and y, width, height, around the keypoints.
        wrist, knuckle: (*cell, 2) of the middle finger.
    """

    score: Tensor
    right: Tensor
    box: Tensor
    wrist: Tensor
    knuckle: Tensor


def cell_middles(rows: int, columns: int) -> Float[Tensor, "rows columns 2"]:
    """Return the middle (x, y) of each cell of a map [px of the network's image]."""
    y, x = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
    return (torch.stack((x, y), -1) + 0.5) * STRIDE


def read_cells(maps: Float[Tensor, "batch number y x"]) -> HandCells:
    """Return what maps of `HandBranch` tell, for each cell (batch, y, x)."""
    numbers = maps.movedim(1, -1)
    middle = cell_middles(maps.shape[-2], maps.shape[-1]).to(maps)
    centre, size, wrist, knuckle = (numbers[..., i : i + 2] for i in (2, 4, 6, 8))
    # Bounded, so that no image makes an infinite box.
    size = UNIT * torch.exp(size.clamp(-5.0, 5.0))
    return HandCells(
        score=numbers[..., 0],
        right=numbers[..., 1],
        box=torch.cat((middle + UNIT * centre, size), -1),
        wrist=middle + UNIT * wrist,
        knuckle=middle + UNIT * knuckle,
    )


def peaks(score: Float[Tensor, "batch y x"]) -> Tensor:
    """Return (batch, y, x) bool: the cells that no neighbour surpasses."""
    highest = nn.functional.max_pool2d(score.unsqueeze(1), 3, 1, 1).squeeze(1)
    return score >= highest
