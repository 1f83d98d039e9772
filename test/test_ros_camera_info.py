"""CameraInfo to cameras and back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from ros_samples import CAMERA

from hand_pose_ros.errors import InputError
from hand_pose_ros.hand.camera import Camera
from hand_pose_ros.ros.camera_info import camera_from_info, camera_info
from hand_pose_ros.ros.messages import MESSAGES
from hand_pose_ros.ros.typestore import rosbags_types, typestore

TYPES = rosbags_types()
POINTS = np.array([[0.1, -0.05, 0.5], [-0.12, 0.2, 0.8], [0.0, 0.0, 0.3]])


def info_of(camera: Camera) -> Any:
    """Return the CameraInfo as it comes out of a bag."""
    message = camera_info(camera, TYPES, 0, "camera")
    name = MESSAGES["CameraInfo"]
    return typestore().deserialize_cdr(typestore().serialize_cdr(message, name), name)


@pytest.mark.parametrize(
    ("model", "distortion"),
    [
        ("", ()),
        ("plumb_bob", (-0.3, 0.1, 0.001, -0.002, 0.01)),
        ("rational_polynomial", (0.1, -0.2, 0.001, 0.002, 0.03, 0.2, -0.1, 0.02)),
        ("equidistant", (0.02, -0.01, 0.003, 0.0)),
    ],
)
def test_a_camera_survives_the_message(model: str, distortion: tuple[float, ...]) -> None:
    camera = Camera(CAMERA.K, 640, 480, distortion, model)
    back = camera_from_info(info_of(camera), 640, 480)
    assert back is not None
    np.testing.assert_allclose(back.project(POINTS), camera.project(POINTS))
    assert not back.assumed


def test_nobody_calibrated_a_camera_of_zeros() -> None:
    assert camera_from_info(TYPES.CameraInfo(width=640, height=480), 640, 480) is None


@pytest.mark.parametrize("field", ["k", "d"])
def test_values_that_are_not_finite_are_refused(field: str) -> None:
    info = info_of(Camera(CAMERA.K, 640, 480, (0.1, 0.0, 0.0, 0.0), "plumb_bob"))
    setattr(info, field, np.where(np.arange(len(getattr(info, field))) == 0, np.nan, 0.1))
    with pytest.raises(InputError, match="must be finite"):
        camera_from_info(info, 640, 480)


def test_an_unknown_lens_is_refused() -> None:
    info = info_of(Camera(CAMERA.K, 640, 480, (0.1, 0.0, 0.0, 0.0), "plumb_bob"))
    info.distortion_model = "barrel"
    with pytest.raises(InputError, match="'barrel'; it must be one of"):
        camera_from_info(info, 640, 480)


def test_the_lens_does_not_matter_where_nothing_is_bent() -> None:
    info = info_of(CAMERA)
    info.distortion_model, info.d = "none", np.zeros(5)
    camera = camera_from_info(info, 640, 480)
    assert camera is not None
    np.testing.assert_allclose(camera.project(POINTS), CAMERA.project(POINTS))


def test_a_rectified_image_has_the_projection_matrix_and_straight_lines() -> None:
    info = info_of(Camera(CAMERA.K, 640, 480, (-0.3, 0.1, 0.0, 0.0), "plumb_bob"))
    info.p = np.array([555.0, 0, 333, 0, 0, 556, 222, 0, 0, 0, 1, 0])
    camera = camera_from_info(info, 640, 480, rectified=True)
    assert camera is not None
    assert (camera.K[0, 0], camera.K[0, 2], camera.is_distorted) == (555.0, 333.0, False)


def test_a_smaller_image_keeps_its_rays() -> None:
    camera = camera_from_info(info_of(CAMERA), 320, 240)
    assert camera is not None
    # The same place of the picture: pixel centres, not corners, lie on whole numbers.
    corners = np.array([[0.0, 0.0], [640.0, 480.0], [100.0, 300.0]])
    np.testing.assert_allclose(
        camera.normalize(corners / 2 - 0.5), CAMERA.normalize(corners - 0.5)
    )


@pytest.mark.parametrize("binning", [1, 2])
def test_region_of_interest_and_binning(binning: int) -> None:
    info = info_of(CAMERA)
    info.binning_x = info.binning_y = binning
    info.roi.x_offset, info.roi.y_offset, info.roi.width, info.roi.height = 100, 60, 200, 160
    camera = camera_from_info(info, 200 // binning, 160 // binning)
    assert camera is not None
    pixel = np.array([30.0, 40.0])
    full = (pixel + 0.5) * binning - 0.5 + (100, 60)
    np.testing.assert_allclose(camera.normalize(pixel), CAMERA.normalize(full))


def test_a_calibration_of_another_shape_is_refused() -> None:
    with pytest.raises(InputError, match="image is 640 x 640 px, CameraInfo is for 640 x 480"):
        camera_from_info(info_of(CAMERA), 640, 640)


def test_without_a_size_the_image_gives_it() -> None:
    info = info_of(CAMERA)
    info.width = info.height = 0
    camera = camera_from_info(info, 640, 480)
    assert camera is not None
    np.testing.assert_array_equal(camera.K, CAMERA.K)
