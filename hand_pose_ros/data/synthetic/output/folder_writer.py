"""Writes samples in the `folder` format, with more beside it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from hand_pose_ros.data.folder import ANNOTATIONS, IMAGES
from hand_pose_ros.data.synthetic.output.block_writer import (
    BlockWriter,
    FinishedDataset,
    Label,
    WrittenBlock,
    check_filled,
    check_new,
    encode,
)
from hand_pose_ros.data.synthetic.output.labels import sample_as_dict
from hand_pose_ros.data.synthetic.output.whole_files import (
    json_bytes,
    naming,
    read_json,
    whole_file,
    write_json,
)
from hand_pose_ros.data.synthetic.sample import SynthSample
from hand_pose_ros.errors import InputError

FOLDERS = {"vertices.npy": "vertices", "mask.png": "masks", "depth.png": "depth", "jpg": IMAGES}
"""Where the folder format puts each part of a sample; the labels go into the annotations."""


class FolderWriter(BlockWriter):
    """Writes the `folder` format (`data.folder`), with more beside it.

        images/NAME.jpg, masks/NAME.png, depth/NAME.png, vertices/NAME.npy
        annotations/block-000012.json   the annotations of one block: the block is there with it
        annotations.json                all of them, joined by `finish`

    Files are as in a shard (`data.shards`). An annotation has the fields of the label (`labels`)
    and, for readers of the format, `side`, `K`, `distortion`, `distortion_model`, `keypoints` and
    `box` of the first hand; a hand of which nothing is seen has no `box`.
    """

    format = "folder"

    def path(self, block: int) -> Path:
        """Return the annotations of a block."""
        return self.out / "annotations" / f"block-{block:06d}.json"

    def write(self, block: int, samples: Iterable[SynthSample]) -> WrittenBlock:
        """Write a block; see `BlockWriter.write`."""
        work = self.out / f".block-{block:06d}.{os.getpid()}.new"
        annotations: dict[str, Label] = {}
        try:
            for sample in samples:
                check_new(sample.name, annotations, self.path(block))
                annotations[sample.name] = _annotation(sample)
                for ending, data in encode(sample, self.quality, self.vertices).items():
                    self._stage(work, sample.name, ending, data)
            check_filled(annotations, block)
            self._publish(work, block, annotations)
        finally:
            shutil.rmtree(work, ignore_errors=True)
        return WrittenBlock(block, len(annotations), self.path(block))

    def done_blocks(self) -> frozenset[int]:
        """Return the blocks whose annotations are there, and every file of theirs, not empty."""
        return frozenset(block for block, path in self._blocks().items() if self._is_whole(path))

    def labels(self) -> Iterator[Label]:
        """Return the labels of all images; see `BlockWriter.labels`."""
        for path in self._blocks().values():
            yield from _images(path).values()

    def finish(self) -> FinishedDataset:
        """Join the annotations, then as `BlockWriter.finish`; needs memory for one block."""
        path = self.out / ANNOTATIONS
        with whole_file(path) as stream:
            start = b'{"images":{\n'
            for block in self._blocks().values():
                for name, annotation in _images(block).items():
                    with naming(path):
                        entry = json_bytes({name: annotation})
                        stream.write(start + entry[1:-1])
                    start = b",\n"
            with naming(path):
                stream.write((b"" if start == b",\n" else start) + b"\n}}\n")
        return super().finish()

    def _stage(self, work: Path, name: str, ending: str, data: bytes) -> None:
        staged = work / self._file(name, ending)
        with naming(self.out / self._file(name, ending)):
            staged.parent.mkdir(parents=True, exist_ok=True)
            staged.write_bytes(data)

    def _publish(self, work: Path, block: int, annotations: dict[str, Label]) -> None:
        """Move the files to their places and write the annotations last; undo it if that fails."""
        moved: list[Path] = []
        try:
            with naming(self.path(block)):
                self.path(block).unlink(missing_ok=True)
            for staged in sorted(work.glob("*/*")):
                target = self.out / staged.relative_to(work)
                with naming(target):
                    target.parent.mkdir(exist_ok=True)
                    staged.replace(target)
                moved.append(target)
            images = {f"{name}.jpg": annotation for name, annotation in annotations.items()}
            with naming(self.path(block)):
                self.path(block).parent.mkdir(exist_ok=True)
            write_json(self.path(block), {"images": images})
        except BaseException:
            for target in moved:
                target.unlink(missing_ok=True)
            raise

    def _file(self, name: str, ending: str) -> Path:
        return Path(FOLDERS[ending], f"{name}.{ending.rsplit('.', 1)[-1]}")

    def _is_whole(self, path: Path) -> bool:
        endings = [each for each in FOLDERS if self.vertices or each != "vertices.npy"]
        try:
            return all(
                (self.out / self._file(Path(name).stem, ending)).stat().st_size > 0
                for name in _images(path)
                for ending in endings
            )
        except (OSError, InputError):
            return False


def _annotation(sample: SynthSample) -> Label:
    label = sample_as_dict(sample)
    fields = {key: label["camera"][key] for key in ("K", "distortion", "distortion_model")}
    if label["hands"]:
        first = label["hands"][0]
        fields |= {key: first[key] for key in ("side", "keypoints")}
        if first["box"][2] > 0 and first["box"][3] > 0:
            fields["box"] = first["box"]
    return {**fields, **label}


def _images(path: Path) -> dict[str, Label]:
    images = read_json(path).get("images")
    if not isinstance(images, dict):
        raise InputError(f'{path} must be an object with "images": {{NAME: {{...}}}}')
    return images
