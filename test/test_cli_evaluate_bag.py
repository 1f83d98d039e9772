"""Bags of hands against the truth, and against another estimator's bag."""

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from recording_samples import copy_bag, drop_every_third, flip_every_tenth
from ros_samples import image_message
from runtime_stubs import CAMERA, ExactLift, ScriptedDetector, true_hand

from hand_pose_ros.cli.main import main
from hand_pose_ros.errors import InputError
from hand_pose_ros.ros.bag import BagWriter
from hand_pose_ros.ros.conversions import hand_pose_array
from hand_pose_ros.ros.hands_topic import TRUTH_TOPIC
from hand_pose_ros.ros.score import ScoreOptions, score_bag, score_bags, short_names
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
    scored = score_bag(estimates, ScoreOptions(truth))
    assert (scored.answers, scored.with_hand, scored.hands) == (4, 3, 3)
    assert (scored.timing.images, scored.timing.dropped, scored.timing.unasked) == (FRAMES, 3, 1)
    assert scored.timing.age_ms["p50"] == pytest.approx(20.0)
    accuracy = scored.accuracy
    assert (accuracy.frames, accuracy.true_hands, accuracy.unanswered_hands) == (3, 3, 3)
    assert (accuracy.found, accuracy.missed, accuracy.extra) == (2, 1, 0)
    assert accuracy.errors_mm["absolute"].mean == pytest.approx(10.0, abs=1e-3)
    assert accuracy.errors_mm["pa"].mean == pytest.approx(0.0, abs=1e-3)
    out = tmp_path / "scores"
    assert main(["evaluate", str(estimates), "--truth", str(truth), "--out", str(out)]) == 0
    said = cells(capsys.readouterr().out)
    assert said["answers"] == ["4"]
    assert said["dropped"] == ["3"]
    assert said["error, absolute [mm]"] == ["10.0"]
    told = json.loads((out / "scores.json").read_text())
    assert told["recordings"]["estimates"]["timing"]["dropped"] == 3
    assert told["options"] == {"truth": str(truth), "slop_s": "0.001"}
    page = (out / "report.html").read_text()
    assert "<dt>slop</dt><dd>0.001 s</dd>" in page
    assert "Error over time" in page


def test_another_estimators_bag_can_be_the_truth(write):
    ours = write("ours", {HANDS: range(FRAMES)})
    other = write("other", {"/hand_pose/hand_poses": range(FRAMES)}, move=(0.001, 0.0, 0.0))
    scored = score_bag(ours, ScoreOptions(other))
    assert scored.timing.dropped == 0
    assert scored.accuracy.errors_mm["absolute"].mean == pytest.approx(1.0, abs=1e-3)


def test_without_a_truth_the_rest_is_told(write, capsys):
    assert main(["evaluate", str(write("ours", {HANDS: range(2)}))]) == 0
    said = cells(capsys.readouterr().out)
    assert (said["answers"], said["with a hand"]) == (["2"], ["2"])
    assert said["hands are told apart by"] == ["continuity"]
    assert not {"dropped", "found", "error, absolute [mm]"} & set(said)


def test_several_bags_stand_side_by_side(write, capsys):
    bags = [write(name, {HANDS: frames}) for name, frames in (("a", range(6)), ("b", (0, 1, 3)))]
    truth = write("truth", {TRUTH_TOPIC: range(FRAMES)})
    assert main(["evaluate", *map(str, bags), "--truth", str(truth)]) == 0
    said = cells(capsys.readouterr().out)
    assert said[""] == ["a", "b"]
    assert said["dropped"] == ["0", "3"]
    assert said["gaps"] == ["0", "1"]
    assert said["error, absolute [mm]"] == ["0.0", "0.0"]


def test_a_topic_is_named_where_there_are_several(write):
    several = write("several", {HANDS: range(2), "/other/hand_poses": range(3)})
    with pytest.raises(
        InputError, match=r"2 topics with hands; name one of: /hand_pose_est.*, /o"
    ):
        score_bag(several)
    assert score_bag(several, topic="/other/hand_poses").answers == 3
    with pytest.raises(InputError, match=r"no hands on /third in .*it has /hand_pose_estimator"):
        score_bag(several, topic="/third")
    scores = score_bags([several], topics=[HANDS, "/other/hand_poses", "/third"])
    assert {name: score.answers for name, score in scores.items()} == {
        f"several {HANDS}": 2,
        "several /other/hand_poses": 3,
    }
    with pytest.raises(InputError, match="no hands on /third"):
        score_bags([several], topics=["/third"])


