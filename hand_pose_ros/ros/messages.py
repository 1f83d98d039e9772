"""Message classes, of rclpy or of rosbags, behind one object; the same code fills both."""

from __future__ import annotations

import array
import functools
import importlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from hand_pose_ros.errors import InputError, UnavailableError

PACKAGE = "hand_pose_ros"
OWN_MESSAGES = ("HandPose", "HandPoseArray")

_PACKAGES = {
    PACKAGE: OWN_MESSAGES,
    "builtin_interfaces": ("Duration", "Time"),
    "geometry_msgs": ("Point", "Pose", "Quaternion", "Transform", "TransformStamped", "Vector3"),
    "sensor_msgs": ("CameraInfo", "CompressedImage", "Image", "JointState"),
    "std_msgs": ("ColorRGBA", "Header"),
    "tf2_msgs": ("TFMessage",),
    "visualization_msgs": ("Marker", "MarkerArray"),
}
MESSAGES = {
    name: f"{package}/msg/{name}" for package, names in _PACKAGES.items() for name in names
}
"""Full name of every message that we read or write, by its short name."""


class MessageTypes:
    """The classes of `MESSAGES` as attributes; a field that is not given gets its ROS default.

    Attributes:
        points: makes the value of a `geometry_msgs/Point[]` field from two arrays, positions
            (N, 3) [m] and which of them in which order, (M,) int; one used twice is made once.
        sequence: makes the value of an unbounded numeric field from an array of its own dtype.
        colors: makes the value of a `std_msgs/ColorRGBA[]` field from such messages.
        texts: makes the value of a `string[]` field from a tuple.
    """

    def __init__(
        self,
        classes: dict[str, type],
        points: Callable[[npt.NDArray[Any], npt.NDArray[np.integer]], Any],
        sequence: Callable[[npt.NDArray[Any]], Any],
        colors: Callable[[Sequence[Any]], list[Any]] = list,
        texts: Callable[[tuple[str, ...]], list[str]] = list,
    ) -> None:
        self._classes = classes
        self.points = points
        self.sequence = sequence
        self.colors = colors
        self.texts = texts

    def __getattr__(self, name: str) -> Any:
        try:
            return self.__dict__["_classes"][name]
        except KeyError:
            raise AttributeError(f"no message {name!r}; there are {sorted(MESSAGES)}") from None


def message_name(message: object) -> str:
    """Return the full name ("std_msgs/msg/Header") of a message of either kind.

    Raises:
        InputError: it is not a ROS message.
    """
    kind = type(message)
    if hasattr(kind, "__msgtype__"):
        return str(kind.__msgtype__)
    if hasattr(kind, "get_fields_and_field_types"):
        return f"{kind.__module__.split('.')[0]}/msg/{kind.__name__}"
    raise InputError(f"{kind.__name__} is not a ROS message")


@functools.lru_cache(maxsize=1)
def rclpy_types() -> MessageTypes:
    """Return the classes that a ROS installation generated, for rclpy.

    Raises:
        UnavailableError: no ROS, or this package is not built in the sourced workspace.
    """
    classes = {}
    for short, full in MESSAGES.items():
        module = full.rsplit("/", 1)[0].replace("/", ".")
        try:
            classes[short] = getattr(importlib.import_module(module), short)
        except (ImportError, AttributeError) as error:
            raise UnavailableError(
                f"message {full} is missing ({error}); source a ROS 2 workspace in which "
                f"{PACKAGE} is built"
            ) from error
    point = classes["Point"]

    def points(positions: npt.NDArray[Any], order: npt.NDArray[np.integer]) -> list[Any]:
        made = [point(x=x, y=y, z=z) for x, y, z in np.asarray(positions, np.float64).tolist()]
        return [made[index] for index in order.tolist()]

    return MessageTypes(classes, points, _python_array)


def _python_array(values: npt.NDArray[Any]) -> array.array[Any]:
    return array.array(values.dtype.char, np.ascontiguousarray(values).tobytes())
