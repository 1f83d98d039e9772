"""The node on a genuine ROS: what comes out, what it survives, and that nobody waits for it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from typing import Any

import numpy as np
import pytest
from runtime_stubs import CAMERA, ExactLift, ScriptedDetector, true_hand

from hand_pose_ros.errors import UnavailableError
from hand_pose_ros.hand import skeleton
from hand_pose_ros.hand.camera import Camera
from hand_pose_ros.ros import conversions
from hand_pose_ros.ros.camera_info import camera_info
from hand_pose_ros.ros.messages import rclpy_types
from hand_pose_ros.runtime.config import EstimatorConfig
from hand_pose_ros.runtime.estimator import Estimator

pytestmark = pytest.mark.ros

RIGHT, LEFT = true_hand("right", (0.12, 0.05, 0.5)), true_hand("left", (-0.12, 0.05, 0.5))
FRAME_ID = "camera_optical_frame"
NODE = "/hand_pose_estimator"
START_NS = 1_700_000_000_000_000_000
PATIENCE_S = 10.0


@pytest.fixture(scope="module")
def types():
    try:
        return rclpy_types()
    except UnavailableError as error:
        pytest.skip(str(error))


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

    def publisher(self, topic: str, kind: Any) -> Any:
        made = self.user.create_publisher(kind, topic, 10)
        self.until(lambda: made.get_subscription_count() > 0)
        return made

    def image(self, index: int, frame_id: str = FRAME_ID, width: int = 640, height: int = 480):
        return self.types.Image(
            header=conversions.header(self.types, START_NS + index * 33_333_333, frame_id),
            width=width,
            height=height,
            encoding="rgb8",
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


@pytest.fixture
def bench(types):
    made = Bench(types, 20 + os.getpid() % 60)
    yield made
    made.close()


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


def test_every_image_gives_its_hands_with_its_stamp_and_frame(bench, types):
    bench.start(estimator_of(RIGHT, LEFT))
    hands = bench.listen(f"{NODE}/hand_poses", types.HandPoseArray)
    joints = bench.listen(f"{NODE}/left/joint_states", types.JointState)
    tf = bench.listen("/tf", types.TFMessage)
    images = bench.publisher("image", types.Image)
    infos = bench.publisher("camera_info", types.CameraInfo)
    infos.publish(bench.info())
    bench.until(lambda: bench.node._camera._info is not None)
    bench.send(images, 5)
    bench.until(lambda: len(hands) == 5 and len(tf) == 5 and len(joints) == 5)
    stamps = [conversions.stamp_ns(message) for message in hands]
    assert stamps == [START_NS + index * 33_333_333 for index in range(5)]
    for message, transforms in zip(hands, tf, strict=True):
        assert message.header.frame_id == FRAME_ID
        assert [hand.side for hand in message.hands] == [2, 1]
        for hand, transform in zip(message.hands, transforms.transforms, strict=True):
            assert transform.header == message.header
            side = {1: "left", 2: "right"}[hand.side]
            assert transform.child_frame_id == f"hand_{side}_{hand.id}"
            place = transform.transform.translation
            wrist = hand.wrist.position
            assert (place.x, place.y, place.z) == (wrist.x, wrist.y, wrist.z)
    right = hands[-1].hands[0]
    found = conversions.points_array(right.keypoints)
    np.testing.assert_allclose(found, RIGHT.points, atol=1e-5)
    assert list(joints[0].name) == list(skeleton.joint_names("left"))
    np.testing.assert_allclose(joints[-1].position, hands[-1].hands[1].angles, atol=1e-6)


def test_an_image_without_a_hand_gives_an_empty_array(bench, types):
    bench.start(estimator_of(script=[[]]))
    hands = bench.listen(f"{NODE}/hand_poses", types.HandPoseArray)
    bench.send(bench.publisher("image", types.Image), 2)
    bench.until(lambda: len(hands) == 2)
    assert [len(message.hands) for message in hands] == [0, 0]


def test_markers_and_the_picture_are_made_while_somebody_listens(bench, types, monkeypatch):
    node = bench.start(estimator_of(RIGHT))
    drawn = []
    overlay = node._publisher._overlay
    monkeypatch.setattr(
        overlay, "draw", lambda image, frame: drawn.append(1) or np.zeros_like(image)
    )
    images = bench.publisher("image", types.Image)
    bench.send(images, 2)
    assert drawn == []
    pictures = bench.listen(f"{NODE}/debug_image", types.Image)
    markers = bench.listen(f"{NODE}/markers", types.MarkerArray)
    bench.until(
        lambda: (
            node._publisher._picture.get_subscription_count()
            and node._publisher._markers.get_subscription_count()
        )
    )
    bench.send(images, 2)
    bench.until(lambda: len(pictures) >= 1 and len(markers) == 2)
    assert (pictures[0].width, pictures[0].height, pictures[0].encoding) == (640, 480, "rgb8")
    kinds = [marker.type for marker in markers[0].markers]
    assert kinds == [types.Marker.LINE_LIST, types.Marker.SPHERE_LIST, types.Marker.TRIANGLE_LIST]
    assert bench.set_parameter("output.mesh", False).successful
    bench.send(images)
    bench.until(lambda: len(markers) == 3)
    assert types.Marker.TRIANGLE_LIST not in [
        marker.type for marker in markers[2].markers if marker.action == types.Marker.ADD
    ]


def test_without_a_calibration_distances_are_unknown_and_tf_is_silent(bench, types):
    node = bench.start(estimator_of(RIGHT))
    hands = bench.listen(f"{NODE}/hand_poses", types.HandPoseArray)
    tf = bench.listen("/tf", types.TFMessage)
    images = bench.publisher("image", types.Image)
    infos = bench.publisher("camera_info", types.CameraInfo)
    bench.send(images)
    broken = bench.info()
    broken.k = np.full(9, np.nan)
    infos.publish(broken)
    bench.until(lambda: node._camera._info is not None)
    bench.send(images)
    bench.until(lambda: len(hands) == 2)
    assert [m.hands[0].scale_source for m in hands] == [types.HandPose.SCALE_UNKNOWN] * 2
    assert tf == []
    infos.publish(bench.info())
    bench.until(lambda: not np.isnan(node._camera._info.k[0]))
    bench.send(images)
    bench.until(lambda: len(tf) == 1)
    assert hands[-1].hands[0].scale_source == types.HandPose.SCALE_ASSUMED
    infos.publish(bench.info(Camera.from_field_of_view(640, 600, 60.0)))  # another shape
    bench.until(lambda: node._camera._info.height == 600)
    assert bench.set_parameter("output.tf_of_unknown_scale", True).successful
    bench.send(images)
    bench.until(lambda: len(tf) == 2)
    assert hands[-1].hands[0].scale_source == types.HandPose.SCALE_UNKNOWN


def test_a_slow_estimator_works_on_the_newest_image_and_holds_nobody_up(bench, types):
    from rcl_interfaces.srv import GetParameters

    node = bench.start(Slow(0.15))
    hands = bench.listen(f"{NODE}/hand_poses", types.HandPoseArray)
    images = bench.publisher("image", types.Image)
    waits = []
    for index in range(40):
        images.publish(bench.image(index))
        if index % 8 == 4:
            started = time.monotonic()
            bench.call(GetParameters, f"{NODE}/get_parameters", names=["model"])
            waits.append(time.monotonic() - started)
        time.sleep(0.02)
    bench.until(lambda: node.statistics.snapshot(0.0, 0).received >= 30)
    time.sleep(0.5)
    seen = node.statistics.snapshot(time.monotonic(), node.dropped)
    assert seen.processed + seen.dropped == seen.received
    assert 3 <= seen.processed <= 15
    stamps = [conversions.stamp_ns(message) for message in hands]
    assert stamps == sorted(set(stamps))
    assert np.median(waits) < 0.1


def test_parameters_say_what_they_are_and_are_refused_with_a_reason(bench):
    from rcl_interfaces.srv import DescribeParameters

    node = bench.start(estimator_of(RIGHT))
    cutoff = "estimator.smoothing.angle_cutoff"
    (described,) = bench.call(
        DescribeParameters, f"{NODE}/describe_parameters", names=[cutoff]
    ).descriptors
    assert described.description.startswith("cutoff of the joint angles")
    assert described.floating_point_range[0].to_value == 1000.0
    assert bench.set_parameter(cutoff, 5.0).successful
    assert node.config.estimator.smoothing.angle_cutoff == 5.0
    for name, value, reason in (
        (cutoff, -1.0, "range"),
        (cutoff, "fast", "type"),
        ("estimator.detector.max_hands", 1, "read-only"),
        ("input.reliability", "reliable", "read-only"),
    ):
        result = bench.set_parameter(name, value)
        assert not result.successful
        assert reason in result.reason.lower(), (name, result.reason)
    assert node.config.estimator.smoothing.angle_cutoff == 5.0


def test_settings_reach_the_estimator_with_the_next_image(bench, types):
    estimator = estimator_of(RIGHT)
    bench.start(estimator)
    images = bench.publisher("image", types.Image)
    bench.send(images)
    assert bench.set_parameter("estimator.hand_scale", 0.1).successful
    hands = bench.listen(f"{NODE}/hand_poses", types.HandPoseArray)
    bench.until(lambda: bench.node._publisher._hands.get_subscription_count() > 0)
    bench.send(images)
    bench.until(lambda: len(hands) == 1)
    assert hands[0].hands[0].bone_lengths[skeleton.ANCHOR_BONE] == pytest.approx(0.1)


def test_overrides_that_are_out_of_range_end_the_start(bench):
    from hand_pose_ros.errors import ConfigError

    for name, value, reason in (
        ("estimator.detector.max_hands", 99, r"parameter estimator\.detector\.max_hands"),
        ("input.reliability", "often", "'often'; it must be one of best_effort, reliable"),
    ):
        with pytest.raises(ConfigError, match=reason):
            bench.start(estimator_of(RIGHT), (name, value))


def test_reset_and_enable(bench, types):
    from std_srvs.srv import SetBool, Trigger

    estimator = estimator_of(RIGHT)
    node = bench.start(estimator)
    hands = bench.listen(f"{NODE}/hand_poses", types.HandPoseArray)
    images = bench.publisher("image", types.Image)
    bench.send(images, 2)
    resets = estimator._detector.resets
    assert bench.call(Trigger, f"{NODE}/reset").success
    bench.send(images)
    assert estimator._detector.resets == resets + 1
    assert bench.call(SetBool, f"{NODE}/enable", data=False).message == "disabled"
    assert node.state == "disabled"
    received = node.statistics.snapshot(0.0, 0).received
    images.publish(bench.image(50))
    bench.until(lambda: node.statistics.snapshot(0.0, 0).received > received)
    assert bench.call(SetBool, f"{NODE}/enable", data=True).message == "enabled"
    bench.count = 60
    bench.send(images)
    bench.until(lambda: len(hands) == 4)
    assert START_NS + 50 * 33_333_333 not in [conversions.stamp_ns(m) for m in hands]


def test_a_calibration_is_answered_when_it_is_done(bench, types):
    from hand_pose_ros.srv import Calibrate

    bench.start(estimator_of(RIGHT))
    images = bench.publisher("image", types.Image)
    answers = []
    fields = {"seconds": 0.3, "hand_scale": 0.095}
    asking = threading.Thread(
        target=lambda: answers.append(bench.call(Calibrate, f"{NODE}/calibrate", **fields))
    )
    asking.start()
    bench.until(lambda: bench.node._calibration is not None)
    bench.send(images, 12)
    asking.join(PATIENCE_S)
    (answer,) = answers
    assert answer.success, answer.message
    assert list(answer.sides) == [types.HandPose.SIDE_RIGHT]
    assert answer.hand_scales[0] == pytest.approx(0.095)
    assert list(answer.scale_sources) == [types.HandPose.SCALE_CALIBRATED]
    hands = bench.listen(f"{NODE}/hand_poses", types.HandPoseArray)
    bench.until(lambda: bench.node._publisher._hands.get_subscription_count() > 0)
    bench.send(images)
    bench.until(lambda: len(hands) == 1)
    assert hands[0].hands[0].bone_lengths[skeleton.ANCHOR_BONE] == pytest.approx(0.095)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"seconds": 0.0}, "seconds is 0;"),
        ({"seconds": float("nan")}, "seconds is nan"),
        ({"seconds": 1.0, "hand_scale": 0.9}, "hand_scale is 0.9"),
        ({"seconds": 1.0, "hand_scale": -1.0}, "hand_scale is -1;"),
    ],
)
def test_a_calibration_that_cannot_be_is_refused(bench, fields, reason):
    from hand_pose_ros.srv import Calibrate

    bench.start(estimator_of(RIGHT))
    answer = bench.call(Calibrate, f"{NODE}/calibrate", **fields)
    assert not answer.success
    assert reason in answer.message


def test_images_that_cannot_be_read_are_counted_and_left_out(bench, types):
    node = bench.start(estimator_of(RIGHT))
    images = bench.publisher("image", types.Image)
    bench.send(images)
    wrong = bench.image(1)
    wrong.encoding = "rainbow"
    short = bench.image(2)
    short.data = types.sequence(np.zeros(10, np.uint8))
    empty = bench.image(3, width=0)
    for refused, message in enumerate((wrong, short, empty), start=1):
        images.publish(message)
        bench.until(lambda r=refused: node.statistics.snapshot(0.0, 0).refused == r)
    bench.count = 10
    bench.send(images)
    assert not node.failed.done()


def test_a_corrupt_compressed_image_is_left_out(bench, types):
    import cv2

    node = bench.start(estimator_of(RIGHT), ("input.image_transport", "compressed"))
    images = bench.publisher("image/compressed", types.CompressedImage)
    _, data = cv2.imencode(".jpg", np.zeros((480, 640, 3), np.uint8))
    for payload in (data[: len(data) // 2], np.zeros(0, np.uint8), data):
        message = types.CompressedImage(
            header=conversions.header(types, START_NS, FRAME_ID), format="jpeg"
        )
        message.data = types.sequence(payload.ravel())
        images.publish(message)
        time.sleep(0.1)
    bench.until(lambda: node.statistics.snapshot(0.0, 0).processed == 1)
    assert node.statistics.snapshot(0.0, 0).refused == 2


def test_another_size_or_frame_starts_anew_and_a_clock_may_jump_back(bench, types):
    node = bench.start(estimator_of(RIGHT))
    images = bench.publisher("image", types.Image)
    bench.send(images, 2)
    resets = node._estimator._detector.resets
    bench.send(images, frame_id="other_frame")
    bench.send(images, frame_id="other_frame", width=320, height=240)
    assert node._estimator._detector.resets == resets + 2
    bench.count = 0
    bench.send(images, 2, frame_id="other_frame", width=320, height=240)
    assert node._estimator._detector.resets == resets + 3
    assert not node.failed.done()


def test_a_dead_worker_fails_the_node(bench, types):
    class Broken(Slow):
        def estimate(self, *args: Any) -> Any:
            raise ZeroDivisionError("by nothing")

    node = bench.start(Broken(0.0))
    bench.publisher("image", types.Image).publish(bench.image(0))
    bench.until(node.failed.done)
    assert isinstance(node.failed.exception(), ZeroDivisionError)


def test_the_lifecycle_goes_round_and_in_the_middle_of_an_image(bench, types):
    node = bench.start(Slow(0.2))
    images = bench.publisher("image", types.Image)
    for _ in range(2):
        images.publish(bench.image(0))
        time.sleep(0.05)
        node.trigger_deactivate()
        assert node.state == "inactive"
        images.publish(bench.image(1))
        node.trigger_cleanup()
        assert node._publisher is None
        node.trigger_configure()
        node.trigger_activate()
        bench.until(lambda: images.get_subscription_count() == 1)
    bench.send(images)
    node.trigger_shutdown()


def test_silence_is_explained(bench, types):
    from rclpy.qos import QoSProfile, ReliabilityPolicy

    from hand_pose_ros.ros.node.inputs import why_silent

    node = bench.start(estimator_of(RIGHT), ("input.silence_s", 0.1))
    kind = "sensor_msgs/msg/Image"
    bench.until(lambda: node.state == "no images")
    assert "nobody publishes /image; nor any sensor_msgs/msg/Image" in why_silent(
        node, "/image", kind, "best_effort"
    )
    bench.user.create_publisher(types.Image, "elsewhere", 1)
    bench.until(lambda: "/elsewhere" in why_silent(node, "/image", kind, "best_effort"))
    sensor = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
    bench.user.create_publisher(types.Image, "image", sensor)
    bench.until(lambda: "published as best effort" in why_silent(node, "/image", kind, "reliable"))
    assert "sends nothing" in why_silent(node, "/image", kind, "best_effort")
    bench.user.create_publisher(types.Header, "header", 1)
    bench.until(
        lambda: "carries std_msgs/msg/Header, not" in why_silent(node, "/header", kind, "reliable")
    )


def test_images_that_return_end_the_silence(bench, types):
    node = bench.start(estimator_of(RIGHT), ("input.silence_s", 0.3))
    images = bench.publisher("image", types.Image)
    bench.until(lambda: node.state == "no images")
    bench.send(images)
    assert node.state == "active"


def test_boxes_of_both_kinds_of_vision_msgs():
    from types import SimpleNamespace as Message

    from hand_pose_ros.ros.node.inputs import boxes_of

    point = Message(x=50.0, y=40.0)
    kinds = (Message(position=point, theta=0.0), point)
    boxes = [Message(bbox=Message(center=c, size_x=20.0, size_y=10.0)) for c in kinds]
    boxes.append(Message(bbox=Message(center=point, size_x=float("nan"), size_y=10.0)))
    found = boxes_of(Message(detections=boxes))
    assert [box.tolist() for box in found] == [[40.0, 35.0, 20.0, 10.0]] * 2


def test_depth_goes_with_the_image_of_its_stamp(bench, types):
    seen = []

    class Seeing(Slow):
        def estimate(self, image, camera, stamp_ns, frame_id, depth):
            seen.append(depth)
            return super().estimate(image, camera, stamp_ns, frame_id, depth)

    node = bench.start(Seeing(0.0), ("input.use_depth", True), ("input.companion_slop_s", 0.01))
    images, depths = bench.publisher("image", types.Image), bench.publisher("depth", types.Image)

    def depth_of(index: int, encoding: str = "16UC1") -> Any:
        message = bench.image(index)
        message.encoding, message.step = encoding, 2 * 640
        message.data = types.sequence(np.full(640 * 480, 700, "<u2").view(np.uint8))
        return message

    for count, message in enumerate((depth_of(0), depth_of(1, "rainbow"), depth_of(9)), start=1):
        depths.publish(message)
        bench.until(lambda c=count: len(node._depths._messages) == c)
    bench.send(images, 3)
    assert seen[0].shape == (480, 640)
    assert np.unique(seen[0]).tolist() == [pytest.approx(0.7)]
    assert seen[1:] == [None, None]


def test_diagnostics_tell_rate_age_drops_and_engine(bench, types):
    from diagnostic_msgs.msg import DiagnosticArray

    bench.start(estimator_of(RIGHT), ("diagnostic_updater.period", 0.2))
    told = bench.listen("/diagnostics", DiagnosticArray)
    images = bench.publisher("image", types.Image)
    bench.send(images, 3)

    def last() -> dict[str, str]:
        values = told[-1].status[0].values if told else []
        return {entry.key: entry.value for entry in values}

    bench.until(lambda: last().get("processed") == "3")
    assert {"rate_hz", "age_p95_ms", "dropped", "refused", "engine"} <= set(last())
    assert told[-1].status[0].message.startswith("active")


@pytest.mark.parametrize(
    ("parameter", "code", "said"),
    [
        ("model:=stereo", 1, "model 'stereo' is unknown; there are keypoints"),
        ("engine:=steam", 1, "engine 'steam' is unknown; there are auto"),
        ("estimator.detector.max_hands:=99", 2, "parameter estimator.detector.max_hands"),
    ],
)
def test_the_executable_ends_with_an_error_that_says_why(types, parameter, code, said):
    pytest.importorskip("mediapipe")
    command = [sys.executable, "-m", "hand_pose_ros.ros.node.main", "--ros-args", "-p", parameter]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120.0, check=False)
    assert ended.returncode == code, ended.stderr
    assert said in ended.stderr
    assert "Traceback" not in ended.stderr


def test_the_installed_executable_comes_up_answers_and_shuts_down(types):
    pytest.importorskip("mediapipe")
    from ament_index_python.packages import get_package_prefix
    from lifecycle_msgs.srv import GetState

    executable = f"{get_package_prefix('hand_pose_ros')}/lib/hand_pose_ros/estimator"
    domain = 90
    environment = {**os.environ, "ROS_DOMAIN_ID": str(domain)}
    process = subprocess.Popen(
        [sys.executable, executable], env=environment, stderr=subprocess.PIPE, text=True
    )
    bench = Bench(types, domain)
    try:
        client = bench.user.create_client(GetState, f"{NODE}/get_state")
        assert client.wait_for_service(60.0)
        asked = client.call_async(GetState.Request())
        bench.until(asked.done, 90.0)  # it answers when the model is loaded
        assert asked.result().current_state.label == "active"
        hands = bench.listen(f"{NODE}/hand_poses", types.HandPoseArray)
        images = bench.publisher("image", types.Image)

        def answered() -> bool:
            images.publish(bench.image(bench.count))
            bench.count += 1
            time.sleep(0.1)
            return bool(hands)

        bench.until(answered)
        assert hands[0].header.frame_id == FRAME_ID
        for _ in range(3):  # a terminal and launch send one each
            process.send_signal(signal.SIGINT)
            time.sleep(0.03)
        assert process.wait(20.0) == 0
    finally:
        process.kill()
        said = process.communicate()[1]
        bench.close()
    assert "Traceback" not in said
