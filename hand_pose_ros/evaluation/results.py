"""The files of one evaluation: its settings, and the rows of its images in several parts.

    OUT/run.json        what was asked for, and which images each part holds
    OUT/rows/000.rows   the rows of part 0, see `rows.ROW`

A part grows image by image. Whatever ends a run, the next one with the same settings cuts off an
image that is not whole and goes on behind it.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import IO, Any

import numpy as np

from hand_pose_ros.data.synthetic.output.whole_files import naming, read_json, write_json
from hand_pose_ros.errors import InputError, OutputError
from hand_pose_ros.evaluation.rows import ROW, Rows

RUN = "run.json"
ROWS = "rows"
VERSION = 1

CHUNK = 2048
"""Rows that are read at once: some megabytes."""


@dataclass(frozen=True)
class Part:
    """Consecutive images of a run: the numbers start, start + step, ... of the dataset.

    Attributes:
        path: file of its rows.
        start: number of its first image.
        step: from one image to the next.
        count: how many images it has.
    """

    path: Path
    start: int
    step: int
    count: int


class RunFolder:
    """The folder of one run.

    Args:
        path: of the folder; it is made where there is none.
        settings: what the results depend on, as JSON can hold it.
        estimators: names, in the order of their numbers.
        images: how many images are looked at.
        step: every how manieth image of the dataset.
        parts: how many files a new run has.

    Raises:
        InputError: the folder holds a run with other settings.
        OutputError: the folder cannot be written.
    """

    def __init__(
        self,
        path: str | Path,
        settings: Mapping[str, Any],
        estimators: Sequence[str],
        images: int,
        step: int = 1,
        parts: int = 1,
    ) -> None:
        self.path = Path(path)
        self.estimators = tuple(estimators)
        self.step = step
        wanted = {
            "version": VERSION,
            "row_bytes": ROW.itemsize,
            "settings": {**settings, "estimators": list(estimators)},
            "images": images,
            "step": step,
        }
        try:
            (self.path / ROWS).mkdir(parents=True, exist_ok=True)
            before = self._read()
            bounds = np.linspace(0, images, max(1, min(parts, images)) + 1).astype(int).tolist()
            content = {**wanted, "bounds": bounds}
            if before is not None:
                self._check_same(before, wanted)
                content = before
            else:
                write_json(self.path / RUN, content)
        except OSError as error:
            raise OutputError(f"{self.path} cannot be written: {error.strerror}") from error
        ends = content["bounds"]
        self.parts = tuple(
            Part(self.path / ROWS / f"{number:03d}.rows", first * step, step, end - first)
            for number, (first, end) in enumerate(pairwise(ends))
        )

    def chunks(self) -> Iterator[Rows]:
        """Yield all rows in the order of the images, in pieces that hold whole images."""
        for part in self.parts:
            if part.path.exists():
                yield from read_rows(part.path)

    def _read(self) -> dict[str, Any] | None:
        path = self.path / RUN
        if not path.exists():
            if any((self.path / ROWS).glob("*.rows")):
                raise InputError(
                    f"{self.path} holds rows of a run and no {RUN}, which says of what; "
                    "name another --out"
                )
            return None
        content = read_json(path)
        try:
            bounds = content["bounds"]
            whole = bounds[0] == 0 and bounds[-1] == content["images"] and "settings" in content
        except (KeyError, TypeError, IndexError) as error:
            raise InputError(f"{path} is not that of a run: {error!r}") from error
        if not whole:
            raise InputError(f"{path} is not that of a run: its parts are {bounds}")
        return content

    def _check_same(self, before: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
        had_all, has_all = _flat(before), _flat(json.loads(json.dumps(wanted)))
        for name in sorted(set(had_all) | set(has_all)):
            had, has = had_all.get(name), has_all.get(name)
            if had != has:
                raise InputError(
                    f"{self.path} holds a run with {name} {had}, this one has {has}; "
                    "name another --out, or the same settings to go on with it"
                )


class PartWriter:
    """Appends images to a part; opening it cuts off an image that is not whole.

    Args:
        part: no other process may be writing to it.

    Attributes:
        done: how many of its images are there.

    Raises:
        InputError: another process is writing to it.
    """

    def __init__(self, part: Part) -> None:
        self._part = part
        self._stream: IO[bytes] = part.path.open("r+b" if part.path.exists() else "w+b")
        try:
            fcntl.flock(self._stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self._stream.close()
            raise InputError(f"another evaluation is writing to {part.path}") from error
        self.done = self._cut()

    def append(self, rows: Rows) -> None:
        """Write the rows of the next image.

        Raises:
            OutputError: it cannot be written.
        """
        with naming(self._part.path):
            self._stream.write(rows.tobytes())
        self.done += 1

    def flush(self) -> None:
        """Hand what was written to the system; errors as `append`."""
        with naming(self._part.path):
            self._stream.flush()

    def close(self) -> None:
        """Write what is left; errors as `append`."""
        with naming(self._part.path):
            self._stream.close()

    def _cut(self) -> int:
        """Return how many images are whole, after cutting off what follows them."""
        stream = self._stream
        rows = stream.seek(0, os.SEEK_END) // ROW.itemsize
        row = None
        while rows:
            stream.seek((rows - 1) * ROW.itemsize)
            row = np.frombuffer(stream.read(ROW.itemsize), ROW)[0]
            if row["last"]:
                break
            rows -= 1
        done = 0
        if row is not None and rows:
            done = (int(row["image"]) - self._part.start) // self._part.step + 1
        if not 0 <= done <= self._part.count:
            stream.close()
            raise InputError(f"{self._part.path} does not hold the rows of this run")
        stream.truncate(rows * ROW.itemsize)
        stream.seek(0, os.SEEK_END)
        return done


def read_rows(path: Path, rows: int = CHUNK) -> Iterator[Rows]:
    """Yield the rows of a file in pieces that end with an image; a broken end is left out."""
    rest = np.zeros(0, ROW)
    with path.open("rb") as stream:
        while data := stream.read(rows * ROW.itemsize):
            whole = len(data) // ROW.itemsize * ROW.itemsize
            piece = np.concatenate((rest, np.frombuffer(data[:whole], ROW)))
            ends = np.flatnonzero(piece["last"])
            cut = int(ends[-1]) + 1 if len(ends) else 0
            if cut:
                yield piece[:cut]
            rest = piece[cut:]


def _flat(run: Mapping[str, Any]) -> dict[str, Any]:
    """Return what must be the same for a run to go on, by name."""
    return {
        **{name: run.get(name) for name in ("version", "row_bytes", "images", "step")},
        **run["settings"],
    }
