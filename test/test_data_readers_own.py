"""The table of formats, and the two that are our own: folders and shards."""

from __future__ import annotations

import ast
import json
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_data_folder import KEYPOINTS, K, dataset
from test_data_shards import CAMERA, SIZE, change_shard, cuts, synth_sample, write_shards

from hand_pose_ros.data import datasets
from hand_pose_ros.data.datasets import FORMATS, Dataset, open_dataset
from hand_pose_ros.data.shards import read_packed, sample_offsets
from hand_pose_ros.data.synthetic.output.writers import WRITERS
from hand_pose_ros.errors import InputError

# --- the table --------------------------------------------------------------------------------


@pytest.mark.parametrize("format", FORMATS)
def test_every_format_has_a_reader_that_says_what_is_missing(tmp_path: Path, format: str) -> None:
    assert callable(import_module(f"hand_pose_ros.data.readers.{format}").open_split)
    for split in FORMATS[format].splits:
        with pytest.raises(InputError, match=str(tmp_path)):
            open_dataset(tmp_path, format, split)


def test_the_table_loads_no_reader() -> None:
    tree = ast.parse(Path(datasets.__file__).read_text())
    imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert not any("readers" in module for module in imported if module)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("rdh", None), "format is 'rdh'; it must be one of folder, shards, rhd"),
        (("rhd", "test"), "split is 'test'; rhd has evaluation, evaluation-both, training"),
        (("folder", ""), "split is ''; folder has all"),
    ],
)
def test_unknown_names_are_answered_with_the_known(
    tmp_path: Path, arguments: tuple, said: str
) -> None:
    with pytest.raises(InputError, match=said):
        open_dataset(tmp_path, *arguments)


def test_a_place_without_a_dataset_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nowhere does not exist; it must be a dataset of format"):
        open_dataset(tmp_path / "nowhere", "rhd")
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="file is a file; it must be the folder of a rhd dataset"):
        open_dataset(tmp_path / "file", "rhd")


# --- folder -----------------------------------------------------------------------------------


def test_a_users_folder(tmp_path: Path) -> None:
    annotation = {"side": "left", "K": K, "keypoints": KEYPOINTS, "box": [1, 2, 30, 40.5]}
    found = open_dataset(dataset(tmp_path, {"a.png": annotation}), "folder")
    assert isinstance(found, Dataset)
    assert (found.format, found.split, found.expected, len(found)) == ("folder", "all", None, 2)
    first, second = found.images()
    (hand,) = first.hands
    assert (first.name, hand.side, hand.box) == ("a.png", "left", (1.0, 2.0, 30.0, 40.5))
    assert (first.camera.width, first.camera.height) == (64, 48)
    np.testing.assert_array_equal(hand.keypoints, KEYPOINTS)
    # x = 500 * 0.01 i / 0.5 + 32
    np.testing.assert_allclose(hand.keypoints_px[:, 0], 10.0 * np.arange(21) + 32.0)
    assert first.read().shape == (48, 64, 3)
    assert (second.camera, second.hands, second.path.name) == (None, (), "b.png")


def test_a_box_alone_is_a_hand_and_is_made_where_it_is_missing(tmp_path: Path) -> None:
    keypoints = [[0.01 * i, 0.005 * i, 0.5] for i in range(21)]
    annotations = {
        "a.png": {"box": [1, 2, 30, 40]},
        "b.png": {"K": K, "keypoints": keypoints},
    }
    first, second = open_dataset(dataset(tmp_path, annotations), "folder").images()
    assert first.hands[0].box == (1.0, 2.0, 30.0, 40.0)
    assert first.hands[0].keypoints is None
    assert second.hands[0].side is None
    assert second.hands[0].box == pytest.approx((32.0, 24.0, 200.0, 100.0))


def test_a_users_own_list_of_hands(tmp_path: Path) -> None:
    unknown = [*KEYPOINTS[:20], [None] * 3]
    hands = [{"side": "right", "keypoints": unknown}, {"box": [1, 2, 3, 4]}]
    (image, _) = open_dataset(
        dataset(tmp_path, {"a.png": {"K": K, "hands": hands}}), "folder"
    ).images()
    assert [hand.side for hand in image.hands] == ["right", None]
    assert image.hands[0].known.tolist() == [True] * 20 + [False]
    assert np.isnan(image.hands[0].keypoints_px[20]).all()


