"""What happens from frame to frame of the sequences of a dataset."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from hand_pose_ros.evaluation.metrics import acceleration_error
from hand_pose_ros.evaluation.points import Array
from hand_pose_ros.evaluation.rows import Rows

S_PER_MIN = 60.0

FOLLOWED = 256
"""Hands that are followed at once; of more the one that was longest away is forgotten."""

DRAWN_SEQUENCES, DRAWN_FRAMES = 4, 2000
"""How much of the error over time is kept."""

_Key = tuple[bytes, int]


@dataclass
class _Followed:
    frames: list[int] = field(default_factory=list)
    guesses: list[Array] = field(default_factory=list)
    truths: list[Array] = field(default_factory=list)
    side: int | None = None


@dataclass
class StepTally:
    """Acceleration errors and side flips of one estimator, and its error over time.

    Frames follow one another where their numbers do. A hand is known by its sequence and its
    number in the image.

    Attributes:
        frames: rows of sequences that were added.
        acceleration: sum [mm/frame^2] and number of three frames in a row; wrists at the origin.
        sided: of those, the ones of which the estimator itself said the side.
        side_flips: changes of the side that it said of one hand; frames in which it said none are
            passed over, so a hand that comes back as the same is no change.
        curves: (frame, error [mm]) of the first hands, by sequence and number.
    """

    frames: int = 0
    sided: int = 0
    acceleration: tuple[float, int] = (0.0, 0)
    side_flips: int = 0
    curves: dict[_Key, list[tuple[int, float]]] = field(default_factory=dict)
    _followed: OrderedDict[_Key, _Followed] = field(default_factory=OrderedDict)

    def add(self, rows: Rows, errors: Array) -> None:
        """Add found hands in the order of their images, with the error of each [mm]."""
        chosen = np.flatnonzero(rows["sequence"] != b"")
        for place in chosen:
            row = rows[place]
            key = (bytes(row["sequence"]), int(row["hand"]))
            self.frames += 1
            self._draw(key, int(row["frame"]), float(errors[place]))
            followed = self._followed.setdefault(key, _Followed())
            self._followed.move_to_end(key)
            if len(self._followed) > FOLLOWED:
                self._followed.popitem(last=False)
            self._count_side(followed, row)
            self._count_step(followed, row)

    def flips_per_minute(self, rate_hz: float) -> float:
        """Return the side flips for each minute of a hand's side; NaN where none was said.

        Args:
            rate_hz: frames a second, of those that were added.
        """
        minutes = self.sided / rate_hz / S_PER_MIN
        return self.side_flips / minutes if self.sided else float("nan")

    def _draw(self, key: _Key, frame: int, error: float) -> None:
        if key not in self.curves and len(self.curves) >= DRAWN_SEQUENCES:
            return
        curve = self.curves.setdefault(key, [])
        if len(curve) < DRAWN_FRAMES and not np.isnan(error):
            curve.append((frame, error))

    def _count_side(self, followed: _Followed, row: Any) -> None:
        if row["side_given"] or row["side"] < 0:
            return
        side = int(row["side"])
        self.sided += 1
        self.side_flips += followed.side is not None and side != followed.side
        followed.side = side

    def _count_step(self, followed: _Followed, row: Any) -> None:
        frame = int(row["frame"])
        if followed.frames and frame != followed.frames[-1] + 1:
            followed.frames, followed.guesses, followed.truths = [], [], []
        followed.frames = [*followed.frames[-2:], frame]
        followed.guesses = [*followed.guesses[-2:], row["guess"] - row["guess"][0]]
        followed.truths = [*followed.truths[-2:], row["true"] - row["true"][0]]
        if len(followed.frames) == 3:
            error = acceleration_error(np.array(followed.guesses), np.array(followed.truths))[0]
            if not np.isnan(error):
                total, count = self.acceleration
                self.acceleration = (total + float(error), count + 1)
