"""The messages without a ROS installation: classes and serialisation of the rosbags library.

Our own messages are read from the `.msg` files that the ROS build uses: there is one definition.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from rosbags.interfaces import Nodetype
from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

from hand_pose_ros.resources import interface_folder
from hand_pose_ros.ros.messages import MESSAGES, OWN_MESSAGES, MessageTypes, message_name
from hand_pose_ros.ros.packing import (
    PackedPoints,
    pack_lists,
    pack_numbers,
    packed_colors,
    packed_texts,
)

_PACKED = {"HandPose": ("keypoints",), "Marker": ("points", "colors"), "JointState": ("name",)}
"""Lists of messages that are kept as raw memory."""


@functools.lru_cache(maxsize=1)
def typestore() -> Typestore:
    """Return rosbags' types of ROS 2 Jazzy with ours beside them. Shared: do not add to it."""
    store = get_typestore(Stores.ROS2_JAZZY)
    definitions: dict[str, Any] = {}
    for name in OWN_MESSAGES:
        text = (interface_folder() / f"{name}.msg").read_text(encoding="utf-8")
        definitions.update(get_types_from_msg(text, MESSAGES[name]))
    store.register(definitions)
    pack_numbers(store, MESSAGES.values())
    for name, lists in _PACKED.items():
        pack_lists(store, MESSAGES[name], lists)
    return store


@functools.lru_cache(maxsize=1)
def rosbags_types() -> MessageTypes:
    """Return the classes of rosbags: no ROS needed, to be serialised by `typestore()`."""
    store = typestore()
    point = store.types[MESSAGES["Point"]]

    def points(positions: npt.NDArray[Any], order: npt.NDArray[np.integer]) -> PackedPoints:
        return PackedPoints(np.asarray(positions, np.float64), order, point)

    classes = {short: _with_defaults(store, full) for short, full in MESSAGES.items()}
    return MessageTypes(classes, points, np.ascontiguousarray, packed_colors, packed_texts)


def serialized(message: Any) -> bytes:
    """Return a message of `rosbags_types` as CDR, little endian: what an rclpy publisher sends."""
    return bytes(typestore().serialize_cdr(message, message_name(message)))


def _with_defaults(store: Typestore, name: str) -> type:
    """Return rosbags' class of a message with every field optional, as in rclpy."""
    base = store.types[name]
    constants, factories = _defaults(store, name)
    known = len(constants) + len(factories)

    def fill(self: Any, **fields: Any) -> None:
        values = self.__dict__
        values.update(constants)
        for key, make in factories.items():
            if key not in fields:
                values[key] = make()
        values.update(fields)
        if len(values) > known:
            wrong = sorted(fields.keys() - constants.keys() - factories.keys())
            raise TypeError(f"{name} has no field {', '.join(wrong)}")

    return type(base.__name__, (base,), {"__init__": fill})


def _defaults(store: Typestore, name: str) -> tuple[dict[str, Any], dict[str, Callable[[], Any]]]:
    """Return the default of each field that is a number or text, and what makes the others."""
    fields: Sequence[tuple[str, Any]] = store.fielddefs[name][1]
    constants = {
        field: _ZEROS.get(content[0], 0)
        for field, (node, content) in fields
        if node == Nodetype.BASE
    }
    if name == MESSAGES["Quaternion"]:
        constants["w"] = 1.0
    factories = {field: _default(store, kind) for field, kind in fields if field not in constants}
    return constants, factories


def _default(store: Typestore, kind: Any) -> Callable[[], Any]:
    """Return what makes the default (zero, empty) of one field of rosbags' parse tree."""
    node, content = kind
    if node == Nodetype.BASE:
        return lambda: _ZEROS.get(content[0], 0)
    if node == Nodetype.NAME:
        constants, factories = _defaults(store, content)
        message = store.types[content]
        return lambda: message(**constants, **{key: make() for key, make in factories.items()})
    (element, detail), count = content
    length = count if node == Nodetype.ARRAY else 0
    if element == Nodetype.BASE and detail[0] != "string":
        return lambda: np.zeros(length, _DTYPES.get(detail[0], detail[0]))
    make = _default(store, (element, detail))
    return lambda: [make() for _ in range(length)]


_ZEROS: dict[str, Any] = {"string": "", "bool": False, "float32": 0.0, "float64": 0.0}
_DTYPES = {"byte": "uint8", "char": "uint8"}
