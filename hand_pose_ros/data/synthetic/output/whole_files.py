"""Files that appear whole or not at all."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from hand_pose_ros.errors import InputError, OutputError


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Name the file in what goes wrong inside."""
    try:
        yield
    except OSError as error:
        raise OutputError(
            f"writing {path} failed: {error.strerror or error}; what was finished before stays"
        ) from error


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """Give a stream whose content is at `path` after the end, whole, or else leaves no trace."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        with naming(path):
            stream = temporary.open("wb")
        try:
            yield stream
            with naming(path):
                stream.flush()
                os.fsync(stream.fileno())
        finally:
            with suppress(OSError):  # what counts was flushed
                stream.close()
        with naming(path):
            temporary.replace(path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise


def write_json(path: Path, content: Any) -> None:
    """Write a JSON file, whole or not at all."""
    with whole_file(path) as stream, naming(path):
        stream.write(json_bytes(content) + b"\n")


def write_text(path: Path, text: str) -> None:
    """Write a text file, whole or not at all."""
    with whole_file(path) as stream, naming(path):
        stream.write(text.encode())


def json_bytes(content: Any) -> bytes:
    """Return compact JSON."""
    return json.dumps(content, allow_nan=False, separators=(",", ":")).encode()


def read_json(path: Path) -> dict[str, Any]:
    """Return the object in a JSON file; an InputError names a file that has none."""
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise InputError(f"{path} is not readable JSON: {error}") from error
    if not isinstance(content, dict):
        raise InputError(f"{path} is {type(content).__name__}; it must be an object")
    return content
