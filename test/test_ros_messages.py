"""The messages: their definitions, their classes, their bytes."""

from __future__ import annotations

import importlib

import numpy as np
import pytest
from rosbags.serde import SerdeError

from hand_pose_ros.errors import InputError, UnavailableError
from hand_pose_ros.resources import interface_folder
from hand_pose_ros.ros import messages
from hand_pose_ros.ros.conversions import SIDE_CODES
from hand_pose_ros.ros.messages import MESSAGES, OWN_MESSAGES, message_name
from hand_pose_ros.ros.packing import PackedPoints
from hand_pose_ros.ros.typestore import rosbags_types, typestore
from hand_pose_ros.runtime.estimate import ScaleSource


@pytest.mark.parametrize("name", OWN_MESSAGES)
def test_every_field_of_our_messages_is_explained_above_it(name: str) -> None:
    before = ""
    fields = 0
    for line in (interface_folder() / f"{name}.msg").read_text().splitlines():
        is_field = line and not line.startswith("#") and "=" not in line
        if is_field:
            fields += 1
            assert before.startswith("# "), line
        before = line
    assert fields == len(typestore().fielddefs[MESSAGES[name]][1])


def test_constants_of_the_message_are_those_of_the_code() -> None:
    hand = rosbags_types().HandPose
    assert {"left": hand.SIDE_LEFT, "right": hand.SIDE_RIGHT} == SIDE_CODES
    for source in ScaleSource:
        assert getattr(hand, f"SCALE_{source.name}") == source


@pytest.mark.parametrize("name", MESSAGES)
def test_a_message_without_fields_has_the_defaults_of_ros(name: str) -> None:
    message = getattr(rosbags_types(), name)()
    assert message_name(message) == MESSAGES[name]
    store = typestore()
    back = store.deserialize_cdr(store.serialize_cdr(message, MESSAGES[name]), MESSAGES[name])
    assert type(back).__name__ == type(message).__name__


def test_default_rotation_is_the_identity() -> None:
    types = rosbags_types()
    assert (types.Quaternion().w, types.Pose().orientation.w, types.Quaternion(x=1.0).w) == (
        1,
    ) * 3


def test_unknown_message_and_unknown_field_are_refused() -> None:
    with pytest.raises(AttributeError, match="HandPoze"):
        _ = rosbags_types().HandPoze
    with pytest.raises(TypeError, match="colour"):
        rosbags_types().Point(colour=1.0)


def test_message_name_refuses_what_is_no_message() -> None:
    with pytest.raises(InputError, match="dict is not a ROS message"):
        message_name({})


@pytest.mark.parametrize("count", [0, 1, 3, 1000])
@pytest.mark.parametrize("namespace", ["", "a", "hand_right_12"])
def test_packed_points_have_the_bytes_of_a_list_of_points(count: int, namespace: str) -> None:
    types, store = rosbags_types(), typestore()
    positions = np.random.default_rng(0).standard_normal((7, 3))
    order = np.random.default_rng(1).integers(0, 7, count)
    packed = types.points(positions, order)
    assert isinstance(packed, PackedPoints)
    assert len(packed) == count

    def array(points: object) -> bytes:
        colors = [types.ColorRGBA(r=0.5)] * (count % 5)
        marker = types.Marker(ns=namespace, points=points, colors=colors, text=namespace)
        return bytes(
            store.serialize_cdr(types.MarkerArray(markers=[marker] * 3), MESSAGES["MarkerArray"])
        )

    assert array(packed) == array(list(packed))
    back = store.deserialize_cdr(array(packed), MESSAGES["MarkerArray"])
    got = [(point.x, point.y, point.z) for point in back.markers[2].points]
    np.testing.assert_array_equal(np.array(got).reshape(-1, 3), positions[order])


def test_packed_lists_have_the_bytes_of_plain_ones() -> None:
    types, store = rosbags_types(), typestore()
    names = ("", "a", "index", "hand_right_12", "\u00e9t\u00e9")
    colors = [types.ColorRGBA(r=0.5, a=1.0), types.ColorRGBA(b=0.25)]
    points = types.points(np.random.default_rng(0).standard_normal((21, 3)), np.arange(21))

    def written(texts: object, shades: object, places: object) -> list[bytes]:
        position = np.arange(3.0)
        messages = [
            types.JointState(name=texts, position=position, effort=position[:1]),
            types.Marker(ns="abc", points=places, colors=shades, text="b"),
            types.HandPoseArray(hands=[types.HandPose(id="12", keypoints=places)] * 2),
        ]
        return [bytes(store.serialize_cdr(each, message_name(each))) for each in messages]

    for count in range(len(names) + 1):
        packed = types.texts(names[:count]), types.colors(colors), points
        assert written(*packed) == written(list(names[:count]), colors, list(points))


def test_texts_of_one_message_are_not_those_of_the_next() -> None:
    types = rosbags_types()
    types.texts(("wrist", "thumb")).append("mine")
    assert types.texts(("wrist", "thumb")) == ["wrist", "thumb"]


@pytest.mark.parametrize("order", [[0, 3], [-1]])
def test_packed_points_refuse_positions_that_are_not_there(order: list[int]) -> None:
    with pytest.raises(InputError, match="there are 3"):
        rosbags_types().points(np.eye(3), np.array(order))


def test_packed_points_of_another_number_than_the_field_has_are_refused() -> None:
    types = rosbags_types()
    hand = types.HandPose(keypoints=types.points(np.eye(3), np.arange(3)))
    with pytest.raises(SerdeError, match="3 elements; it must have 21"):
        typestore().serialize_cdr(hand, MESSAGES["HandPose"])


def test_packed_points_compare_like_lists() -> None:
    types = rosbags_types()
    points = types.points(np.eye(3), np.arange(3))
    assert points == types.points(np.eye(3), np.arange(3))
    assert points[1] == list(points)[1]
    assert points != types.points(np.eye(3), np.arange(2))
    assert points != 3


def test_without_ros_the_error_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ImportError(f"No module named {name!r}")

    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(UnavailableError, match="source a ROS 2 workspace"):
        messages.rclpy_types.__wrapped__()
