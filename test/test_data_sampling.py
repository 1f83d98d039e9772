"""Sampled hands: valid, varied, seeded, and seen in true perspective."""

import pytest
import torch

from hand_pose_ros.data.synthetic.body.poses import sample_articulation, sample_wrist_rotation
from hand_pose_ros.data.synthetic.body.shapes import sample_offsets, sample_ratios
from hand_pose_ros.data.synthetic.keypoints import NoiseConfig, sample_hands
from hand_pose_ros.errors import ConfigError
from hand_pose_ros.hand import skeleton
from hand_pose_ros.hand.kinematics import forward_kinematics

SILENT = NoiseConfig(**dict.fromkeys(vars(NoiseConfig()), 0.0))


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize(
    ("draw", "limits"),
    [
        (sample_articulation, skeleton.ARTICULATION_LIMITS),
        (sample_ratios, skeleton.RATIO_LIMITS),
        (sample_offsets, skeleton.OFFSET_LIMITS),
    ],
)
def test_draws_stay_inside_the_limits_and_vary(draw, limits):
    drawn = draw(4000, seeded())
    low, high = torch.tensor(limits).unbind(-1)
    assert (drawn >= low - 1e-6).all() and (drawn <= high + 1e-6).all()
    free = high > low
    assert (drawn.std(0)[free] > 0.01).all()
    # A limit that is hit often is not a limit of the distribution but its shape.
    at_limit = ((drawn - low < 1e-4) | (high - drawn < 1e-4)).float().mean(0)
    assert at_limit[free].max() < 0.1


def test_the_same_seed_draws_the_same_hands():
    first, second = (sample_hands(64, seeded(5), NoiseConfig()) for _ in range(2))
    assert torch.equal(first.observation.rays, second.observation.rays)
    assert torch.equal(first.joints, second.joints)
    other = sample_hands(64, seeded(6), NoiseConfig())
    assert not torch.equal(first.joints, other.joints)


def test_fists_and_open_hands_are_both_drawn():
    angles = sample_articulation(4000, seeded())
    flexions = [i for i, name in enumerate(skeleton.ARTICULATION) if name.endswith("pip_flexion")]
    curl = angles[:, flexions].mean(-1)
    assert (curl < 0.25).float().mean() > 0.1
    assert (curl > 1.5).float().mean() > 0.05


def test_dip_follows_pip():
    angles = sample_articulation(4000, seeded())
    pip = angles[:, skeleton.ARTICULATION.index("index_pip_flexion")]
    dip = angles[:, skeleton.ARTICULATION.index("index_dip_flexion")]
    assert torch.corrcoef(torch.stack((pip, dip)))[0, 1] > 0.7


def test_without_noise_the_detector_sees_the_projection():
    hands = sample_hands(256, seeded(), SILENT)
    placed = hands.joints * hands.anchor.unsqueeze(-1) + hands.wrist.unsqueeze(-2)
    assert (placed[..., 2] > 0.05).all()
    torch.testing.assert_close(
        hands.observation.rays, placed[..., :2] / placed[..., 2:], atol=1e-5, rtol=1e-5
    )
    torch.testing.assert_close(forward_kinematics(hands.hand).positions, hands.joints)
    distance = (hands.wrist + hands.joints.mean(1) * hands.anchor)[:, 2]
    assert distance.min() < 0.3 and distance.max() > 1.3


def test_noise_is_as_large_as_asked():
    only_white = NoiseConfig(**{**vars(SILENT), "white": 0.1})
    noisy, clean = (sample_hands(500, seeded(), noise) for noise in (only_white, SILENT))
    error = (noisy.observation.rays - clean.observation.rays).norm(dim=-1).mean(-1)
    rays = clean.observation.rays
    size = (rays - rays.mean(1, keepdim=True)).square().sum(-1).mean(-1).sqrt()
    # Levels are uniform in 0.3..1.4; the mean length of 2D normal noise is sqrt(pi / 2) sigma.
    assert (error / size).mean().item() == pytest.approx(0.85 * 0.1 * 1.2533, rel=0.1)


def test_wrist_rotations_are_rotations():
    R = sample_wrist_rotation(500, seeded())
    torch.testing.assert_close(
        R @ R.transpose(-1, -2), torch.eye(3).expand(500, 3, 3), atol=1e-5, rtol=0
    )
    assert (torch.linalg.det(R) > 0.99).all()


def test_noise_out_of_range_is_refused():
    with pytest.raises(ConfigError, match=r"white is 2.0"):
        NoiseConfig(white=2.0)
