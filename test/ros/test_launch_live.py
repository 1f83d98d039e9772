"""The launch files as users start them: the node comes up, answers, and goes with them."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest
from node_bench import FRAME_ID, Bench

for name in ("lark", "osrf_pycommon"):
    pytest.importorskip(name, reason=f"ROS's launch needs {name}, which is not installed here")
launch_pytest = pytest.importorskip("launch_pytest", reason="needs ROS's launch_pytest")
pytest.importorskip("mediapipe", reason="the node's own detector is MediaPipe")
pytest.importorskip("hand_pose_ros.msg", reason="the package is not built in this workspace")
pytest_plugins = ("launch_pytest.plugin",)
pytestmark = pytest.mark.ros

DOMAIN = 91
NAMESPACE, NODE = "left_camera", "/left_camera/hand_pose_estimator"


@launch_pytest.fixture
def estimator():
    """Start the installed launch file in a namespace and domain of its own; keep exit codes."""
    from ament_index_python.packages import get_package_share_directory
    from launch import LaunchDescription
    from launch.actions import (
        IncludeLaunchDescription,
        RegisterEventHandler,
        SetEnvironmentVariable,
    )
    from launch.event_handlers import OnProcessExit
    from launch.launch_description_sources import PythonLaunchDescriptionSource

    path = Path(get_package_share_directory("hand_pose_ros"), "launch", "estimator.launch.py")
    arguments = {"image": "/camera/image_raw", "namespace": NAMESPACE, "log_level": "debug"}
    codes = []
    ended = OnProcessExit(on_exit=lambda event, context: codes.append(event.returncode))
    description = LaunchDescription(
        [
            RegisterEventHandler(ended),
            SetEnvironmentVariable("ROS_DOMAIN_ID", str(DOMAIN)),
            IncludeLaunchDescription(
                PythonLaunchDescriptionSource(str(path)), launch_arguments=arguments.items()
            ),
            launch_pytest.actions.ReadyToTest(),
        ]
    )
    return description, codes


@pytest.mark.launch(fixture=estimator)
def test_the_launched_node_goes_active_answers_and_goes_away(estimator, types):
    from lifecycle_msgs.srv import GetState
    from rcl_interfaces.srv import GetParameters

    bench = Bench(types, DOMAIN)
    try:
        client = bench.user.create_client(GetState, f"{NODE}/get_state")
        assert client.wait_for_service(60.0)
        asked = client.call_async(GetState.Request())
        bench.until(asked.done, 90.0)  # it answers when the model is loaded
        assert asked.result().current_state.label == "active"
        (prefix,) = bench.call(
            GetParameters, f"{NODE}/get_parameters", names=["output.tf_prefix"]
        ).values
        assert prefix.string_value == f"{NAMESPACE}/"
        hands = bench.listen(f"{NODE}/hand_poses", types.HandPoseArray)
        images = bench.publisher("/camera/image_raw", types.Image)

        def answered() -> bool:
            images.publish(bench.image(bench.count))
            bench.count += 1
            time.sleep(0.1)
            return bool(hands)

        bench.until(answered)
        assert hands[0].header.frame_id == FRAME_ID
    finally:
        bench.close()
    yield  # here it is told to stop
    assert estimator[1] == [0]


@pytest.mark.slow
def test_a_recording_is_replayed_recorded_and_scored(tmp_path):
    pytest.importorskip("rosbag2_py", reason="rosbag2_py is not in this ROS")
    pytest.importorskip("ros2bag", reason="ros2bag is not in this ROS")
    from hand_pose_ros.resources import samples_folder

    out = tmp_path / "hands"
    command = ["ros2", "launch", "hand_pose_ros", "replay.launch.py", f"out:={out}"]
    command += [f"bag:={samples_folder() / 'gestures.mcap'}", "rate:=2.0", "queue_size:=1000"]
    environment = {**os.environ, "ROS_DOMAIN_ID": str(DOMAIN)}
    ended = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=180.0, check=False
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "answered: 300 of the 300 images" in ended.stdout
    assert "367 of 367 hands found, 0 of them with the wrong side" in ended.stdout
    again = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert again.returncode != 0
    assert f"{out} exists; name another bag" in again.stdout + again.stderr
