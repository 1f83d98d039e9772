"""From estimates to messages and back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from ros_samples import STAMP_NS, make_frame, make_hand

from hand_pose_ros.errors import InputError, ShapeError
from hand_pose_ros.hand import skeleton
from hand_pose_ros.hand.rotations import matrix_from_euler
from hand_pose_ros.ros import conversions
from hand_pose_ros.ros.messages import message_name
from hand_pose_ros.ros.typestore import rosbags_types, typestore
from hand_pose_ros.runtime.estimate import HandEstimate, ScaleSource

TYPES = rosbags_types()
SIDES = pytest.mark.parametrize("side", skeleton.SIDES)


def through_bytes(message: Any) -> Any:
    name = message_name(message)
    return typestore().deserialize_cdr(typestore().serialize_cdr(message, name), name)


@SIDES
def test_a_hand_survives_the_message(side: str) -> None:
    hand = make_hand(3, side, scale_source=ScaleSource.DEPTH)
    message = through_bytes(conversions.hand_pose_array(make_frame(hand), TYPES))
    (back,) = conversions.hands_from_message(message)
    for name in ("keypoints", "T_cam_wrist"):
        np.testing.assert_allclose(getattr(back, name), getattr(hand, name), atol=1e-12)
    for name in ("keypoints_std", "angles", "bone_lengths", "offsets", "box", "rotations"):
        np.testing.assert_allclose(getattr(back, name), getattr(hand, name), atol=1e-6)
    np.testing.assert_allclose(back.keypoints_px, hand.keypoints_px, rtol=1e-6)
    for name in ("id", "side", "scale_source"):
        assert getattr(back, name) == getattr(hand, name)
    assert (back.score, back.side_score) == pytest.approx((hand.score, hand.side_score))


def test_stamp_and_frame_are_those_of_the_image_everywhere() -> None:
    frame = make_frame(make_hand(0, "left"), make_hand(1))
    array = conversions.hand_pose_array(frame, TYPES)
    transforms = conversions.tf_message(frame, TYPES).transforms
    joints = conversions.joint_states(frame, TYPES).values()
    assert len(transforms) == len(joints) == 2
    for message in (array, *transforms, *joints):
        assert conversions.stamp_ns(through_bytes(message)) == STAMP_NS
        assert message.header.frame_id == "camera_optical"


def test_no_hand_is_a_message_too() -> None:
    frame = make_frame()
    assert conversions.hand_pose_array(frame, TYPES).hands == []
    assert conversions.tf_message(frame, TYPES).transforms == []
    assert conversions.joint_states(frame, TYPES) == {}
    assert conversions.hands_from_message(conversions.hand_pose_array(frame, TYPES)) == ()


def test_unknown_values_stay_nan() -> None:
    unknown = np.full(21, np.nan)
    hand = make_hand(0, keypoints_std=unknown, keypoints_px=np.full((21, 2), np.nan))
    message = through_bytes(conversions.hand_pose_array(make_frame(hand), TYPES))
    assert np.isnan(message.hands[0].keypoints_std).all()
    assert np.isnan(message.hands[0].keypoints_px).all()


def transform_of(message: Any) -> np.ndarray:
    """Return the (4, 4) matrix of a geometry_msgs/Transform, by the quaternion's own formula."""
    q, t = message.rotation, message.translation
    vector = np.array([q.x, q.y, q.z])
    skew = np.cross(np.eye(3), vector)  # skew @ p is vector x p
    T = np.eye(4)
    T[:3, :3] = np.eye(3) + 2.0 * q.w * skew + 2.0 * skew @ skew
    T[:3, 3] = t.x, t.y, t.z
    return T


@SIDES
def test_walking_down_the_tf_tree_reaches_every_keypoint(side: str) -> None:
    hand = make_hand(2, side)
    message = through_bytes(conversions.tf_message(make_frame(hand), TYPES, fingers=True))
    Ts_cam = {"camera_optical": np.eye(4)}
    for transform in message.transforms:
        parent = Ts_cam[transform.header.frame_id]
        Ts_cam[transform.child_frame_id] = parent @ transform_of(transform.transform)
    assert list(Ts_cam)[1:3] == [f"hand_{side}_2", f"hand_{side}_2_thumb_cmc"]
    Ts = np.stack([T for name, T in Ts_cam.items() if name != "camera_optical"])
    np.testing.assert_allclose(Ts[:, :3, 3], hand.keypoints, atol=1e-9)
    np.testing.assert_allclose(Ts[:, :3, :3], hand.rotations, atol=1e-9)


