"""Bags of hands against the truth, and against another estimator's bag."""

import json
from dataclasses import replace

import numpy as np
import pytest
from runtime_stubs import CAMERA, ExactLift, ScriptedDetector, true_hand

from hand_pose_ros.cli.main import main
from hand_pose_ros.errors import InputError
from hand_pose_ros.ros.bag import BagWriter
from hand_pose_ros.ros.conversions import hand_pose_array
from hand_pose_ros.ros.score import score_bag
from hand_pose_ros.ros.truth import TRUTH_TOPIC
from hand_pose_ros.ros.typestore import rosbags_types
from hand_pose_ros.runtime.estimate import FrameEstimate
from hand_pose_ros.runtime.estimator import Estimator

START_NS, FRAME_NS, FRAMES = 1_700_000_000_000_000_000, 33_333_333, 6
LATE_NS = 20_000_000
HANDS = "/hand_pose_estimator/hand_poses"


@pytest.fixture(scope="module")
def hands():
    right = true_hand("right", (0.12, 0.05, 0.5))
    estimator = Estimator(None, ScriptedDetector([[right.detection]]), ExactLift(right))
    return estimator.estimate(np.zeros((480, 640, 3), np.uint8), CAMERA, 0).hands


@pytest.fixture
def write(tmp_path, hands):
    """Return a function that writes a bag: topic to the numbers of the frames that it has."""

    def written(name, topics, move=(0.0, 0.0, 0.0), empty=()):
        moved = tuple(replace(hand, keypoints=hand.keypoints + move) for hand in hands)
        types = rosbags_types()
        with BagWriter(tmp_path / name) as writer:
            for topic, frames in topics.items():
                for index in frames:
                    stamp = START_NS + index * FRAME_NS
                    seen = () if index in empty else moved
                    frame = FrameEstimate(stamp, "optical", CAMERA, seen)
                    writer.write(topic, hand_pose_array(frame, types), stamp + LATE_NS)
        return tmp_path / name

    return written


def test_age_answers_and_errors_are_told(write, capsys, tmp_path):
    truth = write("truth", {TRUTH_TOPIC: range(FRAMES)})
    estimates = write("estimates", {HANDS: (0, 2, 3, 9)}, move=(0.0, 0.0, 0.01), empty=(3,))
    scored = score_bag(estimates, truth)
    assert (scored.topic, scored.frames, scored.frames_with_hand) == (HANDS, 4, 3)
    assert (scored.images, scored.answered) == (FRAMES, 3)
    assert scored.age_ms["p50"] == pytest.approx(20.0)
    assert (scored.truth["true_hands"], scored.truth["found"]) == (3, 2)
    assert scored.truth["errors_mm"]["absolute"] == pytest.approx(10.0, abs=1e-3)
    assert scored.truth["errors_mm"]["pa"] == pytest.approx(0.0, abs=1e-3)
    out = tmp_path / "scores"
    assert main(["evaluate", str(estimates), "--truth", str(truth), "--out", str(out)]) == 0
    said = capsys.readouterr().out
    assert "4 images, 3 with a hand" in said
    assert "answered: 3 of the 6 images" in said
    assert "2 of 3 hands found" in said
    assert json.loads((out / "scores.json").read_text())["answered"] == 3


def test_another_estimators_bag_can_be_the_truth(write):
    ours = write("ours", {HANDS: range(FRAMES)})
    other = write("other", {"/hand_pose/hand_poses": range(FRAMES)}, move=(0.001, 0.0, 0.0))
    scored = score_bag(ours, other)
    assert scored.answered == FRAMES
    assert scored.truth["errors_mm"]["absolute"] == pytest.approx(1.0, abs=1e-3)


def test_without_a_truth_there_is_age_alone(write, capsys):
    assert main(["evaluate", str(write("ours", {HANDS: range(2)}))]) == 0
    said = capsys.readouterr().out
    assert "2 images, 2 with a hand" in said
    assert "answered" not in said


def test_a_topic_is_named_where_there_are_several(write):
    several = write("several", {HANDS: range(2), "/other/hand_poses": range(3)})
    with pytest.raises(
        InputError, match=r"2 topics with hands; name one of: /hand_pose_est.*, /o"
    ):
        score_bag(several)
    assert score_bag(several, topic="/other/hand_poses").frames == 3
    with pytest.raises(InputError, match=r"no hands on /third in .*it has /hand_pose_estimator"):
        score_bag(several, topic="/third")


def test_bags_without_hands_and_options_of_another_format_are_refused(write, tmp_path, capsys):
    truth = write("truth", {TRUTH_TOPIC: range(2)})
    with pytest.raises(InputError, match=r"no hands on any topic in .*; it has /truth"):
        score_bag(truth)
    with pytest.raises(InputError, match="does not exist"):
        score_bag(tmp_path / "missing")
    assert main(["evaluate", str(truth), "--peer", "mediapipe"]) == 2
    assert "--peer needs --format folder" in capsys.readouterr().err
    assert main(["evaluate", str(tmp_path), "--truth", str(truth)]) == 2
    assert "--truth needs --format bag" in capsys.readouterr().err
