"""The topics that the node publishes for each image."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
from rclpy.lifecycle import LifecycleNode
from rclpy.qos import QoSProfile
from tf2_ros import TransformBroadcaster

from hand_pose_ros.hand import skeleton
from hand_pose_ros.ros import conversions
from hand_pose_ros.ros.markers import MarkerWriter
from hand_pose_ros.ros.messages import MessageTypes
from hand_pose_ros.ros.node.parameters import OutputConfig
from hand_pose_ros.ros.typestore import rosbags_types, serialized
from hand_pose_ros.runtime.estimate import FrameEstimate, ScaleSource
from hand_pose_ros.runtime.overlay import Overlay
from hand_pose_ros.runtime.surface import surfaces_of

_QOS = QoSProfile(depth=5)


class HandPublisher:
    """Publishes estimates; markers and the picture only while somebody listens to them."""

    def __init__(self, node: LifecycleNode, types: MessageTypes) -> None:
        self._node, self._types = node, types
        self._packed = rosbags_types()
        create = node.create_lifecycle_publisher
        self._hands = create(types.HandPoseArray, "~/hand_poses", _QOS)
        self._markers = create(types.MarkerArray, "~/markers", _QOS)
        self._picture = create(types.Image, "~/debug_image", QoSProfile(depth=1))
        self._joints = {
            side: create(types.JointState, f"~/{side}/joint_states", _QOS)
            for side in skeleton.SIDES
        }
        self._tf = TransformBroadcaster(node)
        self._marker_writer = MarkerWriter(self._packed)
        self._overlay = Overlay()

    def publish(
        self, frame: FrameEstimate, image_rgb: npt.NDArray[np.uint8], config: OutputConfig
    ) -> None:
        """Publish what was seen in one image, all with its stamp and frame."""
        # As bytes: rclpy takes many times as long to fill and to read its own messages.
        types = self._packed
        self._hands.publish(serialized(conversions.hand_pose_array(frame, types)))
        for side, joints in conversions.joint_states(frame, types).items():
            self._joints[side].publish(serialized(joints))
        if config.tf:
            self._publish_tf(frame, config)
        if self._markers.get_subscription_count():
            meshes = surfaces_of(frame.hands) if config.mesh else {}
            self._markers.publish(serialized(self._marker_writer.markers(frame, meshes)))
        else:
            self._marker_writer.reset()
        if self._picture.get_subscription_count():
            self._picture.publish(self._drawn(frame, image_rgb))

    def destroy(self) -> None:
        """Take the topics back."""
        for publisher in (self._hands, self._markers, self._picture, *self._joints.values()):
            self._node.destroy_lifecycle_publisher(publisher)
        self._node.destroy_publisher(self._tf.pub_tf)

    def _publish_tf(self, frame: FrameEstimate, config: OutputConfig) -> None:
        placed = tuple(
            hand
            for hand in frame.hands
            if config.tf_of_unknown_scale or hand.scale_source is not ScaleSource.UNKNOWN
        )
        placed_frame, prefix = replace(frame, hands=placed), config.tf_prefix.lstrip("/")
        message = conversions.tf_message(
            placed_frame, self._packed, fingers=config.tf_fingers, prefix=prefix
        )
        if config.tf_urdf:
            bases = conversions.urdf_bases(placed_frame, self._packed, prefix=prefix)
            message.transforms += bases
        if message.transforms:
            self._tf.pub_tf.publish(serialized(message))

    def _drawn(self, frame: FrameEstimate, image_rgb: npt.NDArray[np.uint8]) -> Any:
        drawn = self._overlay.draw(image_rgb, frame)
        height, width = drawn.shape[:2]
        return self._types.Image(
            header=conversions.header(self._types, frame.stamp_ns, frame.frame_id),
            height=height,
            width=width,
            encoding="rgb8",
            step=3 * width,
            data=self._types.sequence(drawn.reshape(-1)),
        )
