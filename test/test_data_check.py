"""A user's copy of a dataset: sound ones pass, damage is told with file and reason."""

from __future__ import annotations

import json
import pickle
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from dataset_samples import hand, write_freihand, write_rhd, write_stb

from hand_pose_ros.cli import main as cli
from hand_pose_ros.cli.evaluate_check import MOST_LINES
from hand_pose_ros.data.check import Check, check_dataset
from hand_pose_ros.data.datasets import Dataset, open_dataset
from hand_pose_ros.data.plausible import ENOUGH_HANDS, CurlCount, palmar_reach
from hand_pose_ros.data.readers.indexed import Indexed
from hand_pose_ros.data.readers.joints import labelled_hand
from hand_pose_ros.data.sample import LabelledHand, LabelledImage
from hand_pose_ros.errors import InputError
from hand_pose_ros.hand.camera import Camera

CAMERA = Camera(np.array([[500.0, 0, 160], [0, 500.0, 120], [0, 0, 1]]), 320, 240)


def checked(dataset: Dataset, **options: bool) -> tuple[Check, list[str]]:
    told: list[str] = []
    found = check_dataset(dataset, lambda problem: told.append(str(problem)), **options)
    assert found.problems == len(told)
    return found, told


def of_hands(
    tmp_path: Path, *hands: LabelledHand, camera: Camera = CAMERA, read: Callable | None = None
) -> Indexed:
    """Return a dataset of images, each with one of these hands."""
    blank = np.zeros((CAMERA.height, CAMERA.width, 3), np.uint8)

    def at(number: int) -> LabelledImage:
        return LabelledImage(f"image {number}", read or (lambda: blank), camera, (hands[number],))

    return Indexed("folder", tmp_path, "all", len(hands), at)


def right(**fields: object) -> LabelledHand:
    keypoints = fields.pop("keypoints", hand("right", (0.0, 0.0, 0.6)))
    return replace(labelled_hand("right", keypoints, CAMERA), **fields)


# --- sound copies and damaged ones ------------------------------------------------------------


@pytest.mark.parametrize(
    ("write", "format", "images", "expected"),
    [
        (write_rhd, "rhd", 3, 2728),
        (write_stb, "stb", 4, 3000),
        (write_freihand, "freihand", 2, 3960),
    ],
)
def test_a_small_copy_lacks_images_and_nothing_else(
    tmp_path: Path, write: Callable, format: str, images: int, expected: int
) -> None:
    write(tmp_path)
    dataset = open_dataset(tmp_path, format)
    found, told = checked(dataset)
    assert told == [f"{tmp_path}: {images} images; {format} {dataset.split} has {expected}"]
    assert (found.images, found.decoded, found.hands) == (images, images, images)
    assert found.inside == found.known == 21 * images
    assert checked(replace(dataset, expected=images))[1] == []


def damaged(tmp_path: Path) -> tuple[Check, list[str]]:
    dataset = open_dataset(tmp_path, "rhd")
    return checked(replace(dataset, expected=3))


def test_a_missing_image_is_told(tmp_path: Path) -> None:
    write_rhd(tmp_path)
    (tmp_path / "evaluation" / "color" / "00001.png").unlink()
    found, (line,) = damaged(tmp_path)
    assert line.startswith(f"{tmp_path}/evaluation/color/00001.png cannot be read: No such file")
    assert found.images == 3


def test_a_missing_image_is_told_where_it_would_not_be_decoded(tmp_path: Path) -> None:
    hands = [right()] * 500
    dataset = of_hands(tmp_path, *hands)
    there = tmp_path / "there.png"
    there.touch()
    paths = dict.fromkeys(range(500), there) | {301: tmp_path / "gone.png"}
    found, told = checked(
        replace(dataset, at=lambda number: replace(dataset.at(number), path=paths[number]))
    )
    assert told == [f"{tmp_path}/gone.png: is missing"]
    assert found.decoded == 250


def test_a_truncated_image_is_told(tmp_path: Path) -> None:
    write_rhd(tmp_path)
    path = tmp_path / "evaluation" / "color" / "00002.png"
    path.write_bytes(path.read_bytes()[:40])
    _, (line,) = damaged(tmp_path)
    assert line == f"{path} is not an image that can be decoded (40 bytes)"


