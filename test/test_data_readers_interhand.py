"""The reader of InterHand2.6M on small files in the official format, whole and broken."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import dot_samples as dots
import numpy as np
import numpy.typing as npt
import pytest

from hand_pose_ros.data.check import Problem, check_dataset
from hand_pose_ros.data.datasets import open_dataset
from hand_pose_ros.data.readers.interhand import EXPECTED
from hand_pose_ros.data.sample import LabelledImage
from hand_pose_ros.errors import InputError

Array = npt.NDArray[np.float64]

# skeleton.txt of the annotations: thumb4 is the tip, thumb1 the joint next to the wrist.
OFFICIAL = [
    *("thumb4", "thumb3", "thumb2", "thumb1", "index4", "index3", "index2", "index1"),
    *("middle4", "middle3", "middle2", "middle1", "ring4", "ring3", "ring2", "ring1"),
    *("pinky4", "pinky3", "pinky2", "pinky1", "wrist"),
]
OURS = [
    "wrist",
    *(
        f"{finger}{i}"
        for finger in ("thumb", "index", "middle", "ring", "pinky")
        for i in (1, 2, 3, 4)
    ),
]
SIZE = (334, 512)
FOCAL, CENTRE = (1200.0, 1190.0), (160.0, 250.0)
PLACES = {"right": (-0.06, 0.09, 1.4), "left": (0.06, 0.1, 1.45)}
HANDS = {side: dots.hand(side, place) for side, place in PLACES.items()}
CAMERAS = {
    "400262": ([[0.0, 0.0, -1.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]], [900.0, -20.0, 1000.0]),
    "400002": ([[0.6, 0.0, 0.8], [0.0, 1.0, 0.0], [-0.8, 0.0, 0.6]], [10.0, 30.0, -1500.0]),
}
FRAMES = {101: ("right", "400262"), 103: ("left", "400262"), 102: ("interacting", "400002")}
SEQUENCE = "ROM01_No_Interaction_2_Hand"


def world(camera: str) -> Array:
    """Return the official 42 joints [mm] of a moment in which the camera sees `HANDS`."""
    R_cam_world, t_world_cam = (np.array(each) for each in CAMERAS[camera])
    rows = []
    for side in ("right", "left"):
        for name in OFFICIAL:
            point = HANDS[side][OURS.index(name)] * 1000.0
            rows.append(np.linalg.inv(R_cam_world) @ point + t_world_cam)
    return np.array(rows)


def valid(hand_type: str) -> list[list[int]]:
    right, left = ([[int(hand_type in (side, "interacting"))]] * 21 for side in ("right", "left"))
    return right + left


def write(root: Path, *, names: str = "test", split: str = "test") -> Path:
    """Write three images, the annotations below `names`; return the annotations' folder."""
    images, annotations, joints = [], [], {}
    for number, (frame, (hand_type, camera)) in enumerate(FRAMES.items()):
        folder = f"Capture3/{SEQUENCE}/cam{camera}"
        file = f"{folder}/image{frame}.jpg"
        shown = {side: HANDS[side] for side in HANDS if hand_type in (side, "interacting")}
        dots.save(root / "images" / split / file, dots.draw(SIZE, FOCAL, CENTRE, **shown))
        image = {"id": 50 - number, "file_name": file, "width": 334, "height": 512, "capture": 3}
        more = {"subject": 1, "seq_name": SEQUENCE, "camera": camera, "frame_idx": frame}
        images.append({**image, **more})
        annotation = {
            "id": 70 + number,
            "image_id": 50 - number,
            "bbox": [10.0, 20.0, 100.0, 90.0],
        }
        marks = {"hand_type": hand_type, "hand_type_valid": 1, "joint_valid": valid(hand_type)}
        annotations.append({**annotation, **marks})
        joints[str(frame)] = {"world_coord": world(camera).tolist(), "hand_type": hand_type}
    capture: dict[str, Any] = {"campos": {}, "camrot": {}, "focal": {}, "princpt": {}}
    for camera, (R_cam_world, t_world_cam) in CAMERAS.items():
        values = (t_world_cam, R_cam_world, FOCAL, CENTRE)
        for field, value in zip(capture, values, strict=True):
            capture[field][camera] = value
    folder_ = root / "annotations" / names
    folder_.mkdir(parents=True, exist_ok=True)
    contents = {
        "data": {"images": images, "annotations": annotations},
        "camera": {"3": capture},
        "joint_3d": {"3": joints},
    }
    for name, content in contents.items():
        (folder_ / f"InterHand2.6M_{split}_{name}.json").write_text(json.dumps(content))
    return folder_


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write(tmp_path)
    return tmp_path


def read(root: Path, split: str = "test") -> dict[int, LabelledImage]:
    return {image.frame: image for image in open_dataset(root, "interhand", split).images()}


def change(path: Path, edit: Any) -> None:
    content = json.loads(path.read_text())
    edit(content)
    path.write_text(json.dumps(content))


