"""Samples streamed from WebDataset shards: plain tar files that are read from front to back.

A sample is a run of members with one NAME and these endings (WebDataset's rule: the ending starts
at the first dot of the file name); others are passed over:

    NAME.vertices.npy  float16 (hands, V, 3) [m], see `labels.surface_as_array`; may be missing
    NAME.mask.png      8 bit, 0 or 1 + the number of the hand
    NAME.depth.png     16 bit, in steps of `packed.DEPTH_STEP`; 0 where there is nothing
    NAME.jpg           the image
    NAME.json          what is true of it, see `labels`

The `webdataset` library reads them too; its image decoders make 8 bit RGB of mask and depth as
well, so decode those two from their bytes.
"""

from __future__ import annotations

import tarfile
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from hand_pose_ros.data.packed import MEMBERS, REQUIRED, PackedSample, read_label
from hand_pose_ros.data.synthetic.sample import SynthSample
from hand_pose_ros.errors import InputError

PATTERN = "shard-*.tar"
"""The shards of a folder."""

Paths = str | Path | Sequence[str | Path]


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
        for name, _, data in _read_members(shard, ("json",)):
            try:
                yield read_label(data)
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


def read_packed(shard: Path, offset: int = 0) -> Iterator[PackedSample]:
    """Return the samples of one shard, still packed.

    Args:
        shard: a tar file.
        offset: where in it the first of them starts, see `sample_offsets`.

    Raises:
        InputError: the shard is cut off or holds no sample, after the whole samples before that.
    """
    name, members, found = "", dict[str, bytes](), False
    try:
        for path, _, data in _read_members(shard, MEMBERS, offset):
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


def sample_offsets(shard: Path) -> Iterator[int]:
    """Return where in a shard each of its samples starts; only headers are read.

    Raises:
        InputError: the shard is cut off or broken, after the samples before that.
    """
    name = None
    for path, offset, _ in _read_members(shard, MEMBERS, contents=False):
        if _split(path)[0] != name:
            name = _split(path)[0]
            yield offset


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


def _read_members(
    shard: Path, endings: Collection[str], start: int = 0, *, contents: bool = True
) -> Iterator[tuple[str, int, bytes]]:
    """Return path, place and bytes of the members with these endings, in order.

    Args:
        shard: a tar file.
        endings: of the members that are returned.
        start: where in it to begin: the place of a member.
        contents: whether their bytes are read; without, they are empty.
    """
    name, end = "", 0
    try:
        with shard.open("rb") as stream, _tar_from(stream, start) as tar:
            while (member := tar.next()) is not None:
                tar.members = []  # type: ignore[attr-defined]  # or it keeps every header
                name = member.name
                end = member.offset_data + -(-member.size // tarfile.BLOCKSIZE * tarfile.BLOCKSIZE)
                if member.isfile() and _split(name)[1] in endings:
                    content = tar.extractfile(member) if contents else None
                    yield name, member.offset, content.read() if content else b""
            # `tarfile` takes a missing or broken header for the end of the archive.
            stream.seek(end)
            if stream.read(tarfile.BLOCKSIZE) != tarfile.NUL * tarfile.BLOCKSIZE:
                raise InputError(f"{shard} is cut off or broken after member {name!r}")
    except tarfile.TarError as error:
        where = f"is cut off or broken in member {name!r}" if name else "is not a whole tar file"
        raise InputError(f"{shard} {where}: {error}") from error
    except OSError as error:
        raise InputError(f"{shard} cannot be read: {error.strerror or error}") from error


def _tar_from(stream: BinaryIO, start: int) -> tarfile.TarFile:
    stream.seek(start)
    return tarfile.open(fileobj=stream, mode="r:")


def _split(path: str) -> tuple[str, str]:
    """Return name and ending of a member: the ending starts at the first dot of the file name."""
    folder, slash, file = path.rpartition("/")
    start, _, ending = file.partition(".")
    return folder + slash + start, ending.lower()
