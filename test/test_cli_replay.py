"""Replay: what it writes, what it says, and that it harms nothing when it fails."""

from __future__ import annotations

import errno
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from runtime_stubs import CAMERA, FRAME_NS, ExactLift, ScriptedDetector, true_hand

from hand_pose_ros.cli.replay import print_summary
from hand_pose_ros.errors import ConfigError, InputError, OutputError
from hand_pose_ros.models.temporal import TemporalConfig, TemporalTransformer
from hand_pose_ros.ros.bag import BagReader, BagWriter
from hand_pose_ros.ros.camera_info import camera_info
from hand_pose_ros.ros.conversions import hand_pose_array, hands_from_message, header, stamp_ns
from hand_pose_ros.ros.hands_topic import TRUTH_TOPIC
from hand_pose_ros.ros.replay import BAG, RESULTS, VIDEO, ReplayOptions, replay
from hand_pose_ros.ros.truth import read_truth
from hand_pose_ros.ros.typestore import rosbags_types
from hand_pose_ros.runtime.config import EstimatorConfig, WindowConfig
from hand_pose_ros.runtime.estimate import FrameEstimate
from hand_pose_ros.runtime.estimator import Estimator
from hand_pose_ros.runtime.temporal import TemporalRefiner

RIGHT, LEFT = true_hand("right", (0.12, 0.05, 0.5)), true_hand("left", (-0.12, 0.05, 0.5))
START_NS = 1_700_000_000_000_000_000
FRAMES = 6
IMAGES = "/camera/image_raw/compressed"


def stub(*hands):
    """Return the detector and the lift of a replay."""
    return {
        "detector": ScriptedDetector([[hand.detection for hand in hands]]),
        "lift": ExactLift(*hands) if hands else ExactLift(RIGHT),
    }


def truth_of(*hands):
    parts = stub(*hands)
    image = np.zeros((480, 640, 3), np.uint8)
    return Estimator(None, **parts).estimate(image, CAMERA, 0).hands


@pytest.fixture
def video(tmp_path):
    path = tmp_path / "v.mp4"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 30, (640, 480))
    for index in range(FRAMES):
        writer.write(np.full((480, 640, 3), 10 * index, np.uint8))
    writer.release()
    return path


@pytest.fixture
def bag(tmp_path):
    """A recording of two hands with their truth, an unrelated topic in it."""
    types, folder = rosbags_types(), tmp_path / "recorded"
    jpeg = cv2.imencode(".jpg", np.zeros((480, 640, 3), np.uint8))[1].ravel()
    hands = truth_of(RIGHT, LEFT)
    with BagWriter(folder) as writer:
        for index in range(FRAMES):
            stamp = START_NS + index * FRAME_NS
            head = header(types, stamp, "optical")
            image = types.CompressedImage(header=head, format="jpeg", data=jpeg)
            writer.write(
                "/camera/camera_info", camera_info(CAMERA, types, stamp, "optical"), stamp
            )
            writer.write(IMAGES, image, stamp)
            truth = FrameEstimate(stamp, "optical", CAMERA, hands)
            writer.write(TRUTH_TOPIC, hand_pose_array(truth, types), stamp)
    return folder


def options(path, out, **more):
    return ReplayOptions(path, out, **more)


def messages(folder, topic):
    with BagReader(folder / BAG) as reader:
        return [reader.deserialize(message) for message in reader.messages([topic])]


def test_a_bag_comes_back_with_its_stamps_frames_and_hands(bag, tmp_path):
    result = replay(options(bag, tmp_path / "out"), **stub(RIGHT, LEFT))
    assert result.complete
    assert {path.name for path in result.folder.iterdir()} == {BAG, VIDEO, RESULTS}
    poses = messages(result.folder, "/hand_pose/hand_poses")
    stamps = [START_NS + index * FRAME_NS for index in range(FRAMES)]
    assert [stamp_ns(message) for message in poses] == stamps
    assert {message.header.frame_id for message in poses} == {"optical"}
    for message in poses:
        hands = {hand.side: hand for hand in hands_from_message(message)}
        np.testing.assert_allclose(hands["right"].keypoints, RIGHT.points, atol=1e-4)
        np.testing.assert_allclose(hands["left"].keypoints, LEFT.points, atol=1e-4)
    markers = messages(result.folder, "/hand_pose/markers")
    assert len(markers) == FRAMES
    types = {marker.type for marker in markers[0].markers}
    assert rosbags_types().Marker.TRIANGLE_LIST in types
    for tf in messages(result.folder, "/tf"):
        assert len(tf.transforms) == 2
    with BagReader(result.folder / BAG) as reader:
        assert IMAGES not in reader.topics


