"""The folder dataset: read whole, and broken ones named down to the field."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from hand_pose_ros.data.folder import read_folder, read_image
from hand_pose_ros.errors import InputError

K = [[500.0, 0.0, 32.0], [0.0, 500.0, 24.0], [0.0, 0.0, 1.0]]
KEYPOINTS = [[0.01 * i, 0.0, 0.5] for i in range(21)]


def write_image(path: Path) -> None:
    image = np.zeros((48, 64, 3), np.uint8)
    image[:, :, 2] = 200  # red, in OpenCV's order
    assert cv2.imwrite(str(path), image)


def dataset(folder: Path, images: Any, names: tuple[str, ...] = ("a.png", "b.png")) -> Path:
    (folder / "images").mkdir()
    for name in names:
        write_image(folder / "images" / name)
    (folder / "annotations.json").write_text(json.dumps({"images": images}))
    return folder


def test_everything_is_read(tmp_path: Path) -> None:
    annotation = {"side": "left", "K": K, "keypoints": KEYPOINTS, "box": [1, 2, 30, 40.5]}
    samples = read_folder(dataset(tmp_path, {"a.png": annotation, "b.png": {}}))
    assert [sample.name for sample in samples] == ["a.png", "b.png"]
    first, second = samples
    assert first.path.is_file()
    assert first.side == "left"
    assert first.box == (1.0, 2.0, 30.0, 40.5)
    np.testing.assert_array_equal(first.K, K)
    np.testing.assert_array_equal(first.keypoints, KEYPOINTS)
    assert (second.side, second.K, second.box, second.keypoints) == (None, None, None, None)


def test_images_without_annotation_are_samples_too(tmp_path: Path) -> None:
    samples = read_folder(dataset(tmp_path, {"b.png": {"side": "right"}}))
    assert [sample.side for sample in samples] == [None, "right"]


def test_a_plain_folder_of_images(tmp_path: Path) -> None:
    for name in ("2.png", "10.JPG", "note.txt"):
        write_image(tmp_path / "x.png")
        (tmp_path / "x.png").rename(tmp_path / name)
    assert [sample.name for sample in read_folder(tmp_path)] == ["10.JPG", "2.png"]


def test_the_camera_is_the_annotated_one_or_a_guess(tmp_path: Path) -> None:
    known, unknown = read_folder(dataset(tmp_path, {"a.png": {"K": K}}))
    assert not known.camera(64, 48).assumed
    np.testing.assert_array_equal(known.camera(64, 48).K, K)
    assert unknown.camera(64, 48).assumed


def test_an_image_is_rgb(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png")
    image = read_image(tmp_path / "a.png")
    assert image.shape == (48, 64, 3)
    assert image[0, 0].tolist() == [200, 0, 0]


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("side", "upper", "upper"),
        ("side", 1, "right"),
        ("K", [[1.0, 2.0], [3.0, 4.0]], r"\(2, 2\)"),
        ("K", [[0.0, 0, 0], [0, 0, 0], [0, 0, 1.0]], "fx"),
        ("K", [[1.0, 2.0], [3.0]], "not an array"),
        ("K", "camera", "not an array"),
        ("keypoints", KEYPOINTS[:20], r"\(20, 3\)"),
        ("keypoints", [[float("nan"), 0.0, 0.0]] * 21, "not finite"),
        ("keypoints", {"wrist": [0, 0, 0]}, "not an array"),
        ("box", [1, 2, 3], r"\(3,\)"),
        ("box", [1, 2, 0, 4], "width"),
        ("box", [1, 2, 3, None], "not finite"),
    ],
)
def test_a_broken_field_is_named(tmp_path: Path, field: str, value: Any, said: str) -> None:
    folder = dataset(tmp_path, {"b.png": {field: value}})
    with pytest.raises(InputError, match=rf"annotations\.json.*b\.png.*{field}.*{said}"):
        read_folder(folder)


@pytest.mark.parametrize("text", ["", "{", '{"images": {"a.png": ', "\x00\x01"])
def test_broken_json_is_named(tmp_path: Path, text: str) -> None:
    dataset(tmp_path, {})
    (tmp_path / "annotations.json").write_text(text)
    with pytest.raises(InputError, match=r"annotations\.json"):
        read_folder(tmp_path)


def test_bytes_that_are_no_text_are_named(tmp_path: Path) -> None:
    dataset(tmp_path, {})
    (tmp_path / "annotations.json").write_bytes(b"\xff\xfe\x00\xd8")
    with pytest.raises(InputError, match=r"annotations\.json"):
        read_folder(tmp_path)


@pytest.mark.parametrize("content", [[], {}, {"images": []}, {"images": {"a.png": 3}}])
def test_json_of_another_form_is_named(tmp_path: Path, content: Any) -> None:
    dataset(tmp_path, {})
    (tmp_path / "annotations.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"annotations\.json.*images"):
        read_folder(tmp_path)


def test_an_annotated_image_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"c\.png"):
        read_folder(dataset(tmp_path, {"c.png": {}}))


def test_a_missing_folder_and_an_empty_one_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nowhere"):
        read_folder(tmp_path / "nowhere")
    with pytest.raises(InputError, match="no images"):
        read_folder(tmp_path)


def test_required_fields_are_counted_where_missing(tmp_path: Path) -> None:
    folder = dataset(tmp_path, {"a.png": {"keypoints": KEYPOINTS}})
    with pytest.raises(InputError, match=r"1 of 2 .*'keypoints'.*b\.png"):
        read_folder(folder, require=("keypoints",))
    with pytest.raises(InputError, match="2 of 2"):
        read_folder(folder, require=("K",))


@pytest.mark.parametrize("content", [b"", b"no image"])
def test_files_that_are_no_images_are_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(InputError, match=r"a\.png"):
        read_image(tmp_path / "a.png")


def test_a_file_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"a\.png"):
        read_image(tmp_path / "a.png")


def test_real_hands_project_into_their_images(shared_data: Path) -> None:
    samples = read_folder(shared_data / "real_hands", require=("side", "K", "keypoints"))
    assert len(samples) == 97
    for sample in samples:
        pixels = sample.camera(256, 256).project(sample.keypoints)
        assert ((pixels > 0) & (pixels < 256)).all()
