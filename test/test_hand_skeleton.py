"""The skeleton as data holds together."""

from __future__ import annotations

import math

import pytest

from hand_pose_ros.hand import skeleton


def test_counts_are_the_papers() -> None:
    assert len(skeleton.KEYPOINTS) == len(set(skeleton.KEYPOINTS)) == 21
    assert len(skeleton.BONES) == len(skeleton.DEFAULT_RATIOS) == len(skeleton.RATIO_LIMITS) == 20
    assert len(skeleton.DOFS) == len(set(skeleton.DOFS)) == 26
    assert len(skeleton.ARTICULATION) == len(skeleton.ARTICULATION_LIMITS) == 23
    assert (
        len(skeleton.OFFSETS) == len(skeleton.DEFAULT_OFFSETS) == len(skeleton.OFFSET_LIMITS) == 15
    )


def test_degrees_of_freedom_per_joint_are_the_papers() -> None:
    by_joint: dict[str, int] = {}
    for dof in skeleton.ARTICULATION:
        joint = dof.rsplit("_", 1)[0]
        by_joint[joint] = by_joint.get(joint, 0) + 1
    expected = {"thumb_cmc": 3, "thumb_mcp": 3, "thumb_ip": 1}
    for finger in skeleton.FINGERS[1:]:
        expected |= {f"{finger}_mcp": 2, f"{finger}_pip": 1, f"{finger}_dip": 1}
    assert by_joint == expected


def test_the_tree_is_a_tree_in_breadth_first_levels() -> None:
    assert skeleton.PARENTS[0] == -1
    placed = {0}
    for level in skeleton.LEVELS:
        assert all(skeleton.PARENTS[node] in placed for node in level)
        placed |= set(level)
    assert placed == set(range(21))


def test_each_angle_turns_the_bone_beyond_its_joint() -> None:
    for dof, node in zip(skeleton.ARTICULATION, skeleton.DOF_NODES, strict=True):
        joint = skeleton.KEYPOINTS[skeleton.PARENTS[node]]
        assert dof.startswith(joint)
    for offset, node in zip(skeleton.OFFSETS, skeleton.OFFSET_NODES, strict=True):
        assert skeleton.KEYPOINTS[node].startswith(offset.split("_")[0])
        assert skeleton.PARENTS[node] == 0


def test_no_two_angles_share_a_slot() -> None:
    nodes = (*skeleton.DOF_NODES, *skeleton.OFFSET_NODES)
    axes = (*skeleton.DOF_AXES, *skeleton.OFFSET_AXES)
    assert len(set(zip(nodes, axes, strict=True))) == 38


@pytest.mark.parametrize("name", ["ARTICULATION_LIMITS", "OFFSET_LIMITS", "RATIO_LIMITS"])
def test_limits_rise(name: str) -> None:
    limits = getattr(skeleton, name)
    anchor = (1.0, 1.0)
    assert all(low < high or (low, high) == anchor for low, high in limits)


def test_defaults_lie_within_their_limits() -> None:
    for value, (low, high) in zip(skeleton.DEFAULT_OFFSETS, skeleton.OFFSET_LIMITS, strict=True):
        assert low < value < high
    for value, (low, high) in zip(skeleton.DEFAULT_RATIOS, skeleton.RATIO_LIMITS, strict=True):
        assert low <= value <= high


def test_straight_fingers_are_within_all_limits() -> None:
    assert all(low < 0.0 < high for low, high in skeleton.ARTICULATION_LIMITS)
    assert all(-math.pi / 2 < low and high < math.pi for low, high in skeleton.ARTICULATION_LIMITS)


def test_the_anchor_is_wrist_to_index_mcp() -> None:
    assert skeleton.BONES[skeleton.ANCHOR_BONE] == "index_mcp"
    assert skeleton.DEFAULT_RATIOS[skeleton.ANCHOR_BONE] == 1.0
    assert skeleton.RATIO_LIMITS[skeleton.ANCHOR_BONE] == (1.0, 1.0)


def test_joint_names_carry_the_side() -> None:
    names = skeleton.joint_names("left")
    assert len(names) == 26
    assert "left_index_mcp_flexion" in names
    assert not set(names) & set(skeleton.joint_names("right"))
