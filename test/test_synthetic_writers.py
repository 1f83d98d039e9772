"""What the writers of rendered samples leave on the disk, and how they go on with it."""

from __future__ import annotations

import json
import pickle
import tarfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from test_data_shards import SIZE, synth_hand, synth_sample

import hand_pose_ros
from hand_pose_ros.data.folder import read_folder, read_image
from hand_pose_ros.data.shards import read_shards
from hand_pose_ros.data.synthetic.output.labels import (
    labels_checksum,
    sample_as_dict,
    sample_from_dict,
)
from hand_pose_ros.data.synthetic.output.writers import (
    WRITERS,
    BlockWriter,
    FinishedDataset,
    FolderWriter,
    ShardWriter,
    WrittenBlock,
)
from hand_pose_ros.data.synthetic.sample import SynthSample
from hand_pose_ros.errors import InputError

BOTH = ("left", "right")
SETTINGS = {"seed": 3, "count": 8, "camera": {"width": 64, "height": 48}}


def block(number: int) -> list[SynthSample]:
    return [synth_sample(4 * number + i, BOTH[: 1 + i % 2]) for i in range(4)]


def begun(format: str, out: Path, **options: Any) -> BlockWriter:
    writer = WRITERS[format](out, **options)
    writer.begin(SETTINGS)
    return writer


