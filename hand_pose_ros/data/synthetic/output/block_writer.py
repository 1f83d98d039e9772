"""Writers of rendered samples, block by block, so that what is finished survives whatever comes.

A block is the samples of one shard, made by one process. Each appears whole or not at all: it is
written under a temporary name in the same folder and renamed. The main process calls `begin`, any
process `write`, and at the end the main process `finish`:

    writer = WRITERS["shards"](out)
    writer.begin(settings, resume=True)
    for block in sorted(set(range(blocks)) - writer.done_blocks()):
        writer.write(block, samples_of(block))
    writer.finish()

The same samples give the same bytes, as long as OpenCV encodes them the same.
"""

from __future__ import annotations

import io
import itertools
import json
import shutil
from abc import ABC, abstractmethod
from collections.abc import Container, Iterable, Iterator, Mapping, Sized
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from hand_pose_ros import __version__
from hand_pose_ros.data.packed import DEPTH_STEP
from hand_pose_ros.data.synthetic.output.labels import labels_checksum, surface_as_array
from hand_pose_ros.data.synthetic.output.whole_files import naming, read_json, write_json
from hand_pose_ros.data.synthetic.sample import SynthSample
from hand_pose_ros.errors import InputError

INDEX = "index.json"


JPEG_QUALITY = 95
"""The sensor's own JPEG artefacts are in the image already: storing it once more at 95 changes it
by less than they do, and 100 would spend 1.7 times the bytes (measured on photographs of hands)
on keeping them exactly."""


Label = dict[str, Any]


@dataclass(frozen=True)
class WrittenBlock:
    """A block that is on the disk: its number, how many images it has, and its file."""

    number: int
    images: int
    path: Path


@dataclass(frozen=True)
class FinishedDataset:
    """What `finish` found on the disk; `labels_sha256` is that of `labels.labels_checksum`."""

    blocks: int
    images: int
    labels_sha256: str