@pytest.mark.parametrize(
    ("annotation", "said"),
    [
        ({"hands": {}}, r"hands is dict; it must be a list"),
        ({"hands": [3]}, r"hands\[0\] is int; it must be an object"),
        ({"hands": [{"side": "up"}]}, r"hands\[0\].*side is 'up'"),
        ({"hands": [{"keypoints": [[1, 2]]}]}, r"hands\[0\]\.keypoints has shape \(1, 2\)"),
        ({"hands": [{"keypoints_px": "x"}]}, r"hands\[0\]\.keypoints_px is not an array"),
        ({"camera": {"K": K}}, r"camera has no 'width'"),
        ({"camera": {"K": K, "width": 0, "height": 4}}, r"camera: camera width is 0"),
        (
            {"camera": {"K": K, "width": 64.5, "height": 4}},
            r"camera\.width is 64\.5; it must be a",
        ),
        ({"camera": 3}, r"camera is int; it must be a record"),
        ({"keypoints": [[1, 2]]}, r"keypoints has shape \(1, 2\)"),
    ],
)
def test_a_broken_annotation_is_named_and_the_next_is_read(
    tmp_path: Path, annotation: dict, said: str
) -> None:
    found = open_dataset(dataset(tmp_path, {"a.png": annotation}), "folder")
    with pytest.raises(InputError, match=rf"annotations\.json: images\['a\.png'\].*{said}"):
        list(found.images())
    assert [image.name for image in found.images(1)] == ["b.png"]


def test_a_broken_image_is_named_when_it_is_read(tmp_path: Path) -> None:
    dataset(tmp_path, {"a.png": {"K": K, "keypoints": KEYPOINTS}})
    (tmp_path / "images" / "a.png").write_bytes(b"no image")
    image = next(open_dataset(tmp_path, "folder").images())
    with pytest.raises(InputError, match=r"a\.png is not an image"):
        image.read()


def test_real_hands_lie_in_their_images(shared_data: Path) -> None:
    images = list(open_dataset(shared_data / "real_hands", "folder").images())
    assert len(images) == 97
    for image in images:
        (hand,) = image.hands
        assert hand.side == "left"
        assert ((hand.keypoints_px > 0) & (hand.keypoints_px < 256)).all()


# --- what is rendered -------------------------------------------------------------------------


def write_rendered(format: str, root: Path, blocks: int = 2) -> list[Any]:
    samples = [
        synth_sample(i, ("left", "right")[: 1 + i % 2], sequence=3) for i in range(4 * blocks)
    ]
    writer = WRITERS[format](root, vertices=True)
    writer.begin({})
    for block in range(blocks):
        writer.write(block, iter(samples[4 * block : 4 * block + 4]))
    writer.finish()
    return samples


@pytest.mark.parametrize("format", ["folder", "shards"])
def test_rendered_images_come_with_all_their_hands(tmp_path: Path, format: str) -> None:
    samples = write_rendered(format, tmp_path)
    images = list(open_dataset(tmp_path, format).images())
    assert len(images) == len({image.name for image in images}) == len(samples)
    for sample, image in zip(samples, images, strict=True):
        assert Path(image.name).stem == sample.name
        assert (image.sequence, image.frame) == ("3", sample.index)
        np.testing.assert_array_equal(image.camera.K, CAMERA.K)
        assert image.camera.distortion == CAMERA.distortion
        assert image.read().shape == (*SIZE, 3)
        assert np.abs(image.read().astype(int) - sample.image_rgb).mean() < 3.0
        assert [hand.side for hand in image.hands] == [hand.side for hand in sample.hands]
        for found, true in zip(image.hands, sample.hands, strict=True):
            np.testing.assert_allclose(found.keypoints, true.keypoints, atol=1e-7)
            np.testing.assert_allclose(found.keypoints_px, true.keypoints_px, atol=1e-4)
            np.testing.assert_array_equal(found.visible, true.visible)
            assert found.box == pytest.approx(tuple(true.box), abs=1e-3)
            if format == "shards":
                np.testing.assert_allclose(found.vertices, true.vertices, atol=2e-4)


