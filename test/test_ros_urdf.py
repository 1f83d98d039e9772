"""The URDF moves as our forward kinematics does, for both sides."""

import math
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from hand_pose_ros.errors import InputError
from hand_pose_ros.hand import skeleton
from hand_pose_ros.hand.kinematics import (
    HandParameters,
    forward_kinematics,
    mirror,
    mirror_rotation,
)
from hand_pose_ros.hand.rotations import matrix_from_euler
from hand_pose_ros.ros.urdf import base_link, hand_urdf


def positions(text, angles):
    """Return link name to place of a URDF at joint angles: what robot_state_publisher does."""
    root = ElementTree.fromstring(text)
    placed = {root.find("link").get("name"): np.eye(4)}
    for joint in root.iter("joint"):
        T = np.eye(4)
        origin = joint.find("origin")
        if origin is not None:
            T[:3, 3] = [float(v) for v in origin.get("xyz").split()]
            rpy = [float(v) for v in origin.get("rpy").split()]
            T[:3, :3] = Rotation.from_euler("xyz", rpy).as_matrix()
        if joint.get("type") != "fixed":
            axis = np.array([float(v) for v in joint.find("axis").get("xyz").split()])
            turn = np.eye(4)
            turn[:3, :3] = Rotation.from_rotvec(axis * angles[joint.get("name")]).as_matrix()
            T = T @ turn
        parent = placed[joint.find("parent").get("link")]
        placed[joint.find("child").get("link")] = parent @ T
    return placed


@pytest.mark.parametrize("side", skeleton.SIDES)
def test_it_moves_as_our_hand(side):
    random = np.random.default_rng(2)
    low, high = np.array(skeleton.ARTICULATION_LIMITS).T
    articulation = random.uniform(low, high)
    wrist = torch.tensor([0.4, -0.7, 1.9], dtype=torch.float64)
    R = matrix_from_euler(wrist)
    root = mirror_rotation(R) if side == "left" else R
    lengths = torch.tensor(skeleton.DEFAULT_RATIOS, dtype=torch.float64) * 0.09
    offsets = torch.tensor(skeleton.DEFAULT_OFFSETS, dtype=torch.float64)
    hand = HandParameters(root, torch.from_numpy(articulation), lengths, offsets)
    joints = forward_kinematics(hand).positions
    expected = (mirror(joints) if side == "left" else joints).numpy()
    angles = dict(zip(skeleton.joint_names(side), [*wrist.tolist(), *articulation], strict=True))
    placed = positions(hand_urdf(side, 0.09), angles)
    for node, keypoint in enumerate(skeleton.KEYPOINTS[1:], start=1):
        place = placed[f"{side}_{keypoint}"][:3, 3]
        np.testing.assert_allclose(place, expected[node], atol=1e-6)


@pytest.mark.parametrize("side", skeleton.SIDES)
def test_it_is_one_tree_with_every_joint_of_the_joint_states(side):
    root = ElementTree.fromstring(hand_urdf(side))
    links = [link.get("name") for link in root.iter("link")]
    children = [joint.find("child").get("link") for joint in root.iter("joint")]
    assert sorted(children) == sorted(set(links) - {base_link(side)})
    assert len(set(links)) == len(links)
    moving = [j for j in root.iter("joint") if j.get("type") != "fixed"]
    assert {j.get("name") for j in moving} == set(skeleton.joint_names(side))
    limits = {
        j.get("name"): [float(j.find("limit").get(end)) for end in ("lower", "upper")]
        for j in moving
        if j.get("type") == "revolute"
    }
    assert len(limits) == len(skeleton.ARTICULATION)
    for dof, bounds in zip(skeleton.ARTICULATION, skeleton.ARTICULATION_LIMITS, strict=True):
        np.testing.assert_allclose(limits[f"{side}_{dof}"], bounds, atol=1e-5)
    assert len(list(root.iter("cylinder"))) == len(skeleton.BONES)


@pytest.mark.parametrize("side", skeleton.SIDES)
def test_the_files_that_ship_are_of_this_skeleton(side):
    path = Path(__file__).parent.parent / "urdf" / f"{side}_hand.urdf"
    assert path.read_text(encoding="utf-8") == f"{hand_urdf(side)}\n"


def test_a_hand_that_cannot_be_is_refused():
    with pytest.raises(InputError, match="side is 'both'"):
        hand_urdf("both")
    for anchor in (0.0, -1.0, math.nan, math.inf):
        with pytest.raises(InputError, match="it must be a positive length"):
            hand_urdf("left", anchor)
