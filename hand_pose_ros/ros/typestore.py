"""The messages without a ROS installation: classes and serialisation of the rosbags library.

Our own messages are read from the `.msg` files that the ROS build uses: there is one definition.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
from rosbags.interfaces import Nodetype
from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

from hand_pose_ros.resources import interface_folder
from hand_pose_ros.ros.messages import MESSAGES, OWN_MESSAGES, PACKAGE, MessageTypes, message_name

_MARKER = MESSAGES["Marker"]
_MARKER_PARTS = (f"{PACKAGE}/msg/MarkerBeforePoints", f"{PACKAGE}/msg/MarkerAfterPoints")


class PackedPoints:
    """A list of `geometry_msgs/Point` kept as one array; a Marker writes it in one copy."""

    def __init__(self, positions: npt.NDArray[np.float64], point: type) -> None:
        self.positions = np.ascontiguousarray(positions, "<f8")
        self._point = point

    def __len__(self) -> int:
        return len(self.positions)

    def __iter__(self) -> Iterator[Any]:
        return map(self._point, *self.positions.T.tolist())

    def __getitem__(self, index: int) -> Any:
        return self._point(*self.positions[index].tolist())

    def __eq__(self, other: object) -> bool:
        return list(self) == list(other) if hasattr(other, "__iter__") else NotImplemented


@functools.lru_cache(maxsize=1)
def typestore() -> Typestore:
    """Return rosbags' types of ROS 2 Jazzy with ours beside them. Shared: do not add to it."""
    store = get_typestore(Stores.ROS2_JAZZY)
    definitions: dict[str, Any] = {}
    for name in OWN_MESSAGES:
        text = (interface_folder() / f"{name}.msg").read_text(encoding="utf-8")
        definitions.update(get_types_from_msg(text, MESSAGES[name]))
    store.register(definitions)
    _pack_marker_points(store)
    return store


@functools.lru_cache(maxsize=1)
def rosbags_types() -> MessageTypes:
    """Return the classes of rosbags: no ROS needed, to be serialised by `typestore()`."""
    store = typestore()
    point = store.types[MESSAGES["Point"]]

    def points(positions: npt.NDArray[Any], order: npt.NDArray[np.integer]) -> PackedPoints:
        return PackedPoints(np.asarray(positions, np.float64).take(order, axis=0), point)

    classes = {short: _with_defaults(store, full) for short, full in MESSAGES.items()}
    return MessageTypes(classes, points, np.ascontiguousarray)


def serialized(message: Any) -> bytes:
    """Return a message of `rosbags_types` as CDR, little endian: what an rclpy publisher sends."""
    return bytes(typestore().serialize_cdr(message, message_name(message)))


def _with_defaults(store: Typestore, name: str) -> type:
    """Return rosbags' class of a message with every field optional, as in rclpy."""
    base = store.types[name]
    factories = _default_factories(store, name)

    def fill(self: Any, **fields: Any) -> None:
        if len(fields) < len(factories):
            missing = {key: make() for key, make in factories.items() if key not in fields}
            fields |= missing
        base.__init__(self, **fields)

    return type(base.__name__, (base,), {"__init__": fill})


def _default_factories(store: Typestore, name: str) -> dict[str, Callable[[], Any]]:
    factories = {field: _default(store, kind) for field, kind in store.fielddefs[name][1]}
    if name == MESSAGES["Quaternion"]:
        factories["w"] = lambda: 1.0
    return factories


def _default(store: Typestore, kind: Any) -> Callable[[], Any]:
    """Return what makes the default (zero, empty) of one field of rosbags' parse tree."""
    node, content = kind
    if node == Nodetype.BASE:
        return lambda: _ZEROS.get(content[0], 0)
    if node == Nodetype.NAME:
        factories = _default_factories(store, content)
        return lambda: store.types[content](**{key: make() for key, make in factories.items()})
    (element, detail), count = content
    length = count if node == Nodetype.ARRAY else 0
    if element == Nodetype.BASE and detail[0] != "string":
        return lambda: np.zeros(length, _DTYPES.get(detail[0], detail[0]))
    make = _default(store, (element, detail))
    return lambda: [make() for _ in range(length)]


_ZEROS: dict[str, Any] = {"string": "", "bool": False, "float32": 0.0, "float64": 0.0}
_DTYPES = {"byte": "uint8", "char": "uint8"}


def _pack_marker_points(store: Typestore) -> None:
    """Let the store write the points of a Marker from one array; a mesh has thousands of them.

    The bytes are the same as from a list of points, 50 times faster. The fields before and behind
    the points are left to rosbags, as two messages that exist only here.
    """
    fields = store.fielddefs[_MARKER][1]
    split = next(index for index, (name, _) in enumerate(fields) if name == "points")
    store.register(
        {_MARKER_PARTS[0]: ([], fields[:split]), _MARKER_PARTS[1]: ([], fields[split + 1 :])}
    )
    before, after = (store.get_msgdef(name) for name in _MARKER_PARTS)
    plain = store.get_msgdef(_MARKER)

    def size(pos: int, marker: Any, store: Any) -> int:
        if not isinstance(marker.points, PackedPoints):
            return plain.getsize_cdr(pos, marker, store)
        pos = _after_points(before.getsize_cdr(pos, marker, store), len(marker.points))
        return after.getsize_cdr(pos, marker, store)

    def write(data: memoryview, pos: int, marker: Any, store: Any) -> int:
        if not isinstance(marker.points, PackedPoints):
            return plain.serialize_cdr_le(data, pos, marker, store)
        pos = before.serialize_cdr_le(data, pos, marker, store)
        count = len(marker.points)
        raw = marker.points.positions.reshape(-1).view(np.uint8).data
        end = _after_points(pos, count)
        data[_aligned(pos, 4) : _aligned(pos, 4) + 4] = count.to_bytes(4, "little")
        data[end - len(raw) : end] = raw
        return after.serialize_cdr_le(data, end, marker, store)

    store.cache[_MARKER] = dataclasses.replace(plain, getsize_cdr=size, serialize_cdr_le=write)


def _after_points(pos: int, count: int) -> int:
    """Return where a sequence of `count` points (three float64 each) behind `pos` ends in CDR."""
    pos = _aligned(pos, 4) + 4
    return _aligned(pos, 8) + 24 * count if count else pos


def _aligned(pos: int, size: int) -> int:
    return (pos + size - 1) & -size
