"""Projection on torch, batched and differentiable: the training side of `camera`."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


def project_points(
    points: Float[Tensor, "*batch point 3"], K: Float[Tensor, "*batch 3 3"]
) -> Float[Tensor, "*batch point 2"]:
    """Return the pixels of points [m] in the camera optical frame, without lens distortion.

    Points at or behind the camera have no pixel: keep them in front.
    """
    rays = points[..., :2] / points[..., 2:]
    return rays @ K[..., :2, :2].transpose(-1, -2) + K[..., None, :2, 2]


def view_rotation(ray: Float[Tensor, "*batch 2"]) -> Float[Tensor, "*batch 3 3"]:
    """Return R_view_cam: the smallest rotation that brings a viewing ray (x/z, y/z) onto +z.

    Source: `camera.view_rotation`, the same on torch.
    """
    c = torch.rsqrt(1.0 + ray.square().sum(-1))
    x, y = (ray * c.unsqueeze(-1)).unbind(-1)
    k = 1.0 / (1.0 + c)
    rows = (1.0 - k * x * x, -k * x * y, -x, -k * x * y, 1.0 - k * y * y, -y, x, y, c)
    return torch.stack(rows, dim=-1).unflatten(-1, (3, 3))
