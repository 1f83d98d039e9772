"""Results as topics of a bag."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from ros_samples import STAMP_NS, make_frame, make_hand, make_mesh

from hand_pose_ros.ros import conversions
from hand_pose_ros.ros.bag import BagMessage, BagReader, BagWriter, Topic
from hand_pose_ros.ros.messages import MESSAGES
from hand_pose_ros.ros.recorder import HAND_POSES, MARKERS, TF, HandRecorder, joint_states_topic


def test_each_image_gives_one_message_on_every_topic(tmp_path: Path) -> None:
    left, right = make_hand(0, "left"), make_hand(1)
    with BagWriter(tmp_path / "bag") as writer:
        recorder = HandRecorder(writer)
        for index, hands in enumerate([(left, right), (right,), ()]):
            frame = make_frame(*hands, stamp_ns=STAMP_NS + index)
            recorder.write(frame, {hand.id: make_mesh(hand) for hand in hands})
    with BagReader(tmp_path / "bag") as reader:
        counts = {name: topic.count for name, topic in reader.topics.items()}
        assert counts == {
            HAND_POSES: 3,
            TF: 3,
            MARKERS: 3,
            joint_states_topic("left"): 1,
            joint_states_topic("right"): 2,
        }
        hands = []
        for index, message in enumerate(reader.messages([HAND_POSES])):
            array = reader.deserialize(message)
            assert message.stamp_ns == conversions.stamp_ns(array) == STAMP_NS + index
            assert array.header.frame_id == "camera_optical"
            hands.append(conversions.hands_from_message(array))
        assert [len(found) for found in hands] == [2, 1, 0]
        np.testing.assert_allclose(hands[0][0].keypoints, left.keypoints)
        for message in reader.messages([MARKERS]):
            for marker in reader.deserialize(message).markers:
                assert np.isfinite(conversions.points_array(marker.points)).all()


def test_results_can_be_filed_under_the_time_of_their_message(tmp_path: Path) -> None:
    with BagWriter(tmp_path / "bag") as writer:
        HandRecorder(writer).write(make_frame(make_hand(0)), recorded_ns=77)
    with BagReader(tmp_path / "bag") as reader:
        assert {message.stamp_ns for message in reader.messages()} == {77}


@pytest.mark.parametrize(("fingers", "count"), [(False, 1), (True, 21)])
def test_finger_frames_are_a_choice(tmp_path: Path, fingers: bool, count: int) -> None:
    with BagWriter(tmp_path / "bag") as writer:
        HandRecorder(writer, fingers=fingers).write(make_frame(make_hand(0)))
    with BagReader(tmp_path / "bag") as reader:
        message = reader.deserialize(next(reader.messages([TF])))
    assert len(message.transforms) == count


def test_even_no_image_leaves_the_topics(tmp_path: Path) -> None:
    with BagWriter(tmp_path / "bag") as writer:
        HandRecorder(writer)
    with BagReader(tmp_path / "bag") as reader:
        assert set(reader.topics) == {HAND_POSES, TF, MARKERS}


def test_input_passes_through_but_not_onto_our_topics(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with BagWriter(tmp_path / "bag") as writer:
        recorder = HandRecorder(writer)
        for name in ("/camera/image_raw", TF, HAND_POSES, HAND_POSES):
            kind = MESSAGES["TFMessage"] if name == TF else MESSAGES["HandPoseArray"]
            recorder.pass_through(BagMessage(Topic(name, kind), 5, b"\0\1\0\0\0\0\0\0"))
    assert writer.counts == {"/camera/image_raw": 1, TF: 1, HAND_POSES: 0, MARKERS: 0}
    assert caplog.text.count("/hand_pose/hand_poses of the input is left out") == 1


def test_input_of_an_unknown_type_does_not_end_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with BagWriter(tmp_path / "bag") as writer:
        recorder = HandRecorder(writer)
        for _ in range(2):
            recorder.pass_through(BagMessage(Topic("/odd", "a_msgs/msg/B"), 5, b"\0\1\0\0"))
    assert "/odd" not in writer.counts
    assert caplog.text.count("/odd of the input is left out: topic /odd: type") == 1