def test_names_tell_bags_apart():
    def names(*chosen):
        return short_names([(Path(path), topic) for path, topic in chosen])

    assert names(("x/a.mcap", "/t")) == ["a"]
    assert names(("x/a", "/t"), ("y/a.mcap", "/t")) == ["x/a", "y/a"]
    assert names(("x/a", "/t"), ("y/a", "/t"), ("y/a", "/u")) == ["x/a", "y/a /t", "y/a /u"]
    with pytest.raises(InputError, match="a /t is named twice"):
        names(("x/a", "/t"), ("x/a", "/t"))


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
    assert main(["evaluate", str(tmp_path), str(truth)]) == 2
    assert f"2 datasets came; several can only be bags of hands, and {tmp_path} is read" in (
        capsys.readouterr().err
    )
    assert main(["evaluate", str(truth), str(tmp_path / "missing")]) == 2
    assert "missing does not exist" in capsys.readouterr().err
    (tmp_path / "run.json").write_text("{}")
    assert main(["evaluate", str(truth), "--out", str(tmp_path)]) == 2
    assert "holds the evaluation of a dataset; name another" in capsys.readouterr().err
    assert main(["evaluate", str(truth), "--slop", "-1"]) == 2
    assert "slop is -1.0 s; it must be 0 or more" in capsys.readouterr().err
    assert main(["evaluate", str(truth), "--truth-topic", "/a"]) == 2
    assert "truth_topic is /a without a truth" in capsys.readouterr().err


def test_hands_of_a_peer_may_leave_open_what_it_does_not_know(hands, tmp_path):
    """An unknown side and angles, no id, no pixels: the points alone are scored."""
    types = rosbags_types()
    frames = [FrameEstimate(START_NS + i * FRAME_NS, "optical", CAMERA, hands) for i in range(3)]
    for name in ("peer", "truth"):
        with BagWriter(tmp_path / name) as writer:
            for frame in frames:
                message = hand_pose_array(frame, types)
                if name == "peer":
                    for each in message.hands:
                        each.side, each.id, each.side_score = 0, "", np.nan
                        each.angles = np.full(26, np.nan, np.float32)
                        each.keypoints_px = np.full(42, np.nan, np.float32)
                writer.write(HANDS, message, frame.stamp_ns)
    scored = score_bag(tmp_path / "peer", ScoreOptions(tmp_path / "truth"))
    assert (scored.accuracy.found, scored.accuracy.wrong_side) == (3, 0)
    assert scored.accuracy.errors_mm["absolute"].mean == pytest.approx(0.0, abs=1e-6)
    assert scored.angles_outside is None
    assert scored.identities.side_flips == scored.identities.id_switches == 0


def test_images_come_from_the_bag_itself_or_from_the_source(hands, tmp_path):
    types = rosbags_types()
    frame = FrameEstimate(START_NS, "optical", CAMERA, hands)
    pixels = np.zeros((4, 4, 3), np.uint8)
    for name, topics in (("both", "ih"), ("images", "i"), ("hands", "h")):
        with BagWriter(tmp_path / name) as writer:
            for index in range(4):
                stamp = START_NS + index * FRAME_NS
                if "i" in topics:
                    image = image_message(pixels, "rgb8", stamp_ns=stamp)
                    writer.write("/image", image, stamp + LATE_NS)
                if "h" in topics and index != 2:
                    message = hand_pose_array(replace(frame, stamp_ns=stamp), types)
                    writer.write(HANDS, message, stamp + 3 * LATE_NS)
    both = score_bag(tmp_path / "both").timing
    assert (both.images, both.dropped) == (4, 1)
    assert both.latency_ms["max"] == pytest.approx(40.0)
    assert both.age_ms["max"] == pytest.approx(60.0)
    played = score_bag(tmp_path / "hands", ScoreOptions(source=tmp_path / "images")).timing
    assert (played.images, played.dropped, played.latency_ms) == (4, 1, None)
    assert score_bag(tmp_path / "hands").timing.images is None
    options = ScoreOptions(source=tmp_path / "images", image_topic="/other")
    with pytest.raises(InputError, match="no image topic /other in"):
        score_bag(tmp_path / "hands", options)


def test_of_a_bag_that_lost_its_end_the_rest_is_scored(write):
    bag, truth = write("bag", {HANDS: range(600)}), write("truth", {TRUTH_TOPIC: range(600)})
    (file,) = bag.glob("*.mcap")
    os.truncate(file, int(file.stat().st_size * 0.7))
    scored = score_bag(file, ScoreOptions(truth))
    assert 0 < scored.answers < 600
    assert scored.answers + scored.timing.dropped == scored.timing.images == 600
    assert scored.accuracy.found == scored.answers
    assert scored.timing.gaps == 0