def test_an_image_of_another_size_is_told(tmp_path: Path) -> None:
    write_rhd(tmp_path)
    path = tmp_path / "evaluation" / "color" / "00000.png"
    assert cv2.imwrite(str(path), np.zeros((240, 320, 3), np.uint8))
    _, (line,) = damaged(tmp_path)
    assert line == f"{path}: is 320 x 240; its camera has 320 x 320"


def test_a_broken_label_is_told_and_the_rest_is_looked_at(tmp_path: Path) -> None:
    labels = write_rhd(tmp_path)
    labels[1]["xyz"] = labels[1]["xyz"][:21]
    labels[2]["K"] = labels[2]["K"] * np.nan
    with (tmp_path / "evaluation" / "anno_evaluation.pickle").open("wb") as stream:
        pickle.dump(labels, stream)
    found, told = damaged(tmp_path)
    assert found.images == 1
    assert len(told) == 2
    assert "anno_evaluation.pickle[1].xyz has shape (21, 3)" in told[0]
    assert "anno_evaluation.pickle[2]: K is" in told[1]


def test_labels_in_millimetres_are_told(tmp_path: Path) -> None:
    lists = write_freihand(tmp_path)
    lists["xyz"][1] = (1000.0 * np.array(lists["xyz"][1])).tolist()
    (tmp_path / "evaluation_xyz.json").write_text(json.dumps(lists["xyz"]))
    _, told = checked(replace(open_dataset(tmp_path, "freihand"), expected=2))
    (line,) = told
    assert line.startswith("evaluation/00000001.jpg: from wrist to middle MCP it is 9")
    assert line.endswith("m; hands have 0.045 to 0.14")


def test_pixels_that_are_not_where_the_joints_are_are_told(tmp_path: Path) -> None:
    labels = write_rhd(tmp_path)
    labels[0]["uv_vis"][1, 0] += 9.0  # the tip of the thumb
    with (tmp_path / "evaluation" / "anno_evaluation.pickle").open("wb") as stream:
        pickle.dump(labels, stream)
    _, told = damaged(tmp_path)
    assert told == ["evaluation/00000.png: thumb_tip is projected 9.0 px away from its own pixel"]


# --- hands ------------------------------------------------------------------------------------


def test_a_hand_without_joints_is_no_problem(tmp_path: Path) -> None:
    assert checked(of_hands(tmp_path, LabelledHand("left", box=(1.0, 2.0, 3.0, 4.0))))[1] == []


def test_nothing_is_asked_of_joints_that_are_not_known(tmp_path: Path) -> None:
    keypoints = hand("right", (0.0, 0.0, 0.6))
    keypoints[[3, 9]] = np.nan
    found, told = checked(of_hands(tmp_path, right(keypoints=keypoints)))
    assert told == []
    assert (found.known, found.inside) == (19, 19)


MOVED = hand("right", (0.0, 0.0, 0.6))
MOVED[8] += 0.2  # the tip of the index finger
SHORT = hand("right", (0.0, 0.0, 0.6))
SHORT[8] = SHORT[7]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (right(keypoints=np.full((21, 3), np.nan)), "no joint has a place in space"),
        (right(keypoints=MOVED), r"bones of index_tip 0\.3\d* m; hands have 0\.003 to 0\.15"),
        (right(keypoints=SHORT), r"bones of index_tip 0 m"),
        (
            right(keypoints=hand("right", (0, 0, -0.6))),
            "21 of 21 joints are not before the camera",
        ),
        (right(keypoints=hand("right", (3.0, 0, 0.6))), "no joint lies inside the image"),
        (
            right(keypoints=hand("right", (0.2, 0, 0.6)), visible=np.ones(21, bool)),
            r"\d+ joints that are seen lie outside the image",
        ),
    ],
)
def test_a_hand_that_cannot_be_is_told(tmp_path: Path, wrong: LabelledHand, said: str) -> None:
    _, told = checked(of_hands(tmp_path, right(), wrong))
    assert len(told) == 1
    assert re.match(rf"image 1: {said}", told[0])


def test_joints_that_are_hidden_may_lie_outside(tmp_path: Path) -> None:
    far = right(keypoints=hand("right", (0.2, 0, 0.6)))
    seen = (far.keypoints_px < 319).all(axis=1)
    found, told = checked(of_hands(tmp_path, replace(far, visible=seen)))
    assert told == []
    assert found.inside < found.known


