"""How long it takes to make and serialise all messages of an image with two hands.

Without ROS the bytes are those of rosbags, which are what the node publishes; in a sourced
workspace they are published, and rclpy's own messages filled and published beside them.

    python benchmarks/messages.py
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hand_pose_ros.errors import HandPoseError, UnavailableError
from hand_pose_ros.hand.camera import Camera
from hand_pose_ros.ros import conversions
from hand_pose_ros.ros.bag import BagReader
from hand_pose_ros.ros.markers import MarkerWriter
from hand_pose_ros.ros.messages import MESSAGES, MessageTypes, rclpy_types
from hand_pose_ros.ros.truth import TRUTH_TOPIC
from hand_pose_ros.ros.typestore import rosbags_types, serialized
from hand_pose_ros.runtime.estimate import FrameEstimate
from hand_pose_ros.runtime.surface import surfaces_of

SAMPLE = Path(__file__).parents[1] / "samples" / "gestures.mcap"
REPEATS = 300
_SMALL = ["HandPoseArray", "JointState", "TFMessage"]


def two_hands() -> FrameEstimate:
    """Return an image of the sample with a hand of each side."""
    with BagReader(SAMPLE) as reader:
        messages = map(reader.deserialize, reader.messages([TRUTH_TOPIC]))
        first = next(message for message in messages if message.hands)
    hand = conversions.hands_from_message(first)[0]
    hands = (replace(hand, id="0", side="left"), replace(hand, id="1", side="right"))
    return FrameEstimate(10**18, "camera", Camera.from_field_of_view(1280, 720), hands)


def makers(frame: FrameEstimate, types: MessageTypes) -> dict[str, Callable[[], list[Any]]]:
    """Return what makes the messages of each kind."""
    writer, surfaces = MarkerWriter(types), surfaces_of(frame.hands)
    return {
        "HandPoseArray": lambda: [conversions.hand_pose_array(frame, types)],
        "JointState": lambda: list(conversions.joint_states(frame, types).values()),
        "TFMessage": lambda: [conversions.tf_message(frame, types)],
        "MarkerArray": lambda: [writer.markers(frame, surfaces)],
    }


def milliseconds(action: Callable[[], object]) -> dict[str, float]:
    """Return median, 95th percentile and least of many runs [ms]."""
    taken = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        action()
        taken.append((time.perf_counter() - start) * 1e3)
    p50, p95 = np.percentile(taken, (50, 95))
    return {"p50": round(p50, 3), "p95": round(p95, 3), "least": round(min(taken), 3)}


def of_rosbags(frame: FrameEstimate) -> dict[str, Any]:
    """Return the times to make and serialise each kind, and all."""
    make = makers(frame, rosbags_types())

    def written(names: list[str]) -> list[bytes]:
        return [serialized(message) for name in names for message in make[name]()]

    rows = {name: milliseconds(lambda name=name: written([name])) for name in make}
    rows["all"] = milliseconds(lambda: written(list(make)))
    writer = MarkerWriter(rosbags_types())

    def posed_and_written() -> list[bytes]:
        markers = writer.markers(frame, surfaces_of(frame.hands))
        return [*written(_SMALL), serialized(markers)]

    return {**rows, "surfaces and all": milliseconds(posed_and_written)}


def of_rclpy(frame: FrameEstimate) -> dict[str, Any]:
    """Return the times to fill and publish, as the node does, as bytes, and by rclpy."""
    types = rclpy_types()
    import rclpy

    rclpy.init()
    node = rclpy.create_node("messages")
    make, packed = makers(frame, types), makers(frame, rosbags_types())
    publishers = {name: node.create_publisher(getattr(types, name), name, 5) for name in make}
    received: list[Any] = []
    kept = [node.create_subscription(getattr(types, n), n, received.append, 5) for n in make]

    def sent(name: str) -> None:
        for message in make[name]():
            publishers[name].publish(message)

    def bytes_sent(names: Iterable[str]) -> None:
        for name in names:
            for message in packed[name]():
                publishers[name].publish(serialized(message))

    rows: dict[str, Any] = {MESSAGES[name]: milliseconds(lambda n=name: sent(n)) for name in make}
    for name in make:
        rows[f"{name} as bytes"] = milliseconds(lambda n=name: bytes_sent([n]))
    rows["all, as the node"] = milliseconds(lambda: bytes_sent(make))
    rclpy.spin_once(node, timeout_sec=1.0)
    assert received, f"nothing came to {len(kept)} subscriptions"
    rclpy.shutdown()
    return rows


def main() -> int:
    """Time, print."""
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    torch.set_num_threads(1)
    try:
        frame = two_hands()
        found = {"surfaces": milliseconds(lambda: surfaces_of(frame.hands))}
        found["rosbags"] = of_rosbags(frame)
        try:
            found["rclpy"] = of_rclpy(frame)
        except UnavailableError as error:
            sys.stderr.write(f"{error}\n")
    except HandPoseError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    print(json.dumps(found, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
