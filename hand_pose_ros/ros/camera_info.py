"""Between sensor_msgs/CameraInfo and Camera."""

from __future__ import annotations

from typing import Any

import numpy as np

from hand_pose_ros.errors import InputError
from hand_pose_ros.hand.camera import Camera
from hand_pose_ros.ros.conversions import header
from hand_pose_ros.ros.messages import MessageTypes

CAMERA_INFO = "sensor_msgs/msg/CameraInfo"


def names_rectified(image_topic: str) -> bool:
    """Return whether the name of an image topic says that its images are rectified."""
    return "rect" in image_topic.removesuffix("/compressed").rsplit("/", 1)[-1]


def camera_from_info(
    info: Any, width: int, height: int, *, rectified: bool = False
) -> Camera | None:
    """Return the camera of an image of a given size, None where it is uncalibrated (K of 0).

    A region of interest and binning are applied; a plain change of size is, too.

    Args:
        info: the CameraInfo, of either kind of message class.
        width: width of the image that it is for [px].
        height: its height [px].
        rectified: whether the image is rectified; its intrinsics are then P, without distortion.

    Raises:
        InputError: values that are not finite or that no camera has, or a shape of the image that
            does not go with that of the CameraInfo.
    """
    K = np.array(info.p if rectified else info.k, np.float64)
    K = K.reshape(3, -1)[:, :3]
    if not np.isfinite(K).all():
        raise InputError(f"CameraInfo has the intrinsics {K.tolist()}; every entry must be finite")
    if not K.any():
        return None
    full_width, full_height = info.width or width, info.height or height
    distortion = () if rectified else tuple(float(value) for value in info.d)
    model = "" if rectified else info.distortion_model
    if not any(distortion) and model != "equidistant":
        distortion, model = (), ""
    camera = Camera(K, full_width, full_height, distortion, model)
    region = info.roi
    x, y, w, h = region.x_offset, region.y_offset, region.width, region.height
    if not (w and h):
        x, y, w, h = 0, 0, full_width, full_height
    if (x, y, w, h) == (0, 0, width, height):
        return camera
    scale_x, scale_y = width / w, height / h
    # Whole pixels: a resized image is up to half a pixel off the exact ratio at each side.
    if abs(scale_x / scale_y - 1.0) > 1.0 / width + 1.0 / height:
        raise InputError(
            f"image is {width} x {height} px, CameraInfo is for {w} x {h} px: not the same shape"
        )
    return camera.crop(float(x), float(y), float(w), float(h), width, height)


def camera_info(camera: Camera, types: MessageTypes, stamp_ns: int, frame_id: str) -> Any:
    """Return the sensor_msgs/CameraInfo of a camera; its P has no rectification."""
    K = camera.K
    projection = np.hstack((K, np.zeros((3, 1))))
    info = types.CameraInfo(
        header=header(types, stamp_ns, frame_id),
        width=camera.width,
        height=camera.height,
        distortion_model=camera.distortion_model,
    )
    info.d = types.sequence(np.array(camera.distortion, np.float64))
    info.k, info.r, info.p = K.ravel().copy(), np.eye(3).ravel(), projection.ravel()
    return info
