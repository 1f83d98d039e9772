"""Topics that fall silent: that they did, and why it may be."""

from __future__ import annotations

import time
from dataclasses import dataclass

from rclpy.node import Node
from rclpy.qos import ReliabilityPolicy

from hand_pose_ros.ros.node.parameters import RELIABLE

_REPEAT_S = 10.0


@dataclass(frozen=True)
class Awaited:
    """What a subscription waits for.

    Attributes:
        name: the topic before it is remapped.
        topic: its full name.
        kind: the type of its messages, "sensor_msgs/msg/Image".
        reliability: that of the subscription.
    """

    name: str
    topic: str
    kind: str
    reliability: str


class TopicWatch:
    """Says when nothing comes on a topic, and when it comes again.

    Attributes:
        is_silent: whether nothing came for longer than allowed.
    """

    def __init__(self, node: Node, awaited: Awaited) -> None:
        self._node, self._awaited = node, awaited
        self._seen_s, self._said_s = time.monotonic(), -_REPEAT_S
        self.is_silent = False

    def see(self) -> None:
        """Note that a message came."""
        self._seen_s = time.monotonic()
        if self.is_silent:
            self.is_silent = False
            self._node.get_logger().info(f"messages come on {self._awaited.topic} again")

    def check(self, silence_s: float) -> None:
        """Warn if nothing came for so long [s]; again every ten seconds while it lasts."""
        now_s = time.monotonic()
        if now_s - self._seen_s < silence_s:
            return
        self.is_silent = True
        if now_s - self._said_s >= _REPEAT_S:
            self._said_s = now_s
            self._node.get_logger().warning(
                f"nothing on {self._awaited.topic} for {silence_s:g} s: "
                f"{why_silent(self._node, self._awaited)}"
            )


def why_silent(node: Node, awaited: Awaited) -> str:
    """Return the likely reason why what a node waits for does not come."""
    topic, kind = awaited.topic, awaited.kind
    publishers = node.get_publishers_info_by_topic(topic)
    if not publishers:
        own = f"{node.get_fully_qualified_name()}/"
        others = sorted(
            other
            for other, kinds in node.get_topic_names_and_types()
            if kind in kinds and other != topic and not other.startswith(own)
        )
        known = f"{kind} is published on {', '.join(others)}" if others else f"nor any {kind}"
        return f"nobody publishes {topic}; {known}. Remap '{awaited.name}' to the right topic"
    kinds = sorted({publisher.topic_type for publisher in publishers})
    if kind not in kinds:
        return (
            f"{topic} carries {', '.join(kinds)}, not {kind}. Remap '{awaited.name}', or set the "
            "parameter input.image_transport"
        )
    best_effort = [
        publisher
        for publisher in publishers
        if publisher.qos_profile.reliability == ReliabilityPolicy.BEST_EFFORT
    ]
    if awaited.reliability == RELIABLE and len(best_effort) == len(publishers):
        return (
            f"QoS: {topic} is published as best effort, the node asks for reliable. Set the "
            "parameter input.reliability to best_effort"
        )
    return (
        f"{topic} has a publisher that sends nothing, or what it sends gets lost on the way. Is "
        "the camera running? Try the parameter input.reliability reliable"
    )
