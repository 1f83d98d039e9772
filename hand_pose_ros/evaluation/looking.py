"""An encoder of our own finds its way alone: it looks, follows its own keypoints and looks again.

With no other network in between, its errors on photographs are those of what it learnt.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float
from torch import Tensor

from hand_pose_ros.hand.camera import Camera
from hand_pose_ros.hand.projection import view_rotation
from hand_pose_ros.hand.virtual_camera import VirtualCamera
from hand_pose_ros.models.encoders import OwnLook
from hand_pose_ros.models.image import VIEW_RADII
from hand_pose_ros.models.image_heads import Reading
from hand_pose_ros.models.keypoints import canonical_frame
from hand_pose_ros.models.landmark_network import SIDE


@dataclass(frozen=True, eq=False)
class Scene:
    """An image with one hand.

    Attributes:
        image_rgb: (H, W, 3).
        camera: that took it.
        is_left: whether the hand is a left one, which is seen in a mirror.
    """

    image_rgb: npt.NDArray[np.uint8]
    camera: Camera
    is_left: bool


@dataclass(frozen=True)
class Views:
    """Where virtual cameras look, one a hand.

    Attributes:
        R_view_camera: (hand, 3, 3) camera frame, of left hands mirrored (x negated), to the view.
        half_width: (hand,) half the side of the view at depth 1.
    """

    R_view_camera: Tensor
    half_width: Tensor


def views_of_boxes(
    scenes: Sequence[Scene], boxes: Float[np.ndarray, "hand 4"], margin: float = 1.0
) -> Views:
    """Return upright views of boxes (x, y, width, height [px]).

    Args:
        scenes: the images.
        boxes: around the hands.
        margin: side of a view over the longer side of its box.
    """
    places = np.array([[0.5, 0.5], [0.0, 0.5], [1.0, 0.5]])  # the middle, left and right of it
    corners = boxes[:, None, :2] + boxes[:, None, 2:] * places
    rays = np.stack([s.camera.normalize(c) for s, c in zip(scenes, corners, strict=True)])
    rays[..., 0] *= np.array([-1.0 if scene.is_left else 1.0 for scene in scenes])[:, None]
    longer = boxes[:, 2:].max(axis=1) / boxes[:, 2]
    half = 0.5 * np.linalg.norm(rays[:, 2] - rays[:, 1], axis=-1) * longer * margin
    middle = torch.from_numpy(rays[:, 0]).float()
    return Views(view_rotation(middle), torch.from_numpy(half).float())


def views_of_rays(rays: Float[Tensor, "hand point 2"]) -> Views:
    """Return the canonical views of keypoints (x/z, y/z of right or mirrored hands)."""
    frame = canonical_frame(rays)
    return Views(frame.R_canonical_camera, frame.radius * VIEW_RADII)


def seen(scenes: Sequence[Scene], views: Views) -> Float[Tensor, "hand 3 y x"]:
    """Return what the virtual cameras see, RGB in 0..1."""
    patches = [
        VirtualCamera(R.astype(np.float64), float(half), scene.is_left).see(
            scene.image_rgb, scene.camera, SIDE
        )
        for scene, R, half in zip(
            scenes, views.R_view_camera.numpy(), views.half_width.numpy(), strict=True
        )
    ]
    rgb = torch.from_numpy(np.stack(patches)).permute(0, 3, 1, 2).float() / 255.0
    return rgb.contiguous(memory_format=torch.channels_last)


def as_rays(places: Float[Tensor, "hand point 2"], views: Views) -> Float[Tensor, "hand point 2"]:
    """Return places in views (-1 to 1) as x/z, y/z in the (mirrored) camera's frame."""
    flat = places * views.half_width.reshape(-1, 1, 1)
    ahead = torch.cat((flat, torch.ones_like(flat[..., :1])), dim=-1) @ views.R_view_camera
    return ahead[..., :2] / ahead[..., 2:].clamp_min(1e-3)


@torch.inference_mode()
def look_again(
    look: OwnLook, scenes: Sequence[Scene], views: Views, looks: int
) -> tuple[Views, Tensor, Reading]:
    """Return the last views, what the network makes of them, and what its heads say.

    Args:
        look: the network; each look is where its own keypoints of the one before say.
        scenes: the images.
        views: where it looks at first.
        looks: how often.
    """
    pooled = look.pool(seen(scenes, views))
    reading = look.read(pooled)
    for _ in range(looks - 1):
        views = views_of_rays(as_rays(reading.places, views))
        pooled = look.pool(seen(scenes, views))
        reading = look.read(pooled)
    return views, pooled, reading
