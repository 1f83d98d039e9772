"""What the studio says of its images is true; seeds repeat, and splits share nobody."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from hand_pose_ros.data.synthetic.backdrop import background
from hand_pose_ros.data.synthetic.body.bent import bend
from hand_pose_ros.data.synthetic.body.grip import held_prop
from hand_pose_ros.data.synthetic.body.movement import sample_act
from hand_pose_ros.data.synthetic.body.people import SPLITS, draw_number, person
from hand_pose_ros.data.synthetic.body.posed import PosedHand
from hand_pose_ros.data.synthetic.body.poses import sample_articulation
from hand_pose_ros.data.synthetic.config import PRESETS, StudioConfig, preset
from hand_pose_ros.data.synthetic.output.labels import labels_checksum, sample_as_dict
from hand_pose_ros.data.synthetic.staging import (
    NEAREST,
    beside,
    crop_camera,
    full_camera,
    place,
    sample_poses,
    separation,
    shifted,
)
from hand_pose_ros.data.synthetic.studio import Studio, shared_backgrounds
from hand_pose_ros.data.synthetic.truth import visible_joints
from hand_pose_ros.errors import ConfigError, InputError, UnavailableError
from hand_pose_ros.hand import skeleton
from hand_pose_ros.hand.kinematics import (
    HandParameters,
    forward_kinematics,
    mirror,
    mirror_rotation,
)
from hand_pose_ros.hand.rotations import matrix_from_euler

SMALL = StudioConfig(size=96)


def posed(side: str = "right", seed: int = 0, ray=(0.1, -0.05), config=SMALL) -> PosedHand:
    random = np.random.default_rng(seed)
    (pose,) = sample_poses(1, config, random)
    (bent,) = bend([person(seed)], [pose.articulation])
    return place(bent, pose.rotation, np.array(ray), 0.5, side, random)


@pytest.fixture(scope="module")
def samples():
    try:
        with Studio(SMALL) as studio:
            return list(itertools.islice(studio.block(3, 0), 24))
    except UnavailableError as error:
        pytest.skip(f"no renderer here: {error}")


def test_angles_and_lengths_of_a_label_give_its_joints(samples):
    for hand in (hand for sample in samples for hand in sample.hands):
        angles = torch.from_numpy(hand.angles)
        rotation = matrix_from_euler(angles[: skeleton.WRIST_DOFS])
        left = hand.side == "left"
        parameters = HandParameters(
            mirror_rotation(rotation) if left else rotation,
            angles[skeleton.WRIST_DOFS :],
            torch.from_numpy(hand.bone_lengths),
            torch.from_numpy(hand.offsets),
        )
        joints = forward_kinematics(parameters).positions
        joints = (mirror(joints) if left else joints).numpy() + hand.T_cam_wrist[:3, 3]
        np.testing.assert_allclose(joints, hand.keypoints, atol=1e-7)
        np.testing.assert_allclose(hand.T_cam_wrist[:3, :3], rotation.numpy(), atol=1e-6)
        low, high = np.array(skeleton.ARTICULATION_LIMITS).T
        assert (hand.angles[3:] >= low - 1e-6).all()
        assert (hand.angles[3:] <= high + 1e-6).all()


def test_visible_joints_lie_in_the_mask_under_their_own_skin(samples):
    share = []
    for sample in samples:
        for number, hand in enumerate(sample.hands, start=1):
            column, row = np.rint(hand.keypoints_px[hand.visible]).astype(int).T
            assert (sample.mask[row, column] == number).all()
            behind = hand.keypoints[hand.visible, 2] - sample.depth[row, column]
            assert (behind < 0.05).all()
            share.append(hand.visible.mean())
    assert 0.3 < np.mean(share) < 0.95


def test_pixels_are_those_of_the_camera_and_vertices_lie_around_the_joints(samples):
    for sample in samples:
        assert set(np.unique(sample.mask)) <= set(range(len(sample.hands) + 1))
        assert ((sample.depth > 0.0) | (sample.mask == 0)).all()
        for hand in sample.hands:
            np.testing.assert_allclose(
                sample.camera.project(hand.keypoints), hand.keypoints_px, atol=1e-9
            )
            low, high = hand.vertices.min(axis=0) - 0.01, hand.vertices.max(axis=0) + 0.01
            assert ((hand.keypoints >= low) & (hand.keypoints <= high)).all()


def test_the_same_seed_gives_the_same_and_another_does_not(samples):
    with Studio(SMALL) as studio:
        again = list(itertools.islice(studio.block(3, 0), 3))
        other = next(studio.block(4, 0))
    for first, second in zip(samples, again, strict=False):
        for one, two in zip(first.hands, second.hands, strict=True):
            np.testing.assert_array_equal(one.keypoints, two.keypoints)
        difference = np.abs(first.image_rgb.astype(int) - second.image_rgb.astype(int))
        assert difference.mean() < 1.0
    assert not np.array_equal(other.hands[0].keypoints, samples[0].hands[0].keypoints)


def test_a_sequence_moves_smoothly_and_stays_one_person():
    config = replace(SMALL, frames=12, two_hands=0.0)
    try:
        with Studio(config) as studio:
            frames = list(studio.block(5, 2))
    except UnavailableError as error:
        pytest.skip(f"no renderer here: {error}")
    assert [frame.index for frame in frames] == list(range(12))
    assert {frame.sequence for frame in frames} == {2}
    assert {frame.hands[0].identity for frame in frames} == {frames[0].hands[0].identity}
    np.testing.assert_allclose(np.diff([frame.time for frame in frames]), 1 / 30)
    lengths = np.array([frame.hands[0].bone_lengths for frame in frames])
    assert np.ptp(lengths, axis=0).max() == 0.0
    steps = np.diff([frame.hands[0].keypoints for frame in frames], axis=0)
    speed = np.linalg.norm(steps, axis=-1) * config.rate_hz
    assert 0.0 < speed.max() < 4.0


def test_a_left_hand_is_the_mirror_image_of_a_right_one():
    right, left = posed("right"), posed("left")
    np.testing.assert_allclose(left.keypoints, right.keypoints * (-1, 1, 1))
    np.testing.assert_allclose(left.vertices, right.vertices * (-1, 1, 1))
    np.testing.assert_allclose(np.linalg.det(left.wrist_pose[:3, :3]), 1.0)


def test_people_are_who_they_are_and_of_one_split():
    for split in SPLITS:
        numbers = [draw_number(split, np.random.default_rng(seed)) for seed in range(50)]
        others = [draw_number(o, np.random.default_rng(0)) for o in SPLITS if o != split]
        assert {number // 1_000_000 for number in numbers}.isdisjoint(
            {number // 1_000_000 for number in others}
        )
    first, again, other = person(7), person(7), person(8)
    np.testing.assert_array_equal(first.ratios, again.ratios)
    assert first.look == again.look
    change = (first.mesh().rest_vertices - other.mesh().rest_vertices).norm(dim=-1)
    assert 1e-4 < change.mean() < 5e-3
    with pytest.raises(InputError, match="split is 'exam'; it must be one of train"):
        draw_number("exam", np.random.default_rng(0))


@pytest.mark.parametrize("seed", range(6))
def test_two_hands_do_not_go_through_one_another(seed):
    random = np.random.default_rng(seed)
    first, second = posed("right", seed), posed("left", seed + 50, ray=(-0.1, -0.05))
    moved = beside(first, second, random)
    assert separation(first, moved) > 0.0
    apart = np.linalg.norm(first.keypoints.mean(0) - moved.keypoints.mean(0))
    assert apart < 0.4


@pytest.mark.parametrize("seed", range(12))
def test_a_second_hand_comes_no_nearer_than_a_camera_can_see(seed):
    first = shifted(posed("right", seed), np.array((0.0, 0.0, -0.32)))
    moved = beside(first, posed("left", seed + 50), np.random.default_rng(seed))
    assert moved.keypoints[:, 2].min() > NEAREST
    assert separation(first, moved) > 0.0


@pytest.mark.parametrize("seed", range(8))
def test_a_held_thing_touches_the_hand_and_does_not_enter_it(seed):
    config = replace(SMALL, families=("grasp",))
    hand = posed(seed=seed, config=config)
    prop = held_prop(hand, np.random.default_rng(seed))
    if prop is None:
        return
    # In the frame of the thing, where a stick stands along z.
    middle, local_middle = prop.vertices.mean(axis=0), prop.local.mean(axis=0)
    turn = np.linalg.lstsq(prop.vertices - middle, prop.local - local_middle, rcond=None)[0]
    skin = (hand.vertices - middle) @ turn + local_middle
    is_ball = np.ptp(np.linalg.norm(prop.local, axis=1)) < 1e-6
    axes = slice(0, 3 if is_ball else 2)
    radius = np.linalg.norm(prop.local[:, axes], axis=1).max()
    room = np.linalg.norm(skin[:, axes], axis=1).min()
    assert radius <= room + 1e-6
    assert radius == pytest.approx(min(room, 0.045), abs=1e-4)


def test_the_crop_holds_the_hand_unless_it_is_cut_off():
    config = replace(SMALL, truncated=0.0, two_hands=0.0)
    random = np.random.default_rng(1)
    for seed in range(20):
        hand = posed(seed=seed)
        camera = crop_camera(full_camera(random), [hand], config, random)
        pixels = camera.project(hand.keypoints)
        assert (pixels > 0).all()
        assert (pixels < config.size).all()
        fill = np.ptp(pixels, axis=0).max() / config.size
        assert config.fill[0] - 1e-6 <= fill <= config.fill[1] + 1e-6


def test_a_hand_at_rest_stands_still():
    hand = posed()
    act = sample_act(hand, SMALL, np.random.default_rng(0))
    assert act.at(0.0) is hand
    assert act.at(3.0) is hand


def test_joints_behind_other_things_are_not_visible():
    keypoints = np.tile((0.0, 0.0, 0.5), (21, 1))
    pixels = np.tile((2.0, 1.0), (21, 1))
    pixels[4] = (-3.0, 1.0)
    seen = np.ones((4, 5), bool)
    near, far = np.full((4, 5), 0.3, np.float32), np.full((4, 5), 0.495, np.float32)
    assert not visible_joints(keypoints, pixels, seen, near).any()
    assert visible_joints(keypoints, pixels, seen, far).tolist() == [i != 4 for i in range(21)]
    assert not visible_joints(keypoints, pixels, ~seen, far).any()


def test_families_can_be_chosen():
    generator = torch.Generator().manual_seed(0)
    flexion = [skeleton.ARTICULATION.index(f"{f}_pip_flexion") for f in ("index", "ring")]
    fists = sample_articulation(64, generator, families=("fist",))[:, flexion]
    open_hands = sample_articulation(64, generator, families=("open",))[:, flexion]
    assert fists.min() > open_hands.max()
    with pytest.raises(InputError, match=r"families of poses are .*yoga.*; they must be some of"):
        sample_articulation(1, generator, families=("yoga",))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"size": 8}, "studio size is 8; it must lie between 32"),
        ({"left": 1.5}, "studio left is 1.5"),
        ({"view": "aerial"}, "view is 'aerial'; it must be one of any, frontal"),
        ({"families": ("yoga",)}, "families are .*yoga"),
        ({"nearest": 2.0, "farthest": 1.0}, "studio nearest is 2.0"),
        ({"fill": (0.9, 0.4)}, "studio fill is 0.9"),
        ({"frames": -1}, "studio frames is -1"),
    ],
)
def test_a_studio_that_cannot_be_is_refused(changes, reason):
    with pytest.raises(ConfigError, match=reason):
        StudioConfig(**changes)


def test_presets_are_known_by_name():
    assert preset("benchmark").split == "test"
    with pytest.raises(InputError, match="preset 'fancy' is unknown; there are train"):
        preset("fancy")
    assert all(entry.summary for entry in PRESETS.values())


def test_a_folder_without_photographs_is_refused(tmp_path: Path):
    try:
        with pytest.raises(InputError, match=str(tmp_path)):
            Studio(SMALL, photographs=tmp_path)
    except UnavailableError as error:
        pytest.skip(f"no renderer here: {error}")


FIRST_OF_THE_BENCHMARK = "2eb1d5d31a1874546f9e3ab9b54fd8f5b4a631a8b271100d071f5d41ce010402"


def test_the_benchmark_begins_as_it_was_published(monkeypatch):
    monkeypatch.setattr(background, "scene", lambda _, side: np.zeros((side, side, 3), np.uint8))
    chosen = preset("benchmark")
    shared_backgrounds.cache_clear()
    try:
        with Studio(chosen.config, chosen.split) as studio:
            samples = list(itertools.islice(studio.block(chosen.seed, 0), 16))
    except UnavailableError as error:
        pytest.skip(f"no renderer here: {error}")
    finally:
        shared_backgrounds.cache_clear()
    labels = [json.loads(json.dumps(sample_as_dict(sample))) for sample in samples]
    assert labels_checksum(labels) == FIRST_OF_THE_BENCHMARK
