"""Writes samples as WebDataset shards."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from hand_pose_ros.data.packed import MEMBERS
from hand_pose_ros.data.shards import is_whole, read_labels
from hand_pose_ros.data.synthetic.output.block_writer import (
    BlockWriter,
    Label,
    WrittenBlock,
    check_filled,
    check_new,
    encode,
)
from hand_pose_ros.data.synthetic.output.labels import sample_as_dict
from hand_pose_ros.data.synthetic.output.whole_files import json_bytes, naming, whole_file
from hand_pose_ros.data.synthetic.sample import SynthSample


class ShardWriter(BlockWriter):
    """Writes a block as `shard-000012.tar`, a WebDataset shard; see `data.shards` for its members.

    Members have no time, owner or group, so that equal samples make equal files.
    """

    format = "shards"

    def path(self, block: int) -> Path:
        """Return the file of a shard."""
        return self.out / f"shard-{block:06d}.tar"

    def write(self, block: int, samples: Iterable[SynthSample]) -> WrittenBlock:
        """Write a shard; see `BlockWriter.write`."""
        path, names = self.path(block), set[str]()
        with whole_file(path) as stream:
            with naming(path):
                tar = tarfile.TarFile(fileobj=stream, mode="w", format=tarfile.USTAR_FORMAT)
            for sample in samples:
                parts = encode(sample, self.quality, self.vertices)
                parts["json"] = json_bytes(sample_as_dict(sample))
                check_new(sample.name, names, path)
                names.add(sample.name)
                with naming(path):
                    for ending in (each for each in MEMBERS if each in parts):
                        _add(tar, f"{sample.name}.{ending}", parts[ending])
            check_filled(names, block)
            with naming(path):
                tar.close()
        return WrittenBlock(block, len(names), path)

    def done_blocks(self) -> frozenset[int]:
        """Return the shards that can be read to their end; only headers are read."""
        return frozenset(block for block, path in self._blocks().items() if is_whole(path))

    def labels(self) -> Iterator[Label]:
        """Return the labels of all images; see `BlockWriter.labels`."""
        return read_labels(list(self._blocks().values()))


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)  # time 0, no owner, mode 644
    member.size = len(data)
    tar.addfile(member, io.BytesIO(data))
