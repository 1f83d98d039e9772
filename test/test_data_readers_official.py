"""RHD, STB and FreiHAND as distributed: every joint on its dot, and broken copies named."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from dataset_samples import (
    assert_on_dots,
    write_freihand,
    write_rhd,
    write_stb,
)
from scipy.io import savemat

from hand_pose_ros.data.datasets import FORMATS, open_dataset
from hand_pose_ros.errors import InputError

WRITERS = {"rhd": write_rhd, "stb": write_stb, "freihand": write_freihand}


@pytest.mark.parametrize(
    ("format", "split", "sides", "expected"),
    [
        ("rhd", None, ["left", "right", "left"], 2728),
        ("stb", None, ["left"] * 4, 3000),
        ("stb", "BB-test", ["left"] * 4, 3000),
        ("stb", "BB-stereo-test", ["left"] * 8, 6000),
        ("freihand", None, ["right"] * 2, 3960),
    ],
)
def test_every_joint_lies_on_its_dot(
    tmp_path: Path, format: str, split: str | None, sides: list[str], expected: int
) -> None:
    WRITERS[format](tmp_path)
    dataset = open_dataset(tmp_path, format, split)
    images = list(dataset.images())
    assert len(dataset) == len(images) == len({image.name for image in images})
    assert (dataset.format, dataset.expected) == (format, expected)
    assert dataset.split == (split or FORMATS[format].default_split)
    assert [hand.side for image in images for hand in image.hands] == sides
    for image in images:
        (hand,) = image.hands
        assert_on_dots(image, hand)
        # Metres: the wrist is 92 mm from the middle MCP, the hand 60 cm away.
        assert np.linalg.norm(hand.keypoints[9] - hand.keypoints[0]) == pytest.approx(
            0.092, abs=0.005
        )
        assert hand.keypoints[:, 2] == pytest.approx(0.6, abs=0.1)
        assert image.path is not None and image.path.is_file()


@pytest.mark.parametrize(
    ("split", "backgrounds", "expected"),
    [("SK-train", (2, 3, 4, 5, 6), 15000), ("BB-stereo-train", (2, 3, 4, 5, 6), 30000)],
)
def test_the_training_set_of_stb(
    tmp_path: Path, split: str, backgrounds: tuple[int, ...], expected: int
) -> None:
    write_stb(tmp_path, backgrounds, frames=1)
    dataset = open_dataset(tmp_path, "stb", split)
    images = list(dataset.images())
    assert dataset.expected == expected
    assert len(images) == 10 * (2 if "stereo" in split else 1)
    assert {image.groups["motion"] for image in images} == {"Counting", "Random"}
    for image in images:
        assert_on_dots(image, image.hands[0])


def test_frames_of_stb_are_in_sequence(tmp_path: Path) -> None:
    write_stb(tmp_path, frames=3)
    images = list(open_dataset(tmp_path, "stb").images())
    assert [image.frame for image in images] == [0, 1, 2, 0, 1, 2]
    assert len({image.sequence for image in images}) == 2


def test_stb_is_found_without_a_folder_of_images(tmp_path: Path) -> None:
    write_stb(tmp_path)
    for folder in (tmp_path / "images").iterdir():
        folder.rename(tmp_path / folder.name)
    (tmp_path / "images").rmdir()
    assert next(open_dataset(tmp_path, "stb").images()).read().shape == (480, 640, 3)


def test_both_hands_of_rhd(tmp_path: Path) -> None:
    write_rhd(tmp_path)
    images = list(open_dataset(tmp_path, "rhd", "evaluation-both").images())
    assert [[hand.side for hand in image.hands] for image in images] == [
        ["left"],
        ["right"],
        ["left", "right"],
    ]
    left, right = images[2].hands
    assert left.visible.tolist() == [False] + [True] * 20
    assert right.visible.all()
    assert (
        images[2].camera.project(left.keypoints).mean()
        < images[2].camera.project(right.keypoints).mean()
    )


def test_equal_masks_of_rhd_are_a_right_hand(tmp_path: Path) -> None:
    write_rhd(tmp_path)
    mask = tmp_path / "evaluation" / "mask" / "00000.png"
    assert cv2.imwrite(str(mask), np.ones((320, 320), np.uint8))
    assert next(open_dataset(tmp_path, "rhd").images()).hands[0].side == "right"


def test_versions_of_freihand(tmp_path: Path) -> None:
    write_freihand(tmp_path, "training")
    everything = list(open_dataset(tmp_path, "freihand", "training").images())
    assert [image.groups["version"] for image in everything] == [
        *["gs", "gs", "hom", "hom", "sample", "sample", "auto", "auto"]
    ]
    assert everything[4].name == "training/00065120.jpg"
    one = open_dataset(tmp_path, "freihand", "training-sample")
    assert [image.name for image in one.images()] == [image.name for image in everything[4:6]]
    assert one.expected == 32560
    for image in everything:
        assert_on_dots(image, image.hands[0])


def test_surfaces_of_freihand(tmp_path: Path) -> None:
    lists = write_freihand(tmp_path)
    image = next(open_dataset(tmp_path, "freihand").images())
    np.testing.assert_array_equal(image.hands[0].vertices, lists["verts"][0])
    (tmp_path / "evaluation_verts.json").unlink()
    assert next(open_dataset(tmp_path, "freihand").images()).hands[0].vertices is None


def test_images_from_a_start_in_steps(tmp_path: Path) -> None:
    write_stb(tmp_path)
    dataset = open_dataset(tmp_path, "stb")
    names = [image.name for image in dataset.images()]
    assert [image.name for image in dataset.images(1, 2)] == names[1::2]
    for wrong in ((-1, 1), (0, 0)):
        with pytest.raises(InputError, match="start is"):
            dataset.images(*wrong)


# --- broken copies ----------------------------------------------------------------------------


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.mark.parametrize(
    ("format", "file"),
    [
        ("rhd", "evaluation/anno_evaluation.pickle"),
        ("stb", "labels/B1Random_SK.mat"),
        ("freihand", "evaluation_xyz.json"),
        ("freihand", "evaluation_K.json"),
        ("freihand", "evaluation_verts.json"),
    ],
)
def test_a_truncated_file_of_labels_is_named(tmp_path: Path, format: str, file: str) -> None:
    WRITERS[format](tmp_path)
    cut(tmp_path / file)
    with pytest.raises(InputError, match=f"{Path(file).name}.*(cut off|not readable JSON)"):
        open_dataset(tmp_path, format)


@pytest.mark.parametrize(
    ("format", "file"),
    [
        ("rhd", "evaluation/anno_evaluation.pickle"),
        ("stb", "labels/B1Random_SK.mat"),
        ("freihand", "evaluation_xyz.json"),
    ],
)
def test_a_missing_file_of_labels_is_named(tmp_path: Path, format: str, file: str) -> None:
    WRITERS[format](tmp_path)
    (tmp_path / file).unlink()
    with pytest.raises(InputError, match=Path(file).name):
        open_dataset(tmp_path, format)


@pytest.mark.parametrize(
    ("format", "file"),
    [
        ("rhd", "evaluation/color/00000.png"),
        ("stb", "images/B1Counting/SK_color_0.png"),
        ("freihand", "evaluation/rgb/00000000.jpg"),
    ],
)
@pytest.mark.parametrize("how", ["missing", "empty"])
def test_a_broken_image_is_named_when_it_is_read(
    tmp_path: Path, format: str, file: str, how: str
) -> None:
    WRITERS[format](tmp_path)
    (tmp_path / file).unlink()
    if how == "empty":
        (tmp_path / file).touch()
    image = next(open_dataset(tmp_path, format).images())
    with pytest.raises(InputError, match=Path(file).name):
        image.read()


def test_a_missing_mask_of_rhd_is_named(tmp_path: Path) -> None:
    write_rhd(tmp_path)
    (tmp_path / "evaluation" / "mask" / "00001.png").unlink()
    images = open_dataset(tmp_path, "rhd").images()
    next(images)
    with pytest.raises(InputError, match=r"mask/00001\.png"):
        next(images)


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("xyz", np.zeros((21, 3)), r"\(21, 3\); it must be \(42, 3\)"),
        ("uv_vis", np.zeros((42, 2)), r"\(42, 2\); it must be \(42, 3\)"),
        ("K", np.full((3, 3), np.nan), "must be finite"),
        ("K", "camera", "not an array"),
        ("xyz", np.full((42, 3), np.inf), "infinite"),
        ("xyz", None, "not an array|has shape"),
    ],
)
def test_a_broken_label_of_rhd_is_named(tmp_path: Path, field: str, value: Any, said: str) -> None:
    labels = write_rhd(tmp_path)
    labels[1][field] = value
    with (tmp_path / "evaluation" / "anno_evaluation.pickle").open("wb") as stream:
        pickle.dump(labels, stream)
    dataset = open_dataset(tmp_path, "rhd")
    with pytest.raises(InputError, match=rf"anno_evaluation\.pickle\[1\].*({said})"):
        list(dataset.images())
    assert len(list(dataset.images(2))) == 1


@pytest.mark.parametrize("content", [[1, 2], {"a": {}}])
def test_a_pickle_of_another_form_is_named(tmp_path: Path, content: Any) -> None:
    write_rhd(tmp_path)
    with (tmp_path / "evaluation" / "anno_evaluation.pickle").open("wb") as stream:
        pickle.dump(content, stream)
    with pytest.raises(InputError, match="record of labels by the number"):
        open_dataset(tmp_path, "rhd")


def test_a_label_without_a_field_is_named(tmp_path: Path) -> None:
    labels = write_rhd(tmp_path)
    del labels[0]["K"]
    with (tmp_path / "evaluation" / "anno_evaluation.pickle").open("wb") as stream:
        pickle.dump(labels, stream)
    with pytest.raises(InputError, match=r"\[0\] has no 'K'; it has xyz, uv_vis"):
        next(open_dataset(tmp_path, "rhd").images())


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"handPara": np.zeros((3, 20, 4))}, r"\(3, 20, 4\); it must be \(3, 21, n\)"),
        ({"other": np.zeros(3)}, "no 'handPara'"),
    ],
)
def test_broken_labels_of_stb_are_named(tmp_path: Path, content: dict, said: str) -> None:
    write_stb(tmp_path)
    savemat(tmp_path / "labels" / "B1Counting_SK.mat", content)
    with pytest.raises(InputError, match=rf"B1Counting_SK\.mat.*{said}"):
        open_dataset(tmp_path, "stb")


def test_a_missing_sequence_of_stb_is_named(tmp_path: Path) -> None:
    write_stb(tmp_path)
    with pytest.raises(InputError, match="lacks B2Counting, B2Random, B3Counting"):
        open_dataset(tmp_path, "stb", "SK-train")


@pytest.mark.parametrize(
    ("name", "rows", "said"),
    [
        ("xyz", lambda rows: rows[:1], "lengths {'K': 2, 'xyz': 1}"),
        ("xyz", lambda rows: {"0": rows}, "dict; it must be a list"),
        ("xyz", lambda rows: [rows[0][:20], rows[1]], r"xyz\.json\[0\] has shape \(20, 3\)"),
        ("verts", lambda rows: rows[:1], "has 1 surfaces; it must have 2"),
        ("verts", lambda rows: [rows[0][:9], rows[1]], r"verts\.json\[0\] has shape \(9, 3\)"),
    ],
)
def test_broken_lists_of_freihand_are_named(
    tmp_path: Path, name: str, rows: Any, said: str
) -> None:
    lists = write_freihand(tmp_path)
    (tmp_path / f"evaluation_{name}.json").write_text(json.dumps(rows(lists[name])))
    with pytest.raises(InputError, match=said):
        list(open_dataset(tmp_path, "freihand").images())


def test_a_joint_that_is_not_known_is_nan(tmp_path: Path) -> None:
    lists = write_freihand(tmp_path)
    lists["xyz"][0][4] = [float("nan")] * 3
    (tmp_path / "evaluation_xyz.json").write_text(json.dumps(lists["xyz"]))
    (hand,) = next(open_dataset(tmp_path, "freihand").images()).hands
    assert np.flatnonzero(~hand.known).tolist() == [4]
    assert np.isnan(hand.keypoints_px[4]).all()
    assert np.isfinite(hand.box).all()
