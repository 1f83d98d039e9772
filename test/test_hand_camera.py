"""The camera agrees with OpenCV, with its own inverse, and with what it says about crops."""

from __future__ import annotations

import math
import subprocess
import sys

import cv2
import numpy as np
import pytest
import torch

from hand_pose_ros.errors import InputError, ShapeError
from hand_pose_ros.hand import projection
from hand_pose_ros.hand.camera import Camera, view_rotation

K = np.array([[610.0, 0.0, 318.0], [0.0, 600.0, 245.0], [0.0, 0.0, 1.0]])
LENSES = [
    ((), ""),
    ((0.0,) * 5, "plumb_bob"),
    ((-0.3, 0.1, 0.001, -0.002), "plumb_bob"),
    ((-0.3, 0.1, 0.001, -0.002, 0.01), "plumb_bob"),
    ((0.1, 0.02, 0.001, -0.002, -0.01, 0.2, 0.03, 0.01), "rational_polynomial"),
    (
        *((0.1, 0.02, 0.001, -0.002, -0.01, 0.2, 0.03, 0.01, 0.01, 0.02, 0.03, 0.04),),
        "rational_polynomial",
    ),
    (
        (
            *(0.1, 0.02, 0.001, -0.002, -0.01, 0.2, 0.03),
            *(0.01, 0.01, 0.02, 0.03, 0.04, 0.05, 0.06),
        ),
        "rational_polynomial",
    ),
    ((0.02, -0.01, 0.003, 0.001), "equidistant"),
    ((), "equidistant"),
]


def lens(distortion: tuple[float, ...], model: str) -> Camera:
    return Camera(K, 640, 480, distortion, model)


def points() -> np.ndarray:
    generator = np.random.default_rng(0)
    return generator.uniform((-0.3, -0.2, 0.6), (0.3, 0.2, 1.2), (4, 21, 3))


@pytest.mark.parametrize(("distortion", "model"), LENSES)
def test_rays_of_projected_points_are_theirs(distortion: tuple[float, ...], model: str) -> None:
    camera = lens(distortion, model)
    rays = camera.normalize(camera.project(points()))
    np.testing.assert_allclose(rays, points()[..., :2] / points()[..., 2:], atol=1e-7)


@pytest.mark.parametrize(("distortion", "model"), LENSES)
def test_the_flipped_image_sees_mirrored_points(distortion: tuple[float, ...], model: str) -> None:
    camera = lens(distortion, model)
    seen = camera.mirrored().project(points() * (-1.0, 1.0, 1.0))
    seen[..., 0] = camera.width - 1 - seen[..., 0]
    np.testing.assert_allclose(seen, camera.project(points()), atol=1e-9)


@pytest.mark.parametrize(("distortion", "model"), LENSES)
def test_a_crop_sees_the_same_rays(distortion: tuple[float, ...], model: str) -> None:
    camera = lens(distortion, model)
    crop = camera.crop(100.0, 50.0, 300.0, 200.0, 256, 128)
    assert (crop.width, crop.height) == (256, 128)
    rays = crop.normalize(crop.project(points()))
    np.testing.assert_allclose(rays, points()[..., :2] / points()[..., 2:], atol=1e-7)


@pytest.mark.parametrize(("distortion", "model"), LENSES[2:7])
def test_a_distorted_point_is_where_opencv_says(distortion: tuple[float, ...], model: str) -> None:
    still = np.zeros(3)
    flat = points().reshape(-1, 3)
    expected, _ = cv2.projectPoints(flat, still, still, K, np.array(distortion))
    seen = lens(distortion, model).project(flat)
    np.testing.assert_allclose(seen, expected[:, 0], rtol=0.0, atol=1e-9)


def test_a_point_projected_by_hand() -> None:
    # x = 0.1 / 0.5 = 0.2, y = -0.05 / 0.5 = -0.1: 610 * 0.2 + 318 and 600 * -0.1 + 245.
    np.testing.assert_allclose(lens((), "").project([0.1, -0.05, 0.5]), [440.0, 185.0])


def test_skew_is_kept() -> None:
    skewed = K.copy()
    skewed[0, 1] = 7.0
    camera = Camera(skewed, 640, 480)
    np.testing.assert_allclose(camera.project([0.0, 0.5, 1.0]), [318.0 + 3.5, 545.0])
    np.testing.assert_allclose(camera.normalize([321.5, 545.0]), [0.0, 0.5], atol=1e-12)
    np.testing.assert_allclose(camera.mirrored().project([0.0, 0.5, 1.0])[0], 639 - 321.5)


def test_a_crop_is_where_opencv_resizes_it() -> None:
    image = np.zeros((480, 640), np.float32)
    image[220:226, 320:326] = 1.0  # centred on (322.5, 222.5)
    resized = cv2.resize(image[100:400, 200:500], (600, 600), interpolation=cv2.INTER_LINEAR)
    rows, columns = np.nonzero(resized > 0.5)
    point = [(322.5 - K[0, 2]) / K[0, 0], (222.5 - K[1, 2]) / K[1, 1], 1.0]
    crop = lens((), "").crop(200, 100, 300, 300, 600, 600)
    np.testing.assert_allclose(crop.project(point), [columns.mean(), rows.mean()], atol=1e-6)


