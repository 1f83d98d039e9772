"""Condition in, hypotheses of kinematic hands out: the baseline, D and D* behind one interface."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields

import torch
from jaxtyping import Float
from torch import Tensor, nn

from hand_pose_ros.errors import ConfigError
from hand_pose_ros.hand import skeleton
from hand_pose_ros.hand.kinematics import HandParameters, forward_kinematics
from hand_pose_ros.models.denoiser import UNet1D
from hand_pose_ros.models.diffusion import (
    PREDICTIONS,
    SCHEDULES,
    Denoise,
    NoiseSchedule,
    as_denoiser,
    ddim_timesteps,
    sample_ddim,
    sample_ddpm,
)
from hand_pose_ros.models.heads import BaselineMLP, InverseKinematicsMLP, take_hands

POINTS = len(skeleton.KEYPOINTS)
METHODS = ("baseline", "d", "d_star")
"""The paper's rows: MLP (Ours), plain diffusion (D), diffusion with the IK-MLP (D*)."""
SAMPLERS = ("ddim", "ddpm")


@dataclass(frozen=True)
class LifterConfig:
    """Sizes and process of a lifter; what its weights depend on."""

    condition: int = 256
    schedule: str = "cosine"
    diffusion_steps: int = 50
    prediction: str = "x0"
    unet_widths: tuple[int, ...] = (32, 64, 96)
    head_width: int = 384
    head_blocks: int = 2
    point_scale: float = 1.0

    def __post_init__(self) -> None:
        if self.schedule not in SCHEDULES:
            raise ConfigError(f"schedule {self.schedule!r} is not one of {', '.join(SCHEDULES)}")
        if self.prediction not in PREDICTIONS:
            raise ConfigError(
                f"prediction {self.prediction!r} is not one of {', '.join(PREDICTIONS)}"
            )
        if any(width % 8 for width in self.unet_widths) or len(self.unet_widths) < 2:
            raise ConfigError(
                f"unet_widths is {self.unet_widths}; at least two multiples of 8 are needed"
            )
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, (int, float)) and value <= 0:
                raise ConfigError(f"{field.name} is {value}; it must be positive")


@dataclass(frozen=True)
class SamplingConfig:
    """How hypotheses are drawn from a trained lifter; may change from call to call.

    Attributes:
        method: one of `METHODS`.
        sampler: one of `SAMPLERS`.
        steps: of DDIM; DDPM takes all.
        eta: of DDIM: 0 draws no noise on the way, 1 as much as DDPM.
        hypotheses: how many.
        share_first: let the hypotheses of a hand share the first of several DDIM steps of an
            x0-prediction. At its noise next to nothing of the hand is left to tell them apart.
    """

    method: str = "d_star"
    sampler: str = "ddim"
    steps: int = 2
    eta: float = 0.0
    hypotheses: int = 8
    share_first: bool = True

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise ConfigError(f"method {self.method!r} is not one of {', '.join(METHODS)}")
        if self.sampler not in SAMPLERS:
            raise ConfigError(f"sampler {self.sampler!r} is not one of {', '.join(SAMPLERS)}")
        if not 0.0 <= self.eta <= 1.0:
            raise ConfigError(f"eta is {self.eta}; allowed are 0 to 1")
        if self.steps < 1 or self.hypotheses < 1:
            raise ConfigError(
                f"steps is {self.steps} and hypotheses is {self.hypotheses}; both must be >= 1"
            )


@dataclass(frozen=True)
class Lifted:
    """What a lifter says of a batch of right hands, anchor bone = 1, wrist = origin.

    Attributes:
        points: (batch, 21, 3) the one answer: mean of the hypotheses, made valid where the method
            has kinematics.
        std: (batch, 21) spread of each joint over the hypotheses (root of the summed variances).
        hypotheses: (batch, S, 21, 3).
        hand: the kinematic hand of `points`; None for D, which has none.
    """

    points: Tensor
    std: Tensor
    hypotheses: Tensor
    hand: HandParameters | None


