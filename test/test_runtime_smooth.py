"""The filters over time: what rests, what follows, what is averaged."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from hand_pose_ros.hand import skeleton
from hand_pose_ros.hand.rotations import matrix_from_euler
from hand_pose_ros.runtime.config import SmoothingConfig
from hand_pose_ros.runtime.smooth import (
    OneEuro,
    PoseFilter,
    RotationOneEuro,
    ShapeAverage,
    rotation_matrix,
    rotation_vector,
)

DT = 1.0 / 30.0
SHAPE = (np.array(skeleton.DEFAULT_RATIOS), np.array(skeleton.DEFAULT_OFFSETS))


def turn(*angles):
    return matrix_from_euler(torch.tensor(angles, dtype=torch.float64)).numpy()


def test_a_constant_passes_unchanged():
    low_pass = OneEuro(1.0, 0.5, 1.0)
    for _ in range(10):
        np.testing.assert_allclose(low_pass(np.array([1.0, -2.0]), DT), [1.0, -2.0])


def test_without_growth_it_is_the_first_order_low_pass():
    """Golden: a step of 1 at cutoff 1 Hz and dt 1/30 s lets 1 / (1 + 30 / (2 pi)) through."""
    low_pass = OneEuro(1.0, 0.0, 1.0)
    low_pass(np.zeros(1), DT)
    assert low_pass(np.ones(1), DT)[0] == pytest.approx(1.0 / (1.0 + 30.0 / (2.0 * np.pi)))


def test_it_shakes_less_and_follows_a_fast_motion_closer_than_a_plain_low_pass():
    noise = np.random.default_rng(0).normal(0.0, 0.01, 300)
    still = filtered(OneEuro(1.0, 1.0, 1.0), noise)
    assert still[30:].std() < 0.5 * noise[30:].std()
    ramp = 5.0 * DT * np.arange(60)
    lag = ramp[-1] - filtered(OneEuro(1.0, 1.0, 1.0), ramp)[-1]
    assert lag < 0.5 * (ramp[-1] - filtered(OneEuro(1.0, 0.0, 1.0), ramp)[-1])


def filtered(low_pass, values):
    return np.array([low_pass(np.array([value]), DT)[0] for value in values])


def test_a_long_pause_lets_the_new_value_through():
    low_pass = OneEuro(1.0, 0.0, 1.0)
    low_pass(np.zeros(1), DT)
    assert low_pass(np.ones(1), 100.0)[0] > 0.99


def test_equal_stamps_do_no_harm():
    low_pass = OneEuro(1.0, 1.0, 1.0)
    low_pass(np.zeros(1), 0.0)
    assert 0.0 <= low_pass(np.ones(1), 0.0)[0] <= 1.0


def test_rotation_vector_and_matrix_are_inverse():
    vector = np.array([0.3, -0.8, 1.1])
    np.testing.assert_allclose(rotation_vector(rotation_matrix(vector)), vector, atol=1e-12)


def test_rotations_stay_rotations_and_reach_their_target():
    low_pass = RotationOneEuro(1.5, 1.0, 1.0)
    low_pass(turn(0.0, 0.0, 0.0), DT)
    target = turn(2.0, 0.5, -1.0)
    for _ in range(200):
        value = low_pass(target, DT)
        np.testing.assert_allclose(value @ value.T, np.eye(3), atol=1e-9)
    np.testing.assert_allclose(value, target, atol=1e-3)


def test_smoothing_does_not_depend_on_the_camera_frame():
    """Turning all measurements by one rotation turns the smoothed ones by it."""
    world = turn(0.4, -1.1, 2.0)
    measured = [turn(0.1 * i, 0.05 * i, 0.02 * i**2) for i in range(20)]
    plain, turned = RotationOneEuro(1.0, 0.5, 1.0), RotationOneEuro(1.0, 0.5, 1.0)
    for rotation in measured:
        expected = world @ plain(rotation, DT)
        np.testing.assert_allclose(turned(world @ rotation, DT), expected, atol=1e-9)


@pytest.mark.parametrize("enabled", [True, False])
def test_angles_come_out_within_their_limits(enabled):
    pose = PoseFilter(SmoothingConfig(enabled=enabled))
    low, high = np.array(skeleton.ARTICULATION_LIMITS).T
    for angles in (high + 0.2, low - 0.2, high + 1e-6):
        _, smooth = pose.pose(np.eye(3), angles, DT)
        assert (smooth >= low).all()
        assert (smooth <= high).all()


def test_the_place_of_a_still_hand_is_kept_and_the_filter_can_be_off():
    place = np.array([0.1, -0.2, 0.7])
    smooth, off = PoseFilter(SmoothingConfig()), PoseFilter(SmoothingConfig(enabled=False))
    for _ in range(5):
        np.testing.assert_allclose(smooth.place(place, DT), place, atol=1e-12)
    off.place(place, DT)
    np.testing.assert_array_equal(off.place(2.0 * place, DT), 2.0 * place)


def test_the_distance_is_smoothed_more_than_the_ray():
    rng = np.random.default_rng(0)
    pose, out = PoseFilter(SmoothingConfig()), []
    for noise in rng.normal(0.0, 0.01, (300, 3)):
        x, y, z = np.array([0.1, 0.0, 0.0]) + noise
        out.append(pose.place(np.array([x, y, 1.0]) * np.exp(z), DT))
    out = np.array(out[60:])
    assert np.log(out[:, 2]).std() < 0.7 * (out[:, 0] / out[:, 2]).std()


def test_the_shape_is_the_mean_of_the_first_second():
    average, rng = ShapeAverage(1.0), np.random.default_rng(0)
    samples = [SHAPE[0] * rng.normal(1.0, 0.1, 20) for _ in range(31)]
    for index, ratios in enumerate(samples):
        mean, offsets = average(ratios, SHAPE[1], DT if index else 0.0)
    np.testing.assert_allclose(mean, np.mean(samples, axis=0), rtol=1e-12)
    np.testing.assert_allclose(offsets, SHAPE[1])


def test_lengths_hardly_move_after_the_first_second():
    average, rng, later = ShapeAverage(1.0), np.random.default_rng(0), []
    for index in range(600):
        drift = 1.0 + 0.05 * np.sin(index / 40.0) + rng.normal(0.0, 0.05, 20)
        later.append(average(SHAPE[0] * drift, SHAPE[1], DT)[0])
    later = np.array(later[30:])
    assert (later.std(axis=0) / later.mean(axis=0)).max() < 0.01


def test_averaging_can_be_off_in_time():
    average = ShapeAverage(0.0)
    average(SHAPE[0], SHAPE[1], 0.0)
    assert average(3.0 * SHAPE[0], SHAPE[1], DT)[0] == pytest.approx(2.0 * SHAPE[0])


def test_a_pose_that_was_refined_is_left_alone_but_not_its_place():
    low_pass = PoseFilter(SmoothingConfig(), is_refined=True)
    articulation = np.full(23, 0.1)
    for step in range(3):
        rotation, angles = low_pass.pose(turn(0.3 * step, 0.0, 0.0), articulation * step, DT)
        np.testing.assert_array_equal(rotation, turn(0.3 * step, 0.0, 0.0))
        np.testing.assert_array_equal(angles, articulation * step)
    low_pass.place(np.array((0.0, 0.0, 0.5)), DT)
    assert 0.5 < low_pass.place(np.array((0.0, 0.0, 0.6)), DT)[2] < 0.59
