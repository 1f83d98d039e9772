"""A node under test, one that talks to it, and estimators for it."""

from __future__ import annotations

import contextlib
import threading
import time
from typing import Any

import numpy as np
from runtime_stubs import CAMERA, ExactLift, ScriptedDetector, true_hand

from hand_pose_ros.hand.camera import Camera
from hand_pose_ros.ros import conversions
from hand_pose_ros.ros.camera_info import camera_info
from hand_pose_ros.runtime.config import EstimatorConfig
from hand_pose_ros.runtime.estimator import Estimator

RIGHT, LEFT = true_hand("right", (0.12, 0.05, 0.5)), true_hand("left", (-0.12, 0.05, 0.5))
FRAME_ID = "camera_optical_frame"
NODE = "/hand_pose_estimator"
START_NS = 1_700_000_000_000_000_000
PATIENCE_S = 10.0


class Bench:
    """A node under test and one that talks to it, spun by a thread."""

    def __init__(self, types: Any, domain: int) -> None:
        import rclpy
        from rclpy.executors import MultiThreadedExecutor

        self.types = types
        self.context = rclpy.Context()
        rclpy.init(context=self.context, domain_id=domain)
        self.executor = MultiThreadedExecutor(4, context=self.context)
        self.user = rclpy.create_node("user", context=self.context)
        self.executor.add_node(self.user)
        self.node: Any = None
        self.received: dict[str, list[Any]] = {}
        self.count = 0
        self._thread = threading.Thread(target=self._spin, daemon=True)
        self._thread.start()

    def _spin(self) -> None:
        from rclpy.executors import ExternalShutdownException

        with contextlib.suppress(ExternalShutdownException):
            self.executor.spin()

    def start(self, estimator: Any, *overrides: Any, activate: bool = True) -> Any:
        """Make the node with an estimator and parameters, and activate it."""
        from rclpy.parameter import Parameter

        from hand_pose_ros.ros.node.estimator_node import EstimatorNode

        self.node = EstimatorNode(
            estimator,
            context=self.context,
            parameter_overrides=[Parameter(name, value=value) for name, value in overrides],
        )
        self.executor.add_node(self.node)
        if activate:
            self.node.trigger_configure()
            self.node.trigger_activate()
        return self.node

    def listen(self, topic: str, kind: Any) -> list[Any]:
        """Collect what is published on a topic."""
        kept = self.received.setdefault(topic, [])
        self.user.create_subscription(kind, topic, kept.append, 50)
        return kept

    def publisher(self, topic: str, kind: Any, patience_s: float = PATIENCE_S) -> Any:
        made = self.user.create_publisher(kind, topic, 10)
        self.until(lambda: made.get_subscription_count() > 0, patience_s)
        return made

    def image(
        self,
        index: int,
        frame_id: str = FRAME_ID,
        width: int = 640,
        height: int = 480,
        encoding: str = "rgb8",
    ) -> Any:
        return self.types.Image(
            header=conversions.header(self.types, START_NS + index * 33_333_333, frame_id),
            width=width,
            height=height,
            encoding=encoding,
            step=3 * width,
            data=self.types.sequence(np.zeros(3 * width * height, np.uint8)),
        )

    def send(self, images: Any, count: int = 1, **more: Any) -> None:
        """Publish images, each once the one before was worked on."""
        for _ in range(count):
            done = self.node.statistics.snapshot(time.monotonic(), 0).processed
            images.publish(self.image(self.count, **more))
            self.count += 1
            self.until(lambda done=done: self.node.statistics.snapshot(0.0, 0).processed > done)

    def info(self, camera: Camera = CAMERA) -> Any:
        return camera_info(camera, self.types, START_NS, FRAME_ID)

    def call(self, kind: Any, name: str, **fields: Any) -> Any:
        """Call a service and return its answer."""
        client = self.user.create_client(kind, name)
        assert client.wait_for_service(PATIENCE_S)
        future = client.call_async(kind.Request(**fields))
        self.until(future.done)
        return future.result()

    def set_parameter(self, name: str, value: Any) -> Any:
        from rcl_interfaces.srv import SetParameters
        from rclpy.parameter import Parameter

        wanted = [Parameter(name, value=value).to_parameter_msg()]
        (result,) = self.call(SetParameters, f"{NODE}/set_parameters", parameters=wanted).results
        return result

    def until(self, holds: Any, patience_s: float = PATIENCE_S) -> None:
        limit = time.monotonic() + patience_s
        while not holds():
            assert time.monotonic() < limit, "it did not happen in time"
            time.sleep(0.002)

    def close(self) -> None:
        import rclpy

        if self.node is not None:
            self.node.destroy_node()
        self.executor.shutdown(1.0)
        self.user.destroy_node()
        rclpy.try_shutdown(context=self.context)
        self._thread.join(5.0)


def estimator_of(*hands: Any, script: Any = None) -> Estimator:
    detector = ScriptedDetector(script or [[hand.detection for hand in hands]])
    return Estimator(EstimatorConfig(), detector, ExactLift(*hands))


class Slow(Estimator):
    """An estimator that takes its time."""

    def __init__(self, seconds: float) -> None:
        detector = ScriptedDetector([[RIGHT.detection]])
        super().__init__(EstimatorConfig(), detector, ExactLift(RIGHT))
        self.seconds = seconds

    def estimate(self, *args: Any) -> Any:
        time.sleep(self.seconds)
        return super().estimate(*args)
