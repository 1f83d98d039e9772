"""Laws of the heads, the denoiser and the lifter: valid hands, fixed noise, batch equals loop."""

import pytest
import torch

from hand_pose_ros.errors import ConfigError
from hand_pose_ros.hand import skeleton
from hand_pose_ros.hand.kinematics import forward_kinematics
from hand_pose_ros.models.denoiser import PointConv, UNet1D
from hand_pose_ros.models.heads import KinematicHead
from hand_pose_ros.models.lifter import METHODS, Lifter, LifterConfig, SamplingConfig

TINY = LifterConfig(condition=16, unet_widths=(16, 24), head_width=32, head_blocks=1)


@pytest.fixture
def lifter():
    torch.manual_seed(0)
    return Lifter(TINY).eval()


def test_a_head_gives_only_valid_hands_whatever_it_is_fed():
    torch.manual_seed(0)
    hand = KinematicHead(8)(torch.randn(200, 8) * 30.0)
    low, high = torch.tensor(skeleton.ARTICULATION_LIMITS).unbind(-1)
    assert (hand.articulation >= low - 1e-5).all() and (hand.articulation <= high + 1e-5).all()
    low, high = torch.tensor(skeleton.RATIO_LIMITS).unbind(-1)
    assert (hand.bone_lengths >= low - 1e-5).all() and (hand.bone_lengths <= high + 1e-5).all()
    assert (hand.bone_lengths[:, skeleton.ANCHOR_BONE] == 1.0).all()
    identity = hand.root_rotation @ hand.root_rotation.transpose(-1, -2)
    torch.testing.assert_close(identity, torch.eye(3).expand(200, 3, 3), atol=1e-5, rtol=0)
    assert (torch.linalg.det(hand.root_rotation) > 0.99).all()


def test_the_head_places_ratios_on_their_own_bones():
    head = KinematicHead(4)
    torch.nn.init.zeros_(head.limited.weight)
    torch.nn.init.zeros_(head.limited.bias)
    hand = head(torch.randn(1, 4))
    middle = torch.tensor(skeleton.RATIO_LIMITS).mean(-1)
    torch.testing.assert_close(hand.bone_lengths[0], middle)


def test_unet_keeps_the_number_of_points_and_uses_time_and_condition():
    torch.manual_seed(0)
    net = UNet1D(21, 8, (16, 24)).eval()
    x, c = torch.randn(3, 21, 3), torch.randn(3, 8)
    early, late = torch.zeros(3, dtype=torch.long), torch.full((3,), 40)
    out = net(x, early, net.prepare(c))
    assert out.shape == x.shape
    assert (out - net(x, late, net.prepare(c))).abs().max() > 1e-4
    assert (out - net(x, early, net.prepare(c + 1.0))).abs().max() > 1e-3
    assert (out - net(x + 1.0, early, net.prepare(c))).abs().max() > 1e-3


@pytest.mark.parametrize("method", METHODS)
def test_hypotheses_have_the_promised_shapes(lifter, method):
    sampling = SamplingConfig(method=method, hypotheses=5)
    lifted = lifter(torch.randn(3, 16), sampling)
    count = 1 if method == "baseline" else 5
    assert lifted.hypotheses.shape == (3, count, 21, 3)
    assert lifted.points.shape == (3, 21, 3)
    assert lifted.std.shape == (3, 21)
    assert (lifted.hand is None) == (method == "d")


def test_the_answer_of_d_star_is_its_hand_and_every_hypothesis_is_valid(lifter):
    lifted = lifter(torch.randn(2, 16), SamplingConfig())
    torch.testing.assert_close(forward_kinematics(lifted.hand).positions, lifted.points)
    torch.testing.assert_close(
        lifted.hypotheses[..., 5, :].norm(dim=-1), torch.ones(2, 8), atol=1e-4, rtol=0
    )


def test_d_is_the_mean_of_its_hypotheses(lifter):
    lifted = lifter(torch.randn(2, 16), SamplingConfig(method="d"))
    torch.testing.assert_close(lifted.points, lifted.hypotheses.mean(1))
    centred = lifted.hypotheses - lifted.points.unsqueeze(1)
    torch.testing.assert_close(lifted.std, centred.square().mean(1).sum(-1).sqrt())


@pytest.mark.parametrize("sampler", ["ddim", "ddpm"])
def test_same_noise_same_answer_and_batch_equals_loop(lifter, sampler):
    condition, noise = torch.randn(4, 16), torch.randn(8, 21, 3)
    sampling = SamplingConfig(sampler=sampler, steps=3)
    if sampler == "ddpm":
        first, second = (
            lifter(condition, sampling, noise, torch.Generator().manual_seed(3)).points
            for _ in range(2)
        )
        torch.testing.assert_close(first, second)
        return
    whole = lifter(condition, sampling, noise)
    single = torch.cat([lifter(row[None], sampling, noise).points for row in condition])
    torch.testing.assert_close(whole.points, single, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("prediction", ["x0", "noise"])
def test_clean_is_what_sampling_with_one_step_returns(prediction):
    torch.manual_seed(0)
    config = LifterConfig(
        condition=16, unet_widths=(16, 24), head_width=32, head_blocks=1, prediction=prediction
    )
    lifter = Lifter(config).eval()
    condition, noise = torch.randn(1, 16), torch.randn(1, 21, 3)
    drawn = lifter.sample_points(condition, SamplingConfig(steps=1, hypotheses=1), noise)
    clean = lifter.clean(noise, torch.full((1,), 49), condition)
    torch.testing.assert_close(drawn[:, 0], clean)


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: LifterConfig(schedule="square"), "'square'.*cosine, linear"),
        (lambda: LifterConfig(prediction="v"), "'v'.*x0, noise"),
        (lambda: LifterConfig(unet_widths=(20, 24)), "multiples of 8"),
        (lambda: LifterConfig(condition=0), "condition is 0"),
        (lambda: SamplingConfig(method="e"), "'e'.*baseline, d, d_star"),
        (lambda: SamplingConfig(sampler="euler"), "'euler'.*ddim, ddpm"),
        (lambda: SamplingConfig(eta=2.0), "eta is 2.0"),
        (lambda: SamplingConfig(steps=0), "must be >= 1"),
    ],
)
def test_bad_settings_are_refused(call, match):
    with pytest.raises(ConfigError, match=match):
        call()


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("points", [6, 11, 21])
def test_the_fast_convolution_is_the_general_one(stride, points):
    convolve = PointConv(8, 16, stride)
    x = torch.randn(5, 8, points)
    general = convolve(x)
    with torch.inference_mode():
        fast = convolve(x)
    torch.testing.assert_close(fast, general.detach(), atol=1e-5, rtol=1e-5)
