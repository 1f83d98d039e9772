"""The node on a genuine ROS, fed at a fixed rate: age, drops, memory and how soon it answers.

Starts `ros2 run hand_pose_ros estimator` beside itself, publishes the frames of a video as bgr8
images of a size and rate, and asks for a parameter once a second. Needs a sourced workspace.

    python benchmarks/live.py VIDEO --rate 30 --size 1280x720 --seconds 60
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np

NODE = "/hand_pose_estimator"


class Feed:
    """Publishes images, and keeps when the hands of each came back."""

    def __init__(
        self, frames: list[np.ndarray], width: int, height: int, reliability: str
    ) -> None:
        import rclpy
        from diagnostic_msgs.msg import DiagnosticArray
        from rcl_interfaces.srv import GetParameters
        from rclpy.executors import SingleThreadedExecutor

        from hand_pose_ros.hand.camera import Camera
        from hand_pose_ros.ros.camera_info import camera_info
        from hand_pose_ros.ros.messages import rclpy_types
        from hand_pose_ros.ros.node.inputs import sensor_qos

        rclpy.init()
        self.types = rclpy_types()
        self.node = rclpy.create_node("feed")
        qos = sensor_qos(reliability)
        self.images = self.node.create_publisher(self.types.Image, "image", qos)
        self.infos = self.node.create_publisher(self.types.CameraInfo, "camera_info", 1)
        self.ages_ms: list[float] = []
        self.hands = 0
        self.node.create_subscription(
            self.types.HandPoseArray, f"{NODE}/hand_poses", self._on_hands, 10
        )
        self.diagnostics: dict[str, str] = {}
        self.node.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, 10)
        self.client = self.node.create_client(GetParameters, f"{NODE}/get_parameters")
        self.request = GetParameters.Request(names=["model"])
        self.data = [self.types.sequence(frame.reshape(-1)) for frame in frames]
        self.size = width, height
        camera = Camera.from_field_of_view(width, height, 60.0)
        self.info = camera_info(camera, self.types, 1, "camera_optical_frame")
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self.node)
        threading.Thread(target=self._executor.spin, daemon=True).start()

    def _on_hands(self, message: Any) -> None:
        stamp = message.header.stamp.sec * 1e3 + message.header.stamp.nanosec * 1e-6
        self.ages_ms.append(self.node.get_clock().now().nanoseconds * 1e-6 - stamp)
        self.hands += len(message.hands)

    def _on_diagnostics(self, message: Any) -> None:
        self.diagnostics = {value.key: value.value for value in message.status[0].values}

    def publish(self, number: int) -> None:
        """Publish an image of this moment."""
        width, height = self.size
        message = self.types.Image(width=width, height=height, encoding="bgr8", step=3 * width)
        message.header.stamp = self.node.get_clock().now().to_msg()
        message.header.frame_id = "camera_optical_frame"
        message.data = self.data[number % len(self.data)]
        self.images.publish(message)
        if number % 30 == 0:
            self.infos.publish(self.info)

    def answer_ms(self) -> float:
        """Return how long the node takes to answer for a parameter."""
        started = time.monotonic()
        future = self.client.call_async(self.request)
        while not future.done() and time.monotonic() - started < 10.0:
            time.sleep(0.001)
        return (time.monotonic() - started) * 1e3


def main() -> int:
    """Feed the node and print what was seen."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("video", type=Path)
    parser.add_argument("--rate", type=float, default=30.0, metavar="HZ")
    parser.add_argument("--size", default="1280x720", metavar="WxH")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--reliability", default="best_effort", help="or reliable")
    parser.add_argument("--frames", type=int, default=60, help="of the video, kept in memory")
    arguments = parser.parse_args()
    width, height = (int(part) for part in arguments.size.split("x"))
    frames = read(arguments.video, arguments.frames, width, height)
    command = ["ros2", "run", "hand_pose_ros", "estimator", "--ros-args"]
    command += ["-p", f"input.reliability:={arguments.reliability}"]
    node = subprocess.Popen(command, start_new_session=True)
    try:
        feed = Feed(frames, width, height, arguments.reliability)
        feed.client.wait_for_service(120.0)
        feed.answer_ms()  # waits until the model is loaded
        report = run(feed, arguments, child_of(node.pid))
    finally:
        signal_group(node)
    print(json.dumps(report, indent=2))
    return 0


def run(feed: Feed, arguments: argparse.Namespace, pid: int) -> dict[str, Any]:
    """Return what happened while images were published."""
    answers, memory = [], []
    asking = threading.Event()

    def ask() -> None:
        while not asking.wait(1.0):
            answers.append(feed.answer_ms())
            memory.append(resident_mb(pid))

    asker = threading.Thread(target=ask)
    asker.start()
    started = time.monotonic()
    sent = 0
    for number in itertools.count():
        due = started + number / arguments.rate
        if due > started + arguments.seconds:
            break
        time.sleep(max(due - time.monotonic(), 0.0))
        feed.publish(number)
        sent = number + 1
    took = time.monotonic() - started
    time.sleep(2.0)
    asking.set()
    asker.join()
    minute = min(60, len(memory) // 2)
    return {
        "sent": sent,
        "sent_hz": sent / took,
        "answered": len(feed.ages_ms),
        "answered_hz": len(feed.ages_ms) / took,
        "hands": feed.hands,
        "node": {key: feed.diagnostics.get(key) for key in ("received", "processed", "dropped")},
        "age_ms": percentiles(feed.ages_ms),
        "parameter_call_ms": percentiles(answers),
        "memory_mb": {"first": memory[0], "after_a_minute": memory[minute], "last": memory[-1]},
    }


def read(path: Path, count: int, width: int, height: int) -> list[np.ndarray]:
    """Return the first frames of a video, resized."""
    video = cv2.VideoCapture(str(path))
    frames = []
    while len(frames) < count:
        good, frame = video.read()
        if not good:
            break
        frames.append(cv2.resize(frame, (width, height)))
    if not frames:
        raise SystemExit(f"{path} has no frames")
    return frames


def percentiles(values: list[float]) -> dict[str, float]:
    """Return median, 95th percentile and maximum."""
    return {
        name: round(float(np.percentile(values, q)), 1)
        for name, q in (("p50", 50), ("p95", 95), ("max", 100))
    }


def child_of(pid: int) -> int:
    """Return the process that `ros2 run` started."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return int(children[0]) if children else pid


def resident_mb(pid: int) -> float:
    """Return the resident memory of a process."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return round(pages * 4096 / 1e6, 1)


def signal_group(process: subprocess.Popen) -> None:
    """Interrupt a process and its children, as Ctrl-C does."""
    os.killpg(process.pid, signal.SIGINT)
    process.wait(30.0)


if __name__ == "__main__":
    sys.exit(main())
