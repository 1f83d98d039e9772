"""Samples streamed from WebDataset shards: plain tar files that are read from front to back.

A sample is a run of members with one NAME and these endings (WebDataset's rule: the ending starts
at the first dot of the file name); others are passed over:

    NAME.vertices.npy  float16 (hands, V, 3) [m], see `labels.surface_as_array`; may be missing
    NAME.mask.png      8 bit, 0 or 1 + the number of the hand
    NAME.depth.png     16 bit, in steps of `DEPTH_STEP`; 0 where there is nothing
    NAME.jpg           the image
    NAME.json          what is true of it, see `labels`

The `webdataset` library reads them too; its image decoders make 8 bit RGB of mask and depth as
well, so decode those two from their bytes.
"""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hand_pose_ros.data.synthetic.output.labels import sample_from_dict
from hand_pose_ros.data.synthetic.sample import SynthSample
from hand_pose_ros.errors import InputError

PATTERN = "shard-*.tar"
"""The shards of a folder."""

REQUIRED = ("mask.png", "depth.png", "jpg", "json")
MEMBERS = ("vertices.npy", *REQUIRED)
"""Endings in the order in which they are written: a sample is whole with its last one."""

DEPTH_STEP = 1e-4
"""Depth images count in 0.1 mm, which ends at 6.5535 m; what is farther gets that value."""

Paths = str | Path | Sequence[str | Path]


@dataclass(frozen=True)
class PackedSample:
    """A sample as its shard holds it: the bytes of each member, by its ending."""

    shard: Path
    name: str
    members: dict[str, bytes]

    def unpack(self) -> SynthSample:
        """Return the sample.

        Raises:
            InputError: a member is missing or broken; the message names shard and member.
        """
        where = f"{self.shard}: sample {self.name!r}"
        missing = [ending for ending in REQUIRED if ending not in self.members]
        if missing:
            raise InputError(f"{where} lacks {missing}; it must have {list(REQUIRED)}")
        try:
            return sample_from_dict(
                _label(self.members["json"]),
                self._image("jpg", np.uint8, 3)[..., ::-1].copy(),
                self._image("mask.png", np.uint8, 2),
                (self._image("depth.png", np.uint16, 2) * DEPTH_STEP).astype(np.float32),
                self._surface(),
            )
        except InputError as error:
            raise InputError(f"{where}: {error}") from error

    def _image(self, ending: str, dtype: type, axes: int) -> npt.NDArray[Any]:
        import cv2

        data = self.members[ending]
        flags = cv2.IMREAD_COLOR if axes == 3 else cv2.IMREAD_UNCHANGED
        image = cv2.imdecode(np.frombuffer(data, np.uint8), flags) if data else None
        if image is None:
            raise InputError(f"{ending} is not an image ({len(data)} bytes)")
        if image.dtype != dtype or image.ndim != axes:
            raise InputError(
                f"{ending} is {image.dtype} with {image.ndim} axes; "
                f"it must be {np.dtype(dtype)} with {axes}"
            )
        return np.asarray(image)

    def _surface(self) -> npt.NDArray[Any] | None:
        if "vertices.npy" not in self.members:
            return None
        try:
            surface = np.load(io.BytesIO(self.members["vertices.npy"]), allow_pickle=False)
        except (ValueError, EOFError, OSError) as error:
            raise InputError(f"vertices.npy is not an array: {error}") from error
        return np.asarray(surface)


def read_shards(
    paths: Paths,
    *,
    shuffle: int = 0,
    seed: int | Sequence[int] = 0,
    worker: tuple[int, int] = (0, 1),
) -> Iterator[SynthSample]:
    """Return the samples of shards one after another; memory does not grow with their number.

    A shard that is cut off or broken ends the reading, after every whole sample before the break.

    Args:
        paths: shards, or folders of them.
        shuffle: how many samples wait, packed, while one of them is drawn; 0 keeps the order.
            Above 0 the shards too come in a random order.
        seed: of the shuffling.
        worker: (k, n): only the k-th of every n shards, in the order of their names, so that n
            workers share the shards whatever their seeds. With fewer shards than workers some get
            nothing.

    Raises:
        InputError: at once for arguments; while reading for a shard that is cut off, or a sample
            with a member missing or broken; the message names file and member.
    """
    shards = share(find_shards(paths), worker)
    if shuffle < 0:
        raise InputError(f"shuffle is {shuffle}; it must be 0 or more")
    try:
        rng = np.random.default_rng(seed)
    except ValueError as error:
        raise InputError(f"seed is {seed}; it must be whole numbers from 0 on") from error
    if shuffle:
        shards = [shards[place] for place in rng.permutation(len(shards))]
    packed = (sample for shard in shards for sample in read_packed(shard))
    return (sample.unpack() for sample in (_shuffled(packed, shuffle, rng) if shuffle else packed))