def test_results_of_a_replay_are_scored_by_their_folder(write, tmp_path, capsys):
    folder = tmp_path / "mine"
    folder.mkdir()
    write("bag", {HANDS: range(3)}).rename(folder / "bag")
    (folder / "hands.json").write_text("{}")
    assert main(["evaluate", str(folder), "--truth", str(folder)]) == 0
    said = cells(capsys.readouterr().out)
    assert said[""] == ["mine"]
    assert said["found"] == ["3"]


def test_truths_and_sources_that_are_none_are_named(write, tmp_path):
    bag = write("bag", {HANDS: range(2)})
    with pytest.raises(InputError, match=r"nowhere does not exist"):
        score_bag(bag, ScoreOptions(tmp_path / "nowhere"))
    with pytest.raises(InputError, match=r"nowhere does not exist"):
        score_bag(bag, ScoreOptions(source=tmp_path / "nowhere"))
    with pytest.raises(InputError, match=r"no image topic in .*bag"):
        score_bag(bag, ScoreOptions(source=bag))
    with pytest.raises(InputError, match=r"no hands on /other in .*bag; it has"):
        score_bag(bag, ScoreOptions(bag, truth_topic="/other"))


def test_a_third_dropped_and_sides_flipped_show_just_that(write, tmp_path):
    """A law of the tables: what was not touched reads as in the bag itself."""
    whole = write("whole", {HANDS: range(60)}, move=(0.0, 0.0, 0.01))
    truth = write("truth", {TRUTH_TOPIC: range(60)})
    copy_bag(whole, tmp_path / "dropped", drop_every_third)
    copy_bag(whole, tmp_path / "flipped", flip_every_tenth)
    bags = [whole, tmp_path / "dropped", tmp_path / "flipped"]
    known = flat(score_bags(bags, ScoreOptions(truth)))
    assert differing(known["whole"], known["dropped"]) == {
        "answers": 40,
        "with_hand": 40,
        "hands": 40,
        "timing.rate_hz": pytest.approx(39 / (58 * FRAME_NS * 1e-9)),
        "timing.dropped": 20,
        "timing.gaps": 19,
        "timing.missing_in_gaps": 19,
        "timing.longest_gap_s": pytest.approx(2 * FRAME_NS * 1e-9),
        "accuracy.frames": 40,
        "accuracy.true_hands": 40,
        "accuracy.found": 40,
        "accuracy.unanswered_hands": 20,
        "jitter": None,
        "triples": 0,
    }
    assert differing(known["whole"], known["flipped"]) == {
        "accuracy.wrong_side": 6,
        "identities.side_flips": 11,
        "identities.side_flips_per_min": pytest.approx(11 / (60 * FRAME_NS * 1e-9) * 60),
    }
    alone = flat(score_bags(bags))
    assert differing(alone["whole"], alone["flipped"]) == {
        "identities.side_flips": 11,
        "identities.side_flips_per_min": pytest.approx(11 / (60 * FRAME_NS * 1e-9) * 60),
    }
    changed = differing(alone["whole"], alone["dropped"])
    assert changed.pop("timing.duration_s") == pytest.approx(59 * FRAME_NS * 1e-9)
    assert set(changed) == {
        *("answers", "with_hand", "hands", "jitter", "triples"),
        *(f"timing.{name}" for name in ("rate_hz", "gaps", "missing_in_gaps", "longest_gap_s")),
    }


def cells(table):
    """Return the cells of a Markdown table by the label of their row."""
    lines = [line.strip("| ").split("|") for line in table.splitlines() if line.startswith("|")]
    rows = {line[0].strip(): [cell.strip() for cell in line[1:]] for line in lines[2:]}
    return {**rows, "": [cell.strip() for cell in lines[0]]}


def flat(scores):
    """Return the numbers of each score by their dotted names."""

    def walk(values, prefix=""):
        for name, value in values.items():
            if isinstance(value, dict):
                yield from walk(value, f"{prefix}{name}.")
            else:
                yield prefix + name, value

    return {name: dict(walk(score.as_dict())) for name, score in scores.items()}


def differing(one, other):
    """Return what the other says where it does not say the same."""
    assert one.keys() == other.keys()
    return {
        name: value for name, value in other.items() if value != pytest.approx(one[name], abs=1e-9)
    }
