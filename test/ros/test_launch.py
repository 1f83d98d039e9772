"""What is installed beside the node: the launch file, the parameters, what RViz shows."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from hand_pose_ros.errors import UnavailableError
from hand_pose_ros.resources import samples_folder
from hand_pose_ros.ros.messages import rclpy_types

ROOT = Path(__file__).resolve().parents[2]
NODE = "hand_pose_estimator"


def flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested parameters by their dotted names."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        nested = isinstance(value, dict)
        found |= flat(value, f"{prefix}{name}.") if nested else {prefix + name: value}
    return found


def test_rviz_shows_the_topics_of_the_node():
    config = yaml.safe_load((ROOT / "config" / "hand_pose.rviz").read_text())
    displays = config["Visualization Manager"]["Displays"]
    topics = {d["Class"].split("/")[1]: d["Topic"]["Value"] for d in displays if "Topic" in d}
    assert topics == {"MarkerArray": f"/{NODE}/markers", "Image": f"/{NODE}/debug_image"}
    assert {"Grid", "TF"} <= {display["Class"].split("/")[1] for display in displays}


@pytest.mark.ros
def test_the_parameters_that_ship_are_the_defaults_of_the_node():
    from hand_pose_ros.ros.node.parameters import NodeConfig, changed

    text = (ROOT / "config" / "estimator.yaml").read_text()
    values = flat(yaml.safe_load(text)["/**"]["ros__parameters"])
    known = flat(dataclasses.asdict(NodeConfig()))
    assert set(values) <= set(known)
    assert changed(NodeConfig(), values) == NodeConfig()


@pytest.mark.ros
@pytest.mark.parametrize(
    ("image", "info", "expected"),
    [
        ("/camera/image_raw", "", "/camera/camera_info"),
        ("/a/b/image_rect", "", "/a/b/camera_info"),
        ("/camera/image_raw", "/elsewhere/info", "/elsewhere/info"),
    ],
)
def test_the_launch_file_remaps_the_camera(image, info, expected):
    for name in ("lark", "osrf_pycommon"):
        pytest.importorskip(name, reason=f"ROS's launch needs {name}, which is not installed here")
    try:
        rclpy_types()
    except UnavailableError as error:
        pytest.skip(str(error))
    from launch import LaunchContext
    from launch.utilities import perform_substitutions
    from launch_ros.actions import Node

    path = ROOT / "launch" / "estimator.launch.py"
    spec = importlib.util.spec_from_file_location("estimator_launch", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    context = LaunchContext()
    description = module.generate_launch_description()
    context.launch_configurations.update(image=image, camera_info=info)
    for action in description.entities:
        if hasattr(action, "default_value") and action.name not in context.launch_configurations:
            action.execute(context)
    node = next(action for action in description.entities if isinstance(action, Node))
    remapped = {
        perform_substitutions(context, source): perform_substitutions(context, target)
        for source, target in node._Node__remappings
    }
    assert remapped["image"] == image
    assert remapped["image/compressed"] == f"{image}/compressed"
    assert remapped["camera_info"] == expected


@pytest.fixture
def environment():
    """The environment of processes that find this Python and have a domain of their own."""
    pytest.importorskip("mediapipe", reason="the node's own detector is MediaPipe")
    for name in ("lark", "osrf_pycommon", "launch_pytest", "ros2launch"):
        pytest.importorskip(name, reason=f"needs {name}, which is not installed here")
    try:
        rclpy_types()
    except UnavailableError as error:
        pytest.skip(str(error))
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "ROS_DOMAIN_ID": "91"}


def run(command: list[str], environment: dict[str, str]) -> tuple[int, str]:
    """Return the exit code of a process and all that it said."""
    ended = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=240.0, check=False
    )
    return ended.returncode, ended.stdout + ended.stderr


@pytest.mark.ros
def test_the_launched_node_goes_active_answers_and_goes_away(environment):
    command = [sys.executable, "-m", "pytest", "-p", "launch_pytest.plugin"]
    code, said = run([*command, str(Path(__file__).with_name("launch_estimator.py"))], environment)
    assert code == 0, said


@pytest.mark.ros
@pytest.mark.slow
def test_a_recording_is_replayed_recorded_and_scored(environment, tmp_path):
    for name in ("rosbag2_py", "ros2bag"):
        pytest.importorskip(name, reason=f"{name} is not in this ROS")
    out = tmp_path / "hands"
    command = ["ros2", "launch", "hand_pose_ros", "replay.launch.py", f"out:={out}"]
    command += [f"bag:={samples_folder() / 'gestures.mcap'}", "rate:=2.0", "queue_size:=1000"]
    code, said = run(command, environment)
    assert code == 0, said
    told = json.loads((tmp_path / "hands_scores" / "scores.json").read_text())
    score = told["recordings"]["hands"]
    assert (score["timing"]["images"], score["timing"]["dropped"]) == (300, 0)
    accuracy = score["accuracy"]
    assert (accuracy["true_hands"], accuracy["found"], accuracy["wrong_side"]) == (367, 367, 0)
    assert re.search(r"\| true hands +\| +367 \|", said), said
    assert (tmp_path / "hands_scores" / "report.html").is_file()
    code, said = run(command, environment)
    assert code != 0
    assert f"{out} exists; name another bag" in said