def test_points_behind_the_camera_have_no_pixel() -> None:
    for distortion, model in LENSES:
        pixels = lens(distortion, model).project(
            [[0.1, 0.1, -1.0], [0.1, 0.1, 0.0], [0.1, 0.1, 1.0]]
        )
        assert np.isnan(pixels[:2]).all()
        assert np.isfinite(pixels[2]).all()


def test_no_points_are_no_pixels() -> None:
    for distortion, model in LENSES:
        camera = lens(distortion, model)
        assert camera.project(np.zeros((0, 3))).shape == (0, 2)
        assert camera.normalize(np.zeros((0, 2))).shape == (0, 2)


def test_a_field_of_view_spans_the_image_and_is_called_assumed() -> None:
    camera = Camera.from_field_of_view(1280, 720, 60.0)
    assert camera.assumed
    # The image's edges lie half a pixel outside the outer pixels' centres.
    left, right = camera.normalize([[-0.5, 0.0], [1279.5, 0.0]])[:, 0]
    assert math.degrees(math.atan(right) - math.atan(left)) == pytest.approx(60.0)
    assert not Camera(K, 640, 480).assumed


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"K": np.full((3, 3), np.nan)}, "K"),
        ({"K": np.diag([0.0, 600.0, 1.0])}, "fx"),
        ({"K": np.diag([600.0, -1.0, 1.0])}, "fy"),
        ({"K": np.diag([600.0, 600.0, 0.0])}, "K"),
        ({"K": np.zeros((3, 3))}, "fx"),
        ({"width": 0}, "width"),
        ({"height": -3}, "height"),
        ({"distortion_model": "barrel"}, "barrel"),
        ({"distortion": (0.1, 0.2)}, "2 coefficients"),
        ({"distortion": (0.1,) * 4, "distortion_model": ""}, "4 coefficients"),
        ({"distortion": (0.1, 0.2, 0.0, float("inf"))}, "distortion"),
    ],
)
def test_impossible_cameras_are_refused(change: dict, named: str) -> None:
    with pytest.raises(InputError, match=named):
        Camera(**{"K": K, "width": 640, "height": 480, **change})


def test_a_matrix_of_another_shape_is_refused() -> None:
    with pytest.raises(ShapeError, match="K"):
        Camera(np.eye(4), 640, 480)


@pytest.mark.parametrize("angle", [0.0, 180.0, -60.0, float("nan")])
def test_impossible_fields_of_view_are_refused(angle: float) -> None:
    with pytest.raises(InputError, match="horizontal_fov_deg"):
        Camera.from_field_of_view(640, 480, angle)


def test_empty_crops_are_refused() -> None:
    with pytest.raises(InputError, match="crop"):
        lens((), "").crop(0, 0, 0, 10, 64, 64)


def test_wrong_last_axes_are_refused() -> None:
    camera = lens((), "")
    for call, wrong in (
        (camera.project, np.zeros((5, 2))),
        (camera.normalize, np.zeros((5, 3))),
        (camera.project_rays, np.zeros(())),
        (view_rotation, np.zeros((5, 3))),
    ):
        with pytest.raises(ShapeError, match="last axis"):
            call(wrong)


def test_intrinsics_cannot_be_changed_behind_the_cameras_back() -> None:
    matrix = K.copy()
    camera = Camera(matrix, 640, 480)
    matrix[0, 0] = 1.0
    assert camera.K[0, 0] == 610.0
    with pytest.raises(ValueError, match="read-only"):
        camera.K[0, 0] = 1.0


def test_the_view_rotation_is_the_smallest_that_centres_the_ray() -> None:
    rays = np.random.default_rng(0).uniform(-1.5, 1.5, (50, 2))
    rotations = view_rotation(rays)
    directions = np.concatenate((rays, np.ones((50, 1))), axis=-1)
    directions /= np.linalg.norm(directions, axis=-1, keepdims=True)
    centred = np.einsum("nij,nj->ni", rotations, directions)
    np.testing.assert_allclose(centred, np.broadcast_to([0.0, 0.0, 1.0], (50, 3)), atol=1e-12)
    np.testing.assert_allclose(np.linalg.det(rotations), 1.0)
    # The smallest turns by the angle between the ray and the axis, no further.
    turned = np.arccos((np.trace(rotations, axis1=1, axis2=2) - 1.0) / 2.0)
    np.testing.assert_allclose(turned, np.arccos(directions[:, 2]), atol=1e-9)


def test_torch_projects_and_turns_alike() -> None:
    camera = lens((), "")
    pixels = projection.project_points(
        torch.from_numpy(points()), torch.from_numpy(K).expand(4, 3, 3)
    )
    np.testing.assert_allclose(pixels.numpy(), camera.project(points()), atol=1e-9)
    rays = np.random.default_rng(0).uniform(-1.5, 1.5, (5, 2))
    turned = projection.view_rotation(torch.from_numpy(rays)).numpy()
    np.testing.assert_allclose(turned, view_rotation(rays), atol=1e-12)


def test_torch_projection_has_the_gradient_of_finite_differences() -> None:
    matrices = torch.from_numpy(K).expand(4, 3, 3)
    inputs = (torch.from_numpy(points()).requires_grad_(), matrices)
    assert torch.autograd.gradcheck(projection.project_points, inputs, atol=1e-4)


def test_the_camera_loads_neither_torch_nor_opencv() -> None:
    code = "import sys, hand_pose_ros.hand.root; assert not {'torch', 'cv2'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
