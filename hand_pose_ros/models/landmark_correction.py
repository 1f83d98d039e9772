"""A second look at landmarks: how far each is off and how deep, by what was seen around it.

The landmark network reads its landmarks off one vector for the whole image. Here each landmark
gathers what the network's inner maps hold where it was put, compares that with the others by
attention, and is moved and given a depth. The network that looks stays as it is.

Source: Sun et al. 2013, Deep convolutional network cascade for facial point detection (a coarse
answer refined by what is seen around it); Vaswani et al. 2017 (attention).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from hand_pose_ros.hand.skeleton import KEYPOINTS
from hand_pose_ros.models.landmark_network import BLOCKS, FEATURES, SIDE

MAPS = (1, 3, 9)
"""Blocks of the landmark network behind which is looked: cells of 4, 8 and 16 pixels."""

AROUND = 9 * sum(BLOCKS[block].channels for block in MAPS)
"""Values that a landmark gathers: those of 3x3 cells of each map."""

_POINTS = len(KEYPOINTS)
_WIDTH, _HEADS, _LAYERS = 128, 4, 2
_REACH = 0.3  # of the hand's radius, for an output of 1
_SPREAD = 2.0  # what the logarithm of the spread begins with, negated


class LandmarkCorrection(nn.Module):
    """Moves landmarks of the landmark network.

    Args:
        dropout: within the layers, twice that of what is gathered; only while it learns.
    """

    def __init__(self, dropout: float = 0.1) -> None:
        super().__init__()
        self.around_norm, self.around = nn.LayerNorm(AROUND), nn.Linear(AROUND, _WIDTH)
        self.pooled_norm, self.pooled = nn.LayerNorm(FEATURES), nn.Linear(FEATURES, _WIDTH)
        self.shape = nn.Linear(3 * _POINTS + 3, _WIDTH)
        self.point = nn.Parameter(0.1 * torch.randn(_POINTS, _WIDTH))
        self.dropout = nn.Dropout(2.0 * dropout)
        self.layers = nn.ModuleList(_Layer(dropout) for _ in range(_LAYERS))
        self.norm, self.out = nn.LayerNorm(_WIDTH), nn.Linear(_WIDTH, 4)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(
        self,
        landmarks: Float[Tensor, "batch 21 3"],
        pooled: Float[Tensor, "batch feature"],
        around: Float[Tensor, "batch 21 value"],
    ) -> tuple[Float[Tensor, "batch 21 2"], Float[Tensor, "batch 21"], Float[Tensor, "batch 21"]]:
        """Return places [px], the logarithm of how far they may be off, and depths.

        That is in radii of the hand. Depths grow away from the camera, up to a common offset, in
        pixels at the hand's mean depth: over the focal length they are shares of it.

        Args:
            landmarks: x, y and relative depth [px], see `LandmarkNetwork.points`.
            pooled: the vector that they were read off.
            around: what is seen around them, see `gather`.
        """
        flat = landmarks[..., :2]
        centred = flat - flat.mean(dim=1, keepdim=True)
        radius = centred.square().sum(-1).mean(-1).sqrt().clamp_min(1e-3)[:, None, None]
        depth = (landmarks[..., 2:] - landmarks[:, :1, 2:]) / radius
        shape = torch.cat((centred / radius, depth), dim=-1)
        whole = shape.flatten(1).unsqueeze(1).expand(-1, _POINTS, -1)
        hidden = self.point + self.shape(torch.cat((whole, shape), dim=-1))
        hidden = hidden + self.around(self.dropout(self.around_norm(around)))
        hidden = hidden + self.pooled(self.dropout(self.pooled_norm(pooled))).unsqueeze(1)
        for layer in self.layers:
            hidden = layer(hidden)
        moved, spread, deeper = self.out(self.norm(hidden)).split((2, 1, 1), dim=-1)
        places = flat + _REACH * radius * moved
        return places, spread.squeeze(-1) - _SPREAD, ((depth + deeper) * radius).squeeze(-1)


def gather(
    maps: Sequence[Float[Tensor, "batch _ _ _"]], landmarks: Float[Tensor, "batch 21 3"]
) -> Float[Tensor, "batch 21 value"]:
    """Return the 3x3 cells of each map around each landmark, between cells in proportion.

    Args:
        maps: behind `MAPS`, see `LandmarkTrunk.maps`; there is nothing beyond their edges.
        landmarks: x, y, ... [px] of an image of `SIDE`.
    """
    middle = landmarks[..., :2] * (2.0 / SIDE) - 1.0
    # Made where the maps are: a list would be copied there each time, which no CUDA graph holds.
    step = torch.arange(-1, 2, dtype=middle.dtype, device=middle.device)
    steps = torch.stack(torch.meshgrid(step, step, indexing="xy"), dim=-1).flatten(0, 1)
    gathered = []
    for each in maps:
        places = middle.unsqueeze(2) + steps * (2.0 / each.shape[-1])
        seen = functional.grid_sample(each, places, align_corners=False)
        gathered.append(seen.permute(0, 2, 1, 3).flatten(2))
    return torch.cat(gathered, dim=-1)


class _Layer(nn.Module):
    """Attention over landmarks and a feedforward network, each behind a norm, beside a skip."""

    def __init__(self, dropout: float) -> None:
        super().__init__()
        self.before_attention = nn.LayerNorm(_WIDTH)
        self.query_key_value = nn.Linear(_WIDTH, 3 * _WIDTH)
        self.out, self.dropout = nn.Linear(_WIDTH, _WIDTH), nn.Dropout(dropout)
        self.feedforward = nn.Sequential(
            nn.LayerNorm(_WIDTH),
            nn.Linear(_WIDTH, 2 * _WIDTH),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(2 * _WIDTH, _WIDTH),
            nn.Dropout(dropout),
        )

    def forward(self, hidden: Tensor) -> Tensor:
        projected = self.query_key_value(self.before_attention(hidden))
        query, key, value = projected.unflatten(-1, (3, _HEADS, -1)).permute(2, 0, 3, 1, 4)
        attended = functional.scaled_dot_product_attention(query, key, value)
        hidden = hidden + self.dropout(self.out(attended.transpose(1, 2).flatten(-2)))
        return hidden + self.feedforward(hidden)
