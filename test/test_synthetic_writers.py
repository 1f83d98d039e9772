"""Labels that come back as they went, and writers that leave whole blocks or nothing."""

from __future__ import annotations

import errno
import hashlib
import json
import pickle
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from test_data_shards import CAMERA, SIZE, synth_hand, synth_sample

import hand_pose_ros
from hand_pose_ros.data.folder import read_folder, read_image
from hand_pose_ros.data.shards import read_shards
from hand_pose_ros.data.synthetic.output.labels import (
    DIGITS,
    labels_checksum,
    sample_as_dict,
    sample_from_dict,
    surface_as_array,
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
from hand_pose_ros.errors import InputError, OutputError
from hand_pose_ros.hand import skeleton
from hand_pose_ros.hand.camera import Camera
from hand_pose_ros.hand.kinematics import HandParameters, forward_kinematics, mirror
from hand_pose_ros.hand.rotations import matrix_from_euler

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


# --- labels -----------------------------------------------------------------------------------


def parsed(sample: SynthSample) -> dict[str, Any]:
    return json.loads(json.dumps(sample_as_dict(sample), allow_nan=False))


def back(sample: SynthSample, label: dict[str, Any], surface: Any = None) -> SynthSample:
    return sample_from_dict(label, sample.image_rgb, sample.mask, sample.depth, surface)


def test_labels_come_back_to_their_digits() -> None:
    sample = synth_sample(5, BOTH, sequence=2, time=1.0 / 3.0)
    read = back(sample, parsed(sample))
    assert (read.index, read.sequence, read.name) == (5, 2, sample.name)
    assert read.time == pytest.approx(sample.time, abs=1e-9)
    np.testing.assert_array_equal(read.camera.K, CAMERA.K)
    for name in ("width", "height", "distortion", "distortion_model", "assumed"):
        assert getattr(read.camera, name) == getattr(CAMERA, name)
    assert len(read.hands) == 2
    for came, went in zip(read.hands, sample.hands, strict=True):
        assert (came.side, came.identity) == (went.side, went.identity)
        np.testing.assert_array_equal(came.visible, went.visible)
        assert came.visible.dtype == bool
        for name, digits in DIGITS.items():
            error = np.abs(getattr(came, name) - getattr(went, name)).max()
            assert error <= 0.5001 * 10.0**-digits, name


def test_labels_that_went_once_stay_the_same() -> None:
    sample = synth_sample(5, BOTH)
    assert parsed(back(sample, parsed(sample))) == parsed(sample)


@pytest.mark.parametrize("side", BOTH)
def test_fk_of_stored_angles_gives_the_stored_joints(side: str) -> None:
    worst = 0.0
    for seed in range(20):
        sample = synth_sample(0, hands=(synth_hand(seed, side),))
        (hand,) = back(sample, parsed(sample)).hands
        angles, bones, offsets = (
            torch.from_numpy(each) for each in (hand.angles, hand.bone_lengths, hand.offsets)
        )
        parameters = HandParameters(
            matrix_from_euler(angles[: skeleton.WRIST_DOFS]),
            angles[skeleton.WRIST_DOFS :],
            bones,
            offsets,
        )
        points = forward_kinematics(parameters).positions
        points = mirror(points) if side == "left" else points
        placed = points.numpy() + hand.T_cam_wrist[:3, 3]
        worst = max(worst, float(np.abs(placed - hand.keypoints).max()))
    assert worst < 1e-6  # a hundredth of a millimetre is promised


def test_a_joint_without_a_pixel_is_null() -> None:
    hand = synth_hand(1)
    hand.keypoints_px[3] = np.nan
    sample = synth_sample(0, hands=(hand,))
    label = parsed(sample)
    assert label["hands"][0]["keypoints_px"][3] == [None, None]
    read = back(sample, label).hands[0].keypoints_px
    np.testing.assert_array_equal(np.isnan(read[:, 0]), np.arange(21) == 3)


@pytest.mark.parametrize("field", sorted({*DIGITS} - {"keypoints_px"}))
def test_what_is_not_finite_is_named(field: str) -> None:
    hand = synth_hand(1)
    getattr(hand, field).flat[0] = np.inf
    with pytest.raises(InputError, match=rf"hands\[0\]\.{field} has values that are not finite"):
        sample_as_dict(synth_sample(0, hands=(hand,)))


def test_a_side_that_no_hand_has_is_named() -> None:
    with pytest.raises(InputError, match=r"hands\[0\]\.side is 'upper'.*left"):
        sample_as_dict(synth_sample(0, hands=(synth_hand(1, "upper"),)))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda label: label.pop("camera"), "label has no 'camera'"),
        (lambda label: label.update(camera=3), "label.camera is int; it must be an object"),
        (lambda label: label["camera"].pop("K"), "label.camera has no 'K'"),
        (lambda label: label["camera"].update(K=[[1.0]]), "label.camera: K has shape"),
        (lambda label: label["camera"].update(distortion="x"), "camera.distortion is not an arr"),
        (lambda label: label["camera"].update(distortion_model="x"), "distortion_model is 'x'"),
        (lambda label: label.update(index="1"), "label.index is '1'; it must be a whole"),
        (lambda label: label.update(sequence=True), "label.sequence is True; it must be a whole"),
        (lambda label: label.update(time="late"), "label.time is not an array of numbers"),
        (lambda label: label.update(hands={}), "label.hands is dict; it must be a list"),
        (lambda label: label.update(hands=[3]), r"label.hands\[0\] is int"),
        (lambda label: label["hands"][0].update(side=1), r"hands\[0\].side is 1"),
        (lambda label: label["hands"][0].pop("visible"), r"hands\[0\] has no 'visible'"),
        (lambda label: label["hands"][0].update(box=[1]), r"box has shape \(1,\)"),
        (lambda label: label["hands"][0].update(angles=[[1], 2]), r"hands\[0\].angles is not an"),
    ],
)
def test_a_broken_label_is_named(change: Any, said: str) -> None:
    sample = synth_sample(0)
    label = parsed(sample)
    change(label)
    with pytest.raises(InputError, match=said):
        back(sample, label)


