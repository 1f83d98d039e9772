"""The launch file as users start it: the node comes up, answers, and goes away with it.

Not collected with the other tests: ROS's launch takes over the logging of the process that it runs
in. `test_launch.py` runs this file in one of its own, with the plugin `launch_pytest.plugin`.
"""

from __future__ import annotations

import time
from pathlib import Path

import launch_pytest
import pytest
from node_bench import FRAME_ID, Bench

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
