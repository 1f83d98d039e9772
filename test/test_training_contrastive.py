"""The contrastive loss: as written in the paper, and blind to what was done to a view."""

import math

import pytest
import torch

from hand_pose_ros.errors import ConfigError, InputError
from hand_pose_ros.training.contrastive import (
    Affine,
    ContrastiveConfig,
    Projection,
    contrastive_loss,
    draw_affine,
    nt_xent,
    second_view,
    undo,
)


def naive(first, second, temperature):
    """Equation 1 of SimCLR, pair by pair."""
    views = [*first.tolist(), *second.tolist()]
    count = len(first)

    def similarity(i, j):
        dot = sum(a * b for a, b in zip(views[i], views[j], strict=True))
        lengths = math.hypot(*views[i]) * math.hypot(*views[j])
        return math.exp(dot / lengths / temperature)

    total = 0.0
    for i in range(2 * count):
        partner = (i + count) % (2 * count)
        others = sum(similarity(i, k) for k in range(2 * count) if k != i)
        total -= math.log(similarity(i, partner) / others)
    return total / (2 * count)


@pytest.mark.parametrize("temperature", [0.1, 0.5, 2.0])
def test_nt_xent_is_that_of_the_paper(temperature):
    generator = torch.Generator().manual_seed(1)
    first, second = torch.randn(2, 5, 6, generator=generator, dtype=torch.float64)
    loss = nt_xent(first, second, temperature)
    assert loss.item() == pytest.approx(naive(first, second, temperature), rel=1e-9)


def test_partners_that_agree_cost_less_than_ones_that_do_not():
    first = torch.randn(6, 8, generator=torch.Generator().manual_seed(0))
    assert nt_xent(first, 3.0 * first, 0.5) < nt_xent(first, first.roll(1, 0), 0.5) - 0.5


def test_one_hand_cannot_be_told_from_others():
    with pytest.raises(InputError, match="of 1 hand; at least 2"):
        nt_xent(torch.ones(1, 4), torch.ones(1, 4), 0.5)


def looks(count=4, **limits):
    config = ContrastiveConfig(**limits)
    return draw_affine(count, config, torch.Generator().manual_seed(3)), config


def test_undo_brings_places_of_the_second_view_back():
    """Places that span the view from -1 to 1, as they move when the view does."""
    affine, _ = looks()
    seen = 2.0 * torch.rand(4, 9, 2, generator=torch.Generator().manual_seed(0)) - 1.0
    seen[:, 0], seen[:, 1] = -1.0, 1.0
    first = seen @ affine.linear.transpose(-1, -2) + affine.shift.unsqueeze(1)
    torch.testing.assert_close(undo(seen, affine), first)


def test_undo_does_not_ask_how_large_projections_are():
    affine, _ = looks()
    points = torch.randn(4, 9, 2, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(undo(7.0 * points, affine), 7.0 * undo(points, affine))


def test_peclr_is_content_with_projections_that_turn_with_the_view_and_simclr_is_not():
    affine, config = looks(8, shift=0.0, turn=1.5)
    first = torch.randn(8, 16, 2, generator=torch.Generator().manual_seed(5))
    second = first @ torch.linalg.inv(affine.linear).transpose(-1, -2)
    best = nt_xent(first.flatten(1), first.flatten(1), config.temperature)
    torch.testing.assert_close(contrastive_loss(first, second, affine, config), best)
    simclr = ContrastiveConfig(kind="simclr")
    assert contrastive_loss(first, second, affine, simclr) > best + 0.1
    torch.testing.assert_close(contrastive_loss(first, first, affine, simclr), best)


def test_the_second_view_looks_where_its_affine_says():
    side = 64
    image = torch.zeros(1, 3, side, side)
    image[..., 20, 44] = 1.0
    affine = Affine(torch.tensor([[[0.0, -1.2], [1.2, 0.0]]]), torch.tensor([[0.1, -0.05]]))
    seen = second_view(image, affine, 0.0, torch.Generator())[0, 0]
    at = (2.0 * torch.arange(side) + 1.0) / side - 1.0
    found = torch.stack(((seen.sum(0) * at).sum(), (seen.sum(1) * at).sum())) / seen.sum()
    true = affine.linear[0] @ found + affine.shift[0]
    torch.testing.assert_close(true, torch.stack((at[44], at[20])), atol=1.5 / side, rtol=0.0)


def test_a_look_that_changes_nothing_shows_the_same():
    affine, config = looks(2, turn=0.0, scale=0.0, shift=0.0, colour=0.0)
    image = torch.rand(2, 3, 16, 16)
    seen = second_view(image, affine, config.colour, torch.Generator())
    torch.testing.assert_close(seen, image, atol=1e-5, rtol=0.0)


def test_looks_stay_within_their_limits_and_use_them():
    affine, _ = looks(4000, turn=0.3, scale=0.2, shift=0.1)
    angle = torch.atan2(affine.linear[:, 1, 0], affine.linear[:, 0, 0]).abs()
    scale = torch.linalg.det(affine.linear).log().abs() / 2.0
    for value, limit in ((angle, 0.3), (scale, 0.2), (affine.shift.abs(), 0.1)):
        assert 0.98 * limit < value.max() <= limit * 1.0001


def test_gradients_reach_the_projection():
    torch.manual_seed(0)
    projection = Projection(12, 4)
    affine, config = looks()
    points = projection(torch.randn(8, 12)).chunk(2)
    contrastive_loss(*points, affine, config).backward()
    assert all(p.grad is not None and p.grad.any() for p in projection.parameters())


@pytest.mark.parametrize(
    ("fields", "match"),
    [
        ({"kind": "byol"}, "kind 'byol' is not one of peclr, simclr"),
        ({"temperature": 0.0}, r"temperature 0\.0; both must be above 0"),
        ({"points": 0}, "points is 0"),
        ({"turn": -0.1}, r"turn is -0\.1; allowed are 0 to 4"),
    ],
)
def test_bad_values_are_refused(fields, match):
    with pytest.raises(ConfigError, match=match):
        ContrastiveConfig(**fields)
