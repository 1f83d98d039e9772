"""Lists kept as raw memory, and how rosbags' store writes them, and small messages, in one piece.

The bytes are those that rosbags makes of plain lists and field by field, many times faster.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import struct
from collections.abc import Iterable, Iterator, Sequence
from operator import attrgetter
from typing import Any

import numpy as np
import numpy.typing as npt
from rosbags.interfaces import Nodetype
from rosbags.serde import SerdeError
from rosbags.serde.utils import align
from rosbags.typesys.store import Typestore

from hand_pose_ros.errors import InputError
from hand_pose_ros.ros.messages import PACKAGE

_FORMATS = {"int32": "i", "uint32": "I", "float32": "f", "float64": "d"}
_LENGTH = struct.Struct("<I")
_POINT = np.dtype("V24")
"""A point as numpy copies it: three float64, wherever they lie."""


class PackedPoints:
    """A list of `geometry_msgs/Point` kept as arrays; they are gathered into a message's bytes.

    Args:
        positions: (N, 3) float64.
        order: (M,) which of them, in which order.
        point: class of the points that it gives as a list.

    Raises:
        InputError: there are no such positions.
    """

    alignment = 8

    def __init__(
        self, positions: npt.NDArray[np.float64], order: npt.NDArray[np.integer], point: type
    ) -> None:
        self._positions, self._order = np.ascontiguousarray(positions, "<f8"), order
        self._point = point
        if order.size and not 0 <= order.min() <= order.max() < len(positions):
            raise InputError(
                f"points {order.min()}..{order.max()} are asked for; there are {len(positions)}"
            )

    @property
    def size(self) -> int:
        """How many bytes they take."""
        return len(self) * _POINT.itemsize

    def write(self, data: memoryview) -> None:
        """Write the bytes of all points."""
        points = self._positions.view(_POINT).reshape(-1)
        # The order was checked; the default mode would gather beside and copy.
        points.take(self._order, out=np.frombuffer(data, _POINT), mode="clip")

    def __len__(self) -> int:
        return len(self._order)

    def __iter__(self) -> Iterator[Any]:
        return map(self._point, *self._positions[self._order].T.tolist())

    def __getitem__(self, index: int) -> Any:
        return self._point(*self._positions[self._order[index]].tolist())

    def __eq__(self, other: object) -> bool:
        return list(self) == list(other) if hasattr(other, "__iter__") else NotImplemented


class PackedList(list[Any]):
    """A list that nobody changes, with the bytes of its elements; they begin at 4 bytes."""

    alignment = 4

    def __init__(self, values: Iterable[Any], raw: bytes) -> None:
        super().__init__(values)
        self._raw, self.size = raw, len(raw)

    def write(self, data: memoryview) -> None:
        """Write the bytes of all elements."""
        data[:] = self._raw


def packed_texts(texts: tuple[str, ...]) -> PackedList:
    """Return texts as a list for a `string[]` field, each time another one."""
    return PackedList(texts, _text_bytes(texts))


@functools.lru_cache
def _text_bytes(texts: tuple[str, ...]) -> bytes:
    if not texts:
        return b""
    ended = [text.encode() + b"\0" for text in texts]
    padded = [
        _LENGTH.pack(len(text)) + text.ljust(_aligned(len(text), 4), b"\0") for text in ended
    ]
    raw = b"".join(padded)
    # Padding belongs to what comes behind it.
    return raw[: len(raw) + len(ended[-1]) - _aligned(len(ended[-1]), 4)]


def packed_colors(colors: Sequence[Any]) -> PackedList:
    """Return `std_msgs/ColorRGBA` as a list for a field of them."""
    rows = [(color.r, color.g, color.b, color.a) for color in colors]
    return PackedList(colors, np.array(rows, "<f4").tobytes())


def pack_numbers(store: Typestore, names: Iterable[str]) -> None:
    """Let the store write messages that are numbers of one size, at any depth, in one go."""
    for name in names:
        leaves = list(_leaves(store, name))
        kinds = {kind for _, kind in leaves}
        if len(leaves) < 2 or not kinds <= set(_FORMATS):
            continue
        sizes = {struct.calcsize(_FORMATS[kind]) for kind in kinds}
        if len(sizes) == 1:
            _pack_numbers(store, name, leaves)


def _pack_numbers(store: Typestore, name: str, leaves: Sequence[tuple[str, str]]) -> None:
    layout = struct.Struct("<" + "".join(_FORMATS[kind] for _, kind in leaves))
    values, pack, size = attrgetter(*(path for path, _ in leaves)), layout.pack_into, layout.size

    def write(data: memoryview, pos: int, message: Any, store: Any) -> int:
        pack(data, pos, *values(message))
        return pos + size

    store.cache[name] = dataclasses.replace(store.get_msgdef(name), serialize_cdr_le=write)


def _leaves(store: Typestore, name: str) -> Iterator[tuple[str, str]]:
    """Yield the dotted path and the type of each number and text in a message; "" for a list."""
    fields: Sequence[tuple[str, Any]] = store.fielddefs[name][1]
    for field, (node, content) in fields:
        if node == Nodetype.NAME:
            for path, kind in _leaves(store, content):
                yield f"{field}.{path}", kind
        else:
            yield field, content[0] if node == Nodetype.BASE else ""


def pack_lists(store: Typestore, name: str, lists: Sequence[str]) -> None:
    """Let the store write some list fields of a message from raw memory where they have it.

    The fields between them are left to rosbags, as messages that exist only in the store.
    """
    fields = store.fielddefs[name][1]
    plain = store.get_msgdef(name)
    parts: list[tuple[str, _Part]] = []
    runs = itertools.groupby(fields, lambda entry: entry[0] if entry[0] in lists else "")
    for number, (field, run) in enumerate(runs):
        part_name = f"{PACKAGE}/msg/{name.rsplit('/', 1)[1]}Part{number}"
        part_fields = list(run)
        store.register({part_name: ([], part_fields)})
        parts.append((field, _Part(store, part_name, part_fields[0][1])))

    def size(pos: int, message: Any, store: Any) -> int:
        for field, part in parts:
            pos = part.size(pos, message, getattr(message, field) if field else None, store)
        return pos

    def write(data: memoryview, pos: int, message: Any, store: Any) -> int:
        for field, part in parts:
            value = getattr(message, field) if field else None
            pos = part.write(data, pos, message, value, store)
        return pos

    store.cache[name] = dataclasses.replace(plain, getsize_cdr=size, serialize_cdr_le=write)


class _Part:
    """Some fields of a message in a row: a list that may be packed, or others."""

    def __init__(self, store: Typestore, name: str, first: Any) -> None:
        self._definition, self._alignment = store.get_msgdef(name), align(first, store)
        node, content = first
        self._count = content[1] if node == Nodetype.ARRAY else None

    def size(self, pos: int, message: Any, value: Any, store: Any) -> int:
        """Return where it ends if it begins at or behind `pos`."""
        pos = _aligned(pos, self._alignment)
        if not isinstance(value, (PackedPoints, PackedList)):
            return self._definition.getsize_cdr(pos, message, store)
        return self._start(pos, value) + value.size

    def write(self, data: memoryview, pos: int, message: Any, value: Any, store: Any) -> int:
        """Write it at or behind `pos`; return where it ends."""
        pos = _aligned(pos, self._alignment)
        if not isinstance(value, (PackedPoints, PackedList)):
            return self._definition.serialize_cdr_le(data, pos, message, store)
        if self._count is None:
            _LENGTH.pack_into(data, pos, len(value))
        elif len(value) != self._count:
            raise SerdeError(f"a list has {len(value)} elements; it must have {self._count}")
        start = self._start(pos, value)
        end = start + value.size
        if end > start:
            value.write(data[start:end])
        return end

    def _start(self, pos: int, value: PackedPoints | PackedList) -> int:
        """Return where the elements begin: behind their number unless that is fixed."""
        if self._count is None:
            pos += _LENGTH.size
        return _aligned(pos, value.alignment) if len(value) else pos


def _aligned(pos: int, size: int) -> int:
    return (pos + size - 1) & -size
