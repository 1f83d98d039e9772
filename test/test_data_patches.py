"""Training rows of the image route: the view, the truth and the frame belong together."""

import dataclasses

import numpy as np
import pytest
import torch
from test_data_shards import CAMERA, synth_hand, synth_sample

from hand_pose_ros.data.patches import (
    AugmentConfig,
    PatchTransform,
    SeenHands,
    collate,
    sampled_hand,
    shaken,
)
from hand_pose_ros.data.synthetic.keypoints import NoiseConfig
from hand_pose_ros.errors import ConfigError
from hand_pose_ros.models.landmark_network import SIDE

NO_NOISE = NoiseConfig(**dict.fromkeys(vars(NoiseConfig()), 0.0))
STILL = AugmentConfig(**dict.fromkeys(vars(AugmentConfig()), 0.0))


def equal(one, other):
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    return all(equal(getattr(one, name), getattr(other, name)) for name in vars(one))


@pytest.mark.parametrize("side", ["right", "left"])
def test_the_truth_of_a_rendered_hand_is_kinematic_and_right(side):
    hand = synth_hand(3, side)
    points = hand.keypoints * ((-1.0, 1.0, 1.0) if side == "left" else 1.0)
    seen = sampled_hand(hand)
    np.testing.assert_allclose(seen.placed[0].numpy(), points, atol=1e-5)
    np.testing.assert_allclose(seen.observation.rays[0], points[:, :2] / points[:, 2:], atol=1e-5)


@pytest.mark.parametrize("side", ["right", "left"])
def test_each_joint_is_seen_where_the_frame_says(side):
    """A white dot on a joint of the image is white at the joint's place in the view."""
    hand = synth_hand(5, side)
    transform = PatchTransform(NO_NOISE, AugmentConfig(colour=0.0, blur=0.0, noise=0.0, grey=0.0))
    for joint in (0, 8, 20):
        y, x = np.mgrid[: CAMERA.height, : CAMERA.width]
        u, v = CAMERA.project(hand.keypoints[joint])
        assert 2.0 < u < CAMERA.width - 3.0 and 2.0 < v < CAMERA.height - 3.0
        dot = 255.0 * np.exp(-((x - u) ** 2 + (y - v) ** 2) / 4.0)
        image = np.repeat(dot.astype(np.uint8)[..., None], 3, axis=-1)
        row = transform.seen(image, CAMERA, hand, np.random.default_rng(joint))
        point = row.hands.placed[0, joint] @ row.frame.R_canonical_camera[0].T
        expected = point[:2] / point[2] / row.half_width * SIDE / 2.0 + (SIDE - 1) / 2.0
        view = row.patch[0, 0].double().numpy() ** 4
        rows, columns = np.mgrid[:SIDE, :SIDE]
        found = np.array([(columns * view).sum(), (rows * view).sum()]) / view.sum()
        assert np.abs(found - expected.numpy()).max() < 0.03 * SIDE


def test_the_same_sample_gives_the_same_row_and_another_seed_another():
    sample = synth_sample(4)
    first, again = (PatchTransform(NoiseConfig(), AugmentConfig(), 1)(sample) for _ in range(2))
    assert equal(first, again)
    assert not equal(first, PatchTransform(NoiseConfig(), AugmentConfig(), 2)(sample))


def test_of_two_hands_one_that_is_seen_is_taken():
    sample = synth_sample(2, ("right", "left"))
    hidden, seen = (
        dataclasses.replace(hand, visible=np.full(21, flag))
        for hand, flag in zip(sample.hands, (False, True), strict=True)
    )
    sample = dataclasses.replace(sample, hands=(hidden, seen))
    for seed in range(4):
        row = PatchTransform(NO_NOISE, STILL, seed)(sample)
        wrist = seen.keypoints[0] * (-1.0, 1.0, 1.0)
        np.testing.assert_allclose(row.hands.wrist[0], wrist, atol=1e-5)


def test_without_shifts_the_view_is_the_canonical_one():
    row = PatchTransform(NO_NOISE, STILL)(synth_sample(6))
    view = row.frame
    turned = row.hands.placed[0] @ view.R_canonical_camera[0].T
    rays = turned[:, :2] / turned[:, 2:]
    assert rays.mean(dim=0).abs().max() < 0.1 * view.radius
    up = rays[[5, 9, 13, 17]].mean(dim=0) - rays[0]
    assert up[0].abs() < 1e-4 and up[1] < 0.0


def test_rows_join_to_a_batch():
    transform = PatchTransform(NoiseConfig(), AugmentConfig())
    batch = collate([transform(synth_sample(index)) for index in range(3)])
    assert isinstance(batch, SeenHands)
    assert batch.patch.shape == (3, 3, SIDE, SIDE)
    assert batch.hands.hand.articulation.shape == (3, 23)
    assert batch.frame.radius.shape == (3,)


def test_light_changes_and_shape_does_not():
    random = np.random.default_rng(0)
    patch = random.integers(0, 256, (32, 32, 3), np.uint8)
    for seed in range(8):
        other = shaken(patch, AugmentConfig(), np.random.default_rng(seed))
        assert other.shape == patch.shape and other.dtype == np.uint8
        assert np.abs(other.astype(int) - patch).mean() > 2.0
    grey = shaken(patch, AugmentConfig(grey=1.0, noise=0.0), random)
    assert np.ptp(grey.astype(int), axis=-1).max() == 0


def test_an_augmentation_out_of_range_is_refused():
    with pytest.raises(ConfigError, match=r"augment blur is -1\.0"):
        AugmentConfig(blur=-1.0)
