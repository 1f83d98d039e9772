"""The metric root is exact without noise, unmoved by outliers, and never behind the camera."""

from __future__ import annotations

import numpy as np
import pytest
from hand_samples import random_hands

from hand_pose_ros.errors import InputError, ShapeError
from hand_pose_ros.hand.camera import Camera
from hand_pose_ros.hand.kinematics import forward_kinematics
from hand_pose_ros.hand.root import NEAREST, SURFACE_TO_JOINT, metric_root, root_from_depth

FOCAL = 600.0
CAMERA = Camera(np.array([[FOCAL, 0, 319.5], [0, FOCAL, 239.5], [0, 0, 1.0]]), 640, 480)


def hands(count: int) -> np.ndarray:
    return forward_kinematics(random_hands(count)).positions.numpy()


def roots(count: int, z: float) -> np.ndarray:
    generator = np.random.default_rng(1)
    return generator.uniform((-0.2 * z, -0.1 * z, z), (0.2 * z, 0.1 * z, z), (count, 3))


def rays_of(points: np.ndarray) -> np.ndarray:
    return points[..., :2] / points[..., 2:]


@pytest.mark.parametrize("z", [0.25, 0.6, 2.0])
def test_exact_without_noise(z: float) -> None:
    for points, root in zip(hands(50), roots(50, z), strict=True):
        fit = metric_root(points, rays_of(points + root))
        np.testing.assert_allclose(fit.translation, root, atol=1e-8)
        assert fit.ok
        assert fit.residual < 1e-8


def test_three_gross_outliers_of_21_do_not_move_it() -> None:
    generator = np.random.default_rng(0)
    for points, root in zip(hands(100), roots(100, 0.6), strict=True):
        rays = rays_of(points + root)
        wrong = generator.choice(21, 3, replace=False)
        sign = generator.choice([-1.0, 1.0], (3, 2))
        rays[wrong] += sign * generator.uniform(40 / FOCAL, 200 / FOCAL, (3, 2))
        fit = metric_root(points, rays)
        np.testing.assert_allclose(fit.translation, root, atol=1e-4)
        assert (fit.weights[wrong] == 0.0).all()


@pytest.mark.parametrize(("noise_px", "share"), [(1.0, 0.006), (3.0, 0.018), (6.0, 0.035)])
def test_noise_costs_depth_in_proportion_and_without_bias(noise_px: float, share: float) -> None:
    generator = np.random.default_rng(0)
    off = []
    for points, root in zip(hands(300), roots(300, 0.6), strict=True):
        rays = rays_of(points + root) + generator.normal(0.0, noise_px / FOCAL, (21, 2))
        off.append(metric_root(points, rays).translation[2] - root[2])
    assert np.mean(np.abs(off)) < share * 0.6
    assert abs(np.median(off)) < 0.3 * np.mean(np.abs(off))


def test_a_joint_without_trust_has_no_say() -> None:
    points, root = hands(1)[0], roots(1, 0.5)[0]
    rays = rays_of(points + root)
    rays[:9] = 5.0
    weights = np.r_[np.zeros(9), np.ones(12)]
    np.testing.assert_allclose(metric_root(points, rays, weights).translation, root, atol=1e-8)


def test_the_hand_moves_with_its_size() -> None:
    points, root = hands(1)[0], roots(1, 0.5)[0]
    fit = metric_root(2.0 * points, rays_of(points + root))
    np.testing.assert_allclose(fit.translation, 2.0 * root, atol=1e-8)


@pytest.mark.parametrize("rays", [np.zeros((21, 2)), np.full((21, 2), 0.3)])
def test_a_hand_shrunk_to_a_point_gives_a_guess_that_says_so(rays: np.ndarray) -> None:
    fit = metric_root(hands(1)[0], rays)
    assert not fit.ok
    assert np.isfinite(fit.translation).all()


def test_rays_turned_around_never_put_the_hand_behind_the_camera() -> None:
    for points, root in zip(hands(50), roots(50, 0.4), strict=True):
        middle = rays_of(points + root).mean(0)
        fit = metric_root(points, 2.0 * middle - rays_of(points + root))
        assert (points[:, 2] + fit.translation[2] >= NEAREST - 1e-12).all()


