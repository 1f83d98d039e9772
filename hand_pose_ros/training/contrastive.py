"""Contrastive learning: two views of one hand are to be told from views of other hands.

SimCLR compares the projections of the views as they are. PeCLR reads a projection as places in the
image and first undoes on it what was done to the view, so that what is learnt turns with the hand.

Source: Ivashechkin et al. 2023, section 2.4; Chen et al. 2020, SimCLR; Spurr et al. 2021, PeCLR.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from hand_pose_ros.errors import ConfigError, InputError

KINDS = ("peclr", "simclr")


@dataclass(frozen=True)
class ContrastiveConfig:
    """How two views of a hand differ and are compared.

    Attributes:
        kind: one of `KINDS`.
        temperature: of the softmax over the other views; small ones look at the nearest only.
        points: places that a projection is made of, two numbers each.
        turn: most that the second view is turned [rad].
        scale: most of the logarithm of how much wider it sees.
        shift: most that it looks beside, in half sides of the view.
        colour: of the logarithm of the gain of each of its channels, a standard deviation.
    """

    kind: str = "peclr"
    temperature: float = 0.5
    points: int = 64
    turn: float = 0.8
    scale: float = 0.2
    shift: float = 0.1
    colour: float = 0.3

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ConfigError(f"contrastive kind {self.kind!r} is not one of {', '.join(KINDS)}")
        if self.points < 1 or self.temperature <= 0.0:
            raise ConfigError(
                f"contrastive points is {self.points}, temperature {self.temperature}; "
                "both must be above 0"
            )
        for name in ("turn", "scale", "shift", "colour"):
            if not 0.0 <= getattr(self, name) <= 4.0:
                raise ConfigError(
                    f"contrastive {name} is {getattr(self, name)}; allowed are 0 to 4"
                )


@dataclass(frozen=True)
class Affine:
    """Where second views look: what is at p in a view is at `linear` p + `shift` in the first.

    Attributes:
        linear: (batch, 2, 2) turn and scale.
        shift: (batch, 2), the view being -1 to 1.
    """

    linear: Tensor
    shift: Tensor


class Projection(nn.Sequential):
    """From the vector of an image to the places that are compared; thrown away after training."""

    def __init__(self, features: int, points: int) -> None:
        hidden = max(features // 2, 2 * points)
        super().__init__(
            nn.LayerNorm(features),
            nn.Linear(features, hidden),
            nn.ReLU(),
            nn.Linear(hidden, 2 * points),
            nn.Unflatten(-1, (points, 2)),
        )


def draw_affine(count: int, config: ContrastiveConfig, generator: torch.Generator) -> Affine:
    """Return random looks, each uniform within the limits of the configuration."""
    uniform = 2.0 * torch.rand((4, count), generator=generator) - 1.0
    turn, scale = config.turn * uniform[0], torch.exp(config.scale * uniform[1])
    c, s = scale * torch.cos(turn), scale * torch.sin(turn)
    linear = torch.stack((c, -s, s, c), dim=-1).unflatten(-1, (2, 2))
    return Affine(linear, config.shift * uniform[2:].T)


def second_view(
    patch: Float[Tensor, "batch 3 y x"],
    affine: Affine,
    colour: float,
    generator: torch.Generator,
) -> Float[Tensor, "batch 3 y x"]:
    """Return images (0..1) as they are seen by other looks, in other light; black beyond them."""
    theta = torch.cat((affine.linear, affine.shift.unsqueeze(-1)), dim=-1)
    grid = functional.affine_grid(theta, list(patch.shape), align_corners=False)
    seen = functional.grid_sample(patch, grid, align_corners=False)
    gain = torch.exp(colour * torch.randn((len(patch), 3, 1, 1), generator=generator))
    return (seen * gain).clamp(0.0, 1.0).contiguous(memory_format=torch.channels_last)


def undo(points: Float[Tensor, "batch point 2"], affine: Affine) -> Float[Tensor, "batch point 2"]:
    """Return places of the second views as places of the first.

    How large projections are is free, so the shift is as large as it is in a view that they span.

    Source: Spurr et al. 2021, section 3.2.
    """
    half_span = 0.5 * (points.amax(dim=1) - points.amin(dim=1)).detach()
    return points @ affine.linear.transpose(-1, -2) + (half_span * affine.shift).unsqueeze(1)


def nt_xent(
    first: Float[Tensor, "batch feature"],
    second: Float[Tensor, "batch feature"],
    temperature: float,
) -> Float[Tensor, ""]:
    """Return how badly each view's partner is told from all other views, by cosine similarity.

    Row k of both are views of one hand.

    Raises:
        InputError: fewer than two hands: there is nothing to be told from.

    Source: Chen et al. 2020, equation 1.
    """
    count = len(first)
    if count < 2:
        raise InputError(f"a contrastive loss of {count} hand; at least 2 are needed")
    views = functional.normalize(torch.cat((first, second)), dim=-1)
    similarity = views @ views.T / temperature
    itself = torch.eye(2 * count, dtype=torch.bool, device=views.device)
    similarity = similarity.masked_fill(itself, float("-inf"))
    partner = torch.arange(2 * count, device=views.device).roll(count)
    return functional.cross_entropy(similarity, partner)


def contrastive_loss(
    first: Float[Tensor, "batch point 2"],
    second: Float[Tensor, "batch point 2"],
    affine: Affine,
    config: ContrastiveConfig,
) -> Float[Tensor, ""]:
    """Return the loss of projections of views and of second views; see the module."""
    if config.kind == "peclr":
        second = undo(second, affine)
    return nt_xent(first.flatten(1), second.flatten(1), config.temperature)