def read_labels(paths: Paths) -> Iterator[dict[str, Any]]:
    """Return the labels of shards in order, passing over everything else in them.

    Raises:
        InputError: as `read_shards`.
    """
    for shard in find_shards(paths):
        for name, data in _read_members(shard, ("json",)):
            try:
                yield _label(data)
            except InputError as error:
                raise InputError(f"{shard}: {name}: {error}") from error


def find_shards(paths: Paths) -> list[Path]:
    """Return shards in the order given; those of a folder in the order of their names.

    Raises:
        InputError: a path does not exist, or a folder holds none.
    """
    shards: list[Path] = []
    for path in [paths] if isinstance(paths, str | Path) else paths:
        found = sorted(Path(path).glob(PATTERN)) if Path(path).is_dir() else [Path(path)]
        if not found or not found[0].exists():
            wanted = f"holds no {PATTERN}" if Path(path).is_dir() else "does not exist"
            raise InputError(f"{path} {wanted}")
        shards += found
    return shards


def read_packed(shard: Path) -> Iterator[PackedSample]:
    """Return the samples of one shard, still packed.

    Raises:
        InputError: the shard is cut off or holds no sample, after the whole samples before that.
    """
    name, members, found = "", dict[str, bytes](), False
    try:
        for path, data in _read_members(shard, MEMBERS):
            start, ending = _split(path)
            if start != name and members:
                yield PackedSample(shard, name, members)
                members = {}
            name, found = start, True
            members[ending] = data
    except InputError:
        if all(ending in members for ending in REQUIRED):
            yield PackedSample(shard, name, members)
        raise
    if members:
        yield PackedSample(shard, name, members)
    if not found:
        raise InputError(f"{shard} holds no samples (members NAME.{', NAME.'.join(REQUIRED)})")


def is_whole(shard: Path) -> bool:
    """Return whether a shard can be read to its end; only headers are read."""
    try:
        for _ in _read_members(shard, ()):
            pass
    except InputError:
        return False
    return True


def share(shards: list[Path], worker: tuple[int, int]) -> list[Path]:
    """Return the shards of the k-th of n workers."""
    k, n = worker
    if not 0 <= k < n:
        raise InputError(f"worker is {worker}; it must be (k, n) with 0 <= k < n")
    return shards[k::n]


def _shuffled(
    samples: Iterable[PackedSample], size: int, rng: np.random.Generator
) -> Iterator[PackedSample]:
    """Return samples drawn from a buffer; after an error those that wait in it come first."""
    buffer: list[PackedSample] = []
    failure = None
    try:
        for sample in samples:
            if len(buffer) < size:
                buffer.append(sample)
                continue
            place = int(rng.integers(size))
            yield buffer[place]
            buffer[place] = sample
    except InputError as error:
        failure = error
    for place in rng.permutation(len(buffer)):
        yield buffer[place]
    if failure is not None:
        raise failure


def _read_members(shard: Path, endings: Collection[str]) -> Iterator[tuple[str, bytes]]:
    """Return path and bytes of the members with these endings, in order."""
    name, end = "", 0
    try:
        with shard.open("rb") as stream, tarfile.open(fileobj=stream, mode="r:") as tar:
            while (member := tar.next()) is not None:
                tar.members = []  # type: ignore[attr-defined]  # or it keeps every header
                name = member.name
                end = member.offset_data + -(-member.size // tarfile.BLOCKSIZE * tarfile.BLOCKSIZE)
                if member.isfile() and _split(name)[1] in endings:
                    content = tar.extractfile(member)
                    yield name, content.read() if content else b""
            # `tarfile` takes a missing or broken header for the end of the archive.
            stream.seek(end)
            if stream.read(tarfile.BLOCKSIZE) != tarfile.NUL * tarfile.BLOCKSIZE:
                raise InputError(f"{shard} is cut off or broken after member {name!r}")
    except tarfile.TarError as error:
        where = f"is cut off or broken in member {name!r}" if name else "is not a whole tar file"
        raise InputError(f"{shard} {where}: {error}") from error
    except OSError as error:
        raise InputError(f"{shard} cannot be read: {error.strerror or error}") from error


def _split(path: str) -> tuple[str, str]:
    """Return name and ending of a member: the ending starts at the first dot of the file name."""
    folder, slash, file = path.rpartition("/")
    start, _, ending = file.partition(".")
    return folder + slash + start, ending.lower()


def _label(data: bytes) -> dict[str, Any]:
    try:
        label = json.loads(data)
    except ValueError as error:
        raise InputError(f"json is not readable: {error}") from error
    if not isinstance(label, dict):
        raise InputError(f"json is {type(label).__name__}; it must be an object")
    return label
