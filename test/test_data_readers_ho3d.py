"""The reader of HO-3D on small files in the official format, whole and broken."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import dot_samples as dots
import numpy as np
import numpy.typing as npt
import pytest

from hand_pose_ros.data.check import Problem, check_dataset
from hand_pose_ros.data.datasets import Dataset, open_dataset
from hand_pose_ros.errors import InputError

Array = npt.NDArray[np.float64]

# vis_HO3D.py of the toolkit: the place in MANO's order of each joint from thumb to little finger.
MANO_TO_SIMPLE = [
    *(0, 13, 14, 15, 16, 1, 2, 3, 17, 4, 5, 6, 18, 10, 11, 12, 19, 7, 8, 9, 20),
]
SIZE, FOCAL, CENTRE = (640, 480), (617.3, 615.9), (312.4, 241.4)
NAMES = ["MC1/0000", "MC1/0007", "SM1/0100"]
HANDS = [dots.hand("right", (0.02 * i, 0.1, 0.6 + 0.1 * i)) for i in range(3)]


def official(points: Array) -> Array:
    """Return joints in OpenGL's axes and MANO's order, the tips last."""
    rows = np.empty((21, 3))
    for simple, mano in enumerate(MANO_TO_SIMPLE):
        x, y, z = points[simple]
        rows[mano] = (x, -y, -z)
    return rows


def meta_of(root: Path, split: str, name: str) -> Path:
    sequence, frame = name.split("/")
    return root / split / sequence / "meta" / f"{frame}.pkl"


def write(root: Path, split: str = "train", suffix: str = ".jpg", protocol: int = 2) -> Path:
    K = np.array([[FOCAL[0], 0.0, CENTRE[0]], [0.0, FOCAL[1], CENTRE[1]], [0.0, 0.0, 1.0]])
    for name, points in zip(NAMES, HANDS, strict=True):
        sequence, frame = name.split("/")
        picture = dots.draw(SIZE, FOCAL, CENTRE, right=points)
        dots.save(root / split / sequence / "rgb" / f"{frame}{suffix}", picture)
        joints = official(points)
        meta: dict[str, Any] = {"camMat": K, "objName": "010_potted_meat_can", "objLabel": 9}
        if split == "train":
            meta.update(handJoints3D=joints, handPose=np.zeros(48), handBeta=np.zeros(10))
        else:
            meta.update(handJoints3D=joints[0], handBoundingBox=[100, 50, 400.5, 450])
        path = meta_of(root, split, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(pickle.dumps(meta, protocol))
    (root / f"{split}.txt").write_text("\n".join(NAMES) + "\n")
    return root


def publish(root: Path, rows: list[Array] | None = None) -> Path:
    path = root / "evaluation_xyz.json"
    chosen = [official(points) for points in HANDS] if rows is None else rows
    path.write_text(json.dumps([each.tolist() for each in chosen]))
    return path


def edit(path: Path, **values: Any) -> None:
    path.write_bytes(pickle.dumps({**pickle.loads(path.read_bytes()), **values}))


def check(dataset: Dataset) -> None:
    for image, points in zip(dataset.images(), HANDS, strict=True):
        (found,) = image.hands
        assert found.side == "right"
        assert dots.seen(image.read(), found) == list(range(21))
        np.testing.assert_allclose(found.keypoints, points, atol=1e-6)


# --- what is right ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("suffix", "protocol", "expected"), [(".png", 2, 66_034), (".jpg", 4, 83_325)]
)
def test_every_joint_stands_on_its_dot_in_both_versions(
    tmp_path: Path, suffix: str, protocol: int, expected: int
) -> None:
    dataset = open_dataset(write(tmp_path, "train", suffix, protocol), "ho3d", "train")
    check(dataset)
    assert (len(dataset), dataset.expected) == (3, expected)


def test_images_say_what_they_are(tmp_path: Path) -> None:
    images = list(open_dataset(write(tmp_path), "ho3d", "train").images(1))
    assert [image.name for image in images] == NAMES[1:]
    assert [(image.sequence, image.frame) for image in images] == [("MC1", 7), ("SM1", 100)]
    assert images[0].groups == {"object": "010_potted_meat_can"}
    camera = images[0].camera
    assert camera is not None
    assert (camera.width, camera.height, camera.is_distorted) == (640, 480, False)
    assert camera.K.tolist() == [[617.3, 0, 312.4], [0, 615.9, 241.4], [0, 0, 1]]


def test_evaluation_without_its_joints_has_boxes_alone(tmp_path: Path) -> None:
    dataset = open_dataset(write(tmp_path, "evaluation", ".png"), "ho3d")
    assert (dataset.split, dataset.expected) == ("evaluation", 11_524)
    for image in dataset.images():
        (found,) = image.hands
        assert (found.side, found.keypoints, found.vertices) == ("right", None, None)
        assert found.box == (100.0, 50.0, 300.5, 400.0)


def test_evaluation_has_the_joints_that_were_published_later(tmp_path: Path) -> None:
    publish(write(tmp_path, "evaluation"))
    dataset = open_dataset(tmp_path, "ho3d", "evaluation")
    check(dataset)
    assert next(dataset.images()).hands[0].box == (100.0, 50.0, 300.5, 400.0)


def test_vertices_come_in_our_axes(tmp_path: Path) -> None:
    publish(write(tmp_path, "evaluation"))
    rows = np.random.default_rng(3).normal(size=(3, 778, 3)).round(3)
    (tmp_path / "evaluation_verts.json").write_text(json.dumps(rows.tolist()))
    for image, row in zip(open_dataset(tmp_path, "ho3d").images(), rows, strict=True):
        found = image.hands[0].vertices
        assert found is not None
        np.testing.assert_allclose(found[:, 0], row[:, 0], atol=1e-6)
        np.testing.assert_allclose(found[:, 1:], -row[:, 1:], atol=1e-6)


@pytest.mark.parametrize(
    ("field", "value"), [("handJoints3D", None), ("handBoundingBox", [9, 9, 9, 20])]
)
def test_what_a_meta_file_does_not_say_is_not_known(
    tmp_path: Path, field: str, value: Any
) -> None:
    split = "train" if field == "handJoints3D" else "evaluation"
    edit(meta_of(write(tmp_path, split), split, NAMES[0]), **{field: value, "camMat": None})
    image = next(open_dataset(tmp_path, "ho3d", split).images())
    (found,) = image.hands
    assert (image.camera, found.side, found.keypoints, found.box) == (None, "right", None, None)


def test_a_check_of_the_copy_finds_that_it_is_small_and_nothing_else(tmp_path: Path) -> None:
    told: list[Problem] = []
    found = check_dataset(
        open_dataset(write(tmp_path), "ho3d", "train"), told.append, decode_all=True
    )
    assert [each.reason for each in told] == ["3 images; ho3d train has 83325"]
    assert (found.images, found.decoded, found.inside) == (3, 3, 63)
    assert all(curl.into > 0 == curl.away for curl in found.curls.values())


# --- what is broken ---------------------------------------------------------------------------


def test_missing_parts_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"lacks train\.txt, train"):
        open_dataset(tmp_path, "ho3d", "train")
    write(tmp_path)
    (tmp_path / "train.txt").write_text("MC1/0000\nMC1\n")
    with pytest.raises(InputError, match=r"train\.txt: 'MC1' is not SEQUENCE/FRAME"):
        open_dataset(tmp_path, "ho3d", "train")
    (tmp_path / "train.txt").write_bytes(b"\xff")
    with pytest.raises(InputError, match=r"train\.txt cannot be read"):
        open_dataset(tmp_path, "ho3d", "train")
    (tmp_path / "train.txt").write_text("")
    with pytest.raises(InputError, match="holds no images of ho3d train"):
        open_dataset(tmp_path, "ho3d", "train")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"camMat": np.eye(2)}, r"camMat has shape \(2, 2\)"),
        ({"camMat": np.full((3, 3), np.nan)}, "camMat: K is"),
        ({"handJoints3D": np.zeros((20, 3))}, r"handJoints3D has shape \(20, 3\)"),
        ({"handJoints3D": np.zeros(4)}, r"handJoints3D has shape \(4,\)"),
        ({"handBoundingBox": [1, 2, 3]}, r"handBoundingBox has shape \(3,\)"),
    ],
)
def test_a_meta_file_that_cannot_be_used_is_named(
    tmp_path: Path, values: dict[str, Any], message: str
) -> None:
    edit(meta_of(write(tmp_path), "train", NAMES[1]), **values)
    images = open_dataset(tmp_path, "ho3d", "train").images()
    next(images)
    with pytest.raises(InputError, match=rf"MC1/meta/0007\.pkl: {message}"):
        next(images)
    assert next(images).name == NAMES[2]


def test_a_meta_file_that_is_missing_cut_off_or_dangerous_is_named(tmp_path: Path) -> None:
    path = meta_of(write(tmp_path), "train", NAMES[0])
    dataset = open_dataset(tmp_path, "ho3d", "train")
    whole = path.read_bytes()
    for content, message in (
        (whole[: len(whole) // 2], "is cut off or no pickle"),
        (pickle.dumps(Path("/")), "is refused"),
        (pickle.dumps([1]), "is list; it must be a record"),
        (pickle.dumps({"camMat": None}), "has no 'handJoints3D'"),
    ):
        path.write_bytes(content)
        with pytest.raises(InputError, match=rf"0000\.pkl {message}"):
            next(dataset.images())
    path.unlink()
    with pytest.raises(InputError, match=r"0000\.pkl cannot be read"):
        next(dataset.images())


def test_an_image_that_is_missing_or_broken_is_named(tmp_path: Path) -> None:
    write(tmp_path)
    image = next(open_dataset(tmp_path, "ho3d", "train").images())
    path = tmp_path / "train" / "MC1" / "rgb" / "0000.jpg"
    path.write_bytes(b"no image")
    with pytest.raises(InputError, match=r"rgb/0000\.jpg is not an image"):
        image.read()
    path.unlink()
    with pytest.raises(InputError, match=r"rgb/0000\.jpg cannot be read"):
        image.read()


def test_published_joints_must_be_those_of_the_images(tmp_path: Path) -> None:
    write(tmp_path, "evaluation")
    path = publish(tmp_path, [official(HANDS[i]) for i in (0, 2, 1)])
    images = open_dataset(tmp_path, "ho3d").images()
    next(images)
    with pytest.raises(InputError, match=r"MC1/0007 of evaluation_xyz\.json has its wrist 10\d\."):
        next(images)
    publish(tmp_path, HANDS)
    with pytest.raises(InputError, match="belongs to other images or has other axes"):
        next(open_dataset(tmp_path, "ho3d").images())
    publish(tmp_path, [official(HANDS[0])] * 2)
    with pytest.raises(InputError, match=r"has 2 rows; evaluation\.txt has 3 lines"):
        open_dataset(tmp_path, "ho3d")
    publish(tmp_path, [official(HANDS[0])] * 4)
    with pytest.raises(InputError, match=r"has 4 rows; evaluation\.txt has 3 lines"):
        open_dataset(tmp_path, "ho3d")
    publish(tmp_path, [official(HANDS[0])[:20]])
    with pytest.raises(InputError, match=r"evaluation_xyz\.json: \[0\] has shape \(20, 3\)"):
        open_dataset(tmp_path, "ho3d")
    publish(tmp_path)
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(InputError, match=r"evaluation_xyz\.json is not readable JSON"):
        open_dataset(tmp_path, "ho3d")
