"""Writing a rosbag2: a folder with one MCAP file and its metadata.yaml.

Chunks are complete in themselves and the file is given its end even after an error, so that what
was written stays readable when a disk fills up.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any

import yaml
from mcap.writer import CompressionType, Writer
from rosbags.typesys import TypesysError

from hand_pose_ros.errors import InputError, OutputError
from hand_pose_ros.ros.bag.content import BagMessage, Topic
from hand_pose_ros.ros.bag.recovery import finish_mcap
from hand_pose_ros.ros.messages import message_name
from hand_pose_ros.ros.typestore import typestore

CHUNK_BYTES = 512 * 1024
"""Size at which a chunk is closed; what is lost at most when the power goes."""

METADATA_VERSION = 8
"""Read by rosbag2 of Humble, Jazzy and later; version 9 writes the same facts in other words."""

_RESERVE_BYTES = 64 * 1024
_METADATA = "metadata.yaml"


@dataclass
class _Channel:
    topic: Topic
    number: int


class BagWriter:
    """Writes messages to a new rosbag2 folder; use it in a `with` statement.

    Args:
        folder: the bag; it must not exist, or be empty.
        compress: whether chunks are packed with zstd.

    Raises:
        OutputError: the folder has something in it, or cannot be made.
    """

    def __init__(self, folder: str | Path, *, compress: bool = True) -> None:
        self.folder = Path(folder)
        self.path = self.folder / f"{self.folder.absolute().name}_0.mcap"
        self._reserve = self.folder / f".{_METADATA}.new"
        self._channels: dict[tuple[str, str], _Channel] = {}
        self._schemas: dict[str, int] = {}
        self._start_ns, self._end_ns = 2**63 - 1, 0
        self._open = False
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            if any(self.folder.iterdir()):
                raise OutputError(f"{self.folder} is not empty; a bag needs a folder of its own")
            # Room for the metadata, should the disk be full by then.
            self._reserve.write_bytes(bytes(_RESERVE_BYTES))
            self._stream = self.path.open("xb")
            compression = CompressionType.ZSTD if compress else CompressionType.NONE
            self._writer = Writer(self._stream, chunk_size=CHUNK_BYTES, compression=compression)
            self._writer.start(profile="ros2", library="hand_pose_ros")
        except OSError as error:
            raise OutputError(f"cannot write a bag to {self.folder}: {_reason(error)}") from error
        self._open = True

    @property
    def counts(self) -> dict[str, int]:
        """Messages written so far, by topic."""
        counts: dict[str, int] = {}
        for channel in self._channels.values():
            name = channel.topic.name
            counts[name] = counts.get(name, 0) + channel.topic.count
        return counts

    def add_topic(self, name: str, msgtype: str) -> None:
        """List a topic in the bag even if no message is ever written to it.

        Raises:
            InputError: no definition of the type is known.
            OutputError: writing failed.
        """
        self._add(Topic(name, msgtype))

    def write(self, topic: str, message: Any, stamp_ns: int) -> None:
        """Write a message of rosbags' classes (`typestore.rosbags_types`).

        Args:
            topic: name of the topic.
            message: the message.
            stamp_ns: time of recording [ns].

        Raises:
            InputError: it is no ROS message.
            OutputError: writing failed; what was written before stays readable.
        """
        msgtype = message_name(message)
        data = typestore().serialize_cdr(message, msgtype, little_endian=True)
        self.write_raw(BagMessage(Topic(topic, msgtype), stamp_ns, bytes(data)))

    def write_raw(self, message: BagMessage) -> None:
        """Write a message as it was recorded, with its definition and quality of service.

        Raises:
            InputError: its type is not known and it brings no definition.
            OutputError: writing failed; what was written before stays readable.
        """
        channel = self._add(message.topic)
        stamp = int(message.stamp_ns)
        try:
            self._writer.add_message(
                channel.number, log_time=stamp, data=message.data, publish_time=stamp
            )
        except OSError as error:
            self._fail(error)
        channel.topic = replace(channel.topic, count=channel.topic.count + 1)
        self._start_ns, self._end_ns = min(self._start_ns, stamp), max(self._end_ns, stamp)

    def close(self) -> None:
        """Write the index and metadata.yaml. Closing twice does nothing.

        Raises:
            OutputError: writing failed; what was written before stays readable.
        """
        if not self._open:
            return
        try:
            self._writer.finish()
            self._stream.close()
            self._write_metadata()
        except OSError as error:
            self._fail(error)
        self._open = False

    def __enter__(self) -> BagWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _add(self, topic: Topic) -> _Channel:
        if not self._open:
            raise OutputError(f"the bag {self.folder} is closed")
        key = topic.name, topic.msgtype
        if key not in self._channels:
            topic = replace(_with_definition(topic), count=0)
            try:
                self._channels[key] = _Channel(topic, self._register(topic))
            except OSError as error:
                self._fail(error)
        return self._channels[key]

    def _register(self, topic: Topic) -> int:
        if topic.msgtype not in self._schemas:
            self._schemas[topic.msgtype] = self._writer.register_schema(
                topic.msgtype, topic.definition_format, topic.definition.encode()
            )
        return self._writer.register_channel(
            topic.name,
            "cdr",
            self._schemas[topic.msgtype],
            {"offered_qos_profiles": topic.qos, "topic_type_hash": topic.digest},
        )

    def _fail(self, error: OSError) -> None:
        """Save what is complete, then raise OutputError."""
        self._open = False
        written = sum(self.counts.values())
        # Closing flushes, which fails again on a full disk; the file is closed all the same.
        with contextlib.suppress(OSError):
            self._stream.close()
        kept = 0
        with contextlib.suppress(OSError):
            kept = self._rescue()
        raise OutputError(
            f"writing {self.path} failed: {_reason(error)}; {kept} of {written} messages were "
            "saved and can be read"
        ) from error

    def _rescue(self) -> int:
        """Finish the file with its complete chunks; return how many messages they hold."""
        content = finish_mcap(self.path)
        for channel in self._channels.values():
            count = content.counts[channel.number]
            channel.topic = replace(channel.topic, count=count)
        if content.chunks:
            self._start_ns = min(chunk.message_start_time for chunk in content.chunks)
            self._end_ns = max(chunk.message_end_time for chunk in content.chunks)
        self._write_metadata()
        return sum(content.counts.values())

    def _write_metadata(self) -> None:
        """Write metadata.yaml into the room that was kept for it, then give it its name."""
        text = yaml.safe_dump({"rosbag2_bagfile_information": self._metadata()}, sort_keys=False)
        with self._reserve.open("r+b") as stream:
            stream.write(text.encode())
            stream.truncate()
        os.replace(self._reserve, self.folder / _METADATA)

    def _metadata(self) -> dict[str, Any]:
        topics = [channel.topic for channel in self._channels.values()]
        count = sum(topic.count for topic in topics)
        start, end = (self._start_ns, self._end_ns) if count else (0, 0)

        def span() -> dict[str, Any]:
            return {
                "starting_time": {"nanoseconds_since_epoch": start},
                "duration": {"nanoseconds": end - start},
                "message_count": count,
            }

        return {
            "version": METADATA_VERSION,
            "storage_identifier": "mcap",
            "relative_file_paths": [self.path.name],
            **span(),
            "topics_with_message_count": [
                {
                    "topic_metadata": {
                        "name": topic.name,
                        "type": topic.msgtype,
                        "serialization_format": "cdr",
                        "offered_qos_profiles": topic.qos,
                        "type_description_hash": topic.digest,
                    },
                    "message_count": topic.count,
                }
                for topic in topics
            ],
            "compression_format": "",
            "compression_mode": "",
            "files": [{"path": self.path.name, **span()}],
            "custom_data": None,
            "ros_distro": "unknown",
        }


def _with_definition(topic: Topic) -> Topic:
    """Return the topic with the definition of its type, from our own types where it has none."""
    if topic.definition:
        return topic
    store = typestore()
    try:
        definition, _ = store.generate_msgdef(topic.msgtype, ros_version=2)
    except TypesysError as error:
        raise InputError(
            f"topic {topic.name}: type {topic.msgtype!r} is unknown and has no definition"
        ) from error
    digest = topic.digest or store.hash_rihs01(topic.msgtype)
    return replace(topic, definition=definition, definition_format="ros2msg", digest=digest)


def _reason(error: OSError) -> str:
    return error.strerror or str(error)