def test_one_of_two_hands_is_named_by_its_number(tmp_path: Path) -> None:
    dataset = of_hands(tmp_path, right())
    pair = (right(), right(keypoints=hand("right", (3.0, 0, 0.6))))
    _, told = checked(replace(dataset, at=lambda number: replace(dataset.at(number), hands=pair)))
    assert told == ["image 0, hand 1: no joint lies inside the image"]


def test_fingers_bend_into_the_palm() -> None:
    for seed in range(20):
        assert palmar_reach(hand("right", (0.1, 0.0, 0.6), seed)) > 0.005
        assert palmar_reach(hand("left", (0.1, 0.0, 0.6), seed)) < -0.005
    assert np.isnan(palmar_reach(np.zeros((21, 3))))


@pytest.mark.parametrize("side", ["left", "right"])
def test_sides_that_are_swapped_are_told(tmp_path: Path, side: str) -> None:
    other = {"left": "right", "right": "left"}[side]
    swapped = [
        replace(labelled_hand(side, hand(other, (0.0, 0.0, 0.6), seed), CAMERA))
        for seed in range(ENOUGH_HANDS)
    ]
    _, told = checked(of_hands(tmp_path, *swapped))
    (line,) = told
    assert line.startswith(f"{side} hands: {ENOUGH_HANDS} of {ENOUGH_HANDS} bend their fingers")
    assert checked(of_hands(tmp_path, *swapped[1:]))[1] == []  # too few to say


def test_hands_that_cannot_be_counted_are_not() -> None:
    count = CurlCount()
    count.add(LabelledHand("left"))
    count.add(LabelledHand(None, hand("right", (0.0, 0.0, 0.6))))
    assert (count.into, count.away) == (0, 0)


def test_all_images_are_decoded_where_that_is_asked_for(tmp_path: Path) -> None:
    count = 450

    def read() -> np.ndarray:
        raise InputError("image is broken")

    dataset = of_hands(tmp_path, *[right()] * count, read=read)
    assert len(checked(dataset)[1]) == 225
    assert len(checked(dataset, decode_all=True)[1]) == count


def test_progress_sees_every_image(tmp_path: Path) -> None:
    seen: list[int] = []

    def progress(images: object, count: int) -> object:
        seen.append(count)
        for image in images:
            seen.append(1)
            yield image

    check_dataset(of_hands(tmp_path, right(), right()), print, progress=progress)
    assert seen == [2, 1, 1]


# --- the command ------------------------------------------------------------------------------


def test_the_command_prints_problems_and_ends_with_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_stb(tmp_path)
    arguments = ["evaluate", str(tmp_path), "--format", "stb", "--split", "BB-test", "--check"]
    assert cli.main(arguments) == 2
    problem, summary = capsys.readouterr().out.splitlines()
    assert problem == f"{tmp_path}: 4 images; stb BB-test has 3000"
    assert summary == (
        "stb BB-test: 4 images, 4 of them decoded, 4 hands, "
        "100.0 % of 84 joints inside their image: 1 problem"
    )


def test_the_command_counts_what_it_does_not_print(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    for number in range(MOST_LINES + 2):
        (folder / f"{number}.png").touch()
    assert cli.main(["evaluate", str(tmp_path), "--check"]) == 2
    shown = capsys.readouterr().out.splitlines()
    assert shown[-2] == "... and 2 more"
    assert shown[-1].endswith(f"none of 0 joints inside their image: {MOST_LINES + 2} problems")
    assert len(shown) == MOST_LINES + 2


def test_a_sound_folder_ends_with_0(shared_data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["evaluate", str(shared_data / "real_hands"), "--check-all"]
    assert cli.main(arguments) == 0
    assert "97 hands, 100.0 % of 2037 joints" in capsys.readouterr().out


def test_a_dataset_that_cannot_be_opened_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["evaluate", str(tmp_path), "--format", "rhd", "--check"]) == 2
    assert "lacks evaluation/anno_evaluation.pickle" in capsys.readouterr().err
    assert cli.main(["evaluate", str(tmp_path), "--format", "bag", "--check"]) == 2
    assert "format is 'bag'" in capsys.readouterr().err
