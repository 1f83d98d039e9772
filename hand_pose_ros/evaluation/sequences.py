"""What an estimator may lose from frame to frame: the side of a hand, and which hand it was."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from itertools import pairwise

from hand_pose_ros.errors import InputError

SECONDS_PER_MINUTE = 60.0


def changes(values: Sequence[Hashable | None]) -> int:
    """Return how often what was said of one true hand differs from what was said before.

    With sides these are side flips, with ids of tracks id switches. Frames in which nothing was
    said (None) are passed over: a hand that comes back as the same is no change.
    """
    said = [value for value in values if value is not None]
    return sum(now != before for before, now in pairwise(said))


def per_minute(count: int, frames: int, rate_hz: float) -> float:
    """Return a count over so many frames as a rate [1/min]; NaN without frames.

    Raises:
        InputError: the frame rate is not above 0.
    """
    if not rate_hz > 0.0:
        raise InputError(f"frame rate is {rate_hz} Hz; it must be above 0")
    minutes = frames / rate_hz / SECONDS_PER_MINUTE
    return count / minutes if frames else float("nan")
