"""The node's line in /diagnostics."""

from __future__ import annotations

import time
from typing import Any, Protocol

from diagnostic_msgs.msg import DiagnosticStatus
from diagnostic_updater import Updater

from hand_pose_ros.ros.node.statistics import FrameStatistics

_FULL_NAME = "diagnostic_updater.use_fqn"
_LEVELS = {
    "active": DiagnosticStatus.OK,
    "inactive": DiagnosticStatus.OK,
    "disabled": DiagnosticStatus.OK,
    "no image": DiagnosticStatus.WARN,
    "no depth": DiagnosticStatus.WARN,
    "no boxes": DiagnosticStatus.WARN,
}


class Diagnosed(Protocol):
    """What a node tells of itself."""

    statistics: FrameStatistics

    @property
    def dropped(self) -> int:
        """Images that a newer one replaced."""

    @property
    def unpaired(self) -> int:
        """Images whose boxes did not come in time."""

    @property
    def engine(self) -> str:
        """What executes the network."""

    @property
    def state(self) -> str:
        """A key of `_LEVELS`."""


class Diagnostics:
    """Publishes rate, age, drops, engine and state of a node once a second."""

    def __init__(self, node: Any) -> None:
        self._node: Diagnosed = node
        # Nodes of several cameras differ only in their namespace.
        if not node.has_parameter(_FULL_NAME):
            node.declare_parameter(_FULL_NAME, node.get_namespace() != "/")
        self._updater = Updater(node)
        self._updater.setHardwareID("none")
        self._updater.add("estimator", self._fill)

    def _fill(self, status: Any) -> Any:
        node = self._node
        seen = node.statistics.snapshot(time.monotonic(), node.dropped)
        status.summary(_LEVELS[node.state], f"{node.state}, {seen.rate_hz:.1f} Hz")
        for name, value in vars(seen).items():
            status.add(name, f"{value:.1f}" if isinstance(value, float) else str(value))
        status.add("unpaired", str(node.unpaired))
        status.add("engine", node.engine)
        return status
