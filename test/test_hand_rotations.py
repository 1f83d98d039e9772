"""Rotations obey the laws of their group, and come back from their parameters."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation
from torch import Tensor

from hand_pose_ros.hand.rotations import (
    align_rotation,
    euler_from_matrix,
    matrix_from_6d,
    matrix_from_9d,
    matrix_from_euler,
    matrix_from_quaternion,
    nearest_rotation,
)

ANGLE = st.floats(-math.pi, math.pi)


def is_rotation(matrix: Tensor) -> bool:
    identity = torch.eye(3, dtype=matrix.dtype).expand_as(matrix)
    orthogonal = torch.allclose(matrix @ matrix.transpose(-1, -2), identity, atol=1e-10)
    return orthogonal and bool((torch.linalg.det(matrix) > 0).all())


@given(ANGLE, ANGLE, ANGLE)
def test_euler_round_trip_gives_the_same_rotation(yaw: float, pitch: float, roll: float) -> None:
    matrix = matrix_from_euler(torch.tensor([yaw, pitch, roll], dtype=torch.float64))
    assert is_rotation(matrix)
    back = euler_from_matrix(matrix)
    assert abs(float(back[1])) <= math.pi / 2
    # Within a thousandth of the pole the roll is set to 0, which costs that thousandth.
    assert torch.allclose(matrix_from_euler(back), matrix, atol=3e-3)
    if abs(abs(float(back[1])) - math.pi / 2) > 2e-3:
        assert torch.allclose(matrix_from_euler(back), matrix, atol=1e-9)


@pytest.mark.parametrize("pitch", [math.pi / 2, -math.pi / 2])
def test_gimbal_lock_keeps_the_rotation_and_a_zero_roll(pitch: float) -> None:
    matrix = matrix_from_euler(torch.tensor([0.4, pitch, -1.1], dtype=torch.float64))
    back = euler_from_matrix(matrix)
    assert float(back[2]) == 0.0
    assert torch.allclose(matrix_from_euler(back), matrix, atol=1e-9)


def test_euler_angles_turn_about_z_then_y_then_x() -> None:
    angles = torch.tensor([[0.3, -0.8, 1.2], [2.0, 0.5, -2.5]], dtype=torch.float64)
    expected = torch.from_numpy(Rotation.from_euler("ZYX", angles.numpy()).as_matrix())
    assert torch.allclose(matrix_from_euler(angles), expected, atol=1e-12)


def test_quarter_turn_by_hand() -> None:
    # A yaw of 90 degrees brings x onto y and y onto -x.
    matrix = matrix_from_euler(torch.tensor([math.pi / 2, 0.0, 0.0], dtype=torch.float64))
    expected = torch.tensor([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    assert torch.allclose(matrix, expected.double(), atol=1e-15)


@pytest.mark.parametrize(("function", "size"), [(matrix_from_6d, 6), (matrix_from_9d, 9)])
def test_any_parameters_give_a_rotation(function, size: int) -> None:
    assert is_rotation(function(torch.randn(4, 50, size, dtype=torch.float64)))


def test_6d_and_9d_of_a_rotation_give_it_back() -> None:
    rotation = matrix_from_euler(torch.randn(20, 3, dtype=torch.float64))
    columns = torch.cat((rotation[..., 0], rotation[..., 1]), dim=-1)
    assert torch.allclose(matrix_from_6d(columns), rotation, atol=1e-12)
    assert torch.allclose(matrix_from_9d(rotation.flatten(-2)), rotation, atol=1e-12)


def test_9d_is_the_nearest_rotation_also_for_a_reflection() -> None:
    matrix = torch.randn(30, 3, 3, dtype=torch.float64)
    matrix[:15, 0] *= torch.linalg.det(matrix[:15]).sign().neg().unsqueeze(-1)
    assert (torch.linalg.det(matrix[:15]) < 0).all()
    nearest = matrix_from_9d(matrix.flatten(-2))
    distance = (nearest - matrix).norm(dim=(-2, -1))
    others = matrix_from_euler(torch.randn(2000, 1, 3, dtype=torch.float64) * 2.0)
    assert ((others - matrix).norm(dim=(-2, -1)) >= distance - 1e-12).all()


def test_the_nearest_rotation_without_an_svd_is_the_same() -> None:
    rotation = matrix_from_euler(torch.randn(40, 3, dtype=torch.float64) * 2.0)
    noisy = 3.0 * rotation + torch.randn(40, 3, 3, dtype=torch.float64)
    for matrix in (rotation, noisy, -0.2 * rotation):
        found = nearest_rotation(matrix.flatten(-2))
        assert is_rotation(found)
    torch.testing.assert_close(nearest_rotation(rotation.flatten(-2)), rotation)
    torch.testing.assert_close(
        nearest_rotation(noisy.flatten(-2)), matrix_from_9d(noisy.flatten(-2)), atol=1e-6, rtol=0
    )


def test_a_half_turn_has_a_nearest_rotation_too() -> None:
    half_turns = torch.diag_embed(torch.tensor([[1.0, -1, -1], [-1, 1, -1], [-1, -1, 1]]))
    torch.testing.assert_close(nearest_rotation(half_turns.flatten(-2)), half_turns)


def test_a_quaternion_of_any_length_is_a_rotation() -> None:
    half = math.radians(30.0) / 2
    about_z = torch.tensor([math.cos(half), 0.0, 0.0, math.sin(half)])
    expected = matrix_from_euler(torch.tensor([math.radians(30.0), 0.0, 0.0]))
    torch.testing.assert_close(matrix_from_quaternion(7.0 * about_z), expected)


@pytest.mark.parametrize(("function", "size"), [(matrix_from_6d, 6), (matrix_from_9d, 9)])
def test_gradients_match_finite_differences(function, size: int) -> None:
    parameters = torch.randn(3, size, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(function, (parameters,))


def test_euler_gradients_match_finite_differences() -> None:
    angles = torch.randn(3, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(matrix_from_euler, (angles,))


def test_alignment_finds_the_rotation_of_turned_points() -> None:
    rotation = matrix_from_euler(torch.randn(7, 3, dtype=torch.float64))
    source = torch.randn(7, 12, 3, dtype=torch.float64)
    assert torch.allclose(align_rotation(source, source @ rotation.mT), rotation, atol=1e-10)


def test_alignment_of_a_mirror_image_is_still_a_rotation() -> None:
    source = torch.randn(5, 12, 3, dtype=torch.float64)
    mirrored = source * torch.tensor([-1.0, 1.0, 1.0], dtype=torch.float64)
    assert is_rotation(align_rotation(source, mirrored))
