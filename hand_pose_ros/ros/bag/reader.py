"""Reading a rosbag2: a folder, or a bare .mcap or .db3 file, also where its end is missing."""

from __future__ import annotations

import functools
import heapq
import logging
import struct
from collections.abc import Collection, Iterator
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any

import apsw
from rosbags.rosbag2 import Reader, ReaderError
from rosbags.serde import SerdeError
from rosbags.typesys import TypesysError
from rosbags.typesys.store import Typestore

from hand_pose_ros.errors import InputError
from hand_pose_ros.ros.bag.content import (
    BagMessage,
    Topic,
    topic_of_channel,
    topic_of_connection,
    typestore_for,
)
from hand_pose_ros.ros.bag.recovery import DAMAGE, MAGIC, read_mcap, scan_mcap

_LOG = logging.getLogger(__name__)
_SUFFIXES = (".mcap", ".db3")
_UNREADABLE = (ReaderError, apsw.Error, AssertionError, TypeError, KeyError, OSError, *DAMAGE)
"""What rosbags raises on a file that is not what its name says, or is damaged."""


class BagReader:
    """Topics and messages of a recorded bag; use it in a `with` statement.

    Args:
        path: a rosbag2 folder, or one of its .mcap or .db3 files.

    Attributes:
        path: where it was read from.
        topics: what the bag holds, by topic name.
        damaged: whether its end is missing; what lies before that is read.

    Raises:
        InputError: missing, empty, no bag, or nothing can be read; the message names the file.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        if not self.path.exists():
            raise InputError(f"{self.path} does not exist")
        self.damaged = False
        self._parts = self._open()
        self.topics: dict[str, Topic] = {}
        for topic in (topic for part in self._parts for topic in part.topics):
            before = self.topics.get(topic.name)
            count = topic.count + (before.count if before else 0)
            self.topics[topic.name] = replace(before or topic, count=count)

    @functools.cached_property
    def store(self) -> Typestore:
        """The message types as the bag defines them."""
        return typestore_for(topic for part in self._parts for topic in part.topics)

    def of_type(self, *msgtypes: str) -> list[Topic]:
        """Return the topics that carry one of some message types, by name."""
        topics = (self.topics[name] for name in sorted(self.topics))
        return [topic for topic in topics if topic.msgtype in msgtypes]

    def messages(self, names: Collection[str] | None = None) -> Iterator[BagMessage]:
        """Yield the messages of some topics (of all, without names) in the order of recording.

        Where the bag turns out to be damaged, the messages end there and a warning says so.

        Raises:
            InputError: a name is not in the bag, or not one message can be read.
        """
        for name in names or ():
            if name not in self.topics:
                raise InputError(
                    f"no topic {name} in {self.path}; it has {', '.join(sorted(self.topics))}"
                )
        parts = [part.messages(names) for part in self._parts]
        count = 0
        try:
            for message in heapq.merge(*parts, key=lambda message: message.stamp_ns):
                count += 1
                yield message
        except _UNREADABLE as error:
            if not count:
                raise InputError(f"{self.path} cannot be read: {_reason(error)}") from error
            self.damaged = True
            _LOG.warning("%s is damaged after %d messages: %s", self.path, count, _reason(error))

    def deserialize(self, message: BagMessage) -> Any:
        """Return a message as an object of rosbags' classes.

        Raises:
            InputError: its type is unknown, or the bytes do not fit it.
        """
        topic = message.topic
        try:
            return self.store.deserialize_cdr(message.data, topic.msgtype)
        except KeyError as error:
            raise InputError(
                f"topic {topic.name}: type {topic.msgtype!r} is unknown, and the bag has no "
                "definition of it"
            ) from error
        except (SerdeError, TypesysError, struct.error, ValueError) as error:
            raise InputError(
                f"topic {topic.name}: a message is no {topic.msgtype}: {_reason(error)}"
            ) from error

    def close(self) -> None:
        """Close the files."""
        for part in self._parts:
            part.close()
        self._parts = []

    def __enter__(self) -> BagReader:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _open(self) -> list[_Part]:
        if self.path.is_file():
            return [self._open_file(self.path)]
        try:
            return [_Part(self.path)]
        except FileNotFoundError:
            reason = "it has no metadata.yaml"
        except _UNREADABLE as error:
            reason = _reason(error)
        files = sorted(path for path in self.path.iterdir() if path.suffix in _SUFFIXES)
        if not files:
            raise InputError(f"{self.path} is no rosbag2: {reason}, and there is no .mcap or .db3")
        _LOG.warning("%s: %s; reading %d file(s) of it", self.path, reason, len(files))
        return [self._open_file(path) for path in files]

    def _open_file(self, path: Path) -> _Part:
        if path.suffix not in _SUFFIXES:
            raise InputError(f"{path} is no rosbag2; a bag is a folder, a .mcap or a .db3 file")
        if path.stat().st_size == 0:
            raise InputError(f"{path} is empty (0 bytes)")
        try:
            return _Part(path)
        except _UNREADABLE as error:
            part = _CutMcap(path) if path.suffix == ".mcap" else None
            if part is None or not any(topic.count for topic in part.topics):
                raise InputError(
                    f"{path} is cut off or no bag; it has no message that can be read "
                    f"({_reason(error)})"
                ) from error
            self.damaged = True
            count = sum(topic.count for topic in part.topics)
            _LOG.warning("%s has no end; the %d messages before it are read", path, count)
            return part


class _Part:
    """A folder or file that rosbags reads."""

    def __init__(self, path: Path) -> None:
        self._reader = Reader(path)
        self._reader.open()
        self._topics = {
            id(connection): topic_of_connection(connection)
            for connection in self._reader.connections
        }

    @property
    def topics(self) -> list[Topic]:
        return list(self._topics.values())

    def messages(self, names: Collection[str] | None) -> Iterator[BagMessage]:
        chosen = [
            connection
            for connection in self._reader.connections
            if names is None or connection.topic in names
        ]
        if not chosen:
            return
        for connection, stamp_ns, data in self._reader.messages(chosen):
            yield BagMessage(self._topics[id(connection)], stamp_ns, bytes(data))

    def close(self) -> None:
        self._reader.close()


class _CutMcap(_Part):
    """An MCAP file without its end, walked from its start."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with path.open("rb") as stream:
            content = scan_mcap(path) if stream.read(len(MAGIC)) == MAGIC else None
        self._topics = {}
        if content is not None:
            self._topics = {
                number: topic_of_channel(
                    channel, content.schemas.get(channel.schema_id), content.counts[number]
                )
                for number, channel in content.channels.items()
            }

    def messages(self, names: Collection[str] | None) -> Iterator[BagMessage]:
        for channel, message in read_mcap(self._path):
            if names is None or channel.topic in names:
                yield BagMessage(self._topics[channel.id], message.log_time, message.data)

    def close(self) -> None:
        pass


def _reason(error: BaseException) -> str:
    text = str(error) or type(error).__name__
    return text.rstrip(".").replace("\n", " ")
