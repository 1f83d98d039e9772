"""Denoising diffusion over any real vectors: schedules, the forward process and two samplers.

Nothing here knows what is diffused. A denoiser is any function `denoise(x, t) -> x0` that guesses
the clean data from a noisy x at integer steps t; `as_denoiser` makes one of a network that
predicts either the data or the noise.

Source: Ho et al. 2020 (DDPM), Song et al. 2021 (DDIM), Nichol and Dhariwal 2021 (cosine schedule);
equations 2 to 6 of Ivashechkin et al. 2023.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise

import torch
from jaxtyping import Float, Int
from torch import Tensor

from hand_pose_ros.errors import ConfigError

Denoise = Callable[[Tensor, Tensor], Tensor]
SCHEDULES = ("cosine", "linear")
PREDICTIONS = ("x0", "noise")


def make_betas(name: str, steps: int) -> Float[Tensor, " step"]:
    """Return the noise variances beta_1..beta_T of a named schedule, in float64.

    Args:
        name: one of `SCHEDULES`.
        steps: T, at least 2.

    Raises:
        ConfigError: unknown name, or too few steps.
    """
    if steps < 2:
        raise ConfigError(f"diffusion steps is {steps}; at least 2 are needed")
    if name == "linear":
        # The range of Ho et al. (1e-4 to 0.02 at T = 1000), stretched so that any T ends in noise.
        stretch = 1000.0 / steps
        betas = torch.linspace(1e-4 * stretch, 0.02 * stretch, steps, dtype=torch.float64)
        return betas.clamp(max=0.999)
    if name == "cosine":
        grid = torch.arange(steps + 1, dtype=torch.float64) / steps
        alpha_bar = torch.cos((grid + 0.008) / 1.008 * math.pi / 2.0) ** 2
        return (1.0 - alpha_bar[1:] / alpha_bar[:-1]).clamp(1e-8, 0.999)
    raise ConfigError(f"schedule {name!r} is unknown; it is one of {', '.join(SCHEDULES)}")


class NoiseSchedule(torch.nn.Module):
    """The constants of a diffusion process as buffers; step index t runs from 0 to T - 1.

    Attributes:
        kept: `alpha_bar` as plain numbers, so that what follows from it is no part of a graph.
    """

    alpha_bar: Tensor
    betas: Tensor

    def __init__(self, name: str = "cosine", steps: int = 50) -> None:
        super().__init__()
        betas = make_betas(name, steps)
        self.name, self.steps = name, steps
        self.register_buffer("betas", betas.float(), persistent=False)
        alpha_bar = torch.cumprod(1.0 - betas, 0)
        self.register_buffer("alpha_bar", alpha_bar.float(), persistent=False)
        self.kept = tuple(alpha_bar.tolist())

    def add_noise(
        self,
        clean: Float[Tensor, " batch *data"],
        noise: Float[Tensor, " batch *data"],
        t: Int[Tensor, " batch"],
    ) -> Float[Tensor, " batch *data"]:
        """Return x_t: the clean data after t + 1 steps of noise (equation 3)."""
        alpha_bar = _expand(self.alpha_bar[t], clean)
        return alpha_bar.sqrt() * clean + (1.0 - alpha_bar).sqrt() * noise


def as_denoiser(network: Denoise, schedule: NoiseSchedule, prediction: str) -> Denoise:
    """Return `denoise(x, t) -> x0` of a network that predicts "x0" or "noise"."""
    if prediction not in PREDICTIONS:
        raise ConfigError(f"prediction {prediction!r} is not one of {', '.join(PREDICTIONS)}")
    if prediction == "x0":
        return network

    def denoise(x: Tensor, t: Tensor) -> Tensor:
        alpha_bar = _expand(schedule.alpha_bar[t], x)
        return (x - (1.0 - alpha_bar).sqrt() * network(x, t)) / alpha_bar.sqrt()

    return denoise


def ddim_timesteps(total: int, count: int) -> list[int]:
    """Return `count` steps from the noisiest (total - 1) downwards, evenly spread."""
    if not 1 <= count <= total:
        raise ConfigError(f"sampling steps is {count}; allowed are 1 to {total}")
    return [total * (count - i) // count - 1 for i in range(count)]


def ddim_coefficients(now: float, after: float, eta: float) -> tuple[float, float, float]:
    """Return the factors of the clean data, of the direction back and of fresh noise in a step.

    Args:
        now: alpha_bar of the step at hand.
        after: that of the step that it leads to.
        eta: see `sample_ddim`.

    Source: Song et al. 2021, equations 12 and 16.
    """
    variance = eta**2 * max((1.0 - after) / (1.0 - now) * (1.0 - now / after), 0.0)
    return math.sqrt(after), math.sqrt(max(1.0 - after - variance, 0.0)), math.sqrt(variance)


def sample_ddim(
    denoise: Denoise,
    x: Float[Tensor, " batch *data"],
    schedule: NoiseSchedule,
    timesteps: Sequence[int],
    *,
    eta: float = 0.0,
    noise: Iterable[Tensor] = (),
    first: Tensor | None = None,
) -> Float[Tensor, " batch *data"]:
    """Turn noise into data along a descending list of steps.

    Args:
        denoise: guesses the clean data.
        x: standard normal noise.
        schedule: the process the denoiser was trained on.
        timesteps: descending step indices, see `ddim_timesteps`.
        eta: 0 is deterministic, 1 has the variance of ancestral sampling.
        noise: one standard normal tensor like x for each step but the last, read when eta > 0.
        first: the clean data as guessed at the first of several steps, where the caller knows it.

    Source: Song et al. 2021, equation 12.
    """
    if not timesteps:
        raise ConfigError("timesteps is empty; at least one step is needed")
    fresh = iter(noise)
    for now, after in pairwise(timesteps):
        known = first if now == timesteps[0] else None
        clean = (
            denoise(x, torch.full(x.shape[:1], now, device=x.device)) if known is None else known
        )
        kept, direction, sigma = ddim_coefficients(schedule.kept[now], schedule.kept[after], eta)
        residual = (x - math.sqrt(schedule.kept[now]) * clean) / math.sqrt(1 - schedule.kept[now])
        x = kept * clean + direction * residual
        if eta > 0.0:
            x = x + sigma * next(fresh)
    return denoise(x, torch.full(x.shape[:1], timesteps[-1], device=x.device))


def sample_ddpm(
    denoise: Denoise,
    x: Float[Tensor, " batch *data"],
    schedule: NoiseSchedule,
    *,
    noise: Iterable[Tensor],
) -> Float[Tensor, " batch *data"]:
    """Turn noise into data by all T ancestral steps.

    Equation 6 written with the guess of the clean data: the mean of q(x_{t-1} | x_t, x_0), which
    is the same number for a network that predicts the noise.

    Args:
        denoise: guesses the clean data.
        x: standard normal noise.
        schedule: the process the denoiser was trained on.
        noise: T - 1 standard normal tensors like x.
    """
    fresh = iter(noise)
    for t in range(schedule.steps - 1, 0, -1):
        clean = denoise(x, torch.full(x.shape[:1], t, device=x.device))
        beta, alpha_bar, before = (
            schedule.betas[t],
            schedule.alpha_bar[t],
            schedule.alpha_bar[t - 1],
        )
        mean = (before.sqrt() * beta * clean + (1.0 - beta).sqrt() * (1.0 - before) * x) / (
            1.0 - alpha_bar
        )
        variance = beta * (1.0 - before) / (1.0 - alpha_bar)
        x = mean + variance.sqrt() * next(fresh)
    return denoise(x, torch.zeros(x.shape[:1], dtype=torch.long, device=x.device))


def _expand(values: Tensor, like: Tensor) -> Tensor:
    return values.reshape(-1, *([1] * (like.dim() - 1)))
