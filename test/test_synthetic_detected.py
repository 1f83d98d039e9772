"""Hands seen by a real detector: drawn, kept, cleaned of its definition of joints, trained on."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from hand_pose_ros.data.synthetic.detected import (
    MAX_ERROR,
    MIN_PRESENCE,
    DetectedHands,
    concatenate,
    definition,
    keypoint_error,
    load_detected,
    project_definition,
    save_detected,
    take,
    true_rays,
)
from hand_pose_ros.data.synthetic.keypoints import NoiseConfig, sample_hands
from hand_pose_ros.errors import InputError
from hand_pose_ros.training.config import load_config
from hand_pose_ros.training.lifting import LifterTraining

SILENT = NoiseConfig(**dict.fromkeys(vars(NoiseConfig()), 0.0))


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def hands_of(count=60, noise=SILENT, seed=0):
    return sample_hands(count, generator(seed), noise)


def detected_of(count=60, noise=SILENT):
    return DetectedHands(hands_of(count, noise), torch.ones(count))


def with_rays(hands, rays):
    return replace(hands, observation=replace(hands.observation, rays=rays))


def test_what_a_silent_detector_sees_is_where_the_joints_are():
    hands = hands_of()
    torch.testing.assert_close(true_rays(hands), hands.observation.rays, atol=1e-5, rtol=0)
    assert keypoint_error(hands).max() < 1e-4


def test_a_point_fixed_in_the_bones_is_found_again_among_outliers():
    hands = hands_of(300)
    points = 0.05 * torch.randn(21, 3, generator=generator(1))
    rays = true_rays(hands) + project_definition(hands, points)
    rays[:20] += 0.3  # far off, as a detector that lost the hand
    found = definition(with_rays(hands, rays))
    torch.testing.assert_close(found, points, atol=2e-3, rtol=0)


def test_a_definition_is_projected_as_the_camera_would():
    hands = hands_of(10)
    shift = torch.zeros(21, 3)
    shift[:, 0] = -1e-3  # back along the bone that ends in each joint
    moved = true_rays(hands) + project_definition(hands, shift)
    parents = [0, *([0, 1, 2, 3] * 5)]
    for finger in range(5):
        parents[1 + 4 * finger : 5 + 4 * finger] = [0, *range(1 + 4 * finger, 4 + 4 * finger)]
    bones = hands.joints - hands.joints[:, parents]
    lengths = bones.norm(dim=-1, keepdim=True).clamp_min(1e-9)
    expected = replace(hands, joints=hands.joints - 1e-3 * bones / lengths)
    torch.testing.assert_close(moved[:, 1:], true_rays(expected)[:, 1:], atol=2e-6, rtol=0)


def test_a_file_comes_back_without_what_was_hardly_seen_and_without_the_definition(tmp_path):
    hands = hands_of(200)
    points = torch.zeros(21, 3)
    points[4] = torch.tensor((-0.06, 0.0, 0.01))
    rays = true_rays(hands) + project_definition(hands, points)
    rays[:10] = rays[:10].mean(dim=1, keepdim=True)
    presence = torch.ones(200)
    presence[10:15] = MIN_PRESENCE / 2
    path = tmp_path / "deep" / "detected.npz"
    save_detected(path, DetectedHands(with_rays(hands, rays), presence))
    loaded = load_detected(path)
    assert len(loaded.presence) == 185
    torch.testing.assert_close(loaded.hands.joints, hands.joints[15:])
    assert keypoint_error(loaded.hands).max() < 0.02 < MAX_ERROR


def test_taking_and_joining_keep_every_field():
    hands = hands_of(6, NoiseConfig())
    halves = concatenate(take(hands, torch.arange(3)), take(hands, torch.arange(3, 6)))
    for one, other in (
        (halves.observation, hands.observation),
        (halves.hand, hands.hand),
        (halves, hands),
    ):
        for name, value in vars(other).items():
            if isinstance(value, torch.Tensor):
                torch.testing.assert_close(getattr(one, name), value)


def test_drawn_hands_are_shaken_a_little_and_differ_each_time():
    detected = detected_of(5)
    random = generator(3)
    first, second = detected.draw(40, random), detected.draw(40, random)
    assert not torch.equal(first.observation.rays, second.observation.rays)
    assert 0.0 < keypoint_error(first).mean() < 0.05
    for name, share in (("depth", 0.05), ("world", 0.05)):
        exact = getattr(take(detected.hands, torch.arange(5)).observation, name)
        shaken = getattr(first.observation, name)
        nearest = (shaken.flatten(1)[:, None] - exact.flatten(1)).square().mean(-1).sqrt().amin(1)
        assert 0.0 < nearest.median() < 2.0 * share * exact.std()


@pytest.mark.parametrize("content", [b"", b"no arrays", None, {"rays": np.zeros((1, 21, 2))}])
def test_a_file_that_is_none_is_refused(tmp_path, content):
    path = tmp_path / "detected.npz"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        np.savez(path, **content)
    with pytest.raises(InputError, match=r"detected\.npz is not a file of detected hands"):
        load_detected(path)


def test_a_file_of_which_nothing_is_usable_is_refused(tmp_path):
    path = tmp_path / "detected.npz"
    save_detected(path, replace(detected_of(4), presence=torch.zeros(4)))
    with pytest.raises(InputError, match="has 4 hands; of none of them was much seen"):
        load_detected(path)


def test_a_batch_mixes_both_kinds(tmp_path):
    path = tmp_path / "detected.npz"
    save_detected(path, detected_of(3))
    training = LifterTraining(
        load_config(None, [f"detected={path}", "batch=16", "detected_share=0.25"]), tmp_path
    )
    joints = training.source.draw(training.generator).hands.joints
    assert len(joints) == 16
    known = training.source._detected.hands.joints
    is_known = (joints[:, None] - known).abs().amax((-1, -2)).amin(-1) == 0.0
    assert is_known.tolist() == [False] * 12 + [True] * 4


def test_portraits_show_the_hand_where_the_keypoints_are():
    pytest.importorskip("moderngl")
    from hand_pose_ros.data.synthetic.portraits import PortraitStudio
    from hand_pose_ros.data.synthetic.render.renderer import HandRenderer
    from hand_pose_ros.errors import UnavailableError

    hands = hands_of(3)
    try:
        with HandRenderer(128, 128, supersampling=1) as renderer:
            portraits = PortraitStudio(renderer, np.random.default_rng(0)).take(hands)
    except UnavailableError as error:
        pytest.skip(str(error))
    for portrait, rays in zip(portraits, true_rays(hands), strict=True):
        assert portrait.image_rgb.shape == (128, 128, 3)
        assert portrait.image_rgb.dtype == np.uint8
        low, high = portrait.keypoints_px.min(0), portrait.keypoints_px.max(0)
        assert (low > 0).all()
        assert (high < 127).all()
        assert 0.44 < (high - low).max() / 128 < 0.63
        seen = portrait.camera.normalize(portrait.keypoints_px)
        np.testing.assert_allclose(seen, rays.numpy(), atol=1e-4)
        corners = portrait.image_rgb[::127, ::127].reshape(-1, 3).astype(float)
        palm = portrait.image_rgb[tuple(portrait.keypoints_px[9].round().astype(int)[::-1])]
        assert np.abs(corners - palm).sum(-1).max() > 30.0
