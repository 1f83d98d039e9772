"""The executable of the node: spins it until it is told to stop or its worker dies."""

from __future__ import annotations

import contextlib
import signal
import sys

import rclpy
from rclpy._rclpy_pybind11 import RCLError  # rclpy has it under no public name
from rclpy.exceptions import InvalidHandle
from rclpy.executors import ExternalShutdownException, MultiThreadedExecutor
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.logging import get_logger

from hand_pose_ros.errors import HandPoseError
from hand_pose_ros.ros.node.estimator_node import EstimatorNode

EXIT_OK, EXIT_FAILURE, EXIT_BAD_INPUT = 0, 1, 2
_TURN_S = 0.5
"""How long one turn waits for something to do [s]."""

_THREADS = 2
"""One for everything short, one for a calibration that somebody waits for."""


def main(arguments: list[str] | None = None) -> int:
    """Run the node. Returns 0 when it was stopped, 1 when it failed, 2 for bad parameters."""
    rclpy.init(args=arguments)
    node = None
    try:
        node = EstimatorNode()
        executor = MultiThreadedExecutor(_THREADS)
        executor.add_node(node)
        if node.config.autostart and not _started(node):
            return EXIT_FAILURE
        with contextlib.suppress(KeyboardInterrupt, ExternalShutdownException):
            _spin(node, executor)
        if node.failed.done():
            return EXIT_FAILURE
        # Not the node's logger: that would publish, too, which is over.
        get_logger(f"{node.get_name()}.main").info("told to stop")
        return EXIT_OK
    except HandPoseError as error:
        sys.stderr.write(f"{error}\n")
        return EXIT_BAD_INPUT
    except (KeyboardInterrupt, ExternalShutdownException):
        return EXIT_OK
    finally:
        # A terminal and launch both pass Ctrl-C on: the second must not cut the end short.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        if node is not None:
            node.destroy_node()
        rclpy.try_shutdown()


def _spin(node: EstimatorNode, executor: MultiThreadedExecutor) -> None:
    """Spin until the worker of the node dies or ROS shuts down."""
    # Some releases of spin_until_future_complete leave a callback in the future at every turn.
    node.failed.add_done_callback(lambda future: executor.wake())
    while rclpy.ok() and not node.failed.done():
        # Humble: a callback may be due for what a change of state has just destroyed.
        with contextlib.suppress(InvalidHandle):
            try:
                executor.spin_once(_TURN_S)
            except RCLError:
                # A signal may end ROS between the question above and the wait.
                if rclpy.ok():
                    raise


def _started(node: EstimatorNode) -> bool:
    """Configure and activate a node; return whether it is active. Why not, it has logged."""
    success = TransitionCallbackReturn.SUCCESS
    return node.trigger_configure() == success and node.trigger_activate() == success


if __name__ == "__main__":
    sys.exit(main())
