"""Laws of the diffusion process and its samplers."""

import itertools

import pytest
import torch

from hand_pose_ros.errors import ConfigError
from hand_pose_ros.models.diffusion import (
    SCHEDULES,
    NoiseSchedule,
    as_denoiser,
    ddim_timesteps,
    make_betas,
    sample_ddim,
    sample_ddpm,
)

DATA = (7, 3)


def noises(shape, seed=1):
    generator = torch.Generator().manual_seed(seed)
    return (torch.randn(shape, generator=generator) for _ in itertools.count())


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("steps", [10, 50, 1000])
def test_schedule_goes_from_data_to_noise(name, steps):
    schedule = NoiseSchedule(name, steps)
    assert (schedule.alpha_bar.diff() < 0).all()
    assert schedule.alpha_bar[0] > 0.7
    assert schedule.alpha_bar[-1] < 0.01
    assert ((schedule.betas > 0) & (schedule.betas < 1)).all()


def test_linear_schedule_at_1000_steps_is_the_published_one():
    betas = make_betas("linear", 1000)
    assert betas[0] == pytest.approx(1e-4)
    assert betas[-1] == pytest.approx(0.02)


def test_added_noise_has_the_variance_of_equation_3():
    schedule = NoiseSchedule("cosine", 50)
    clean, noise = torch.full((20_000, 1), 2.0), torch.randn(20_000, 1)
    noisy = schedule.add_noise(clean, noise, torch.full((20_000,), 25))
    alpha_bar = schedule.alpha_bar[25].item()
    assert noisy.mean().item() == pytest.approx(2.0 * alpha_bar**0.5, abs=0.03)
    assert noisy.var().item() == pytest.approx(1.0 - alpha_bar, rel=0.04)


@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("count", [1, 2, 7, 50])
def test_ddim_with_an_oracle_lands_on_the_only_possible_data(count, eta):
    schedule, truth = NoiseSchedule("cosine", 50), torch.randn(4, *DATA)
    x = sample_ddim(
        lambda x, t: truth,
        torch.randn(4, *DATA),
        schedule,
        ddim_timesteps(50, count),
        eta=eta,
        noise=noises((4, *DATA)),
    )
    torch.testing.assert_close(x, truth)


def test_a_first_guess_that_is_known_stands_for_the_first_step():
    schedule = NoiseSchedule("cosine", 50)
    x = next(noises((4, *DATA)))
    asked = []

    def denoise(x, t):
        asked.append(int(t[0]))
        return 0.3 * x + t.float().reshape(-1, 1, 1) / 50

    steps = ddim_timesteps(50, 3)
    plain = sample_ddim(denoise, x, schedule, steps)
    first = denoise(x, torch.full((4,), steps[0]))
    asked.clear()
    torch.testing.assert_close(sample_ddim(denoise, x, schedule, steps, first=first), plain)
    assert asked == steps[1:]


def test_ddpm_with_an_oracle_lands_on_the_only_possible_data():
    schedule, truth = NoiseSchedule("linear", 50), torch.randn(4, *DATA)
    x = sample_ddpm(lambda x, t: truth, torch.randn(4, *DATA), schedule, noise=noises((4, *DATA)))
    torch.testing.assert_close(x, truth)


@pytest.mark.parametrize("sampler", ["ddim", "ddim_eta", "ddpm"])
def test_samplers_reproduce_a_gaussian(sampler):
    """The best denoiser of N(mean, std^2) is linear in x; its samples must have that law again."""
    mean, std, shape = 1.5, 0.5, (4000, 1)
    schedule = NoiseSchedule("cosine", 200)

    def denoise(x, t):
        alpha_bar = schedule.alpha_bar[t].unsqueeze(-1)
        gain = alpha_bar.sqrt() * std**2 / (alpha_bar * std**2 + 1.0 - alpha_bar)
        return mean + gain * (x - alpha_bar.sqrt() * mean)

    start = torch.randn(shape)
    if sampler == "ddpm":
        x = sample_ddpm(denoise, start, schedule, noise=noises(shape))
    else:
        eta = 1.0 if sampler == "ddim_eta" else 0.0
        steps = ddim_timesteps(200, 200)
        x = sample_ddim(denoise, start, schedule, steps, eta=eta, noise=noises(shape))
    assert x.mean().item() == pytest.approx(mean, abs=0.04)
    assert x.std().item() == pytest.approx(std, rel=0.06)


def test_noise_prediction_is_the_same_process_as_data_prediction():
    schedule, truth = NoiseSchedule("linear", 50), torch.randn(4, *DATA)

    def network(x, t):
        alpha_bar = schedule.alpha_bar[t].reshape(-1, 1, 1)
        return (x - alpha_bar.sqrt() * truth) / (1.0 - alpha_bar).sqrt()

    denoise = as_denoiser(network, schedule, "noise")
    x = sample_ddim(denoise, torch.randn(4, *DATA), schedule, ddim_timesteps(50, 10))
    torch.testing.assert_close(x, truth, atol=1e-3, rtol=1e-3)


def test_an_ancestral_step_is_equation_6():
    """With T = 2 there is one noisy step; its mean written with the predicted noise."""
    schedule = NoiseSchedule("linear", 50)
    short = NoiseSchedule("linear", 50)
    short.steps = 2
    x, epsilon, z = torch.randn(1, 3), torch.randn(1, 3), torch.randn(1, 3)
    seen = []

    def network(noisy, t):
        seen.append(noisy)
        return epsilon

    sample_ddpm(as_denoiser(network, schedule, "noise"), x, short, noise=[z])
    beta, alpha_bar = schedule.betas[1], schedule.alpha_bar[1]
    variance = beta * (1.0 - schedule.alpha_bar[0]) / (1.0 - alpha_bar)
    expected = (x - beta / (1.0 - alpha_bar).sqrt() * epsilon) / (1.0 - beta).sqrt()
    torch.testing.assert_close(seen[1], expected + variance.sqrt() * z, atol=1e-4, rtol=1e-4)


def test_timesteps_start_at_the_noisiest_and_fall():
    assert ddim_timesteps(50, 1) == [49]
    for count in range(1, 51):
        steps = ddim_timesteps(50, count)
        assert len(set(steps)) == count
        assert steps == sorted(steps, reverse=True)
        assert steps[0] == 49 and steps[-1] >= 0


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: make_betas("sine", 50), "sine.*cosine, linear"),
        (lambda: make_betas("linear", 1), "1; at least 2"),
        (lambda: ddim_timesteps(50, 51), "51; allowed are 1 to 50"),
        (lambda: ddim_timesteps(50, 0), "0; allowed are 1 to 50"),
        (lambda: as_denoiser(lambda x, t: x, NoiseSchedule(), "v"), "'v' is not one of"),
        (
            lambda: sample_ddim(lambda x, t: x, torch.zeros(1, 1), NoiseSchedule(), []),
            "timesteps is empty",
        ),
    ],
)
def test_bad_settings_are_refused(call, match):
    with pytest.raises(ConfigError, match=match):
        call()