def test_the_error_against_the_truth_in_the_recording_is_told(bag, tmp_path, capsys):
    result = replay(options(bag, tmp_path / "out"), **stub(RIGHT, LEFT))
    truth = result.summary["truth"]
    assert (truth["true_hands"], truth["found"], truth["wrong_side"]) == (12, 12, 0)
    assert max(truth["errors_mm"].values()) < 0.05
    print_summary(result.summary)
    said = capsys.readouterr().out
    assert "12 of 12 hands found" in said
    assert "after the best similarity alignment" in said


def test_input_messages_are_passed_through_when_asked(bag, tmp_path):
    result = replay(options(bag, tmp_path / "out", passthrough=True), **stub(RIGHT))
    with BagReader(result.folder / BAG) as reader, BagReader(bag) as source:
        for topic in (IMAGES, "/camera/camera_info", TRUTH_TOPIC):
            ours = [message.data for message in reader.messages([topic])]
            assert ours == [message.data for message in source.messages([topic])]


def test_a_video_has_an_assumed_camera_and_says_so(video, tmp_path, capsys):
    result = replay(options(video, tmp_path / "out"), **stub(RIGHT))
    assert result.summary["camera_assumed"]
    print_summary(result.summary)
    said = capsys.readouterr().out
    assert "ASSUMED from a field of view" in said
    assert "UNKNOWN 6" in said
    written = json.loads((result.folder / RESULTS).read_text())
    assert written["complete"] is True
    assert written["camera"]["assumed"] is True
    assert len(written["frames"]) == FRAMES


def test_frames_without_a_hand_are_written_as_such(video, tmp_path, capsys):
    result = replay(options(video, tmp_path / "out"), **stub())
    assert result.summary["frames_with_hand"] == 0
    assert [len(m.hands) for m in messages(result.folder, "/hand_pose/hand_poses")] == [0] * FRAMES
    print_summary(result.summary)
    assert "with a hand 0 (0.0%)" in capsys.readouterr().out


def test_it_stops_after_so_many_frames_and_can_leave_out_the_video(video, tmp_path):
    more = {"max_frames": 2, "overlay": False, "surface": False}
    result = replay(options(video, tmp_path / "out", **more), **stub(RIGHT))
    assert result.summary["frames"] == 2
    assert not (result.folder / VIDEO).exists()
    kinds = {
        marker.type for m in messages(result.folder, "/hand_pose/markers") for marker in m.markers
    }
    assert rosbags_types().Marker.TRIANGLE_LIST not in kinds


class Breaking(ScriptedDetector):
    """Fails at the third image."""

    def __init__(self, error):
        super().__init__([[RIGHT.detection]])
        self._error = error

    def detect(self, image_rgb):
        if self.calls == 2:
            raise self._error
        return super().detect(image_rgb)


def test_an_interrupt_keeps_what_was_written(video, tmp_path):
    broken = {"detector": Breaking(KeyboardInterrupt()), "lift": ExactLift(RIGHT)}
    result = replay(options(video, tmp_path / "out"), **broken)
    assert not result.complete
    assert len(messages(result.folder, "/hand_pose/hand_poses")) == 2
    assert json.loads((result.folder / RESULTS).read_text())["complete"] is False


@pytest.fixture
def centred():
    """Return the settings and the refiner of a centred window of five slots."""
    config = TemporalConfig(width=16, heads=2, layers=1, feedforward=16, window=5)
    window = WindowConfig("centred", 5)
    refiner = TemporalRefiner(TemporalTransformer(config), window, "eager")
    return EstimatorConfig(temporal=window), refiner


def frames_of(result):
    return json.loads((result.folder / RESULTS).read_text())["frames"]


def test_hands_that_wait_for_later_images_come_with_their_own_stamps(bag, tmp_path, centred):
    estimator, refiner = centred
    plain = replay(options(bag, tmp_path / "plain"), **stub(RIGHT))
    waited = replay(
        options(bag, tmp_path / "waited", estimator=estimator), **stub(RIGHT), refiner=refiner
    )
    stamps = [frame["stamp_ns"] for frame in frames_of(plain)]
    assert [frame["stamp_ns"] for frame in frames_of(waited)] == stamps
    assert [len(frame["hands"]) for frame in frames_of(waited)] == [1] * FRAMES


@pytest.mark.parametrize("count", [1, 4])
def test_a_replay_that_waits_stops_after_so_many_frames_too(video, tmp_path, centred, count):
    estimator, refiner = centred
    more = {"estimator": estimator, "max_frames": count}
    result = replay(options(video, tmp_path / "out", **more), **stub(RIGHT), refiner=refiner)
    assert len(frames_of(result)) == count


def test_an_interrupt_keeps_hands_that_were_waiting(video, tmp_path, centred):
    estimator, refiner = centred
    broken = {"detector": Breaking(KeyboardInterrupt()), "lift": ExactLift(RIGHT)}
    kept = options(video, tmp_path / "out", estimator=estimator)
    result = replay(kept, **broken, refiner=refiner)
    assert not result.complete
    assert len(frames_of(result)) == 2


