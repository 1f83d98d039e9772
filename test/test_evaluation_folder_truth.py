"""A `folder` dataset as the truth of a recording, found by stamps, by names or in order."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest
from recording_samples import FRAME_NS, hand, recording

from hand_pose_ros.errors import InputError
from hand_pose_ros.evaluation.folder_truth import open_folder_truth
from hand_pose_ros.evaluation.recording import Times
from hand_pose_ros.evaluation.recording_score import score_recording

K = [[100.0, 0.0, 15.5], [0.0, 100.0, 11.5], [0.0, 0.0, 1.0]]
START_S = 1_700_000_000
START_NS = START_S * 10**9
LABEL = {"side": "right", "K": K, "keypoints": hand().keypoints.tolist()}


@pytest.fixture
def write(tmp_path):
    """Return a function that writes a folder of small images with their annotations."""

    def written(annotations):
        (tmp_path / "images").mkdir()
        for name in annotations:
            cv2.imwrite(str(tmp_path / "images" / name), np.zeros((24, 32, 3), np.uint8))
        text = json.dumps({"images": annotations})
        (tmp_path / "annotations.json").write_text(text, encoding="utf-8")
        return tmp_path

    return written


def stamps(truth):
    return truth.times.stamps_ns.tolist()


def test_stamps_stand_in_the_annotations(write):
    folder = write({f"{9 - i}.png": {**LABEL, "stamp_ns": i * FRAME_NS} for i in range(4)})
    answers = recording({i: (hand(at=(0.0, 0.0, 0.51)),) for i in (0, 1, 3)})
    truth = open_folder_truth(folder)
    assert sorted(stamps(truth)) == [i * FRAME_NS for i in range(4)]
    scored = score_recording(answers, truth)
    assert (scored.timing.images, scored.timing.dropped) == (4, 1)
    assert (scored.accuracy.found, scored.accuracy.unanswered_hands) == (3, 1)
    assert scored.accuracy.errors_mm["absolute"].mean == pytest.approx(10.0)


@pytest.mark.parametrize(
    "name", [f"{START_S}.000000042.png", f"{START_S}_000000042.png", f"{START_NS + 42}.png"]
)
def test_names_may_be_stamps(write, name):
    assert stamps(open_folder_truth(write({name: LABEL}))) == [START_NS + 42]


def test_else_the_images_are_those_of_the_recording_in_order(write):
    folder = write({f"{i:03d}.png": LABEL for i in range(3)})
    times = np.array([3 * FRAME_NS, FRAME_NS, 2 * FRAME_NS], np.int64)
    truth = open_folder_truth(folder, Times(times, times))
    assert stamps(truth) == [FRAME_NS, 2 * FRAME_NS, 3 * FRAME_NS]
    message = r"3 images without stamps and the recording 2: they cannot be paired in order"
    with pytest.raises(InputError, match=message):
        open_folder_truth(folder, Times(times[1:], times[1:]))
    with pytest.raises(InputError, match="and the recording 0"):
        open_folder_truth(folder)


def test_of_an_image_without_joints_nothing_is_known_and_without_hands_there_is_none(write):
    folder = write({"0.png": LABEL, "1.png": {"side": "left"}, "2.png": {"hands": []}})
    times = np.arange(3) * FRAME_NS
    truth = open_folder_truth(folder, Times(times, times))
    assert [len(frame.hands) for frame in truth.read()] == [1, 0]
    scored = score_recording(recording({i: (hand(),) for i in range(3)}), truth)
    assert (scored.accuracy.true_hands, scored.accuracy.found, scored.accuracy.extra) == (1, 1, 1)


@pytest.mark.parametrize("stamp", [1.5, "now", -1, True, 10**19])
def test_stamps_that_are_none_are_refused(write, stamp):
    folder = write({"0.png": {**LABEL, "stamp_ns": stamp}})
    with pytest.raises(InputError, match=r"images\['0.png'\]\.stamp_ns is .*; it must be an int"):
        open_folder_truth(folder)


def test_some_stamps_are_not_enough(write):
    folder = write({"0.png": {**LABEL, "stamp_ns": 0}, "1.png": LABEL})
    with pytest.raises(InputError, match=r"1 of 2 images have a stamp, '1.png' has none"):
        open_folder_truth(folder)


def test_a_folder_without_joints_is_no_truth(write):
    with pytest.raises(InputError, match="has no image with keypoints"):
        open_folder_truth(write({"0.png": {"side": "left", "stamp_ns": 0}}))
