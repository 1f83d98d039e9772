"""Our conversions with the classes that a genuine ROS generated; its bytes against rosbags."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ros_samples import CAMERA, STAMP_NS, image_message, make_frame, make_hand, make_mesh, picture

from hand_pose_ros.errors import UnavailableError
from hand_pose_ros.hand import skeleton
from hand_pose_ros.ros import conversions
from hand_pose_ros.ros.bag import BagWriter
from hand_pose_ros.ros.camera_info import camera_from_info, camera_info
from hand_pose_ros.ros.images import decode_depth, decode_image
from hand_pose_ros.ros.markers import MarkerWriter
from hand_pose_ros.ros.messages import (
    MESSAGES,
    OWN_MESSAGES,
    MessageTypes,
    message_name,
    rclpy_types,
)
from hand_pose_ros.ros.recorder import HandRecorder
from hand_pose_ros.ros.typestore import rosbags_types, typestore

pytestmark = pytest.mark.ros
FRAME = make_frame(make_hand(0, "left"), make_hand(1, "right"))
MESHES = {hand.id: make_mesh(hand) for hand in FRAME.hands}


@pytest.fixture(scope="module")
def types() -> MessageTypes:
    try:
        return rclpy_types()
    except UnavailableError as error:
        pytest.skip(str(error))


def to_rosbags(message: Any) -> Any:
    """Return a message of rclpy as one of rosbags, by way of its bytes."""
    from rclpy.serialization import serialize_message

    return typestore().deserialize_cdr(serialize_message(message), message_name(message))


def to_rclpy(message: Any, types: MessageTypes) -> Any:
    """Return a message of rosbags as one of rclpy, by way of its bytes."""
    from rclpy.serialization import deserialize_message

    name = message_name(message)
    data = bytes(typestore().serialize_cdr(message, name))
    return deserialize_message(data, getattr(types, name.rsplit("/", 1)[1]))


def test_every_message_has_the_same_name_and_defaults(types: MessageTypes) -> None:
    for short, name in MESSAGES.items():
        message = getattr(types, short)()
        assert message_name(message) == name
        assert repr(to_rosbags(message)) == repr(
            to_rosbags(to_rclpy(getattr(rosbags_types(), short)(), types))
        )


@pytest.mark.parametrize("name", OWN_MESSAGES)
def test_the_type_hash_is_that_of_ros(types: MessageTypes, name: str) -> None:
    from ament_index_python.packages import get_package_share_directory

    path = Path(get_package_share_directory("hand_pose_ros"), "msg", f"{name}.json")
    if not path.exists():
        pytest.skip("this ROS has no type hashes; they came with Iron")
    hashes = json.loads(path.read_text())["type_hashes"]
    assert typestore().hash_rihs01(MESSAGES[name]) in [entry["hash_string"] for entry in hashes]


def test_constants_are_the_same(types: MessageTypes) -> None:
    for name in ("SIDE_UNKNOWN", "SIDE_LEFT", "SIDE_RIGHT", "SCALE_ASSUMED", "SCALE_DEPTH"):
        assert getattr(types.HandPose, name) == getattr(rosbags_types().HandPose, name)


def every_output(types: MessageTypes) -> list[Any]:
    return [
        conversions.hand_pose_array(FRAME, types),
        conversions.hand_pose_array(make_frame(), types),
        conversions.tf_message(FRAME, types, fingers=True),
        *conversions.joint_states(FRAME, types).values(),
        MarkerWriter(types).markers(FRAME, MESHES),
        camera_info(CAMERA, types, STAMP_NS, "camera"),
    ]


def test_both_kinds_of_classes_are_filled_alike(types: MessageTypes) -> None:
    from rclpy.serialization import serialize_message

    for ours, genuine in zip(every_output(rosbags_types()), every_output(types), strict=True):
        name = message_name(genuine)
        assert bytes(typestore().serialize_cdr(ours, name)) == serialize_message(genuine)


@pytest.mark.parametrize("direction", ["to rclpy", "to rosbags"])
def test_hands_survive_the_way_between_them(types: MessageTypes, direction: str) -> None:
    if direction == "to rclpy":
        message = to_rclpy(conversions.hand_pose_array(FRAME, rosbags_types()), types)
    else:
        message = to_rosbags(conversions.hand_pose_array(FRAME, types))
    assert conversions.stamp_ns(message) == STAMP_NS
    for back, hand in zip(conversions.hands_from_message(message), FRAME.hands, strict=True):
        np.testing.assert_allclose(back.keypoints, hand.keypoints, atol=1e-12)
        np.testing.assert_allclose(back.rotations, hand.rotations, atol=1e-6)
        np.testing.assert_allclose(back.angles, hand.angles, atol=1e-6)
        assert (back.id, back.side, back.scale_source) == (hand.id, hand.side, hand.scale_source)


def test_unknown_values_may_be_nan(types: MessageTypes) -> None:
    hand = make_hand(0, keypoints_std=np.full(21, np.nan), score=float("nan"))
    message = to_rosbags(conversions.hand_pose_array(make_frame(hand), types))
    assert np.isnan(message.hands[0].keypoints_std).all()
    assert np.isnan(message.hands[0].score)


def test_joint_states_have_their_names(types: MessageTypes) -> None:
    state = to_rosbags(conversions.joint_states(FRAME, types)["left"])
    assert tuple(state.name) == skeleton.joint_names("left")


def test_images_of_rclpy_are_decoded(types: MessageTypes) -> None:
    image = to_rclpy(image_message(picture(), "rgb8", padding=7), types)
    np.testing.assert_array_equal(decode_image(image), picture())
    depth = to_rclpy(image_message(np.full((2, 2, 1), 250, "<u2"), "16UC1", padding=4), types)
    np.testing.assert_allclose(decode_depth(depth), 0.25)


def test_calibrations_of_rclpy_are_read(types: MessageTypes) -> None:
    info = to_rclpy(camera_info(CAMERA, rosbags_types(), STAMP_NS, "camera"), types)
    camera = camera_from_info(info, CAMERA.width, CAMERA.height)
    assert camera is not None
    np.testing.assert_array_equal(camera.K, CAMERA.K)


def test_rosbag2_itself_reads_our_bag(types: MessageTypes, tmp_path: Path) -> None:
    rosbag2_py = pytest.importorskip("rosbag2_py", reason="rosbag2_py is not in this ROS")
    if "mcap" not in rosbag2_py.get_registered_readers():
        pytest.skip("this rosbag2 has no mcap; install rosbag2_storage_mcap")
    with BagWriter(tmp_path / "bag") as writer:
        recorder = HandRecorder(writer)
        recorder.write(FRAME, MESHES)
        recorder.write(make_frame(stamp_ns=STAMP_NS + 1))
    reader = rosbag2_py.SequentialReader()
    reader.open(
        rosbag2_py.StorageOptions(uri=str(tmp_path / "bag"), storage_id="mcap"),
        rosbag2_py.ConverterOptions("cdr", "cdr"),
    )
    names = {topic.name: topic.type for topic in reader.get_all_topics_and_types()}
    assert names["/hand_pose/hand_poses"] == MESSAGES["HandPoseArray"]
    counts = dict.fromkeys(names, 0)
    while reader.has_next():
        name, _, stamp_ns = reader.read_next()
        counts[name] += 1
        assert STAMP_NS <= stamp_ns <= STAMP_NS + 1
    assert counts == writer.counts
