"""One encoder for images, keypoints and both: what is missing does not matter, nor who is near."""

import pytest
import torch

from hand_pose_ros.models import keypoints
from hand_pose_ros.models.image import ImageEncoder, ImageView
from hand_pose_ros.models.keypoints import (
    CanonicalFrame,
    KeypointEncoder,
    KeypointObservation,
    canonical_frame,
    canonical_view,
)
from hand_pose_ros.models.landmark_network import SIDE, STRIDE


@pytest.fixture
def encoder():
    torch.manual_seed(0)
    encoder = ImageEncoder(16, 32, 1).eval()
    torch.nn.init.normal_(encoder.no_image)
    return encoder.requires_grad_(False)


def seen(count=3):
    return torch.rand(count, 3, STRIDE, STRIDE), 0.1 + torch.rand(count)


def test_a_keypoint_encoder_is_its_start(encoder):
    """With nothing learnt of images it says what the keypoint encoder says."""
    start = KeypointEncoder(16, 32, 1).eval()
    left = encoder.load_state_dict(start.state_dict(), strict=False)
    assert left.unexpected_keys == []
    assert {name.split(".")[0] for name in left.missing_keys} == {
        "look", "norm", "hidden", "no_image"
    }  # fmt: skip
    features = torch.randn(3, keypoints.FEATURES)
    torch.nn.init.zeros_(encoder.hidden.weight)
    torch.nn.init.zeros_(encoder.hidden.bias)
    torch.testing.assert_close(encoder(*seen(), features), start(features))


def test_keypoints_are_read_off_the_image_as_a_detector_would_give_them(encoder):
    """The image network's landmarks as rays of a camera that looks straight ahead."""
    patch, width = torch.rand(2, 3, STRIDE, STRIDE), torch.tensor([0.2, 0.4])
    pooled = encoder.look.pool(patch)
    landmarks, world = encoder.look.points(pooled)
    focal = SIDE / 2.0 / width.reshape(2, 1, 1)
    rays = (landmarks[..., :2] - SIDE / 2.0) / focal
    straight = torch.eye(3).expand(2, 3, 3)
    seen = KeypointObservation(rays, landmarks[..., 2] / focal[..., 0], world)
    expected = canonical_view(seen, CanonicalFrame(straight, straight, width)).features
    torch.testing.assert_close(
        encoder.read_keypoints(pooled, width), expected, atol=1e-3, rtol=1e-3
    )


def test_hidden_keypoints_do_not_matter_and_shown_ones_do(encoder):
    patch, width = seen()
    one, other = torch.randn(2, 3, keypoints.FEATURES)
    shown = torch.tensor([True, False, True])
    first, second = encoder(patch, width, one, shown), encoder(patch, width, other, shown)
    torch.testing.assert_close(first[1], second[1])
    torch.testing.assert_close(first[1], encoder(patch, width)[1])
    assert (first - second).abs().amax(dim=-1)[[0, 2]].min() > 1e-4


def test_each_hand_is_encoded_as_if_alone(encoder):
    patch, width = seen(2)
    features = torch.randn(4, keypoints.FEATURES)
    known = torch.tensor([True, False, True, True])
    together = encoder(patch, width, features, known)
    alone = [
        encoder(patch[k, None], width[k, None], features[k, None], known[k, None]) for k in (0, 1)
    ]
    alone += [encoder(patch[:0], width[:0], features[k, None], known[k, None]) for k in (2, 3)]
    torch.testing.assert_close(together, torch.cat(alone))


def test_image_and_width_both_matter(encoder):
    patch, width = seen()
    first = encoder(patch, width)
    assert (first - encoder(patch, 1.5 * width)).abs().amax(dim=-1).min() > 1e-4
    assert (first - encoder(patch.flip(-1), width)).abs().amax(dim=-1).min() > 1e-6


def test_a_view_names_its_inputs_in_the_order_of_the_encoder(encoder):
    patch, width = seen()
    features, known = torch.randn(3, keypoints.FEATURES), torch.tensor([True, False, True])
    view = ImageView(patch, width, features, known, torch.eye(3).expand(3, 3, 3))
    torch.testing.assert_close(
        encoder(*view.inputs), encoder(patch, width, features=features, has_keypoints=known)
    )


def test_a_shifted_and_turned_frame_looks_there():
    rays = torch.rand(2, 21, 2) - 0.3
    straight = canonical_frame(rays)
    turn = torch.tensor([0.4, -1.1])
    turned = canonical_frame(rays, torch.zeros(2, 2), turn)
    relative = turned.R_canonical_camera @ straight.R_canonical_camera.transpose(-1, -2)
    torch.testing.assert_close(torch.atan2(relative[:, 1, 0], relative[:, 0, 0]).abs(), turn.abs())
    torch.testing.assert_close(relative[:, 2, 2], torch.ones(2))
    shift = torch.tensor([[0.5, 0.0], [0.0, -0.25]])
    beside = canonical_frame(rays, shift, torch.zeros(2))
    axis = beside.R_canonical_camera[:, 2]
    radius = (rays - rays.mean(1, keepdim=True)).square().sum(-1).mean(-1).sqrt()
    expected = rays.mean(1) + shift * radius.unsqueeze(-1)
    torch.testing.assert_close(axis[:, :2] / axis[:, 2:], expected)
