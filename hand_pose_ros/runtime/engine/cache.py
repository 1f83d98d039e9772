"""What engines were made of networks, on disk: made anew as soon as anything differs.

An entry is a file of a line of JSON, which says what it is of, and the thing itself. Its name is
the checksum of that line. It is written beside its place and then moved there, so that there is a
whole entry or none.
"""

from __future__ import annotations

import functools
import hashlib
import inspect
import json
import logging
import os
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import is_dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TypeVar

import torch

import hand_pose_ros
from hand_pose_ros.errors import HandPoseError

T = TypeVar("T")

VARIABLE = "HAND_POSE_CACHE"
"""Environment variable with the folder of the cache, or `OFF`."""
OFF = "off"

MOST_ENTRIES = 64
"""Entries that are kept; the ones not used for longest go first."""

_SOURCES = ("hand", "models", "runtime")
_PLAIN = (bool, int, float, str, tuple, list, type(None))
_LOG = logging.getLogger(__name__)


class EngineCache:
    """A folder of entries; without one everything is made anew.

    Args:
        folder: where they are; made when the first is written.
    """

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder

    def fetch(
        self,
        key: Mapping[str, str],
        make: Callable[[], bytes],
        use: Callable[[bytes], T],
    ) -> T:
        """Return what `use` makes of an entry, which is made where it is missing or damaged.

        Args:
            key: all that the entry depends on; "kind" begins its name.
            make: makes the content.
            use: turns the content into what is wanted. Where it cannot use a stored one, that is
                made anew.
        """
        stored = self._read(key)
        if stored is not None:
            try:
                return use(stored)
            except HandPoseError:
                raise
            except Exception as error:  # whatever the library raises that cannot read it
                _LOG.warning("%s cannot be used (%s); made anew", self._path(key), error)
        made = make()
        self._write(key, made)
        return use(made)

    def _read(self, key: Mapping[str, str]) -> bytes | None:
        if (path := self._path(key)) is None:
            return None
        try:
            head, _, content = path.read_bytes().partition(b"\n")
            told = json.loads(head)
            intact = told["key"] == dict(key) and told["sha256"] == checksum(content)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError, KeyError):
            intact = False
        if not intact:
            _LOG.warning("%s is damaged; made anew", path)
            return None
        _touch(path)
        return content

    def _write(self, key: Mapping[str, str], content: bytes) -> None:
        """Keep an entry; where that is not possible the next start makes it again."""
        if (path := self._path(key)) is None:
            return
        head = json.dumps({"key": dict(key), "sha256": checksum(content)}).encode()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, partial = tempfile.mkstemp(dir=path.parent, suffix=".partial")
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(head + b"\n" + content)
                os.replace(partial, path)
            except OSError:
                os.unlink(partial)
                raise
            self._prune()
        except OSError as error:
            _LOG.warning("engines are not kept in %s: %s", path.parent, error)

    def _prune(self) -> None:
        assert self.folder is not None
        entries = sorted(self.folder.glob("*.engine"), key=lambda path: path.stat().st_mtime)
        for path in entries[:-MOST_ENTRIES]:
            path.unlink(missing_ok=True)

    def _path(self, key: Mapping[str, str]) -> Path | None:
        if self.folder is None:
            return None
        name = checksum(json.dumps(dict(key), sort_keys=True).encode())[:32]
        return self.folder / f"{key['kind']}-{name}.engine"


def default_cache() -> EngineCache:
    """Return the cache of this user: `$HAND_POSE_CACHE`, or `hand_pose_ros` where caches are."""
    told = os.environ.get(VARIABLE)
    if told is not None:
        return EngineCache(None if told in ("", OFF) else Path(told))
    caches = os.environ.get("XDG_CACHE_HOME")
    try:
        return EngineCache((Path(caches) if caches else Path.home() / ".cache") / "hand_pose_ros")
    except RuntimeError:  # there is no home
        return EngineCache(None)


def network_checksum(network: torch.nn.Module, example: tuple[torch.Tensor, ...]) -> str:
    """Return the checksum of all that a network computes with.

    That is its weights, its settings, the code of its classes and of this package, and the shapes
    and types of its inputs but for their rows.
    """
    digest = hashlib.sha256(source_checksum().encode())
    for name, module in network.named_modules():
        settings = {k: v for k, v in vars(module).items() if _is_setting(k, v)}
        digest.update(f"{name} {type(module).__qualname__} {sorted(settings.items())}".encode())
    for kind in {type(module) for module in network.modules()}:
        if not kind.__module__.startswith(("torch.", "hand_pose_ros.")):
            digest.update(inspect.getsource(kind).encode())
    for name, tensor in (*network.named_parameters(), *network.named_buffers()):
        digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    for tensor in example:
        digest.update(f"{tuple(tensor.shape[1:])} {tensor.dtype}".encode())
    return digest.hexdigest()


def versions(*packages: str) -> dict[str, str]:
    """Return the versions of this package, of PyTorch and of others, by their names."""
    return {"hand_pose_ros": hand_pose_ros.__version__} | {
        package: _version(package) for package in ("torch", *packages)
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "none"


def _is_setting(name: str, value: object) -> bool:
    return not name.startswith("_") and (isinstance(value, _PLAIN) or is_dataclass(value))


@functools.cache
def source_checksum() -> str:
    """Return the checksum of the code of this package that networks are made of and run by."""
    digest = hashlib.sha256()
    root = Path(hand_pose_ros.__file__).parent
    for folder in _SOURCES:
        for path in sorted((root / folder).rglob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()


def checksum(content: bytes) -> str:
    """Return the sha256 of some bytes."""
    return hashlib.sha256(content).hexdigest()


def _touch(path: Path) -> None:
    try:
        os.utime(path)
    except OSError:  # of another user, or on a disk that cannot be written: it is still of use
        _LOG.debug("%s cannot be touched", path)
