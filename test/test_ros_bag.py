"""Bags: written, read back, opened by others."""

from __future__ import annotations

import contextlib
import os
import re
import resource
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from mcap.reader import make_reader
from ros_samples import STAMP_NS, make_frame, make_hand, write_bag
from rosbags.highlevel import AnyReader
from rosbags.interfaces import (
    Qos,
    QosDurability,
    QosHistory,
    QosLiveliness,
    QosReliability,
    QosTime,
)
from rosbags.rosbag2 import Reader, StoragePlugin, Writer
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from hand_pose_ros.errors import InputError, OutputError
from hand_pose_ros.ros import conversions
from hand_pose_ros.ros.bag import BagMessage, BagReader, BagWriter, Topic
from hand_pose_ros.ros.messages import MESSAGES
from hand_pose_ros.ros.typestore import rosbags_types, typestore

TYPES = rosbags_types()
STORAGES = pytest.mark.parametrize("storage", list(StoragePlugin))


def header(index: int) -> Any:
    return conversions.header(TYPES, index, f"frame {index}")


def noise(index: int, size: int = 20_000) -> Any:
    """Return a message that does not compress."""
    data = np.random.default_rng(index).integers(0, 256, size, np.uint8)
    return TYPES.CompressedImage(header=header(index), format="noise", data=data)


@pytest.mark.parametrize("compress", [True, False])
def test_what_is_written_comes_back_in_order(tmp_path: Path, compress: bool) -> None:
    with BagWriter(tmp_path / "bag", compress=compress) as writer:
        for index in range(100):
            writer.write("/headers", header(index), STAMP_NS + index)
            writer.write("/noise", noise(index), STAMP_NS + index)
    assert writer.counts == {"/headers": 100, "/noise": 100}
    with BagReader(tmp_path / "bag") as reader:
        assert not reader.damaged
        assert {topic.name: topic.count for topic in reader.topics.values()} == writer.counts
        messages = list(reader.messages())
        assert [message.stamp_ns - STAMP_NS for message in messages] == [
            i // 2 for i in range(200)
        ]
        for index, message in enumerate(reader.messages(["/headers"])):
            assert reader.deserialize(message).frame_id == f"frame {index}"
        assert [topic.name for topic in reader.of_type(MESSAGES["CompressedImage"])] == ["/noise"]


def test_others_open_what_we_write(tmp_path: Path) -> None:
    frame = make_frame(make_hand(0))
    with BagWriter(tmp_path / "bag") as writer:
        writer.write("/hands", conversions.hand_pose_array(frame, TYPES), STAMP_NS)
        writer.add_topic("/tf", MESSAGES["TFMessage"])
    with Reader(tmp_path / "bag") as reader:
        assert {c.topic: c.msgcount for c in reader.connections} == {"/hands": 1, "/tf": 0}
        assert (reader.start_time, reader.message_count) == (STAMP_NS, 1)
    # This one compares the hashes of the types with those of the definitions in the file.
    with AnyReader([tmp_path / "bag"]) as any_reader:
        ((connection, _, data),) = any_reader.messages()
        message = any_reader.deserialize(data, connection.msgtype)
        assert message.hands[0].id == "0"
    with writer.path.open("rb") as stream:
        mcap = make_reader(stream, validate_crcs=True)
        assert mcap.get_header().profile == "ros2"
        ((schema, channel, message),) = mcap.iter_messages()
    assert (schema.name, schema.encoding) == (MESSAGES["HandPoseArray"], "ros2msg")
    assert (channel.topic, channel.message_encoding) == ("/hands", "cdr")
    assert (message.log_time, message.publish_time) == (STAMP_NS, STAMP_NS)
    # A reader that has never heard of us can make the types from what lies in the file.
    store = get_typestore(Stores.EMPTY)
    store.register(get_types_from_msg(schema.data.decode(), schema.name))
    hand = store.deserialize_cdr(message.data, schema.name).hands[0]
    np.testing.assert_array_equal(
        conversions.points_array(hand.keypoints), frame.hands[0].keypoints
    )


def test_the_metadata_is_that_of_rosbag2(tmp_path: Path) -> None:
    with BagWriter(tmp_path / "bag") as writer:
        for index in range(3):
            writer.write("/headers", header(index), 1000 + 10 * index)
    facts = yaml.safe_load((tmp_path / "bag/metadata.yaml").read_text())
    facts = facts["rosbag2_bagfile_information"]
    assert facts["storage_identifier"] == "mcap"
    assert facts["relative_file_paths"] == ["bag_0.mcap"]
    assert facts["starting_time"] == {"nanoseconds_since_epoch": 1000}
    assert facts["duration"] == {"nanoseconds": 20}
    topic = facts["topics_with_message_count"][0]["topic_metadata"]
    assert topic["type_description_hash"] == typestore().hash_rihs01(MESSAGES["Header"])
    assert sorted(os.listdir(tmp_path / "bag")) == ["bag_0.mcap", "metadata.yaml"]