@dataclass(frozen=True)
class BlockWriter(ABC):
    """What the two formats share. It holds no open file and can be sent to other processes.

    Attributes:
        out: folder of the dataset.
        quality: of the JPEG images, 1 to 100.
        vertices: whether the surfaces are written too, see `labels.surface_as_array`.
    """

    out: Path
    quality: int = JPEG_QUALITY
    vertices: bool = False

    format: ClassVar[str]

    def __post_init__(self) -> None:
        object.__setattr__(self, "out", Path(self.out))
        if not 1 <= self.quality <= 100:
            raise InputError(f"quality is {self.quality}; it must be 1 to 100")

    def begin(self, settings: Mapping[str, Any], *, resume: bool = False) -> None:
        """Make the folder and note what it is made with; or, to resume, compare that.

        Args:
            settings: everything that the samples depend on, as JSON has it.
            resume: whether a dataset may be there already; where there is none, a new one begins.

        Raises:
            InputError: the folder holds something else, or a dataset that is not to be resumed or
                was made with other settings; the message names the first that differs.
            OutputError: the folder cannot be made.
        """
        index = self._index(settings)
        if (self.out / INDEX).is_file():
            if not resume:
                raise InputError(f"{self.out} holds a dataset; resume it or choose another folder")
            _check_same(read_json(self.out / INDEX), index, self.out / INDEX)
            self._sweep()
            return
        if self.out.exists() and (not self.out.is_dir() or any(self.out.iterdir())):
            raise InputError(f"{self.out} holds other things (no {INDEX}); choose another folder")
        with naming(self.out):
            self.out.mkdir(parents=True, exist_ok=True)
        write_json(self.out / INDEX, index)

    @abstractmethod
    def path(self, block: int) -> Path:
        """Return the file that is there when the block is."""

    @abstractmethod
    def write(self, block: int, samples: Iterable[SynthSample]) -> WrittenBlock:
        """Write a block, one sample after another; one that is there already is replaced.

        Raises:
            InputError: no samples, two of one name, or one that cannot be stored.
            OutputError: a file cannot be written; the block is absent, others are as before.
        """

    @abstractmethod
    def done_blocks(self) -> frozenset[int]:
        """Return the numbers of the blocks that are there, whole."""

    @abstractmethod
    def labels(self) -> Iterator[Label]:
        """Return the labels of all images, in the order of blocks and samples."""

    def finish(self) -> FinishedDataset:
        """Note in the index what is there, also after an interruption; return it.

        Raises:
            OutputError: a file cannot be written.
            InputError: a block is broken.
        """
        counted = itertools.count()
        checksum = labels_checksum(label for label, _ in zip(self.labels(), counted, strict=False))
        finished = FinishedDataset(len(self._blocks()), next(counted), checksum)
        index = read_json(self.out / INDEX)
        write_json(self.out / INDEX, {**index, "finished": asdict(finished)})
        return finished

    def _index(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        writer = {"quality": self.quality, "vertices": self.vertices}
        index = {"format": self.format, "version": __version__, "writer": writer}
        return json.loads(json.dumps({**index, "settings": dict(settings)}))

    def _blocks(self) -> dict[int, Path]:
        """Return the files of blocks by number, in order, whole or not."""
        pattern = self.path(0).name.replace(f"{0:06d}", "*")
        found = {}
        for path in self.path(0).parent.glob(pattern):
            number = path.stem.rsplit("-", 1)[-1]
            if number.isdigit() and self.path(int(number)) == path:
                found[int(number)] = path
        return dict(sorted(found.items()))

    def _sweep(self) -> None:
        """Remove what an interrupted process has left under temporary names."""
        for folder in {self.out, self.path(0).parent}:
            for rest in folder.glob(".*.new"):
                with naming(rest):
                    shutil.rmtree(rest) if rest.is_dir() else rest.unlink()


def encode(sample: SynthSample, quality: int, vertices: bool) -> dict[str, bytes]:
    """Return the files of a sample but its label, by their endings."""
    import cv2

    depth = np.asarray(sample.depth, np.float64)
    if not (np.isfinite(depth).all() and (depth >= 0.0).all()):
        raise InputError(f"depth of {sample.name} must be finite and 0 or more everywhere")
    steps = np.minimum(np.rint(depth / DEPTH_STEP), np.iinfo(np.uint16).max).astype(np.uint16)
    bgr = np.ascontiguousarray(sample.image_rgb[..., ::-1])
    parts = {
        "mask.png": _encoded(".png", np.asarray(sample.mask, np.uint8), []),
        "depth.png": _encoded(".png", steps, []),
        "jpg": _encoded(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality]),
    }
    if vertices:
        buffer = io.BytesIO()
        np.save(buffer, surface_as_array(sample))
        parts["vertices.npy"] = buffer.getvalue()
    return parts


def _encoded(ending: str, image: npt.NDArray[Any], flags: list[int]) -> bytes:
    import cv2

    return cv2.imencode(ending, image, flags)[1].tobytes()


def check_new(name: str, names: Container[str], path: Path) -> None:
    """Raise an InputError where a block has a name already."""
    if name in names:
        raise InputError(f"{path}: two samples have the name {name!r}")


def check_filled(names: Sized, block: int) -> None:
    """Raise an InputError where a block is empty."""
    if not names:
        raise InputError(f"block {block} has no samples; it must have one or more")


def _check_same(found: Any, wanted: Any, path: Path, key: str = "") -> None:
    """Raise an InputError that names the first setting that differs, as a dotted key."""
    if not (isinstance(found, dict) and isinstance(wanted, dict)):
        if found != wanted:
            raise InputError(
                f"{path}: {key} was {found!r} and is now {wanted!r}; to resume it must be the same"
            )
        return
    for name in sorted({*found, *wanted} - ({"finished"} if not key else set())):
        _check_same(found.get(name), wanted.get(name), path, f"{key}.{name}" if key else name)
