"""What comes with an image: its camera, a depth image, boxes; and why no image comes."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from rclpy.node import Node
from rclpy.qos import HistoryPolicy, QoSProfile, ReliabilityPolicy

from hand_pose_ros.errors import InputError
from hand_pose_ros.hand.camera import Camera
from hand_pose_ros.ros import conversions
from hand_pose_ros.ros.camera_info import camera_from_info
from hand_pose_ros.ros.node.parameters import BEST_EFFORT, RELIABLE

_KEPT = 8


def sensor_qos(reliability: str) -> QoSProfile:
    """Return the QoS of a subscription to a camera: the newest message only."""
    policies = {RELIABLE: ReliabilityPolicy.RELIABLE, BEST_EFFORT: ReliabilityPolicy.BEST_EFFORT}
    return QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=1, reliability=policies[reliability])


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


class Companions:
    """The last messages of a topic that goes with the images, to be found by their stamps."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._messages: deque[Any] = deque(maxlen=_KEPT)

    def add(self, message: Any) -> None:
        """Keep a message that has a header."""
        with self._lock:
            self._messages.append(message)

    def nearest(self, stamp_ns: int, slop_ns: int) -> Any | None:
        """Return the message nearest to a stamp [ns], None where none is so near."""
        with self._lock:
            messages = list(self._messages)
        apart = [abs(conversions.stamp_ns(message) - stamp_ns) for message in messages]
        if not apart or min(apart) > slop_ns:
            return None
        return messages[int(np.argmin(apart))]


def boxes_of(detections: Any) -> list[npt.NDArray[np.float64]]:
    """Return x, y, width, height [px] of each box of a vision_msgs/Detection2DArray."""
    boxes = []
    for detection in detections.detections:
        box = detection.bbox
        # Humble's vision_msgs has the centre itself, later ones a pose with a position.
        centre = getattr(box.center, "position", box.center)
        values = np.array((centre.x, centre.y, box.size_x, box.size_y))
        if np.isfinite(values).all() and (values[2:] > 0.0).all():
            boxes.append(np.concatenate((values[:2] - values[2:] / 2.0, values[2:])))
    return boxes


def why_silent(node: Node, topic: str, kind: str, reliability: str) -> str:
    """Return the likely reason why no message comes on a topic.

    Args:
        node: it asks.
        topic: full name.
        kind: the type that is expected, "sensor_msgs/msg/Image".
        reliability: that of our subscription.
    """
    publishers = node.get_publishers_info_by_topic(topic)
    if not publishers:
        own = f"{node.get_fully_qualified_name()}/"
        others = sorted(
            name
            for name, kinds in node.get_topic_names_and_types()
            if kind in kinds and name != topic and not name.startswith(own)
        )
        known = f"{kind} is published on {', '.join(others)}" if others else f"nor any {kind}"
        return f"nobody publishes {topic}; {known}. Remap 'image' to the camera's topic"
    kinds = sorted({publisher.topic_type for publisher in publishers})
    if kind not in kinds:
        return (
            f"{topic} carries {', '.join(kinds)}, not {kind}. Remap 'image', or set the parameter "
            "input.image_transport"
        )
    best_effort = [
        publisher
        for publisher in publishers
        if publisher.qos_profile.reliability == ReliabilityPolicy.BEST_EFFORT
    ]
    if reliability == RELIABLE and len(best_effort) == len(publishers):
        return (
            f"QoS: {topic} is published as best effort, the node asks for reliable. Set the "
            "parameter input.reliability to best_effort"
        )
    return (
        f"{topic} has a publisher that sends nothing, or its images get lost on the way. Is the "
        "camera running? Try the parameter input.reliability reliable"
    )


def _facts(info: Any) -> tuple[Any, ...]:
    """Return all of a CameraInfo but its header, to be compared."""
    if info is None:
        return ()
    region = info.roi
    numbers = (*info.k, *info.d, *info.p, info.width, info.height, info.distortion_model)
    return (*map(repr, numbers), region.x_offset, region.y_offset, region.width, region.height)