def test_a_bag_without_messages_is_a_bag(tmp_path: Path) -> None:
    with BagWriter(tmp_path / "bag") as writer:
        writer.add_topic("/tf", MESSAGES["TFMessage"])
    with BagReader(tmp_path / "bag") as reader:
        assert reader.topics["/tf"].count == 0
        assert list(reader.messages()) == []


def test_an_error_in_the_middle_keeps_what_was_written(tmp_path: Path) -> None:
    def interrupted() -> None:
        with BagWriter(tmp_path / "bag") as writer:
            writer.write("/headers", header(0), 0)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    with BagReader(tmp_path / "bag") as reader:
        assert reader.topics["/headers"].count == 1


def test_the_folder_has_to_be_new(tmp_path: Path) -> None:
    (tmp_path / "old").write_text("")
    with pytest.raises(OutputError, match="is not empty"):
        BagWriter(tmp_path)
    with pytest.raises(OutputError, match=r"cannot write a bag to .*: Not a directory"):
        BagWriter(tmp_path / "old" / "bag")


def test_a_closed_bag_takes_nothing(tmp_path: Path) -> None:
    writer = BagWriter(tmp_path / "bag")
    writer.close()
    writer.close()
    with pytest.raises(OutputError, match="is closed"):
        writer.write("/headers", header(0), 0)


def test_types_that_nobody_knows_are_refused(tmp_path: Path) -> None:
    with BagWriter(tmp_path / "bag") as writer:
        with pytest.raises(InputError, match="type 'a_msgs/msg/B' is unknown"):
            writer.add_topic("/b", "a_msgs/msg/B")
        with pytest.raises(InputError, match="str is not a ROS message"):
            writer.write("/b", "text", 0)


