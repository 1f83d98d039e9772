"""A calibration that somebody asked for, between the thread that waits and the one that works."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from hand_pose_ros.runtime.estimator import Estimator
from hand_pose_ros.runtime.hand_state import CalibratedHand

MIN_S, MAX_S = 0.1, 60.0
"""Shortest and longest time to look at hands [s]."""

GRACE_S = 3.0
"""How much longer than that images may take to come [s]."""


@dataclass
class Calibration:
    """One request.

    Attributes:
        seconds: how long to look, in the time of the images' stamps.
        hand_scale: measured wrist to index MCP length [m]; 0 where there is none.
        hands: what was measured, by side; filled before `done` is set.
        done: set when it is over.
    """

    seconds: float
    hand_scale: float
    hands: dict[str, CalibratedHand] = field(default_factory=dict)
    done: threading.Event = field(default_factory=threading.Event)
    _began_ns: int | None = None

    def before(self, estimator: Estimator, stamp_ns: int) -> None:
        """Begin with the image that is about to be worked on, unless it has begun."""
        if self._began_ns is None or stamp_ns < self._began_ns:
            self._began_ns = stamp_ns
            estimator.begin_calibration()

    def after(self, estimator: Estimator, stamp_ns: int) -> bool:
        """Return whether it ended with the image that was just worked on."""
        if self._began_ns is None or stamp_ns - self._began_ns < self.seconds * 1e9:
            return False
        self.hands = estimator.finish_calibration(self.hand_scale)
        self.done.set()
        return True