def test_a_hand_that_is_not_seen_gets_the_box_of_its_joints(tmp_path: Path) -> None:
    write_rendered("shards", tmp_path, 1)
    (shard,) = tmp_path.glob("shard-*.tar")

    def unseen(name: str, data: bytes) -> list[tuple[str, bytes]]:
        if not name.endswith(".json"):
            return [(name, data)]
        label = json.loads(data)
        for hand in label["hands"]:
            hand["box"] = [0, 0, 0, 0]
            hand["keypoints_px"][0] = [None, None]
        return [(name, json.dumps(label).encode())]

    change_shard(shard, unseen)
    hand = next(open_dataset(tmp_path, "shards").images()).hands[0]
    assert np.isnan(hand.keypoints_px[0]).all()
    low, high = hand.keypoints_px[1:].min(axis=0), hand.keypoints_px[1:].max(axis=0)
    assert hand.box == pytest.approx((*low, *(high - low)))


def test_shards_are_read_from_anywhere(tmp_path: Path) -> None:
    write_rendered("shards", tmp_path, 3)
    found = open_dataset(tmp_path, "shards")
    names = [image.name for image in found.images()]
    assert len(found) == 12
    for start, step in ((0, 5), (4, 1), (7, 3), (11, 1), (12, 1)):
        assert [image.name for image in found.images(start, step)] == names[start::step]
    one = open_dataset(sorted(tmp_path.glob("shard-*.tar"))[1], "shards")
    assert [image.name for image in one.images()] == names[4:8]


def test_offsets_are_where_samples_start(tmp_path: Path) -> None:
    (shard,) = write_shards(tmp_path, 1)
    offsets = list(sample_offsets(shard))
    assert offsets[0] == 0
    for place, offset in enumerate(offsets):
        names = [sample.name for sample in read_packed(shard, offset)]
        assert names == [f"{i:08d}" for i in range(place, 4)]


def test_a_shard_that_is_cut_off_is_named_at_once(tmp_path: Path) -> None:
    (shard,) = write_shards(tmp_path, 1)
    data = shard.read_bytes()
    for length, member, _ in cuts(shard):
        shard.write_bytes(data[:length])
        with pytest.raises(InputError, match=f"shard-000000.tar.*{member}"):
            open_dataset(tmp_path, "shards")


@pytest.mark.parametrize(
    ("ending", "said", "reads"),
    [("json", "lacks 'json'|json is not readable", False), ("jpg", "'jpg'|jpg is not", True)],
)
@pytest.mark.parametrize("how", ["missing", "broken"])
def test_a_broken_member_is_named(
    tmp_path: Path, ending: str, said: str, reads: bool, how: str
) -> None:
    (shard,) = write_shards(tmp_path, 1)

    def change(name: str, data: bytes) -> list[tuple[str, bytes]]:
        if not name.endswith(ending):
            return [(name, data)]
        return [] if how == "missing" else [(name, b"{")]

    change_shard(shard, change)
    images = open_dataset(tmp_path, "shards").images()
    # Without the label there is no image, without its pixels one that cannot be read.
    ask = next(images).read if reads else partial(next, images)
    with pytest.raises(InputError, match=rf"shard-000000\.tar: sample '00000000'.*({said})"):
        ask()


def test_surfaces_for_another_number_of_hands_are_named(tmp_path: Path) -> None:
    write_rendered("shards", tmp_path, 1)
    (shard,) = tmp_path.glob("shard-*.tar")

    def change(name: str, data: bytes) -> list[tuple[str, bytes]]:
        if not name.endswith(".json"):
            return [(name, data)]
        label = json.loads(data)
        return [(name, json.dumps({**label, "hands": label["hands"] * 2}).encode())]

    change_shard(shard, change)
    with pytest.raises(
        InputError, match=r"vertices have shape \(1, 30, 3\); it must be \(2, V, 3\)"
    ):
        next(open_dataset(tmp_path, "shards").images())