def content(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


both_formats = pytest.mark.parametrize("format", ["folder", "shards"])


# --- what is written --------------------------------------------------------------------------


def test_a_shard_has_the_members_of_webdataset(tmp_path: Path) -> None:
    writer = begun("shards", tmp_path, vertices=True)
    path = tmp_path / "shard-000012.tar"
    assert writer.write(12, block(3)) == WrittenBlock(12, 4, path)
    with tarfile.open(path) as tar:
        members = tar.getmembers()
    endings = ("vertices.npy", "mask.png", "depth.png", "jpg", "json")
    names = [f"{index:08d}.{ending}" for index in range(12, 16) for ending in endings]
    assert [member.name for member in members] == names
    for member in members:
        assert (member.mtime, member.uid, member.gid, member.uname, member.gname) == (
            *(0, 0, 0),
            *("", ""),
        )


def test_a_shard_is_read_back(tmp_path: Path) -> None:
    begun("shards", tmp_path, vertices=True).write(0, block(0))
    for read, true in zip(read_shards(tmp_path), block(0), strict=True):
        assert sample_as_dict(read) == sample_as_dict(true)
        for came, went in zip(read.hands, true.hands, strict=True):
            assert np.abs(came.vertices - went.vertices).max() < 1e-4


def test_the_folder_is_read_by_the_reader_of_folders(tmp_path: Path) -> None:
    writer = begun("folder", tmp_path)
    for number in (1, 0):
        writer.write(number, block(number))
    writer.finish()
    samples = read_folder(tmp_path, require=("side", "K", "box", "keypoints"))
    true = [*block(0), *block(1)]
    assert [sample.name for sample in samples] == [f"{each.name}.jpg" for each in true]
    for read, sample in zip(samples, true, strict=True):
        hand = sample.hands[0]
        assert read.side == hand.side
        np.testing.assert_allclose(read.keypoints, hand.keypoints, atol=1e-7)
        np.testing.assert_array_equal(read.box, hand.box)
        image = read_image(read.path)
        pixels = read.camera(image.shape[1], image.shape[0]).project(hand.keypoints)
        np.testing.assert_allclose(pixels, hand.keypoints_px, atol=1e-6)
        assert np.abs(image.astype(int) - sample.image_rgb).mean() < 3.0


def test_the_folder_keeps_all_hands_and_all_files(tmp_path: Path) -> None:
    writer = begun("folder", tmp_path, vertices=True)
    assert writer.write(0, block(0)).images == 4
    writer.finish()
    images = json.loads((tmp_path / "annotations.json").read_text())["images"]
    assert [len(each["hands"]) for each in images.values()] == [1, 2, 1, 2]
    for sample in block(0):
        parts = {
            "depth": (tmp_path / "depth" / f"{sample.name}.png").read_bytes(),
            "mask": (tmp_path / "masks" / f"{sample.name}.png").read_bytes(),
        }
        depth, mask = (cv2.imdecode(np.frombuffer(each, np.uint8), -1) for each in parts.values())
        np.testing.assert_array_equal(depth, np.rint(sample.depth.astype(float) * 1e4))
        np.testing.assert_array_equal(mask, sample.mask)
        surface = np.load(tmp_path / "vertices" / f"{sample.name}.npy")
        label = images[f"{sample.name}.jpg"]
        read = sample_from_dict(label, sample.image_rgb, sample.mask, sample.depth, surface)
        assert sample_as_dict(read) == sample_as_dict(sample)


def test_an_image_without_a_hand_or_with_one_unseen_is_a_sample_too(tmp_path: Path) -> None:
    unseen = synth_hand(3)
    unseen.box[:] = 0.0
    writer = begun("folder", tmp_path)
    writer.write(0, [synth_sample(0, ()), synth_sample(1, hands=(unseen,))])
    writer.finish()
    nobody, hidden = read_folder(tmp_path)
    assert (nobody.side, nobody.box, nobody.keypoints) == (None, None, None)
    assert (hidden.side, hidden.box) == ("right", None)


def test_depth_beyond_its_range_is_at_its_end(tmp_path: Path) -> None:
    far = np.full(SIZE, 9.0, np.float32)
    begun("shards", tmp_path).write(0, [synth_sample(0, depth=far)])
    (read,) = read_shards(tmp_path)
    np.testing.assert_allclose(read.depth, 6.5535, atol=1e-6)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"K": None}, r"distortion is \(-0.12, .* without a K; give both"),
        ({"distortion": [[0.1] * 5]}, r"\.distortion has shape \(1, 5\); it must be \(n,\)"),
        ({"distortion": "x"}, r"\.distortion is not an array"),
        ({"distortion": [0.1] * 3}, "distortion has 3 coefficients"),
        ({"distortion_model": "x"}, "distortion_model is 'x'"),
    ],
)
def test_a_broken_lens_of_a_folder_is_named(
    tmp_path: Path, change: dict[str, Any], said: str
) -> None:
    writer = begun("folder", tmp_path)
    writer.write(0, [synth_sample(0)])
    writer.finish()
    content = json.loads((tmp_path / "annotations.json").read_text())
    content["images"]["00000000.jpg"].update(change)
    (tmp_path / "annotations.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match=rf"annotations\.json: images\['00000000\.jpg'\].*{said}"):
        read_folder(tmp_path)


@both_formats
@pytest.mark.parametrize("wrong", [np.nan, np.inf, -0.1])
def test_depth_that_cannot_be_is_named(tmp_path: Path, format: str, wrong: float) -> None:
    depth = np.full(SIZE, wrong, np.float32)
    writer = begun(format, tmp_path)
    with pytest.raises(InputError, match="depth of 00000000 must be finite and 0 or more"):
        writer.write(0, [synth_sample(0, depth=depth)])


@both_formats
def test_two_samples_of_one_name_and_none_are_named(tmp_path: Path, format: str) -> None:
    writer = begun(format, tmp_path)
    before = content(tmp_path)
    with pytest.raises(InputError, match="two samples have the name '00000002'"):
        writer.write(0, [synth_sample(2), synth_sample(2)])
    with pytest.raises(InputError, match="block 7 has no samples"):
        writer.write(7, [])
    assert content(tmp_path) == before


@both_formats
def test_equal_samples_make_equal_bytes(tmp_path: Path, format: str) -> None:
    for name in ("a", "b"):
        writer = begun(format, tmp_path / name, vertices=True)
        for number in (0, 1) if name == "a" else (1, 0):
            pickle.loads(pickle.dumps(writer)).write(number, block(number))
        writer.finish()
    assert content(tmp_path / "a") == content(tmp_path / "b")


@pytest.mark.parametrize("quality", [0, 101])
def test_a_quality_that_cannot_be_is_named(tmp_path: Path, quality: int) -> None:
    with pytest.raises(InputError, match=f"quality is {quality}; it must be 1 to 100"):
        ShardWriter(tmp_path, quality=quality)


def test_a_lower_quality_makes_smaller_files(tmp_path: Path) -> None:
    for quality in (30, 95):
        begun("folder", tmp_path / str(quality), quality=quality).write(0, block(0))
    for sample in block(0):
        low, high = (tmp_path / each / "images" / f"{sample.name}.jpg" for each in ("30", "95"))
        assert low.stat().st_size < high.stat().st_size


# --- finishing and resuming -------------------------------------------------------------------


@both_formats
def test_the_index_says_with_what_and_how_many(tmp_path: Path, format: str) -> None:
    writer = begun(format, tmp_path, quality=90)
    labels = [sample_as_dict(sample) for number in (0, 1) for sample in block(number)]
    for number in (0, 1):
        writer.write(number, block(number))
    finished = writer.finish()
    assert finished == FinishedDataset(2, 8, labels_checksum(labels))
    assert json.loads((tmp_path / "index.json").read_text()) == {
        "format": format,
        "version": hand_pose_ros.__version__,
        "writer": {"quality": 90, "vertices": False},
        "settings": SETTINGS,
        "finished": {"blocks": 2, "images": 8, "labels_sha256": finished.labels_sha256},
    }


@both_formats
def test_a_resumed_dataset_equals_one_made_at_once(tmp_path: Path, format: str) -> None:
    for name, first in (("once", (0, 1, 2)), ("twice", (2,))):
        writer = begun(format, tmp_path / name)
        for number in first:
            writer.write(number, block(number))
        writer.finish()
    again = WRITERS[format](tmp_path / "twice")
    again.begin(SETTINGS, resume=True)
    assert again.done_blocks() == {2}
    for number in {0, 1, 2} - again.done_blocks():
        again.write(number, block(number))
    assert again.done_blocks() == {0, 1, 2}
    again.finish()
    assert content(tmp_path / "once") == content(tmp_path / "twice")


@both_formats
def test_resuming_nothing_begins(tmp_path: Path, format: str) -> None:
    writer = WRITERS[format](tmp_path / "new")
    writer.begin(SETTINGS, resume=True)
    assert writer.done_blocks() == frozenset()
    assert writer.finish().images == 0


@both_formats
@pytest.mark.parametrize(
    ("settings", "options", "said"),
    [
        ({**SETTINGS, "seed": 4}, {}, "settings.seed was 3 and is now 4"),
        ({**SETTINGS, "new": 1}, {}, "settings.new was None and is now 1"),
        ({"seed": 3, "camera": SETTINGS["camera"]}, {}, "settings.count was 8 and is now None"),
        (
            {**SETTINGS, "camera": {"width": 65, "height": 48}},
            {},
            "settings.camera.width was 64 and is now 65",
        ),
        (SETTINGS, {"quality": 94}, "writer.quality was 95 and is now 94"),
        (SETTINGS, {"vertices": True}, "writer.vertices was False and is now True"),
    ],
)
def test_other_settings_are_refused_by_name(
    tmp_path: Path, format: str, settings: dict[str, Any], options: dict[str, Any], said: str
) -> None:
    begun(format, tmp_path).write(0, block(0))
    before = content(tmp_path)
    with pytest.raises(InputError, match=rf"index\.json: {said}; to resume it must be the same"):
        WRITERS[format](tmp_path, **options).begin(settings, resume=True)
    assert content(tmp_path) == before


def test_another_version_or_format_is_refused_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun("shards", tmp_path)
    with pytest.raises(InputError, match="format was 'shards' and is now 'folder'"):
        FolderWriter(tmp_path).begin(SETTINGS, resume=True)
    monkeypatch.setattr("hand_pose_ros.data.synthetic.output.block_writer.__version__", "9.9.9")
    with pytest.raises(InputError, match=r"version was '.*' and is now '9\.9\.9'"):
        ShardWriter(tmp_path).begin(SETTINGS, resume=True)


def test_what_is_not_ours_is_left_alone(tmp_path: Path) -> None:
    begun("shards", tmp_path / "ours")
    with pytest.raises(InputError, match="ours holds a dataset; resume it or choose another"):
        ShardWriter(tmp_path / "ours").begin(SETTINGS)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "letter.txt").write_text("x")
    (tmp_path / "file").write_text("x")
    for name in ("other", "file"):
        with pytest.raises(InputError, match=rf"{name} holds other things \(no index\.json\)"):
            ShardWriter(tmp_path / name).begin(SETTINGS, resume=True)


@pytest.mark.parametrize("text", ["{", "[]"])
def test_a_broken_index_is_named(tmp_path: Path, text: str) -> None:
    writer = begun("shards", tmp_path)
    (tmp_path / "index.json").write_text(text)
    with pytest.raises(InputError, match=r"index\.json is"):
        writer.begin(SETTINGS, resume=True)
