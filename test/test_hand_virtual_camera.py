"""What a virtual camera sees is where geometry says, through any lens, mirrored or not."""

import cv2
import numpy as np
import pytest

from hand_pose_ros.errors import InputError, ShapeError
from hand_pose_ros.hand.camera import Camera, view_rotation
from hand_pose_ros.hand.virtual_camera import VirtualCamera

K = np.array([[300.0, 0.0, 170.0], [0.0, 310.0, 110.0], [0.0, 0.0, 1.0]])
LENSES = {
    "pinhole": Camera(K, 320, 240),
    "distorted": Camera(K, 320, 240, (-0.2, 0.05, 0.002, -0.001, 0.0)),
    "fisheye": Camera(K, 320, 240, (-0.02, 0.01, 0.0, 0.0), "equidistant"),
}
SIDE = 224


def turned(ray, degrees):
    """Return a virtual camera's rotation: towards a ray, then about the axis."""
    angle = np.radians(degrees)
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]]) @ view_rotation(ray)


def dot_at(pixel):
    """Return a black image (240, 320, 1) with a soft bright dot at a pixel."""
    y, x = np.mgrid[:240, :320]
    square = (x - pixel[0]) ** 2 + (y - pixel[1]) ** 2
    return (255.0 * np.exp(-square / 18.0)).astype(np.uint8)


@pytest.mark.parametrize("lens", LENSES)
@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("degrees", [0.0, 130.0])
def test_a_point_is_seen_where_it_projects_to(lens, mirrored, degrees):
    camera, point = LENSES[lens], np.array([0.11, -0.06, 0.6])
    image = dot_at(camera.project(point))
    flip = np.array([-1.0, 1.0, 1.0]) if mirrored else np.ones(3)
    R = turned((point * flip)[:2] / 0.6 + (0.05, -0.08), degrees)
    view = VirtualCamera(R, 0.3, mirrored).see(image, camera, SIDE).astype(float).reshape(224, 224)
    x, y, z = R @ (point * flip)
    expected = np.array([x / z, y / z]) / 0.3 * SIDE / 2.0 + (SIDE - 1) / 2.0
    rows, columns = np.mgrid[:SIDE, :SIDE]
    found = np.array([(columns * view).sum(), (rows * view).sum()]) / view.sum()
    np.testing.assert_allclose(found, expected, atol=0.3)


def test_looking_straight_ahead_is_a_resized_image():
    camera = Camera.from_field_of_view(100, 100, 60.0)
    random = np.random.default_rng(0)
    image = cv2.resize(random.integers(0, 256, (10, 10, 3), np.uint8), (100, 100))
    half_width = 50.0 / camera.K[0, 0]
    seen = VirtualCamera(np.eye(3), half_width).see(image, camera, 200)
    resized = cv2.resize(image, (200, 200))
    assert np.abs(seen.astype(int) - resized)[2:-2, 2:-2].max() <= 2


def test_beyond_the_image_and_behind_the_camera_all_is_black():
    for camera in LENSES.values():
        white = np.full((240, 320, 3), 255, np.uint8)
        back = np.diag([-1.0, 1.0, -1.0])
        assert VirtualCamera(back, 0.2).see(white, camera, 32).max() == 0
    sideways = VirtualCamera(turned(np.array([1.5, 0.0]), 0.0), 0.05)
    assert sideways.see(white, LENSES["pinhole"], 32).max() == 0


def test_much_smaller_views_are_smoothed():
    """Stripes a pixel wide become grey, not whatever every eighth pixel happens to be."""
    stripes = np.zeros((240, 320, 1), np.uint8)
    stripes[:, ::2] = 255
    view = VirtualCamera(np.eye(3), 0.3).see(stripes, LENSES["pinhole"], 24)
    assert np.abs(view[4:-4, 4:-4].astype(int) - 127).max() < 12


def test_what_is_no_view_is_refused():
    with pytest.raises(ShapeError, match=r"R_view_camera is \(2, 2\)"):
        VirtualCamera(np.eye(2), 0.3)
    with pytest.raises(InputError, match=r"half_width is 0\.0"):
        VirtualCamera(np.eye(3), 0.0)
