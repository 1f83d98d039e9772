"""What the tests on a genuine ROS share."""

from __future__ import annotations

import os

import pytest
from node_bench import Bench

from hand_pose_ros.errors import UnavailableError
from hand_pose_ros.ros.messages import rclpy_types


@pytest.fixture(scope="module")
def types():
    try:
        return rclpy_types()
    except UnavailableError as error:
        pytest.skip(str(error))


@pytest.fixture
def logged(capfd):
    """Return a function that returns all that was logged so far."""
    kept = []

    def text() -> str:
        kept.append(capfd.readouterr().err)
        return "".join(kept)

    return text


@pytest.fixture
def bench(types):
    made = Bench(types, 20 + os.getpid() % 60)
    yield made
    made.close()
