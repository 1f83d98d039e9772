"""Recorded hands and images of a bag as what `evaluation` scores."""

from __future__ import annotations

import struct
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from hand_pose_ros.errors import InputError
from hand_pose_ros.evaluation.recording import (
    NS_PER_S,
    RecordedFrame,
    RecordedHand,
    Recording,
    Times,
)
from hand_pose_ros.ros import conversions
from hand_pose_ros.ros.bag import BagMessage, BagReader
from hand_pose_ros.ros.images import COMPRESSED, IMAGE
from hand_pose_ros.ros.messages import MESSAGES
from hand_pose_ros.ros.source.topics import choose_image_topic
from hand_pose_ros.runtime.estimate import HandEstimate

TRUTH_TOPIC = "/truth/hand_poses"
"""Where a recording says how the hands truly were: a HandPoseArray with each image's stamp."""

_SIDES = {0: None, **{code: side for side, code in conversions.SIDE_CODES.items()}}
_STAMPS = {0: struct.Struct(">iI"), 1: struct.Struct("<iI")}
_ENCAPSULATION = 4


def open_hands(path: str | Path, topic: str) -> Recording:
    """Return the recorded hands of a topic.

    Raises:
        InputError: the bag cannot be read or has no such topic (here), or a hand is none (while
            it is read).
    """
    path = Path(path)

    def read() -> Iterator[RecordedFrame]:
        with BagReader(path) as reader:
            for raw in reader.messages([topic]):
                yield _frame(reader, raw)

    with BagReader(path) as reader:
        return Recording(f"{path}, {topic}", _times(reader, topic), read)


def open_images(path: str | Path, topic: str | None = None) -> Times:
    """Return the times of the images of a bag; one without a stamp has that of its recording.

    Raises:
        InputError: the bag cannot be read, has no images, or several topics and none is named.
    """
    with BagReader(path) as reader:
        times = _times(reader, choose_image_topic(reader, topic))
    stamps = np.where(times.stamps_ns == 0, times.recorded_ns, times.stamps_ns)
    return Times(stamps, times.recorded_ns)


def has_images(path: str | Path) -> bool:
    """Return whether a bag has one topic with images, so that nobody has to name it.

    Raises:
        InputError: the bag cannot be read.
    """
    with BagReader(path) as reader:
        if not any(topic.count for topic in reader.of_type(IMAGE, COMPRESSED)):
            return False
        try:
            choose_image_topic(reader, None)
        except InputError:
            return False
    return True


def choose_hands_topic(reader: BagReader, name: str | None) -> str:
    """Return the HandPoseArray topic of a name; without one the only one that is no truth.

    Raises:
        InputError: there is none, it has no messages, or there are several and none is named.
    """
    topics = hands_topics(reader)
    if name is None:
        chosen = [other for other in topics if other != TRUTH_TOPIC and topics[other]]
        if len(chosen) > 1:
            raise InputError(
                f"{reader.path} has {len(chosen)} topics with hands; name one of: "
                f"{', '.join(chosen)}"
            )
        name = chosen[0] if chosen else None
    if not topics.get(name or ""):
        has = f"it has {', '.join(topics)}" if topics else "it has no HandPoseArray at all"
        raise InputError(f"no hands on {name or 'any topic'} in {reader.path}; {has}")
    return str(name)


def hands_topics(reader: BagReader) -> dict[str, int]:
    """Return how many messages each HandPoseArray topic of a bag has, by its name."""
    return {topic.name: topic.count for topic in reader.of_type(MESSAGES["HandPoseArray"])}


def recorded_hand(hand: HandEstimate) -> RecordedHand:
    """Return what is scored of an estimate."""
    points, pixels, angles = (
        np.asarray(values, np.float64)
        for values in (hand.keypoints, hand.keypoints_px, hand.angles)
    )
    return RecordedHand(hand.id, hand.side, points, pixels, angles)


def _frame(reader: BagReader, raw: BagMessage) -> RecordedFrame:
    message = reader.deserialize(raw)
    try:
        hands = tuple(_hand(hand) for hand in message.hands)
    except InputError as error:
        raise InputError(f"{reader.path}, {raw.topic.name}: {error}") from error
    return RecordedFrame(conversions.stamp_ns(message), hands, message.header.frame_id)


def _hand(message: Any) -> RecordedHand:
    if message.side not in _SIDES:
        raise InputError(f"hand {message.id!r} has side {message.side}; it must be in {_SIDES}")
    return RecordedHand(
        message.id,
        _SIDES[message.side],
        conversions.points_array(message.keypoints),
        np.array(message.keypoints_px, np.float64).reshape(-1, 2),
        np.array(message.angles, np.float64),
    )


def _times(reader: BagReader, topic: str) -> Times:
    stamps, recorded = array("q"), array("q")
    for raw in reader.messages([topic]):
        stamps.append(_stamp_ns(raw))
        recorded.append(raw.stamp_ns)
    return Times(np.array(stamps, np.int64), np.array(recorded, np.int64))


def _stamp_ns(raw: BagMessage) -> int:
    """Return the stamp of a message that begins with a header, without reading the rest of it."""
    try:
        layout = _STAMPS[raw.data[1] & 1]
        sec, nanosec = layout.unpack_from(raw.data, _ENCAPSULATION)
    except (IndexError, struct.error) as error:
        raise InputError(
            f"topic {raw.topic.name}: a message of {len(raw.data)} bytes has no header"
        ) from error
    return int(sec) * NS_PER_S + int(nanosec)
