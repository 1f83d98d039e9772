"""Rotation matrices from and to Euler angles, 6D and 9D parameters. Batched, differentiable."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

SQUARINGS = 8
"""Powers of 256: of an eigenvalue a tenth below the largest, some 1e-6 is left after them."""


def matrix_from_euler(angles: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 3 3"]:
    """Return R = Rz(angles[0]) Ry(angles[1]) Rx(angles[2]); angles (yaw, pitch, roll) [rad]."""
    cosine, sine = torch.cos(angles), torch.sin(angles)
    cz, cy, cx = cosine.unbind(-1)
    sz, sy, sx = sine.unbind(-1)
    rows = (
        *(cz * cy, cz * sy * sx - sz * cx, cz * sy * cx + sz * sx),
        *(sz * cy, sz * sy * sx + cz * cx, sz * sy * cx - cz * sx),
        *(-sy, cy * sx, cy * cx),
    )
    return torch.stack(rows, dim=-1).unflatten(-1, (3, 3))


def euler_from_matrix(rotation: Float[Tensor, "*batch 3 3"]) -> Float[Tensor, "*batch 3"]:
    """Return (yaw, pitch, roll) [rad] with `matrix_from_euler` of them the given rotation.

    Pitch lies in [-pi/2, pi/2]. At its ends yaw and roll turn about one axis; roll is then 0.
    """
    sine_pitch = (-rotation[..., 2, 0]).clamp(-1.0, 1.0)
    locked = sine_pitch.abs() > 1.0 - 1e-6
    yaw = torch.atan2(rotation[..., 1, 0], rotation[..., 0, 0])
    roll = torch.atan2(rotation[..., 2, 1], rotation[..., 2, 2])
    yaw_locked = torch.atan2(-rotation[..., 0, 1], rotation[..., 1, 1])
    return torch.stack(
        (
            torch.where(locked, yaw_locked, yaw),
            torch.asin(sine_pitch),
            torch.where(locked, torch.zeros_like(roll), roll),
        ),
        dim=-1,
    )


def matrix_from_6d(parameters: Float[Tensor, "*batch 6"]) -> Float[Tensor, "*batch 3 3"]:
    """Return the rotation whose first two columns are the Gram-Schmidt of two 3-vectors.

    Source: Zhou et al. 2019, On the continuity of rotation representations, appendix B.
    """
    first, second = parameters[..., :3], parameters[..., 3:]
    x_axis = torch.nn.functional.normalize(first, dim=-1)
    along = (x_axis * second).sum(-1, keepdim=True)
    y_axis = torch.nn.functional.normalize(second - along * x_axis, dim=-1)
    return torch.stack((x_axis, y_axis, torch.linalg.cross(x_axis, y_axis)), dim=-1)


def matrix_from_9d(parameters: Float[Tensor, "*batch 9"]) -> Float[Tensor, "*batch 3 3"]:
    """Return the rotation nearest to a 3x3 matrix given row by row (Frobenius norm).

    Source: Levinson et al. 2020, An analysis of SVD for deep rotation estimation; the root
    rotation of Ivashechkin et al. 2023, section 2.2.
    """
    matrix = parameters.unflatten(-1, (3, 3))
    left, _, right = torch.linalg.svd(matrix)
    sign = torch.linalg.det(left @ right)
    scale = torch.stack((torch.ones_like(sign), torch.ones_like(sign), sign), dim=-1)
    return (left * scale.unsqueeze(-2)) @ right


def matrix_from_quaternion(quaternion: Float[Tensor, "*batch 4"]) -> Float[Tensor, "*batch 3 3"]:
    """Return the rotation of a quaternion (w, x, y, z) of any length above 0."""
    w, x, y, z = torch.nn.functional.normalize(quaternion, dim=-1).unbind(-1)
    rows = (
        *(1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)),
        *(2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)),
        *(2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)),
    )
    return torch.stack(rows, dim=-1).unflatten(-1, (3, 3))


def nearest_rotation(parameters: Float[Tensor, "*batch 9"]) -> Float[Tensor, "*batch 3 3"]:
    """Return what `matrix_from_9d` does, by matrix products alone: for engines without an SVD.

    The unit quaternion of the nearest rotation is the eigenvector of the largest eigenvalue of a
    symmetric 4x4 matrix; repeated squaring leaves it alone. Where the nearest rotation is not
    unique (a matrix far from any rotation) the two may differ; a rotation comes out all the same.

    Source: Horn 1987, Closed-form solution of absolute orientation using unit quaternions.
    """
    xx, xy, xz, yx, yy, yz, zx, zy, zz = parameters.unbind(-1)
    rows = (
        *(xx + yy + zz, zy - yz, xz - zx, yx - xy),
        *(zy - yz, xx - yy - zz, xy + yx, zx + xz),
        *(xz - zx, xy + yx, yy - xx - zz, yz + zy),
        *(yx - xy, zx + xz, yz + zy, zz - xx - yy),
    )
    powers = _unit(torch.stack(rows, dim=-1).unflatten(-1, (4, 4)))
    # The largest eigenvalue by size, too: all of them lie in [-1, 1] before.
    powers = powers + torch.eye(4, dtype=powers.dtype, device=powers.device)
    for _ in range(SQUARINGS // 2):
        squares = powers @ powers
        powers = _unit(squares @ squares)
    # All columns are multiples of the eigenvector; the longest is the most exact.
    longest = torch.diagonal(powers, dim1=-2, dim2=-1).argmax(dim=-1)
    column = powers.gather(-1, longest[..., None, None].expand(*longest.shape, 4, 1)).squeeze(-1)
    return matrix_from_quaternion(column)


def align_rotation(
    source: Float[Tensor, "*batch point 3"], target: Float[Tensor, "*batch point 3"]
) -> Float[Tensor, "*batch 3 3"]:
    """Return the rotation R that brings `source` nearest to `target`: target ~ source @ R^T.

    Both are taken about the origin; subtract means first where a translation is free.

    Source: Kabsch 1976.
    """
    covariance = target.transpose(-1, -2) @ source
    return matrix_from_9d(covariance.flatten(-2))


def _unit(matrix: Float[Tensor, "*batch 4 4"]) -> Float[Tensor, "*batch 4 4"]:
    """Return matrices scaled to a Frobenius norm of 1."""
    return matrix / matrix.square().sum((-2, -1), keepdim=True).sqrt().clamp_min(1e-20)
