"""The reader of DexYCB on small files in the official format, whole and broken."""

from __future__ import annotations

import itertools
import shutil
from pathlib import Path
from typing import Any

import dot_samples as dots
import numpy as np
import pytest
import yaml

from hand_pose_ros.cli import main as cli
from hand_pose_ros.data.check import Problem, check_dataset
from hand_pose_ros.data.datasets import FORMATS, open_dataset
from hand_pose_ros.data.readers import dexycb
from hand_pose_ros.data.readers.indexed import Indexed
from hand_pose_ros.errors import InputError

SUBJECTS = ["20200709-subject-01", "20200813-subject-02"]
SERIALS = [
    *("836212060125", "839512060362", "840412060917", "841412060263"),
    *("932122060857", "932122060861", "932122061900", "932122062010"),
]
SIZE = (640, 480)
INTRINSICS = {
    serial: {"fx": 610.0 + i, "fy": 611.0 + i, "ppx": 315.0 - i, "ppy": 245.0}
    for i, serial in enumerate(SERIALS)
}
PLACE = (0.0, 0.1, 0.7)
RECORDED = {(SUBJECTS[0], 4): ("right", 2), (SUBJECTS[1], 99): ("left", 1)}
"""The sequences with frames: place among the subject's, side and number of frames."""


def sequence(subject: str, place: int) -> str:
    return f"{subject}/{subject[:8]}_{140000 + place}"


def frame_file(root: Path, name: str, subject: str = SUBJECTS[0], place: int = 4) -> Path:
    return root / sequence(subject, place) / SERIALS[0] / name


def points(side: str, serial: str) -> Any:
    return dots.hand(side, (PLACE[0] + 0.01 * SERIALS.index(serial), *PLACE[1:]))


def write_frame(folder: Path, side: str, serial: str, frame: int) -> None:
    lens, joints = INTRINSICS[serial], points(side, serial)
    focal, centre = (lens["fx"], lens["fy"]), (lens["ppx"], lens["ppy"])
    picture = dots.draw(SIZE, focal, centre, **{side: joints})
    dots.save(folder / f"color_{frame:06d}.jpg", picture)
    across = focal[0] * joints[:, 0] / joints[:, 2] + centre[0]
    down = focal[1] * joints[:, 1] / joints[:, 2] + centre[1]
    write_label(folder / f"labels_{frame:06d}.npz", joints, np.stack((across, down), axis=1))


