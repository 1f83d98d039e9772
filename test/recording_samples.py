"""Recordings of hands to be scored, and copies of bags with one thing wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from hand_pose_ros.evaluation.recording import RecordedFrame, RecordedHand, Recording, Times
from hand_pose_ros.hand import skeleton
from hand_pose_ros.ros.bag import BagReader, BagWriter
from hand_pose_ros.ros.messages import MESSAGES

FRAME_NS = 33_333_333
LATE_NS = 20_000_000


def hand(
    id: str = "0", side: str | None = "right", at: tuple[float, float, float] = (0.0, 0.0, 0.5)
) -> RecordedHand:
    """Return a flat hand with straight fingers, its wrist at a place [m]."""
    points = np.zeros((len(skeleton.KEYPOINTS), 3))
    points[1:, 0] = np.arange(len(skeleton.BONES)) % 4 * 0.02 + 0.04
    points[1:, 1] = np.arange(len(skeleton.BONES)) // 4 * 0.02 - 0.04
    return RecordedHand(
        id,
        side,
        points + np.asarray(at),
        np.full((len(skeleton.KEYPOINTS), 2), np.nan),
        np.zeros(len(skeleton.DOFS)),
    )


def recording(
    frames: dict[int, tuple[RecordedHand, ...]], late_ns: int = LATE_NS, name: str = "a"
) -> Recording:
    """Return a recording of hands by the number of their image, in the order given."""
    stamps = np.array([number * FRAME_NS for number in frames], np.int64)

    def read():
        for stamp_ns, hands in zip(stamps.tolist(), frames.values(), strict=True):
            yield RecordedFrame(stamp_ns, hands)

    return Recording(name, Times(stamps, stamps + late_ns), read)


def renamed(each: RecordedHand, **changes: Any) -> RecordedHand:
    return replace(each, **changes)


def copy_bag(source: Path, target: Path, change: Callable[[int, Any], Any | None]) -> Path:
    """Copy a bag with each HandPoseArray as `change` makes it of its number; None drops it."""
    numbers: dict[str, int] = {}
    with BagReader(source) as reader, BagWriter(target) as writer:
        for raw in reader.messages():
            if raw.topic.msgtype != MESSAGES["HandPoseArray"]:
                writer.write_raw(raw)
                continue
            number = numbers.setdefault(raw.topic.name, 0)
            numbers[raw.topic.name] += 1
            message = change(number, reader.deserialize(raw))
            if message is not None:
                writer.write(raw.topic.name, message, raw.stamp_ns)
    return target


def drop_every_third(number: int, message: Any) -> Any | None:
    """Change for `copy_bag`: the third, sixth, ... message is lost."""
    return None if number % 3 == 2 else message


def flip_every_tenth(number: int, message: Any) -> Any | None:
    """Change for `copy_bag`: all hands of the tenth, twentieth, ... message have another side."""
    if number % 10 == 9:
        for each in message.hands:
            each.side = 3 - each.side
    return message
