"""What lies in a bag: topics with their definitions, and messages as recorded."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from rosbags.interfaces import MessageDefinitionFormat, Nodetype
from rosbags.rosbag2.metadata import dump_qos_v8, parse_qos
from rosbags.typesys import (
    Stores,
    TypesysError,
    get_types_from_idl,
    get_types_from_msg,
    get_typestore,
)
from rosbags.typesys.store import Typestore

from hand_pose_ros.ros.typestore import typestore

_IDL_SEPARATOR = "=" * 80 + "\n"


@dataclass(frozen=True)
class Topic:
    """One topic of a bag.

    Attributes:
        name: such as "/camera/image_raw".
        msgtype: full name of its messages, such as "sensor_msgs/msg/Image".
        count: number of messages.
        definition: text of the message definition; empty where the bag carries none.
        definition_format: "ros2msg", "ros2idl", or empty.
        digest: RIHS01 hash of the type; empty where unknown.
        qos: offered quality of service as YAML, as in metadata version 8; empty for the default.
    """

    name: str
    msgtype: str
    count: int = 0
    definition: str = ""
    definition_format: str = ""
    digest: str = ""
    qos: str = ""


@dataclass(frozen=True)
class BagMessage:
    """One recorded message: its topic, the time of recording [ns] and the serialised bytes."""

    topic: Topic
    stamp_ns: int
    data: bytes


def topic_of_connection(connection: Any) -> Topic:
    """Return the topic that rosbags calls a connection."""
    definition = connection.msgdef
    formats = {MessageDefinitionFormat.MSG: "ros2msg", MessageDefinitionFormat.IDL: "ros2idl"}
    return Topic(
        name=connection.topic,
        msgtype=connection.msgtype,
        count=connection.msgcount,
        definition=definition.data,
        definition_format=formats.get(definition.format, ""),
        digest=connection.digest,
        qos=dump_qos_v8(connection.ext.offered_qos_profiles),
    )


def topic_of_channel(channel: Any, schema: Any | None, count: int) -> Topic:
    """Return the topic that the mcap library calls a channel with its schema."""
    readable = schema is not None and schema.encoding in ("ros2msg", "ros2idl")
    definition, encoding = (schema.data, schema.encoding) if schema and readable else (b"", "")
    return Topic(
        name=channel.topic,
        msgtype=schema.name if schema is not None else "",
        count=count,
        definition=definition.decode(),
        definition_format=encoding,
        digest=channel.metadata.get("topic_type_hash", ""),
        qos=dump_qos_v8(parse_qos(channel.metadata.get("offered_qos_profiles", ""))),
    )


def typestore_for(topics: Iterable[Topic]) -> Typestore:
    """Return the types of a bag: as its own definitions say, else ours and those of ROS 2 Jazzy.

    A definition that cannot be read leaves its type out; reading such a message says so.
    """
    embedded: dict[str, Any] = {}
    for topic in topics:
        try:
            embedded.update(_types_of(topic))
        except TypesysError:
            continue
    ours = typestore()
    if all(_same(ours, name, fields) for name, fields in embedded.items()):
        return ours
    store = get_typestore(Stores.EMPTY)
    store.register(embedded)
    for name in ours.fielddefs.keys() - store.fielddefs.keys():
        store.fielddefs[name] = ours.fielddefs[name]
        store.types[name] = ours.types[name]
    return store


def _types_of(topic: Topic) -> dict[str, Any]:
    if topic.definition_format == "ros2msg":
        return dict(get_types_from_msg(topic.definition, topic.msgtype))
    types: dict[str, Any] = {}
    if topic.definition_format == "ros2idl":
        for part in topic.definition.split(_IDL_SEPARATOR):
            text = part.partition("\n")[2] if part.startswith("IDL: ") else part
            if text.strip():
                types.update(get_types_from_idl(text))
    return types


def _same(store: Typestore, name: str, definition: Any) -> bool:
    """Return whether a store has a type with the same fields in the same order."""
    if name not in store.fielddefs:
        return False
    mine, other = store.fielddefs[name][1], definition[1]
    return [(field, _plain(kind)) for field, kind in mine] == [
        (field, _plain(kind)) for field, kind in other
    ]


def _plain(kind: Any) -> Any:
    """Return a field's parse tree as plain nested tuples."""
    if isinstance(kind, (tuple, list)):
        return tuple(_plain(part) for part in kind)
    return int(kind) if isinstance(kind, Nodetype) else kind
