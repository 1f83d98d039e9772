"""Full disks, interruptions and broken blocks: what was finished stays, the rest is gone."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from test_data_shards import synth_sample
from test_synthetic_writers import SETTINGS, begun, block, both_formats, content

from hand_pose_ros.data.synthetic.output.labels import (
    labels_checksum,
)
from hand_pose_ros.data.synthetic.output.writers import (
    FinishedDataset,
    ShardWriter,
)
from hand_pose_ros.data.synthetic.sample import SynthSample
from hand_pose_ros.errors import InputError, OutputError

# --- what goes wrong --------------------------------------------------------------------------


class FullStream:
    """A file on a disk that is full after so many bytes."""

    def __init__(self, stream: Any, disk: dict[str, int]) -> None:
        self._stream, self._disk = stream, disk

    def write(self, data: bytes) -> int:
        self._disk["free"] -= len(data)
        if self._disk["free"] < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        return self._stream.write(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def __enter__(self) -> FullStream:
        return self

    def __exit__(self, *_: Any) -> None:
        self._stream.close()


def fill_disk(monkeypatch: pytest.MonkeyPatch, free: int) -> None:
    disk, real = {"free": free}, Path.open

    def opened(path: Path, mode: str = "r", *args: Any, **options: Any) -> Any:
        stream = real(path, mode, *args, **options)
        return FullStream(stream, disk) if "w" in mode else stream

    monkeypatch.setattr(Path, "open", opened)


@both_formats
@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_a_full_disk_names_the_file_and_leaves_what_was_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, format: str, share: float
) -> None:
    trial = begun(format, tmp_path / "trial")
    empty = sum(map(len, content(tmp_path / "trial").values()))
    trial.write(1, block(1))
    needed = sum(map(len, content(tmp_path / "trial").values())) - empty
    writer = begun(format, tmp_path / "out")
    writer.write(0, block(0))
    before = content(tmp_path / "out")
    with monkeypatch.context() as patch:
        fill_disk(patch, int(share * needed))
        with pytest.raises(OutputError, match=r"out/(shard-000001|images|masks|depth|annot)") as e:
            writer.write(1, block(1))
    assert "No space left on device; what was finished before stays" in str(e.value)
    assert content(tmp_path / "out") == before
    assert writer.done_blocks() == {0}
    writer.write(1, block(1))
    assert writer.done_blocks() == {0, 1}


@both_formats
def test_a_full_disk_at_the_end_leaves_the_blocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, format: str
) -> None:
    writer = begun(format, tmp_path)
    writer.write(0, block(0))
    before = content(tmp_path)
    with monkeypatch.context() as patch:
        fill_disk(patch, 100)
        with pytest.raises(OutputError, match=r"(annotations|index)\.json failed: No space"):
            writer.finish()
    assert content(tmp_path) == before


def test_a_disk_that_is_full_at_the_last_moment_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = begun("shards", tmp_path)
    before = content(tmp_path)

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OutputError, match=r"shard-000000\.tar failed: No space"):
        writer.write(0, block(0))
    assert content(tmp_path) == before


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match=r"writing .*file/out failed: Not a directory"):
        ShardWriter(tmp_path / "file" / "out").begin(SETTINGS)


@both_formats
@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError("no such background")])
def test_an_interruption_leaves_no_part_of_a_block(
    tmp_path: Path, format: str, error: BaseException
) -> None:
    def interrupted() -> Iterator[SynthSample]:
        yield from block(1)
        raise error

    writer = begun(format, tmp_path)
    writer.write(0, block(0))
    before = content(tmp_path)
    with pytest.raises(type(error)) as caught:
        writer.write(1, interrupted())
    assert caught.value is error  # not taken for an error of writing
    assert content(tmp_path) == before
    assert writer.finish().images == 4


@both_formats
def test_a_block_written_again_replaces_the_first(tmp_path: Path, format: str) -> None:
    once, twice = begun(format, tmp_path / "once"), begun(format, tmp_path / "twice")
    twice.write(0, [synth_sample(i, sequence=None, time=9.0) for i in range(4)])
    for writer in (once, twice):
        writer.write(0, block(0))
    assert content(tmp_path / "once") == content(tmp_path / "twice")


def test_a_block_that_could_not_be_replaced_is_not_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = begun("folder", tmp_path)
    before = content(tmp_path)
    writer.write(0, block(0))

    def full(path: Path, target: Path) -> Path:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", full)
        with pytest.raises(OutputError, match=r"depth/00000000\.png"):
            writer.write(0, block(0))
    assert writer.done_blocks() == frozenset()
    assert not before.keys() - content(tmp_path).keys()
    assert writer.finish() == FinishedDataset(0, 0, labels_checksum([]))


def test_an_interruption_between_moves_is_undone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = begun("folder", tmp_path)
    before = content(tmp_path)
    real, moves = Path.replace, []

    def replace(path: Path, target: Path) -> Path:
        moves.append(target)
        if len(moves) == 6:
            raise KeyboardInterrupt
        return real(path, target)

    monkeypatch.setattr(Path, "replace", replace)
    with pytest.raises(KeyboardInterrupt):
        writer.write(0, block(0))
    assert content(tmp_path) == before


@both_formats
def test_what_a_killed_process_left_is_swept_and_never_counted(
    tmp_path: Path, format: str
) -> None:
    writer = begun(format, tmp_path)
    writer.write(0, block(0))
    before = content(tmp_path)
    (tmp_path / ".shard-000001.tar.77.new").write_bytes(b"half")
    (tmp_path / ".block-000001.77.new" / "images").mkdir(parents=True)
    (tmp_path / ".block-000001.77.new" / "images" / "a.jpg").write_bytes(b"half")
    assert writer.done_blocks() == {0}
    writer.begin(SETTINGS, resume=True)
    assert content(tmp_path) == before


def test_a_block_that_is_not_whole_is_not_done(tmp_path: Path) -> None:
    shards, folder = begun("shards", tmp_path / "s"), begun("folder", tmp_path / "f")
    for writer in (shards, folder):
        for number in range(4):
            writer.write(number, block(number))
    cut = shards.path(1)
    cut.write_bytes(cut.read_bytes()[:5000])
    (tmp_path / "s" / "shard-99.tar").write_bytes(b"not a name of ours")
    (tmp_path / "f" / "images" / "00000004.jpg").unlink()
    (tmp_path / "f" / "depth" / "00000008.png").write_bytes(b"")
    folder.path(3).write_text("{")
    assert shards.done_blocks() == {0, 2, 3}
    assert folder.done_blocks() == {0}


def test_broken_annotations_of_a_block_are_named_at_the_end(tmp_path: Path) -> None:
    writer = begun("folder", tmp_path)
    writer.write(0, block(0))
    writer.path(0).write_text("{}")
    with pytest.raises(InputError, match=r'block-000000\.json must be an object with "images"'):
        writer.finish()