@pytest.mark.parametrize(
    ("name", "shape"), [("points", (20, 3)), ("rays", (21, 3)), ("weights", (20,))]
)
def test_wrong_shapes_are_named(name: str, shape: tuple[int, ...]) -> None:
    inputs = {"points": hands(1)[0], "rays": np.zeros((21, 2)), name: np.ones(shape)}
    with pytest.raises(ShapeError, match=name):
        metric_root(**inputs)


@pytest.mark.parametrize("name", ["points", "rays", "weights"])
def test_values_that_are_not_finite_are_named(name: str) -> None:
    inputs = {"points": hands(1)[0], "rays": np.zeros((21, 2)), "weights": np.ones(21)}
    inputs[name][0] = np.nan
    with pytest.raises(InputError, match=name):
        metric_root(**inputs)


@pytest.mark.parametrize("weights", [np.zeros(21), np.r_[-1.0, np.ones(20)]])
def test_weights_that_trust_nothing_are_refused(weights: np.ndarray) -> None:
    with pytest.raises(InputError, match="weights"):
        metric_root(hands(1)[0], np.zeros((21, 2)), weights)


def depth_image(points: np.ndarray, background: float = 1.5) -> np.ndarray:
    """Return a depth image with a patch of skin in front of each joint, nearest last."""
    image = np.full((480, 640), background)
    for joint in np.argsort(-points[:, 2]):
        x, y = np.rint(CAMERA.project(points[joint])).astype(int)
        image[y - 8 : y + 9, x - 8 : x + 9] = points[joint, 2] - SURFACE_TO_JOINT[joint]
    return image


def test_depth_places_the_hand_even_when_its_size_is_wrong() -> None:
    """The hand is 20 % too large: from its pixels alone it would stand 20 % too far away."""
    for points, root in zip(hands(30), roots(30, 0.6), strict=True):
        image, rays = depth_image(points + root), rays_of(points + root)
        too_large = points * 1.2
        fit = root_from_depth(too_large, rays, image, CAMERA)
        assert fit.ok
        assert abs(fit.translation[2] - root[2]) < 0.025
        assert abs(metric_root(too_large, rays).translation[2] - root[2]) > 0.08


def test_depth_survives_holes_background_and_noise() -> None:
    generator = np.random.default_rng(0)
    for points, root in zip(hands(30), roots(30, 0.6), strict=True):
        image = depth_image(points + root)
        image += generator.normal(0.0, 0.002, image.shape)
        for joint in generator.choice(21, 9, replace=False):
            x, y = np.rint(CAMERA.project(points[joint] + root)).astype(int)
            image[y - 8 : y + 9, x - 8 : x + 9] = generator.choice([0.0, np.nan, 1.5])
        fit = root_from_depth(points, rays_of(points + root), image, CAMERA)
        assert fit.ok
        assert abs(fit.translation[2] - root[2]) < 0.015


@pytest.mark.parametrize("value", [0.0, np.nan])
def test_an_empty_depth_image_leaves_the_pixels_to_say(value: float) -> None:
    points, root = hands(1)[0], roots(1, 0.6)[0]
    image = np.full((480, 640), value)
    fit = root_from_depth(points, rays_of(points + root), image, CAMERA)
    assert not fit.ok
    np.testing.assert_allclose(fit.translation, root, atol=1e-8)


def test_a_hand_outside_the_depth_image_has_no_reading() -> None:
    points = hands(1)[0]
    root = np.array([3.0, 0.0, 0.6])
    fit = root_from_depth(points, rays_of(points + root), np.ones((480, 640)), CAMERA)
    assert not fit.ok


def test_a_depth_image_of_another_size_is_refused() -> None:
    with pytest.raises(ShapeError, match="depth"):
        root_from_depth(hands(1)[0], np.zeros((21, 2)), np.ones((10, 10)), CAMERA)


def test_weights_of_a_fit_do_not_change_those_of_later_ones() -> None:
    points, rays = hands(1)[0], np.zeros((21, 2))
    guess = metric_root(points, rays)
    with pytest.raises(ValueError, match="read-only"):
        guess.weights[0] = 5.0
    np.testing.assert_array_equal(metric_root(points, rays).weights, np.ones(21))
