"""What RViz is given to draw."""

from __future__ import annotations

import numpy as np
import pytest
from ros_samples import STAMP_NS, make_frame, make_hand, make_mesh

from hand_pose_ros.errors import ConfigError, ShapeError
from hand_pose_ros.hand import skeleton
from hand_pose_ros.ros import conversions
from hand_pose_ros.ros.markers import MarkerStyle, MarkerWriter
from hand_pose_ros.ros.messages import MESSAGES
from hand_pose_ros.ros.typestore import rosbags_types, typestore

TYPES = rosbags_types()
MARKER = TYPES.Marker


def draw(writer: MarkerWriter, *hands, meshes=None) -> dict:
    """Return the markers of one image by namespace and id, as they come out of a bag."""
    message = writer.markers(make_frame(*hands), meshes)
    name = MESSAGES["MarkerArray"]
    message = typestore().deserialize_cdr(typestore().serialize_cdr(message, name), name)
    return {(marker.ns, marker.id): marker for marker in message.markers}


def test_bones_join_the_keypoints_of_the_tree() -> None:
    hand = make_hand(1, "left")
    bones = draw(MarkerWriter(TYPES), hand)["left_skeleton", 0]
    assert (bones.type, bones.action) == (MARKER.LINE_LIST, MARKER.ADD)
    segments = conversions.points_array(bones.points).reshape(20, 2, 3)
    lengths = np.linalg.norm(segments[:, 1] - segments[:, 0], axis=-1)
    np.testing.assert_allclose(lengths, hand.bone_lengths)
    np.testing.assert_array_equal(segments[:, 1], hand.keypoints[1:])
    np.testing.assert_array_equal(segments[:, 0], hand.keypoints[list(skeleton.PARENTS[1:])])
    assert len(bones.colors) == 40


def test_joints_are_spheres_of_their_size() -> None:
    hand = make_hand(1)
    joints = draw(MarkerWriter(TYPES, MarkerStyle(joint_diameter=0.01)), hand)["right_skeleton", 1]
    assert joints.type == MARKER.SPHERE_LIST
    assert (joints.scale.x, joints.scale.y, joints.scale.z) == (0.01, 0.01, 0.01)
    np.testing.assert_array_equal(conversions.points_array(joints.points), hand.keypoints)
    assert len(joints.colors) == len(joints.points)


def test_the_mesh_is_a_list_of_its_triangles() -> None:
    hand = make_hand(1)
    vertices, faces = make_mesh(hand)
    mesh = draw(MarkerWriter(TYPES), hand, meshes={"1": (vertices, faces)})["right_surface", 0]
    assert mesh.type == MARKER.TRIANGLE_LIST
    assert (mesh.scale.x, mesh.scale.y, mesh.scale.z) == (1, 1, 1)
    points = conversions.points_array(mesh.points).reshape(-1, 3, 3)
    np.testing.assert_allclose(points, vertices[faces], atol=1e-5)


def test_every_marker_has_stamp_frame_lifetime_and_a_valid_pose() -> None:
    hand = make_hand(0)
    style = MarkerStyle(lifetime_s=1.25)
    markers = draw(MarkerWriter(TYPES, style), hand, meshes={"0": make_mesh(hand)}).values()
    assert len(markers) == 3
    for marker in markers:
        assert conversions.stamp_ns(marker) == STAMP_NS
        assert marker.header.frame_id == "camera_optical"
        assert (marker.lifetime.sec, marker.lifetime.nanosec) == (1, 250_000_000)
        assert marker.pose.orientation.w == 1.0
        assert marker.color.a > 0.0
        assert np.isfinite(conversions.points_array(marker.points)).all()


def test_what_was_lost_is_deleted_once() -> None:
    writer = MarkerWriter(TYPES)
    stays, goes = make_hand(0), make_hand(1, "left")
    draw(writer, stays, goes, meshes={"0": make_mesh(stays)})
    after = draw(writer, stays)
    deleted = {key for key, marker in after.items() if marker.action == MARKER.DELETE}
    assert deleted == {("right_surface", 0), ("left_skeleton", 2), ("left_skeleton", 3)}
    assert all(marker.action == MARKER.ADD for marker in draw(writer, stays).values())
    assert {marker.action for marker in draw(writer).values()} == {MARKER.DELETE}
    assert draw(writer) == {}


def test_a_hand_keeps_its_markers_and_a_new_one_takes_those_that_are_free() -> None:
    writer = MarkerWriter(TYPES)
    first, second, third = (make_hand(seed) for seed in range(3))
    draw(writer, first, second)
    assert set(draw(writer, second)) >= {("right_skeleton", 2), ("right_skeleton", 3)}
    after = draw(writer, second, third)
    assert [key for key, m in after.items() if m.action == MARKER.DELETE] == []
    points = conversions.points_array(after["right_skeleton", 1].points)
    np.testing.assert_array_equal(points, third.keypoints)


def test_reset_forgets_what_was_shown() -> None:
    writer = MarkerWriter(TYPES)
    draw(writer, make_hand(0))
    writer.reset()
    assert draw(writer) == {}


def test_what_is_not_finite_is_not_drawn() -> None:
    hand = make_hand(0)
    vertices, faces = make_mesh(hand)
    vertices[3, 1] = np.inf
    keys = set(draw(MarkerWriter(TYPES), hand, meshes={"0": (vertices, faces)}))
    assert keys == {("right_skeleton", 0), ("right_skeleton", 1)}
    broken = make_hand(0, keypoints=np.full((21, 3), np.nan))
    assert draw(MarkerWriter(TYPES), broken) == {}


@pytest.mark.parametrize(("vertices", "faces"), [((5, 2), (1, 3)), ((5, 3), (1, 4))])
def test_other_shapes_of_mesh_are_refused(vertices: tuple, faces: tuple) -> None:
    mesh = np.zeros(vertices), np.zeros(faces, int)
    with pytest.raises(ShapeError, match="they must be"):
        MarkerWriter(TYPES).markers(make_frame(make_hand(0)), {"0": mesh})


@pytest.mark.parametrize("name", ["lifetime_s", "bone_width", "joint_diameter", "mesh_opacity"])
@pytest.mark.parametrize("value", [-0.1, float("nan"), float("inf")])
def test_impossible_styles_are_refused(name: str, value: float) -> None:
    with pytest.raises(ConfigError, match=f"{name} is"):
        MarkerStyle(**{name: value})
