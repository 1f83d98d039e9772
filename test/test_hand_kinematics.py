"""Forward kinematics: bones keep their length, hands turn as one, and equation 7 holds."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from hand_samples import flat_hand, random_hands
from torch import Tensor

from hand_pose_ros.errors import ShapeError
from hand_pose_ros.hand import skeleton
from hand_pose_ros.hand.kinematics import (
    HandParameters,
    forward_kinematics,
    inverse_sine_limit,
    mirror,
    mirror_rotation,
    sine_limit,
)
from hand_pose_ros.hand.rotations import matrix_from_euler

LIMITS = torch.tensor(skeleton.ARTICULATION_LIMITS, dtype=torch.float64)


def naive_positions(hand: HandParameters) -> tuple[Tensor, Tensor]:
    """Return equation 7 read aloud: node by node, each from its parent; one hand."""
    values = dict(zip(skeleton.ARTICULATION, hand.articulation.tolist(), strict=True))
    values |= dict(zip(skeleton.OFFSETS, hand.offsets.tolist(), strict=True))
    rotations, positions = [hand.root_rotation], [torch.zeros(3, dtype=torch.float64)]
    for node in range(1, 21):
        parent = skeleton.PARENTS[node]
        if parent == 0:
            finger = skeleton.KEYPOINTS[node].split("_")[0]
            euler = [values[f"{finger}_offset_{axis}"] for axis in ("yaw", "pitch", "roll")]
        else:
            joint = skeleton.KEYPOINTS[parent]
            motions = ("abduction", "flexion", "rotation")
            euler = [values.get(f"{joint}_{motion}", 0.0) for motion in motions]
        relative = matrix_from_euler(torch.tensor(euler, dtype=torch.float64))
        rotations.append(rotations[parent] @ relative)
        bone = torch.tensor([float(hand.bone_lengths[node - 1]), 0.0, 0.0], dtype=torch.float64)
        positions.append(rotations[node] @ bone + positions[parent])
    return torch.stack(positions), torch.stack(rotations)


def one(hand: HandParameters, index: int) -> HandParameters:
    return HandParameters(
        hand.root_rotation[index],
        hand.articulation[index],
        hand.bone_lengths[index],
        hand.offsets[index],
    )


def test_equation_7_node_by_node() -> None:
    hands = random_hands(10)
    joints = forward_kinematics(hands)
    for index in range(10):
        positions, rotations = naive_positions(one(hands, index))
        assert torch.allclose(joints.positions[index], positions, atol=1e-12)
        assert torch.allclose(joints.rotations[index], rotations, atol=1e-12)


def test_bones_keep_their_lengths() -> None:
    hands = random_hands(3, 40)
    positions = forward_kinematics(hands).positions
    bones = positions[..., 1:, :] - positions[..., skeleton.PARENTS[1:], :]
    assert torch.allclose(bones.norm(dim=-1), hands.bone_lengths, atol=1e-14)


def test_the_wrist_is_the_origin_and_rotations_are_rotations() -> None:
    joints = forward_kinematics(random_hands(20))
    assert not joints.positions[..., 0, :].any()
    identity = torch.eye(3, dtype=torch.float64).expand_as(joints.rotations)
    assert torch.allclose(joints.rotations @ joints.rotations.mT, identity, atol=1e-12)
    assert torch.allclose(torch.linalg.det(joints.rotations), identity[..., 0, 0], atol=1e-12)


def test_turning_the_wrist_turns_the_hand() -> None:
    hands = random_hands(20)
    turn = matrix_from_euler(torch.randn(20, 3, dtype=torch.float64))
    turned = forward_kinematics(replace(hands, root_rotation=turn @ hands.root_rotation))
    joints = forward_kinematics(hands)
    assert torch.allclose(turned.positions, joints.positions @ turn.mT, atol=1e-12)
    assert torch.allclose(turned.rotations, turn.unsqueeze(1) @ joints.rotations, atol=1e-12)


def test_scaling_the_bones_scales_the_hand() -> None:
    hands = random_hands(20)
    scaled = forward_kinematics(replace(hands, bone_lengths=2.5 * hands.bone_lengths)).positions
    assert torch.allclose(scaled, 2.5 * forward_kinematics(hands).positions, atol=1e-14)


def test_batch_equals_loop() -> None:
    hands = random_hands(6)
    together = forward_kinematics(hands).positions
    alone = torch.stack([forward_kinematics(one(hands, i)).positions for i in range(6)])
    assert torch.allclose(together, alone, atol=1e-14)


def test_dtype_is_kept() -> None:
    assert (
        forward_kinematics(random_hands(2, dtype=torch.float32)).positions.dtype == torch.float32
    )


def test_gradients_match_finite_differences() -> None:
    hands = random_hands(2)
    inputs = [
        value.detach().requires_grad_()
        for value in (hands.root_rotation, hands.articulation, hands.bone_lengths, hands.offsets)
    ]
    assert torch.autograd.gradcheck(
        lambda *parameters: forward_kinematics(HandParameters(*parameters)).positions, inputs
    )


def test_index_tip_by_hand() -> None:
    # No offsets; lengths 4, 3, 2, 1 from the wrist on; MCP and PIP flexed by a quarter turn each.
    # Flexion about y turns x into -z: 4 along x, 3 down, then 2 and 1 back along -x.
    lengths = torch.zeros(20, dtype=torch.float64)
    lengths[4:8] = torch.tensor([4.0, 3.0, 2.0, 1.0])
    angles = torch.zeros(23, dtype=torch.float64)
    for joint in ("index_mcp_flexion", "index_pip_flexion"):
        angles[skeleton.ARTICULATION.index(joint)] = math.pi / 2
    flat = replace(flat_hand(), offsets=torch.zeros(15, dtype=torch.float64))
    placed = forward_kinematics(replace(flat, articulation=angles, bone_lengths=lengths)).positions
    tip = placed[skeleton.KEYPOINTS.index("index_tip")]
    assert torch.allclose(tip, torch.tensor([1.0, 0.0, -3.0], dtype=torch.float64), atol=1e-14)


def test_directions_of_the_wrist_frame() -> None:
    """Palm down, x to the fingers, y to the left: a right hand's thumb is on the left."""
    positions = forward_kinematics(flat_hand()).positions
    tips = [skeleton.KEYPOINTS.index(f"{finger}_tip") for finger in skeleton.FINGERS]
    assert (positions[tips, 0] > 0.05).all()
    assert (positions[tips, 1].diff() < 0).all()