def write_label(path: Path, joints: Any, pixels: Any, pose: float = 0.1, **more: Any) -> None:
    arrays = {
        "seg": np.zeros((480, 640), np.uint8),
        "pose_y": np.zeros((4, 3, 4), np.float32),
        "pose_m": np.full((1, 51), pose, np.float32),
        "joint_3d": np.asarray(joints, np.float32)[None],
        "joint_2d": np.asarray(pixels, np.float32)[None],
    }
    np.savez_compressed(path, **{**arrays, **more})


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the subjects of s0_val, of whose 200 sequences two have frames."""
    root = tmp_path_factory.mktemp("dexycb")
    for subject, place in itertools.product(SUBJECTS, range(100)):
        side, frames = RECORDED.get((subject, place), ("right", 0))
        folder = root / sequence(subject, place)
        folder.mkdir(parents=True)
        meta = {"serials": SERIALS, "num_frames": frames, "ycb_ids": [1, 11], "ycb_grasp_ind": 0}
        text = yaml.safe_dump({**meta, "mano_sides": [side], "mano_calib": [subject]})
        (folder / "meta.yml").write_text(text)
        for serial, frame in itertools.product(SERIALS, range(frames)):
            write_frame(folder / serial, side, serial, frame)
    for serial, lens in INTRINSICS.items():
        path = root / "calibration" / "intrinsics" / f"{serial}_640x480.yml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump({"color": lens, "depth": {"fx": 1.0}}))
    return root


@pytest.fixture
def root(template: Path, tmp_path: Path) -> Path:
    """Return a copy that a test may break."""
    return Path(shutil.copytree(template, tmp_path / "dexycb"))


def opened(root: Path, split: str = "s0_val") -> Indexed:
    dataset = open_dataset(root, "dexycb", split)
    assert isinstance(dataset, Indexed)
    return dataset


# --- what is right ----------------------------------------------------------------------------


def test_every_joint_stands_on_its_dot_for_each_camera_and_side(root: Path) -> None:
    dataset = opened(root)
    images = list(dataset.images())
    assert (len(dataset), dataset.skipped, dataset.expected) == (24, 0, None)
    assert [image.groups["camera"] for image in images] == [
        *(serial for serial in SERIALS for _ in range(2)),
        *SERIALS,
    ]
    for image in images:
        (found,) = image.hands
        side = "right" if image.groups["subject"] == SUBJECTS[0] else "left"
        assert found.side == image.groups["side"] == side
        assert dots.seen(image.read(), found) == list(range(21))
        np.testing.assert_allclose(
            found.keypoints, points(side, image.groups["camera"]), atol=1e-6
        )
        assert image.camera is not None
        np.testing.assert_allclose(
            image.camera.project(found.keypoints), found.keypoints_px, atol=1e-3
        )


def test_images_say_what_they_are(root: Path) -> None:
    second = next(opened(root).images(1, 5))
    folder = f"{sequence(SUBJECTS[0], 4)}/{SERIALS[0]}"
    assert second.name == f"{folder}/color_000001.jpg"
    assert (second.sequence, second.frame) == (folder, 1)
    assert second.camera is not None
    assert (second.camera.width, second.camera.height) == SIZE
    assert second.camera.K.tolist() == [[610, 0, 315], [0, 611, 245], [0, 0, 1]]


@pytest.mark.parametrize("unseen", ["joint_3d", "joint_2d", "pose_m"])
def test_what_is_not_annotated_is_left_out_and_counted(root: Path, unseen: str) -> None:
    empty = {"joint_3d": np.full((1, 21, 3), -1.0), "joint_2d": np.full((1, 21, 2), -1.0)}
    value = {**empty, "pose_m": np.zeros((1, 51))}[unseen]
    write_label(
        frame_file(root, "labels_000000.npz"),
        np.ones((21, 3)),
        np.ones((21, 2)),
        **{unseen: value},
    )
    dataset = opened(root)
    names = [image.name for image in dataset.images()]
    assert (len(dataset), dataset.skipped, len(names)) == (23, 1, 23)
    assert names[0] == f"{sequence(SUBJECTS[0], 4)}/{SERIALS[0]}/color_000001.jpg"


def test_a_check_says_what_is_left_out(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["evaluate", str(root), "--format", "dexycb", "--split", "s0_val", "--check"]
    assert cli.main(arguments) == 0
    assert "left out" not in capsys.readouterr().out
    nothing = np.full((21, 3), -1.0)
    write_label(frame_file(root, "labels_000001.npz"), nothing, nothing[:, :2], pose=0.0)
    assert cli.main(arguments) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].startswith("dexycb s0_val: 23 images, 23 of them decoded, 23 hands, 100.0 %")
    assert printed[1] == "1 images have no valid label and are left out"


def test_what_is_left_out_is_not_expected(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(dexycb.PUBLISHED, "s0_val", 24)
    nothing = np.full((21, 3), -1.0)
    write_label(frame_file(root, "labels_000001.npz"), nothing, nothing[:, :2], pose=0.0)
    dataset = opened(root)
    assert (len(dataset), dataset.expected) == (23, 23)


def test_a_single_unknown_joint_is_nan(root: Path) -> None:
    joints, pixels = np.ones((21, 3)), np.full((21, 2), 5.0)
    joints[8], pixels[8] = -1.0, -1.0
    write_label(frame_file(root, "labels_000000.npz"), joints, pixels)
    (found,) = next(opened(root).images()).hands
    assert found.keypoints_px is not None
    assert np.flatnonzero(~found.known).tolist() == [8]
    assert np.flatnonzero(np.isnan(found.keypoints_px[:, 0])).tolist() == [8]
    assert found.keypoints_px[7].tolist() == [5.0, 5.0], "the dataset's own pixels are kept"


@pytest.mark.parametrize("setup", ["s0", "s1", "s2", "s3"])
def test_the_parts_of_a_setup_are_disjoint_and_together_everything(setup: str) -> None:
    parts = [
        set(itertools.product(*dexycb.SPLITS[f"{setup}_{part}"]))
        for part in ("train", "val", "test")
    ]
    assert sum(map(len, parts)) == len(set.union(*parts)) == 10 * 8 * 100


def test_the_table_of_formats_has_the_splits() -> None:
    assert set(FORMATS["dexycb"].splits) == set(dexycb.SPLITS)
    assert FORMATS["dexycb"].default_split == "s0_test"


def test_a_check_of_the_copy_finds_that_it_is_small_and_nothing_else(root: Path) -> None:
    told: list[Problem] = []
    found = check_dataset(open_dataset(root, "dexycb", "s0_val"), told.append, decode_all=True)
    assert [each.reason for each in told] == []
    assert (found.images, found.decoded, found.inside) == (24, 24, 504)
    assert all(curl.into > 0 == curl.away for curl in found.curls.values())


# --- what is broken ---------------------------------------------------------------------------


def test_missing_subjects_sequences_and_cameras_are_named(root: Path) -> None:
    with pytest.raises(InputError, match="lacks 20200820-subject-03, 20200903-subject-04"):
        opened(root, "s0_test")
    lens = root / "calibration" / "intrinsics" / f"{SERIALS[3]}_640x480.yml"
    lens.write_text("color: {fx: 0, fy: 1, ppx: 1, ppy: 1}")
    with pytest.raises(InputError, match=rf"{lens.name}: focal lengths"):
        opened(root)
    lens.write_text("color: {fx: 1}")
    with pytest.raises(InputError, match=rf"{lens.name}: color has no 'fy'"):
        opened(root)
    lens.unlink()
    with pytest.raises(InputError, match=rf"{lens.name} cannot be read"):
        opened(root)
    (root / sequence(SUBJECTS[0], 7) / "meta.yml").unlink()
    (root / sequence(SUBJECTS[0], 7)).rmdir()
    lens.write_text(yaml.safe_dump({"color": INTRINSICS[SERIALS[3]]}))
    with pytest.raises(InputError, match="subject-01 has 99 sequences; splits are places among"):
        opened(root)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("num_frames: [", "is not readable YAML"),
        ("mano_sides: [right]", "has no 'num_frames'"),
        ("{num_frames: many, mano_sides: [right]}", "num_frames is 'many'"),
        ("{num_frames: -1, mano_sides: [right]}", "num_frames is -1"),
        ("{num_frames: 2}", "has no 'mano_sides'"),
        ("{num_frames: 2, mano_sides: [up]}", r"mano_sides is \['up'\]"),
        ("{num_frames: 2, mano_sides: [left, right]}", "mano_sides is"),
    ],
)
def test_a_meta_file_that_cannot_be_used_is_named(root: Path, text: str, message: str) -> None:
    path = root / sequence(SUBJECTS[0], 9) / "meta.yml"
    path.write_text(text)
    with pytest.raises(InputError, match=rf"20200709_140009/meta\.yml:? {message}"):
        opened(root)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda path: path.unlink(), "cannot be read: No such file"),
        (lambda path: path.write_bytes(path.read_bytes()[:500]), "is cut off or no npz file"),
        (lambda path: path.write_bytes(b""), "is cut off or no npz file"),
        (lambda path: np.savez(path, joint_3d=np.ones((1, 21, 3))), "lacks joint_2d"),
        (lambda path: write_label(path, np.ones((20, 3)), np.ones((21, 2))), "joint_3d has shape"),
        (lambda path: write_label(path, np.ones((21, 3)), np.ones((2, 2))), "joint_2d has shape"),
        (
            lambda path: write_label(path, np.ones((21, 3)), np.ones((21, 2)), joint_3d=[None]),
            "is cut off or no npz file: Object arrays",
        ),
    ],
)
def test_a_label_that_cannot_be_used_is_an_error_of_its_image(
    root: Path, change: Any, message: str
) -> None:
    change(frame_file(root, "labels_000000.npz"))
    images = opened(root).images()
    with pytest.raises(InputError, match=rf"{SERIALS[0]}/labels_000000\.npz:? {message}"):
        next(images)
    assert next(images).frame == 1


def test_a_missing_image_is_named_when_it_is_read(root: Path) -> None:
    image = next(opened(root).images())
    frame_file(root, "color_000000.jpg").unlink()
    with pytest.raises(InputError, match=r"color_000000\.jpg cannot be read"):
        image.read()