def file_of(root: Path, name: str) -> Path:
    return root / "annotations" / "test" / f"InterHand2.6M_test_{name}.json"


# --- what is right ----------------------------------------------------------------------------


@pytest.mark.parametrize("frame", FRAMES)
def test_every_joint_stands_on_its_dot_and_in_metres(root: Path, frame: int) -> None:
    hand_type, _ = FRAMES[frame]
    image = read(root)[frame]
    picture = image.read()
    sides = [each for each in ("right", "left") if hand_type in (each, "interacting")]
    assert [found.side for found in image.hands] == sides
    for found in image.hands:
        assert dots.seen(picture, found) == list(range(21))
        assert found.keypoints is not None and found.side is not None
        np.testing.assert_allclose(found.keypoints, HANDS[found.side], atol=1e-9)


def test_images_are_sorted_and_say_what_they_are(root: Path) -> None:
    dataset = open_dataset(root, "interhand")
    images = list(dataset.images())
    assert (dataset.format, dataset.split, len(dataset)) == ("interhand", "test", 3)
    assert [image.frame for image in images] == [101, 103, 102]
    assert [image.name for image in dataset.images(1, 2)] == [images[1].name]
    first, _, last = images
    assert first.name == f"Capture3/{SEQUENCE}/cam400262/image101.jpg"
    assert first.sequence == f"Capture3/{SEQUENCE}/cam400262"
    assert first.groups == {"kind": "single", "hand_type": "right", "hand_type_valid": "1"}
    assert last.groups["kind"] == last.groups["hand_type"] == "interacting"
    assert first.camera is not None
    assert (first.camera.width, first.camera.height) == SIZE
    assert first.camera.K.tolist() == [[1200, 0, 160], [0, 1190, 250], [0, 0, 1]]


def test_the_official_box_is_kept_where_there_is_one_hand(root: Path) -> None:
    images = read(root)
    assert images[101].hands[0].box == (10.0, 20.0, 100.0, 90.0)
    boxes = [found.box for found in images[102].hands]
    assert boxes[0] != boxes[1]
    assert (10.0, 20.0, 100.0, 90.0) not in boxes


def test_joints_that_are_not_valid_are_nan(root: Path) -> None:
    def hide(content: Any) -> None:
        # the tip of the right middle finger, and the whole left hand but its wrist
        marks = content["annotations"][2]["joint_valid"]
        marks[8] = [0]
        marks[21:41] = [[0]] * 20

    change(file_of(root, "data"), hide)
    right, left = read(root)[102].hands
    assert np.flatnonzero(~right.known).tolist() == [OURS.index("middle4")]
    assert np.flatnonzero(left.known).tolist() == [OURS.index("wrist")]
    assert left.box is None


def test_a_hand_without_valid_joints_is_there_without_keypoints(root: Path) -> None:
    change(
        file_of(root, "data"),
        lambda content: content["annotations"][2].update(
            joint_valid=valid("right"), hand_type_valid=0
        ),
    )
    image = read(root)[102]
    assert [found.side for found in image.hands] == ["right", "left"]
    assert image.hands[1].keypoints is None
    assert image.groups["hand_type_valid"] == "0"


def test_a_valid_joint_of_the_other_hand_is_not_lost(root: Path) -> None:
    change(
        file_of(root, "data"),
        lambda content: content["annotations"][0].update(joint_valid=valid("interacting")),
    )
    image = read(root)[101]
    assert [found.side for found in image.hands] == ["right", "left"]
    assert image.groups["kind"] == "single"


def test_a_check_of_the_copy_finds_that_it_is_small_and_nothing_else(root: Path) -> None:
    told: list[Problem] = []
    found = check_dataset(open_dataset(root, "interhand"), told.append, decode_all=True)
    assert [each.reason for each in told] == ["3 images; interhand test has 849160"]
    assert (found.images, found.decoded, found.inside) == (3, 3, 84)
    assert all(curl.into > 0 == curl.away for curl in found.curls.values())


# --- who labelled -----------------------------------------------------------------------------


@pytest.mark.parametrize("folder", [".", "test"])
def test_a_list_says_what_people_labelled(root: Path, folder: str) -> None:
    (root / "annotations" / folder / "aid_human_annot_test.txt").write_text("71\n72\n")
    assert sorted(read(root, "test-H")) == [102, 103]
    assert sorted(read(root, "test-M")) == [101]
    assert sorted(read(root, "test")) == [101, 102, 103]


def test_without_the_list_nobody_knows_what_people_labelled(root: Path) -> None:
    with pytest.raises(InputError, match=r"lacks annotations/aid_human_annot_test\.txt"):
        open_dataset(root, "interhand", "test-H")
    (root / "annotations" / "aid_human_annot_test.txt").write_text("71\nall\n")
    with pytest.raises(InputError, match=r"aid_human_annot_test\.txt is no list of numbers"):
        open_dataset(root, "interhand", "test-H")