def test_an_error_keeps_hands_that_were_waiting(video, tmp_path, centred):
    estimator, refiner = centred
    broken = {"detector": Breaking(InputError("the lens fell off")), "lift": ExactLift(RIGHT)}
    with pytest.raises(InputError, match=r"lens fell off; what was written before is in"):
        replay(options(video, tmp_path / "out", estimator=estimator), **broken, refiner=refiner)
    assert len(messages(tmp_path / "out", "/hand_pose/hand_poses")) == 2


def test_a_second_interrupt_keeps_what_was_written(video, tmp_path, centred, monkeypatch):
    estimator, refiner = centred
    place, placed = Estimator.place, []

    def impatient(self, seen):
        if placed:
            raise KeyboardInterrupt
        placed.append(seen)
        return place(self, seen)

    monkeypatch.setattr(Estimator, "place", impatient)
    broken = {"detector": Breaking(KeyboardInterrupt()), "lift": ExactLift(RIGHT)}
    result = replay(
        options(video, tmp_path / "out", estimator=estimator), **broken, refiner=refiner
    )
    assert not result.complete
    assert len(frames_of(result)) == 1


def test_an_interrupt_before_the_first_frame_leaves_nothing(video, tmp_path):
    detector = Breaking(KeyboardInterrupt())
    detector.calls = 2
    with pytest.raises(KeyboardInterrupt):
        replay(options(video, tmp_path / "out"), detector, ExactLift(RIGHT))
    assert {path.name for path in tmp_path.iterdir()} == {video.name}


def test_a_failing_run_does_not_harm_an_earlier_result(video, tmp_path):
    out = tmp_path / "out"
    replay(options(video, out), **stub(RIGHT))
    before = (out / RESULTS).read_bytes()
    error = InputError("the lens fell off")
    with pytest.raises(InputError, match=r"lens fell off; what was written.*out\.partial"):
        replay(options(video, out), Breaking(error), ExactLift(RIGHT))
    assert (out / RESULTS).read_bytes() == before
    assert len(messages(tmp_path / "out.partial", "/hand_pose/hand_poses")) == 2


def test_an_error_of_another_kind_is_raised_as_it_is(video, tmp_path):
    with pytest.raises(ZeroDivisionError):
        replay(options(video, tmp_path / "out"), Breaking(ZeroDivisionError()), ExactLift(RIGHT))
    assert len(messages(tmp_path / "out", "/hand_pose/hand_poses")) == 2


def test_a_disk_that_fills_leaves_what_was_written_readable(video, tmp_path, monkeypatch):
    def full(path, content):
        raise OutputError(f"writing {path} failed: {errno.errorcode[errno.ENOSPC]}")

    monkeypatch.setattr("hand_pose_ros.ros.replay.write_json", full)
    with pytest.raises(OutputError, match="ENOSPC; what was written before is in"):
        replay(options(video, tmp_path / "out"), **stub(RIGHT))
    assert len(messages(tmp_path / "out", "/hand_pose/hand_poses")) == FRAMES
    monkeypatch.undo()
    assert replay(options(video, tmp_path / "out"), **stub(RIGHT)).complete


def test_bad_input_leaves_no_trace(tmp_path):
    for name, content in (("empty.mp4", b""), ("text.mp4", b"not a video\n" * 9)):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match=name):
            replay(options(tmp_path / name, tmp_path / "out"), **stub(RIGHT))
    with pytest.raises(InputError, match="does not exist"):
        replay(options(tmp_path / "missing.mcap", tmp_path / "out"), **stub(RIGHT))
    assert {path.name for path in tmp_path.iterdir()} == {"empty.mp4", "text.mp4"}


def test_the_input_is_not_replaced_by_its_own_output(bag):
    with pytest.raises(InputError, match="would be replaced"):
        options(bag, bag.parent)
    with pytest.raises(ConfigError, match="max_frames is 0"):
        options(bag, Path("out"), max_frames=0)


def test_a_folder_of_broken_images_is_an_error(tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.png").write_text("no image")
    with pytest.raises(InputError):
        replay(options(tmp_path / "photos", tmp_path / "out"), **stub(RIGHT))
    assert not (tmp_path / "out").exists()


def test_truth_is_read_only_from_bags_that_have_it(bag, video):
    assert len(read_truth(bag)) == FRAMES
    assert read_truth(video) == {}
    assert read_truth(video.parent / "missing") == {}


def test_truth_that_is_none_is_an_error(tmp_path):
    types = rosbags_types()
    broken = hand_pose_array(FrameEstimate(START_NS, "optical", CAMERA, truth_of(RIGHT)), types)
    broken.hands[0].side = 7
    with BagWriter(tmp_path / "bag") as writer:
        writer.write(TRUTH_TOPIC, broken, START_NS)
    with pytest.raises(InputError, match=r"/truth/hand_poses: hand .* has side 7"):
        read_truth(tmp_path / "bag")