class Lifter(nn.Module):
    """From a condition vector, whatever encoder made it, to hypotheses of a hand.

    Source: Ivashechkin et al. 2023, figure 1 and section 2.5.

    Attributes:
        weights_sha256: of the file that its weights are from, empty where that is none that ships.
    """

    weights_sha256 = ""

    def __init__(self, config: LifterConfig) -> None:
        super().__init__()
        self.config = config
        self.schedule = NoiseSchedule(config.schedule, config.diffusion_steps)
        self.denoiser = UNet1D(POINTS, config.condition, config.unet_widths)
        self.inverse_kinematics = InverseKinematicsMLP(
            POINTS, config.head_width, config.head_blocks
        )
        self.baseline = BaselineMLP(config.condition, config.head_width, config.head_blocks)

    def clean(
        self,
        x: Float[Tensor, "batch point 3"],
        t: Tensor,
        condition: Float[Tensor, "batch condition"],
    ) -> Float[Tensor, "batch point 3"]:
        """Return the denoiser's guess of the clean points (scaled), whatever it was trained on."""
        prepared = self.denoiser.prepare(condition)
        return self._denoise(lambda x, t: self.denoiser(x, t, prepared))(x, t)

    def sample_points(
        self,
        condition: Float[Tensor, "batch condition"],
        sampling: SamplingConfig,
        noise: Tensor | None = None,
        generator: torch.Generator | None = None,
    ) -> Float[Tensor, "batch hypothesis point 3"]:
        """Draw the point sets of D for each condition, anchor bone = 1.

        Args:
            condition: one row a hand.
            sampling: sampler, steps, eta, hypotheses.
            noise: (hypotheses, 21, 3) start noise, the same for every hand: a fixed one makes the
                answer a function of the image alone. Drawn where it is None. With one more axis
                in front, (draw, hypotheses, 21, 3), all noise: nothing is drawn then.
            generator: source of all noise that is drawn.
        """
        batch, count = condition.shape[0], sampling.hypotheses
        if noise is None:
            noise = _draw((count, POINTS, 3), condition, generator)
        later = None
        if noise.dim() == 4:
            noise, *rest = (noise[draw] for draw in range(noise.shape[0]))
            later = [each.repeat(batch, 1, 1) for each in rest]
        x = noise.expand(batch, count, POINTS, 3).flatten(0, 1)
        prepared = self.denoiser.prepare(condition)
        repeated = tuple(part.repeat_interleave(count, dim=0) for part in prepared)
        denoise = self._denoise(lambda x, t: self.denoiser(x, t, repeated))
        fresh = _noises(x, generator) if later is None else iter(later)
        if sampling.sampler == "ddpm":
            clean = sample_ddpm(denoise, x, self.schedule, noise=fresh)
        else:
            timesteps = ddim_timesteps(self.schedule.steps, sampling.steps)
            first = None
            if sampling.share_first and len(timesteps) > 1 and self.config.prediction == "x0":
                middle = torch.zeros_like(x[::count])
                step = torch.full_like(middle[:, 0, 0], timesteps[0], dtype=torch.long)
                first = self.denoiser(middle, step, prepared).repeat_interleave(count, dim=0)
            clean = sample_ddim(
                denoise, x, self.schedule, timesteps, eta=sampling.eta, noise=fresh, first=first
            )
        return clean.unflatten(0, (-1, count)) / self.config.point_scale

    def forward(
        self,
        condition: Float[Tensor, "batch condition"],
        sampling: SamplingConfig,
        noise: Tensor | None = None,
        generator: torch.Generator | None = None,
    ) -> Lifted:
        """Return the hypotheses of each hand, their mean and their spread; see `sample_points`."""
        if sampling.method == "baseline":
            hand = self.baseline(condition)
            points = forward_kinematics(hand).positions
            spread = torch.zeros_like(points[..., 0])
            return Lifted(points, spread, points.unsqueeze(1), hand)
        drawn = self.sample_points(condition, sampling, noise, generator)
        mean = drawn.mean(dim=1)
        if sampling.method == "d":
            return Lifted(mean, _spread(drawn), drawn, None)
        every = torch.cat((mean.unsqueeze(1), drawn), dim=1)
        hands = self.inverse_kinematics(every.flatten(0, 1))
        placed = forward_kinematics(hands).positions.unflatten(0, (-1, every.shape[1]))
        hand = take_hands(hands, slice(None, None, 1 + sampling.hypotheses))
        return Lifted(placed[:, 0], _spread(placed[:, 1:]), placed[:, 1:], hand)

    def _denoise(self, network: Denoise) -> Denoise:
        return as_denoiser(network, self.schedule, self.config.prediction)


def balanced_noise(count: int, generator: torch.Generator) -> torch.Tensor:
    """Return (count, 21, 3) standard normal noise in pairs of opposite sign.

    Opposite starts cancel the part of the hypotheses that is odd in the noise, so that their mean
    is steadier than that of as many independent ones (antithetic variates).
    """
    half = torch.randn(((count + 1) // 2, POINTS, 3), generator=generator)
    return torch.cat((half, -half))[:count]


def _spread(hypotheses: Tensor) -> Tensor:
    return hypotheses.var(dim=1, unbiased=False).sum(-1).sqrt()


def _draw(shape: tuple[int, ...], like: Tensor, generator: torch.Generator | None) -> Tensor:
    """Return noise drawn where the generator is, or where `like` is without one."""
    device = like.device if generator is None else generator.device
    return torch.randn(shape, generator=generator, dtype=like.dtype, device=device).to(like.device)


def _noises(x: Tensor, generator: torch.Generator | None) -> Iterator[Tensor]:
    while True:
        yield _draw(tuple(x.shape), x, generator)