@contextlib.contextmanager
def largest_file(limit: int) -> Iterator[None]:
    """Let no file grow beyond a size [bytes], as if the disk were full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def fill(writer: BagWriter) -> None:
    for index in range(1000):
        writer.write("/noise", noise(index), index)


@pytest.mark.parametrize("limit", [60_000, 700_000, 1_234_567])
def test_a_disk_that_fills_up_leaves_a_readable_bag(tmp_path: Path, limit: int) -> None:
    writer = BagWriter(tmp_path / "bag")
    with (
        largest_file(limit),
        pytest.raises(OutputError, match=r"failed: File too large; \d+ of \d+ messages") as full,
    ):
        fill(writer)
    written = int(re.findall(r"of (\d+) messages", str(full.value))[0])
    assert writer.path.stat().st_size <= limit
    with Reader(tmp_path / "bag") as reader:
        kept = reader.message_count
        assert sum(1 for _ in reader.messages()) == kept
    with writer.path.open("rb") as stream:
        data = [message.data for _, _, message in make_reader(stream).iter_messages()]
    # At most one chunk in the making and one that gave its room to the index are lost.
    assert len(data) == kept == writer.counts["/noise"] >= written - 3 * 512 // 20 - 2
    for index, raw in enumerate(data):
        message = typestore().deserialize_cdr(raw, MESSAGES["CompressedImage"])
        np.testing.assert_array_equal(message.data, noise(index).data)
    with pytest.raises(OutputError, match="is closed"):
        writer.write("/noise", noise(0), 0)


def test_a_disk_that_is_full_when_closing_leaves_a_readable_bag(tmp_path: Path) -> None:
    writer = BagWriter(tmp_path / "bag", compress=False)
    for index in range(60):
        writer.write("/noise", noise(index), index)
    with (
        largest_file(writer.path.stat().st_size + 1000),
        pytest.raises(OutputError, match=r"File too large; [1-9]\d* of 60 messages"),
    ):
        writer.close()
    with BagReader(tmp_path / "bag") as reader:
        assert not reader.damaged
        assert len(list(reader.messages())) == writer.counts["/noise"] > 0


def cut(path: Path, size: float) -> Path:
    """Shorten a file to a part of its size."""
    os.truncate(path, int(path.stat().st_size * size))
    return path


@pytest.mark.parametrize("whole_folder", [True, False])
def test_of_a_bag_that_lost_its_end_the_rest_is_read(
    tmp_path: Path, whole_folder: bool, caplog: pytest.LogCaptureFixture
) -> None:
    with BagWriter(tmp_path / "bag") as writer:
        for index in range(200):
            writer.write("/noise", noise(index), index)
    path = cut(writer.path, 0.7)
    with BagReader(tmp_path / "bag" if whole_folder else path) as reader:
        assert reader.damaged
        stamps = [message.stamp_ns for message in reader.messages(["/noise"])]
        assert stamps == list(range(reader.topics["/noise"].count))
        assert 100 < len(stamps) < 140
    assert f"{path} has no end; the {len(stamps)} messages before it are read" in caplog.text


def test_a_bag_that_was_never_closed_is_read(tmp_path: Path) -> None:
    writer = BagWriter(tmp_path / "bag")
    for index in range(100):
        writer.write("/noise", noise(index), index)
    with BagReader(tmp_path / "bag") as reader:
        assert reader.damaged
        assert reader.topics["/noise"].count >= 50
    writer.close()


@STORAGES
def test_bags_of_rosbags_are_read(tmp_path: Path, storage: StoragePlugin) -> None:
    messages = [("/headers", header(i), 50 - i) for i in range(50)]
    write_bag(tmp_path / "bag", messages, storage)
    (file,) = (path for path in (tmp_path / "bag").iterdir() if path.suffix != ".yaml")
    for path in (tmp_path / "bag", file):
        with BagReader(path) as reader:
            stamps = [message.stamp_ns for message in reader.messages()]
            assert stamps == list(range(1, 51))
            assert reader.deserialize(next(reader.messages())).frame_id == "frame 49"


@STORAGES
def test_without_metadata_the_files_are_read(
    tmp_path: Path, storage: StoragePlugin, caplog: pytest.LogCaptureFixture
) -> None:
    write_bag(tmp_path / "bag", [("/headers", header(1), 1)], storage)
    (tmp_path / "bag/metadata.yaml").unlink()
    with BagReader(tmp_path / "bag") as reader:
        assert len(list(reader.messages())) == 1
    assert "no metadata.yaml; reading 1 file(s)" in caplog.text


def test_several_files_are_read_as_one(tmp_path: Path) -> None:
    for name, stamps in (("a", (1, 4)), ("b", (2, 3))):
        bag = write_bag(tmp_path / name, [("/headers", header(s), s) for s in stamps])
        (bag / f"{name}.mcap").rename(tmp_path / f"{name}.mcap")
    with BagReader(tmp_path) as reader:
        assert [message.stamp_ns for message in reader.messages()] == [1, 2, 3, 4]
        assert reader.topics["/headers"].count == 4


@pytest.mark.parametrize("size", [0.05, 0.7])
def test_a_database_that_lost_its_end_is_refused(tmp_path: Path, size: float) -> None:
    messages = [("/noise", noise(i, 5000), i) for i in range(50)]
    bag = write_bag(tmp_path / "bag", messages, StoragePlugin.SQLITE3)
    cut(bag / "bag.db3", size)
    for path in (bag, bag / "bag.db3"):
        with pytest.raises(InputError, match=r"bag\.db3 is cut off or no bag"):
            BagReader(path)


def flip_bytes(path: Path, start: float) -> None:
    """Damage a file from a part of its size on."""
    data = bytearray(path.read_bytes())
    first = int(len(data) * start)
    data[first : first + 100] = bytes(100)
    path.write_bytes(data)


def test_messages_end_at_a_damaged_chunk(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with BagWriter(tmp_path / "bag", compress=False) as writer:
        for index in range(100):
            writer.write("/noise", noise(index), index)
    flip_bytes(writer.path, 0.6)
    with BagReader(tmp_path / "bag") as reader:
        stamps = [message.stamp_ns for message in reader.messages()]
        assert reader.damaged
    assert stamps == list(range(len(stamps)))
    assert 20 < len(stamps) < 60
    assert f"is damaged after {len(stamps)} messages: Chunk checksum mismatch" in caplog.text


def test_a_bag_whose_first_chunk_is_damaged_is_refused(tmp_path: Path) -> None:
    with BagWriter(tmp_path / "bag", compress=False) as writer:
        writer.write("/noise", noise(0), 0)
    flip_bytes(writer.path, 0.5)
    with (
        BagReader(tmp_path / "bag") as reader,
        pytest.raises(InputError, match="cannot be read: Chunk checksum mismatch"),
    ):
        next(reader.messages())


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.mcap", b"", r"a\.mcap is empty \(0 bytes\)"),
        ("a.db3", b"", r"a\.db3 is empty \(0 bytes\)"),
        ("a.mcap", b"no bag", r"a\.mcap is cut off or no bag"),
        ("a.mcap", b"\x89MCAP0\r\n", r"a\.mcap is cut off or no bag"),
        ("a.db3", b"SQLite format 3\0 but not really", r"a\.db3 is cut off or no bag"),
        ("a.txt", b"text", "a bag is a folder, a .mcap or a .db3 file"),
    ],
)
def test_what_is_no_bag_is_refused(tmp_path: Path, name: str, content: bytes, reason: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=reason):
        BagReader(tmp_path / name)


def test_missing_and_empty_bags_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nowhere does not exist"):
        BagReader(tmp_path / "nowhere")
    with pytest.raises(InputError, match=r"is no rosbag2: it has no metadata\.yaml"):
        BagReader(tmp_path)
    (tmp_path / "metadata.yaml").write_text("not: a bag")
    with pytest.raises(InputError, match="is no rosbag2"):
        BagReader(tmp_path)


def test_unknown_topics_are_refused(tmp_path: Path) -> None:
    write_bag(tmp_path / "bag", [("/headers", header(1), 1)])
    with (
        BagReader(tmp_path / "bag") as reader,
        pytest.raises(InputError, match=r"no topic /nothing in .*; it has /headers"),
    ):
        next(reader.messages(["/nothing"]))


def test_types_are_those_that_the_bag_defines(tmp_path: Path) -> None:
    """A foreign type, and one of ours as it may have looked in another version."""
    own = get_typestore(Stores.EMPTY)
    definitions = {
        "other_msgs/msg/Thing": "float32 x\nstring name",
        MESSAGES["Point"]: "float32 x",
    }
    for name, text in definitions.items():
        own.register(get_types_from_msg(text, name))
    values = {"x": 1.5, "name": "it"}
    with Writer(tmp_path / "bag", version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        for name in definitions:
            fields = {field: values[field] for field, _ in own.fielddefs[name][1]}
            connection = writer.add_connection(f"/{name}", name, typestore=own)
            writer.write(connection, 1, own.serialize_cdr(own.types[name](**fields), name))
    with BagReader(tmp_path / "bag") as reader, BagWriter(tmp_path / "copy") as copy:
        for message in reader.messages():
            assert reader.deserialize(message).x == 1.5
            copy.write_raw(message)
    with BagReader(tmp_path / "copy") as reader:
        assert [reader.deserialize(message).x for message in reader.messages()] == [1.5, 1.5]
    assert typestore().types[MESSAGES["Point"]](1.0, 2.0, 3.0).z == 3.0


def test_bytes_that_do_not_fit_their_type_are_refused(tmp_path: Path) -> None:
    with BagWriter(tmp_path / "bag") as writer:
        writer.write_raw(BagMessage(Topic("/h", MESSAGES["Header"]), 0, b"\0\1\0\0\1\2"))
    with BagReader(tmp_path / "bag") as reader:
        message = next(reader.messages())
        with pytest.raises(InputError, match="topic /h: a message is no std_msgs/msg/Header"):
            reader.deserialize(message)
        unknown = BagMessage(Topic("/u", "a_msgs/msg/U"), 0, message.data)
        with pytest.raises(InputError, match="'a_msgs/msg/U' is unknown, and the bag has no"):
            reader.deserialize(unknown)


def test_quality_of_service_is_passed_through(tmp_path: Path) -> None:
    forever = QosTime(2147483647, 4294967295)
    latched = Qos(
        *(QosHistory.KEEP_LAST, 1, QosReliability.RELIABLE, QosDurability.TRANSIENT_LOCAL),
        *(forever, forever, QosLiveliness.AUTOMATIC, forever, False),
    )
    with Writer(tmp_path / "bag", version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        connection = writer.add_connection(
            "/tf_static", MESSAGES["Header"], typestore=typestore(), offered_qos_profiles=[latched]
        )
        data = typestore().serialize_cdr(header(0), MESSAGES["Header"])
        writer.write(connection, 1, data)
    with BagReader(tmp_path / "bag") as reader, BagWriter(tmp_path / "copy") as copy:
        for message in reader.messages():
            copy.write_raw(message)
    for path in (tmp_path / "copy", copy.path):
        with Reader(path) as reader:
            assert reader.connections[0].ext.offered_qos_profiles == [latched]
