"""The node on a genuine ROS as it is steered: parameters, services, lifecycle, process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import nullcontext
from typing import Any

import pytest
from node_bench import FRAME_ID, NODE, PATIENCE_S, RIGHT, START_NS, Bench, Slow, estimator_of

from hand_pose_ros.hand import skeleton
from hand_pose_ros.ros import conversions

pytestmark = pytest.mark.ros


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
        ("estimator.temporal.mode", "centred", "which waits for later images"),
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


@pytest.mark.parametrize("ended", [True, False])
def test_a_wait_that_fails_is_an_end_only_where_ros_has_ended(ended, bench, monkeypatch):
    import rclpy
    from rclpy._rclpy_pybind11 import RCLError, WaitSet
    from rclpy.executors import MultiThreadedExecutor

    from hand_pose_ros.ros.node import main

    over = rclpy.Context()
    rclpy.init(context=over)
    rclpy.shutdown(context=over)
    turns = []

    class Interrupted(MultiThreadedExecutor):
        def spin_once(self, timeout_sec: float | None = None) -> None:
            turns.append(timeout_sec)
            WaitSet(0, 0, 0, 0, 0, 0, over.handle)

    node = bench.start(Slow(0.0))
    executor = Interrupted(2, context=bench.context)
    # A signal that comes while a turn begins: the question before the turn still hears yes.
    monkeypatch.setattr(main.rclpy, "ok", lambda: not (ended and turns))
    with nullcontext() if ended else pytest.raises(RCLError, match="context"):
        main._spin(node, executor)
    assert len(turns) == 1


def test_interrupts_in_the_middle_of_work_end_it_cleanly(types):
    pytest.importorskip("mediapipe")
    environment = {**os.environ, "ROS_DOMAIN_ID": "90"}
    command = [sys.executable, "-m", "hand_pose_ros.ros.node.main"]
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    bench = Bench(types, 90)
    try:
        hands = bench.listen(f"{NODE}/hand_poses", types.HandPoseArray)
        images = bench.publisher("image", types.Image, 90.0)  # until the model is loaded

        def answered() -> bool:
            images.publish(bench.image(bench.count))
            bench.count += 1
            time.sleep(0.01)
            return bool(hands)

        bench.until(answered)
        assert hands[0].header.frame_id == FRAME_ID
        for _ in range(3):  # a terminal and launch send one each
            answered()
            process.send_signal(signal.SIGINT)
        assert process.wait(20.0) == 0
    finally:
        process.kill()
        said = process.communicate()[1]
        bench.close()
    assert "Traceback" not in said
    assert "told to stop" in said
