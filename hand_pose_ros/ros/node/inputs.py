"""What comes with an image: its facts, its camera, boxes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from rclpy.qos import HistoryPolicy, QoSProfile, ReliabilityPolicy

from hand_pose_ros.errors import InputError
from hand_pose_ros.hand.camera import Camera
from hand_pose_ros.ros.camera_info import camera_from_info
from hand_pose_ros.ros.node.parameters import BEST_EFFORT, RELIABLE


def sensor_qos(reliability: str, depth: int = 1) -> QoSProfile:
    """Return the QoS of a subscription to a camera: the newest messages only."""
    policies = {RELIABLE: ReliabilityPolicy.RELIABLE, BEST_EFFORT: ReliabilityPolicy.BEST_EFFORT}
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST, depth=depth, reliability=policies[reliability]
    )


class ImageFacts(NamedTuple):
    """What must not change between two images of one camera, but that the stamp goes forward."""

    stamp_ns: int
    size: tuple[int, int]
    encoding: str
    frame_id: str

    def change_since(self, last: ImageFacts) -> str:
        """Return what is not as it was with the last image, "" where nothing is."""
        if self[1:] != last[1:]:
            width, height = self.size
            return f"images are now {width} x {height} px {self.encoding} in {self.frame_id!r}"
        back_s = (last.stamp_ns - self.stamp_ns) * 1e-9
        return f"stamps jumped back by {back_s:.3f} s" if back_s > 0.0 else ""


class LiveCamera:
    """The camera of the images: as the last CameraInfo says, or with an assumed field of view.

    Args:
        warn: told once of each thing that is wrong, and when a calibration comes after all.
    """

    def __init__(self, warn: Callable[[str], None]) -> None:
        self._warn = warn
        self._info: Any = None
        self._camera: Camera | None = None
        self._made_for: tuple[Any, ...] = ()
        self._said = ""

    def update(self, info: Any) -> None:
        """Take a CameraInfo message."""
        self._info = info

    def __call__(
        self, width: int, height: int, *, rectified: bool, horizontal_fov_deg: float
    ) -> Camera:
        """Return the camera for images of a size [px]."""
        info = self._info
        key = (width, height, rectified, horizontal_fov_deg, _facts(info))
        if self._camera is None or key != self._made_for:
            self._camera = self._make(info, width, height, rectified, horizontal_fov_deg)
            self._made_for = key
        return self._camera

    def _make(
        self, info: Any, width: int, height: int, rectified: bool, horizontal_fov_deg: float
    ) -> Camera:
        problem = "no CameraInfo has come"
        if info is not None:
            problem = "the CameraInfo is of an uncalibrated camera"
            try:
                camera = camera_from_info(info, width, height, rectified=rectified)
            except InputError as error:
                camera, problem = None, f"the CameraInfo cannot be used: {error}"
            if camera is not None:
                self._say("")
                return camera
        self._say(
            f"{problem}; a horizontal field of view of {horizontal_fov_deg:g} degrees is assumed: "
            "distances are rough, scale_source says UNKNOWN"
        )
        return Camera.from_field_of_view(width, height, horizontal_fov_deg)

    def _say(self, problem: str) -> None:
        if problem == self._said:
            return
        if problem:
            self._warn(problem)
        elif self._said:
            self._warn("a usable CameraInfo has come: distances are measured from now on")
        self._said = problem


def boxes_of(detections: Any) -> list[npt.NDArray[np.float64]]:
    """Return x, y, width, height [px] of each box of a vision_msgs/Detection2DArray."""
    boxes = []
    for detection in detections.detections:
        box = detection.bbox
        # From version 4 of vision_msgs on the centre is a pose with a position.
        centre = getattr(box.center, "position", box.center)
        values = np.array((centre.x, centre.y, box.size_x, box.size_y))
        if np.isfinite(values).all() and (values[2:] > 0.0).all():
            boxes.append(np.concatenate((values[:2] - values[2:] / 2.0, values[2:])))
    return boxes


def _facts(info: Any) -> tuple[Any, ...]:
    """Return all of a CameraInfo but its header, to be compared."""
    if info is None:
        return ()
    region = info.roi
    numbers = (*info.k, *info.d, *info.p, info.width, info.height, info.distortion_model)
    return (*map(repr, numbers), region.x_offset, region.y_offset, region.width, region.height)
