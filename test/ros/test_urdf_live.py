"""The URDF in ROS's own robot_state_publisher stands and moves as the hand that was seen."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
import yaml
from node_bench import FRAME_ID, LEFT, NODE, RIGHT, estimator_of

from hand_pose_ros.hand import skeleton
from hand_pose_ros.ros import conversions
from hand_pose_ros.ros.urdf import base_link, hand_urdf

pytestmark = pytest.mark.ros


@pytest.fixture
def publishers(bench, tmp_path):
    """Run a robot_state_publisher for each side in the domain of the bench."""
    packages = pytest.importorskip("ament_index_python.packages", reason="no ROS 2 is sourced")
    try:
        prefix = packages.get_package_prefix("robot_state_publisher")
    except packages.PackageNotFoundError:
        pytest.skip("robot_state_publisher is not installed")
    executable = Path(prefix, "lib", "robot_state_publisher", "robot_state_publisher")
    environment = {**os.environ, "ROS_DOMAIN_ID": str(bench.context.get_domain_id())}
    processes = []
    for side in skeleton.SIDES:
        # Offsets and lengths are those of the average hand in the URDF, and in the stubs here.
        parameters = {"robot_description": hand_urdf(side), "publish_frequency": 100.0}
        path = tmp_path / f"{side}.yaml"
        path.write_text(yaml.safe_dump({"/**": {"ros__parameters": parameters}}))
        remapped = f"joint_states:={NODE}/{side}/joint_states"
        command = [str(executable), "--ros-args", "--params-file", str(path), "-r", remapped]
        command += ["-r", f"__node:={side}_state_publisher"]
        processes.append(subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL))
    yield
    for process in processes:
        process.terminate()
        process.wait(10.0)


def test_the_urdf_stands_where_the_hand_was_seen(bench, types, publishers):
    from rclpy.time import Time
    from tf2_ros import Buffer, TransformListener

    buffer = Buffer(node=bench.user)
    listener = TransformListener(buffer, bench.user)
    bench.start(estimator_of(RIGHT, LEFT), ("output.tf_urdf", True))
    hands = bench.listen(f"{NODE}/hand_poses", types.HandPoseArray)
    images = bench.publisher("image", types.Image)
    infos = bench.publisher("camera_info", types.CameraInfo)
    infos.publish(bench.info())
    bench.until(lambda: bench.node._inputs.camera._info is not None)
    tips = [name for name in skeleton.KEYPOINTS if name.endswith("tip")]

    def arrived() -> bool:
        bench.send(images)
        stamp = Time(nanoseconds=conversions.stamp_ns(hands[-1])) if hands else Time()
        return all(
            buffer.can_transform(FRAME_ID, f"{side}_{tip}", stamp)
            for side in skeleton.SIDES
            for tip in tips
        )

    bench.until(arrived)
    message = hands[-1]
    stamp = Time(nanoseconds=conversions.stamp_ns(message))
    for hand in message.hands:
        side = {1: "left", 2: "right"}[hand.side]
        points = conversions.points_array(hand.keypoints)
        found = buffer.lookup_transform(FRAME_ID, base_link(side), stamp).transform.translation
        np.testing.assert_allclose((found.x, found.y, found.z), points[0], atol=1e-6)
        for tip in tips:
            found = buffer.lookup_transform(FRAME_ID, f"{side}_{tip}", stamp).transform.translation
            place = points[skeleton.KEYPOINTS.index(tip)]
            np.testing.assert_allclose((found.x, found.y, found.z), place, atol=1e-4)
    del listener