@SIDES
def test_bone_frames_hang_along_x_of_their_bone(side: str) -> None:
    hand = make_hand(5, side)
    rotations, translations = conversions.relative_frames(hand)
    along = (rotations[:, :, 0] * hand.bone_lengths[:, None]) - translations
    np.testing.assert_allclose(along, 0.0, atol=1e-9)


def test_fingers_are_off_unless_asked_for() -> None:
    (transform,) = conversions.tf_message(make_frame(make_hand(4)), TYPES).transforms
    assert transform.child_frame_id == "hand_right_4"
    np.testing.assert_allclose(transform_of(transform.transform), make_hand(4).T_cam_wrist)


def test_a_pose_that_is_not_finite_is_not_in_tf() -> None:
    broken = make_hand(1, T_cam_wrist=np.full((4, 4), np.nan))
    message = conversions.tf_message(make_frame(broken, make_hand(2)), TYPES)
    assert [transform.child_frame_id for transform in message.transforms] == ["hand_right_2"]


def test_first_angles_are_the_rotation_of_the_wrist() -> None:
    import torch

    hand = make_hand(6)
    wrist = matrix_from_euler(torch.tensor(hand.angles[:3]))
    np.testing.assert_allclose(wrist.numpy(), hand.T_cam_wrist[:3, :3], atol=1e-9)


def test_joint_states_list_the_names_of_the_skeleton() -> None:
    frame = make_frame(make_hand(0, "left"), make_hand(1, "right"))
    states = conversions.joint_states(frame, TYPES)
    for hand in frame.hands:
        message = through_bytes(states[hand.side])
        assert tuple(message.name) == skeleton.joint_names(hand.side)
        np.testing.assert_array_equal(message.position, hand.angles)
        assert len(message.velocity) == len(message.effort) == 0


def test_of_two_hands_of_a_side_the_better_one_gives_the_joint_states() -> None:
    hands = [make_hand(seed, score=score) for seed, score in ((0, 0.5), (1, 0.9), (2, 0.7))]
    state = conversions.joint_states(make_frame(*hands), TYPES)["right"]
    np.testing.assert_array_equal(state.position, hands[1].angles)


def test_the_base_of_the_urdf_stands_in_the_wrist_of_the_same_hand() -> None:
    hands = [make_hand(seed, score=score) for seed, score in ((0, 0.5), (1, 0.9))]
    frame = make_frame(*hands)
    (base,) = conversions.urdf_bases(frame, TYPES, prefix="left_camera/")
    assert base.header.frame_id == frame.frame_id
    assert base.child_frame_id == "left_camera/right_hand_base"
    place, turn = base.transform.translation, base.transform.rotation
    assert [place.x, place.y, place.z] == hands[1].T_cam_wrist[:3, 3].tolist()
    assert (turn.x, turn.y, turn.z, turn.w) == (0.0, 0.0, 0.0, 1.0)
    assert conversions.urdf_bases(make_frame(), TYPES) == []


def test_a_prefix_goes_before_the_frames_of_the_hands_alone() -> None:
    frame = make_frame(make_hand())
    message = conversions.tf_message(frame, TYPES, fingers=True, prefix="left_camera/")
    names = {transform.child_frame_id for transform in message.transforms}
    assert all(name.startswith("left_camera/hand_right_0") for name in names)
    parents = {transform.header.frame_id for transform in message.transforms} - names
    assert parents == {frame.frame_id}


@pytest.mark.parametrize(("field", "value"), [("side", 0), ("side", 3), ("scale_source", 9)])
def test_codes_that_do_not_exist_are_refused(field: str, value: int) -> None:
    message = conversions.hand_pose_array(make_frame(make_hand(7)), TYPES)
    setattr(message.hands[0], field, value)
    with pytest.raises(InputError, match=f"hand '7' has side .*{value}"):
        conversions.hands_from_message(message)


@pytest.mark.parametrize("stamp_ns", [0, 1, 999_999_999, 10**9, 2**31 * 10**9 - 1])
def test_stamps_are_exact(stamp_ns: int) -> None:
    message = conversions.hand_pose_array(make_frame(stamp_ns=stamp_ns), TYPES)
    assert conversions.stamp_ns(message) == stamp_ns
    assert 0 <= message.header.stamp.nanosec < 10**9


def test_an_estimate_refuses_wrong_shapes_and_sides() -> None:
    with pytest.raises(ShapeError, match=r"keypoints has shape \(20, 3\); it must be \(21, 3\)"):
        make_hand(0, keypoints=np.zeros((20, 3)))
    hand = make_hand(0)
    fields = {name: getattr(hand, name) for name in HandEstimate.__dataclass_fields__}
    with pytest.raises(InputError, match="side is 'up'"):
        HandEstimate(**{**fields, "side": "up"})
    assert hand.scale_source is ScaleSource.ASSUMED