def test_surfaces_come_back_within_a_tenth_of_a_millimetre() -> None:
    sample = synth_sample(3, BOTH)
    surface = surface_as_array(sample)
    assert (surface.dtype, surface.shape) == (np.float16, (2, 30, 3))
    for came, went in zip(back(sample, parsed(sample), surface).hands, sample.hands, strict=True):
        assert came.vertices.dtype == np.float32
        assert np.abs(came.vertices - went.vertices).max() < 1e-4


def test_surfaces_of_different_sizes_are_named() -> None:
    hands = (synth_hand(0, vertices=30), synth_hand(1, vertices=31))
    with pytest.raises(InputError, match=r"\[30, 31\] vertices"):
        surface_as_array(synth_sample(0, hands=hands))


# --- checksum ---------------------------------------------------------------------------------


def nudged(value: Any, by: float) -> Any:
    if isinstance(value, dict):
        return {key: nudged(each, by) for key, each in value.items()}
    if isinstance(value, list):
        return [nudged(each, by) for each in value]
    return value * (1.0 + by) if isinstance(value, float) else value


@pytest.mark.parametrize("by", [1e-13, -1e-13])
def test_the_checksum_does_not_see_last_digits(by: float) -> None:
    """No stored value is a tie: among these some thousand values several would be."""
    labels = [parsed(synth_sample(i, BOTH)) for i in range(60)]
    coordinates = np.array([hand["keypoints"] for each in labels for hand in each["hands"]])
    assert (np.abs(coordinates / 1e-4 % 1.0 - 0.5) < 1e-6).sum() > 3
    assert labels_checksum(labels) == labels_checksum([nudged(each, by) for each in labels])


def test_the_checksum_does_not_see_last_digits_before_they_are_stored() -> None:
    sums = []
    for by in (0.0, 1e-14, -1e-14):
        hands = [synth_hand(seed, BOTH[seed % 2]) for seed in range(40)]
        for hand in hands:
            for field in DIGITS:
                getattr(hand, field)[...] *= 1.0 + by
        sums.append(labels_checksum([parsed(synth_sample(0, hands=tuple(hands)))]))
    assert len(set(sums)) == 1


def test_the_checksum_does_not_see_what_is_measured_in_the_image() -> None:
    label = parsed(synth_sample(1))
    other = json.loads(json.dumps(label))
    other["hands"][0].update(visible=[True] * 21, box=[0, 0, 1, 1])
    other["hands"][0]["angles"][0] += 6.2831853
    assert labels_checksum([label]) == labels_checksum([other])


@pytest.mark.parametrize(
    ("field", "step"),
    [
        ("keypoints", 1e-4),
        ("keypoints_px", 1e-2),
        ("bone_lengths", 1e-4),
        ("offsets", 1e-3),
        ("T_cam_wrist", 1e-3),
        ("angles", 1e-3),
    ],
)
def test_the_checksum_sees_a_whole_step(field: str, step: float) -> None:
    label = parsed(synth_sample(1))
    values = np.array(label["hands"][0][field])
    values.flat[-1 if field != "T_cam_wrist" else 0] += 1.01 * step
    other = json.loads(json.dumps(label))
    other["hands"][0][field] = values.tolist()
    assert labels_checksum([label]) != labels_checksum([other])


def test_the_checksum_sees_order_and_number() -> None:
    first, second = (parsed(synth_sample(i)) for i in range(2))
    sums = [labels_checksum(each) for each in ([], [first], [first, second], [second, first])]
    assert len(set(sums)) == 4


def test_a_checksum_of_a_known_label() -> None:
    """By hand: K of 1, 0 and 0.5 px are 100, 0 and 50 steps of 0.01 px; and there is no hand."""
    camera = Camera(np.array([[1.0, 0.0, 0.5], [0.0, 1.0, 0.5], [0.0, 0.0, 1.0]]), 2, 2)
    empty = np.zeros((2, 2), np.uint8)
    sample = SynthSample(
        7, np.zeros((2, 2, 3), np.uint8), camera, (), empty, empty.astype(np.float32)
    )
    text = (
        '{"K":[[100.0,0.0,50.0],[0.0,100.0,50.0],[0.0,0.0,100.0]],"distortion":[],'
        '"distortion_model":"plumb_bob","hands":[],"index":7,"sequence":null,"size":[2,2],'
        '"time":0.0}\n'
    )

    assert labels_checksum([parsed(sample)]) == hashlib.sha256(text.encode()).hexdigest()


def test_a_checksum_of_something_else_names_the_field() -> None:
    label = parsed(synth_sample(1))
    del label["hands"][0]["offsets"]
    with pytest.raises(InputError, match="label 1 has no 'offsets'"):
        labels_checksum([label])
    with pytest.raises(InputError, match="label None has no 'camera'"):
        labels_checksum([{}])


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
        read = back(sample, images[f"{sample.name}.jpg"], surface)
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