@pytest.mark.parametrize("finger", skeleton.FINGERS[1:])
def test_flexion_goes_into_the_palm_and_abduction_to_the_thumb(finger: str) -> None:
    tip = skeleton.KEYPOINTS.index(f"{finger}_tip")
    straight = forward_kinematics(flat_hand()).positions[tip]
    for motion, axis, sign in (("flexion", 2, -1.0), ("abduction", 1, 1.0)):
        angles = torch.zeros(23, dtype=torch.float64)
        angles[skeleton.ARTICULATION.index(f"{finger}_mcp_{motion}")] = 0.3
        moved = forward_kinematics(replace(flat_hand(), articulation=angles)).positions[tip]
        assert sign * float((moved - straight)[axis]) > 0.01


def test_sine_limit_reaches_both_ends_and_never_leaves() -> None:
    ends = torch.tensor([[-math.pi / 2], [math.pi / 2]], dtype=torch.float64).expand(2, 23)
    assert torch.allclose(sine_limit(ends, LIMITS), LIMITS.T, atol=1e-12)
    anything = sine_limit(torch.randn(500, 23, dtype=torch.float64) * 100, LIMITS)
    assert (anything >= LIMITS[:, 0]).all()
    assert (anything <= LIMITS[:, 1]).all()


def test_sine_limit_inverts() -> None:
    angles = random_hands(200).articulation
    raw = inverse_sine_limit(angles, LIMITS)
    assert (raw.abs() <= math.pi / 2).all()
    assert torch.allclose(sine_limit(raw, LIMITS), angles, atol=1e-12)


def test_inverse_of_an_angle_outside_is_the_limit() -> None:
    outside = LIMITS[:, 1] + 1.0
    assert torch.allclose(sine_limit(inverse_sine_limit(outside, LIMITS), LIMITS), LIMITS[:, 1])


def test_a_range_of_one_value_inverts_without_dividing_by_zero() -> None:
    fixed = torch.tensor([[1.0, 1.0]], dtype=torch.float64)
    raw = inverse_sine_limit(torch.ones(1, dtype=torch.float64), fixed)
    assert torch.isfinite(raw).all()
    assert float(sine_limit(raw, fixed)) == 1.0


def test_mirroring_twice_is_nothing() -> None:
    joints = forward_kinematics(random_hands(8))
    assert torch.equal(mirror(mirror(joints.positions)), joints.positions)
    assert torch.equal(mirror_rotation(mirror_rotation(joints.rotations)), joints.rotations)


def test_a_mirrored_frame_is_a_rotation_that_still_leads_along_the_bone() -> None:
    hands = random_hands(8)
    joints = forward_kinematics(hands)
    frames = mirror_rotation(joints.rotations)
    assert torch.allclose(torch.linalg.det(frames), torch.ones(8, 21, dtype=torch.float64))
    mirrored = mirror(joints.positions)
    bones = mirrored[:, 1:] - mirrored[:, list(skeleton.PARENTS[1:])]
    along = bones / hands.bone_lengths.unsqueeze(-1)
    assert torch.allclose(frames[:, 1:, :, 0], along, atol=1e-12)
    # The back of the mirrored hand is the mirror image of the back.
    assert torch.allclose(frames[..., 2], mirror(joints.rotations[..., 2]), atol=1e-15)


def test_all_angles_begin_with_the_wrist() -> None:
    hands = random_hands(5)
    angles = hands.angles
    assert angles.shape == (5, 26)
    assert torch.allclose(matrix_from_euler(angles[:, :3]), hands.root_rotation, atol=1e-9)
    assert torch.equal(angles[:, 3:], hands.articulation)


@pytest.mark.parametrize("name", ["root_rotation", "articulation", "bone_lengths", "offsets"])
def test_a_wrong_number_of_parameters_is_named(name: str) -> None:
    with pytest.raises(ShapeError, match=name):
        replace(flat_hand(), **{name: torch.zeros(2, 2)})
