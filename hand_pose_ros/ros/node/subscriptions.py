"""The node's subscriptions: images with what belongs to them, and whether they come."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from hand_pose_ros.ros.camera_info import names_rectified
from hand_pose_ros.ros.messages import message_name
from hand_pose_ros.ros.node.inputs import LiveCamera, sensor_qos
from hand_pose_ros.ros.node.pairing import Capture, Pairing
from hand_pose_ros.ros.node.parameters import AUTO, NO, YES, InputConfig
from hand_pose_ros.ros.node.silence import Awaited, TopicWatch


class CameraSubscriptions:
    """Listens to the topics of one camera until it is closed.

    Args:
        node: whose subscriptions they are.
        settings: returns the settings as they are now.
        pass_on: called with each image and what belongs to it.

    Attributes:
        camera: the camera of the images, as its CameraInfo says.
        topic: full name of the image topic.
        is_rectified: whether its images are rectified.
    """

    def __init__(
        self,
        node: Node,
        settings: Callable[[], InputConfig],
        pass_on: Callable[[Capture], None],
    ) -> None:
        self._node, self._settings = node, settings
        self._subscriptions: list[Any] = []
        self._watches: dict[str, TopicWatch] = {}
        now = settings()
        self.camera = LiveCamera(node.get_logger().warning)
        self._pairing = Pairing(pass_on, boxes=now.use_boxes, depth=now.use_depth)
        kind, name = (
            (CompressedImage, "image/compressed") if now.is_compressed else (Image, "image")
        )
        self.topic = self._await("image", kind, name, self._pairing.add_image)
        self.is_rectified = {YES: True, NO: False, AUTO: names_rectified(self.topic)}[
            now.rectified
        ]
        if now.use_depth:
            self._await("depth", Image, "depth", self._pairing.add_depth)
        if now.use_boxes:
            from vision_msgs.msg import Detection2DArray

            self._await("boxes", Detection2DArray, "boxes", self._pairing.add_boxes)
        self._subscribe(CameraInfo, "camera_info", self.camera.update)
        self._timer = node.create_timer(now.silence_s / 4.0, self._check)
        node.get_logger().info(f"listening to {self.topic}")

    @property
    def silent(self) -> str:
        """What does not come: "image", "depth" or "boxes"; empty where all is well."""
        return next((name for name, watch in self._watches.items() if watch.is_silent), "")

    @property
    def unpaired(self) -> int:
        """Images whose boxes did not come in time."""
        return self._pairing.unpaired

    def close(self) -> None:
        """Stop to listen."""
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)
        self._node.destroy_timer(self._timer)

    def _await(self, what: str, kind: type, name: str, add: Callable[[Any, int], None]) -> str:
        """Subscribe to a topic that must not fall silent; return its full name."""

        def receive(message: Any) -> None:
            self._watches[what].see()
            add(message, round(self._settings().companion_slop_s * 1e9))

        reliability = self._settings().reliability
        topic = self._node.resolve_topic_name(name)
        awaited = Awaited(name, topic, message_name(kind()), reliability)
        self._watches[what] = TopicWatch(self._node, awaited)
        self._subscribe(kind, name, receive)
        return topic

    def _subscribe(self, kind: type, name: str, receive: Callable[[Any], None]) -> None:
        qos = sensor_qos(self._settings().reliability, self._settings().queue_size)
        self._subscriptions.append(self._node.create_subscription(kind, name, receive, qos))

    def _check(self) -> None:
        for watch in self._watches.values():
            watch.check(self._settings().silence_s)