@pytest.mark.parametrize(
    ("folder", "split"),
    [("all", "test"), ("human_annot", "test-H"), ("machine_annot", "test-M"), ("all", "train")],
)
def test_the_archive_has_a_folder_for_each_subset(tmp_path: Path, folder: str, split: str) -> None:
    write(tmp_path, names=folder, split=split.split("-")[0])
    dataset = open_dataset(tmp_path, "interhand", split)
    assert (len(dataset), dataset.expected) == (3, EXPECTED[split])
    shutil.rmtree(tmp_path / "annotations")
    wanted = rf"neither annotations/{split.split('-')[0]} nor annotations/{folder}"
    with pytest.raises(InputError, match=wanted):
        open_dataset(tmp_path, "interhand", split)


def test_the_validation_set_is_in_the_archive_labelled_by_machine(tmp_path: Path) -> None:
    write(tmp_path, names="all", split="test")
    write(tmp_path, names="machine_annot", split="val")
    dataset = open_dataset(tmp_path, "interhand", "val")
    assert (len(dataset), dataset.expected) == (3, 380_125)


def test_what_is_expected_adds_up(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of test each image is of one kind, of train some are of both."""
    assert EXPECTED["test-H"] + EXPECTED["test-M"] == EXPECTED["test"]
    assert EXPECTED["train-H"] + EXPECTED["train-M"] > EXPECTED["train"]
    (root / "annotations" / "aid_human_annot_test.txt").write_text("71\n72\n")
    assert open_dataset(root, "interhand", "test-M").expected == EXPECTED["test-M"]
    monkeypatch.setitem(EXPECTED, "test", 2)
    assert open_dataset(root, "interhand", "test").expected is None


# --- what is broken ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["data", "camera", "joint_3d"])
def test_a_label_file_that_is_missing_or_cut_off_is_named(root: Path, name: str) -> None:
    path = file_of(root, name)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=rf"{path.name} is not readable JSON"):
        open_dataset(root, "interhand")
    path.unlink()
    with pytest.raises(InputError, match=rf"{path.name} cannot be read: No such file"):
        open_dataset(root, "interhand")


@pytest.mark.parametrize(
    ("name", "edit", "message"),
    [
        ("data", lambda c: c.pop("annotations"), "no list of images or none of annotations"),
        ("data", lambda c: c["images"][1].pop("camera"), r"images\[1\] has no 'camera'"),
        ("data", lambda c: c["images"][1].update(width="wide"), r"images\[1\] cannot be used"),
        (
            "data",
            lambda c: c["annotations"][2].update(image_id=7),
            r"annotations\[2\] is of image 7",
        ),
        ("data", lambda c: c["annotations"][0].update(hand_type="both"), "hand_type is 'both'"),
        ("data", lambda c: c["annotations"][0].update(bbox=[1]), r"bbox has shape \(1,\)"),
        ("data", lambda c: c["annotations"][1]["joint_valid"].pop(), "joint_valid has 41 values"),
        ("camera", lambda c: c["3"]["focal"].pop("400002"), "focal has no '400002'"),
        (
            "camera",
            lambda c: c["3"]["camrot"].update({"400002": [1]}),
            r"camrot\.400002 has shape",
        ),
        ("camera", lambda c: c["3"]["focal"].update({"400002": [0, 1]}), "camera 400002: focal"),
        ("camera", lambda c: c.pop("3"), "camera.json has no '3'"),
        ("joint_3d", lambda c: c["3"]["101"]["world_coord"].pop(), r"3\.101 has shape \(41, 3\)"),
        ("joint_3d", lambda c: c["3"].update(x=c["3"].pop("101")), r"3\.x is no number of"),
        ("joint_3d", lambda c: c.update({"3": "none"}), "'3' holds no frames but str"),
    ],
)
def test_a_label_that_cannot_be_used_is_named(
    root: Path, name: str, edit: Any, message: str
) -> None:
    change(file_of(root, name), edit)
    with pytest.raises(InputError, match=message) as raised:
        open_dataset(root, "interhand")
    assert file_of(root, name).name in str(raised.value)


def test_a_moment_without_joints_is_an_error_of_its_images(root: Path) -> None:
    change(file_of(root, "joint_3d"), lambda content: content["3"].pop("103"))
    images = open_dataset(root, "interhand").images()
    assert next(images).frame == 101
    with pytest.raises(InputError, match=r"no frame 103 of capture 3: Capture3/.*image103\.jpg"):
        next(images)
    assert next(images).frame == 102


def test_a_missing_image_is_named_when_it_is_read(root: Path) -> None:
    image = read(root)[103]
    (root / "images" / "test" / image.name).unlink()
    with pytest.raises(InputError, match=r"image103\.jpg cannot be read: No such file"):
        image.read()
    shutil.rmtree(root / "images" / "test")
    with pytest.raises(InputError, match="lacks images/test"):
        open_dataset(root, "interhand")
