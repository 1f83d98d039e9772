"""JSON files of gigabytes read entry by entry, at the memory of one entry."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from hand_pose_ros.errors import InputError

CHUNK = 1 << 20
"""Characters read at a time, twice as many each time that a single entry is longer."""

_DECODE = json.JSONDecoder().raw_decode
_CUT_OFF = 1000
"""An error this near to the end of what has been read may be that the rest is not there yet."""

_LONGEST_CUT = len("e-")
"""What of a number may follow a shorter one: of 5e-7, cut before the 7, the 5 is a number."""


def entries(path: Path) -> Iterator[tuple[str, Any]]:
    """Yield the entries of a JSON file in their order, one at a time.

    A file that is a list yields ("", element) for each element; a file that is an object yields
    (key, element) for each element of a list under a key, and (key, value) for what is no list.

    Raises:
        InputError: the file is missing, cut off or no such JSON.
    """
    try:
        with path.open(encoding="utf-8") as stream:
            yield from _top(_Text(stream))
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is not readable JSON: {error}") from error


class _Text:
    """The part of a text that has been read and not yet used."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._text = ""
        self._at = 0

    def peek(self) -> str:
        """Return the next character that is no white space; empty at the end."""
        while True:
            while self._at < len(self._text):
                if not self._text[self._at].isspace():
                    return self._text[self._at]
                self._at += 1
            if not self._more(CHUNK):
                return ""

    def take(self, allowed: str) -> str:
        """Return the next character and step over it; it must be one of those allowed."""
        found = self.peek()
        if not found:
            raise ValueError("it ends in the middle")
        if found not in allowed:
            raise ValueError(f"{found!r} stands where one of {' '.join(allowed)} must")
        self._at += 1
        return found

    def value(self) -> Any:
        """Return the next value and step over it."""
        chunk = CHUNK
        self.peek()
        while True:
            try:
                value, end = _DECODE(self._text, self._at)
                # A number that ends near the end of the text may go on behind it.
                if end + _LONGEST_CUT < len(self._text) or not self._more(chunk):
                    self._at = end
                    return value
            except json.JSONDecodeError as error:
                near_end = error.pos > len(self._text) - _CUT_OFF
                open_text = error.msg.startswith("Unterminated string")
                if not (near_end or open_text) or not self._more(chunk):
                    raise
            chunk *= 2

    def _more(self, characters: int) -> bool:
        new = self._stream.read(characters)
        if new:
            self._text, self._at = self._text[self._at :] + new, 0
        return bool(new)


def _top(text: _Text) -> Iterator[tuple[str, Any]]:
    if text.take("[{") == "[":
        yield from (("", element) for element in _elements(text))
    else:
        yield from _members(text)
    if text.peek():
        raise ValueError(f"{text.peek()!r} stands behind its end")


def _members(text: _Text) -> Iterator[tuple[str, Any]]:
    """Yield what an object holds whose opening brace is behind."""
    if text.peek() == "}":
        text.take("}")
        return
    while True:
        key = text.value()
        if not isinstance(key, str):
            raise ValueError(f"{key!r} stands where a name must")
        text.take(":")
        if text.peek() == "[":
            text.take("[")
            yield from ((key, element) for element in _elements(text))
        else:
            yield key, text.value()
        if text.take(",}") == "}":
            return


def _elements(text: _Text) -> Iterator[Any]:
    """Yield what a list holds whose opening bracket is behind."""
    if text.peek() == "]":
        text.take("]")
        return
    while True:
        yield text.value()
        if text.take(",]") == "]":
            return
