"""Counts of sequences as rates."""

from __future__ import annotations

from hand_pose_ros.errors import InputError

SECONDS_PER_MINUTE = 60.0


def per_minute(count: int, frames: int, rate_hz: float) -> float:
    """Return a count over so many frames as a rate [1/min]; NaN without frames.

    Raises:
        InputError: the frame rate is not above 0.
    """
    if not rate_hz > 0.0:
        raise InputError(f"frame rate is {rate_hz} Hz; it must be above 0")
    minutes = frames / rate_hz / SECONDS_PER_MINUTE
    return count / minutes if frames else float("nan")
