"""What a network saw of a hand in a frame, kept so that the model need not look at it again.

A hand that is followed is looked at through a virtual camera that was turned to where it was in
the image before (`HandView`). Its landmarks come out of that, and the vector behind them, of which
a model that sees images makes its condition. Where the hand was in about the middle of that view
the vector serves; where it was not, the model looks once more.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import torch

from hand_pose_ros.hand import skeleton
from hand_pose_ros.hand.camera import Camera, view_rotation
from hand_pose_ros.hand.virtual_camera import VirtualCamera
from hand_pose_ros.models.image import VIEW_RADII
from hand_pose_ros.models.keypoints import CanonicalFrame
from hand_pose_ros.models.landmark_network import SIDE

Array = npt.NDArray[np.float64]

WIDER = 1.15
"""How much wider a followed hand is looked at than a model looks: it moves on, and a fist is small
for its landmarks. In the real video it was lost in 2 of 621 images at 1.0, in none from 1.1 on;
the models' error on real hands is the same up to 1.2."""

NEAR = (0.3, 0.25, 0.3)
"""How far a hand may be from the middle of its view [radii of the hand], from its size there
[logarithm] and from upright [rad]. The models were trained on views that are off by 0.08, 0.12 and
0.12 (standard deviations); these lie just beyond the twofold to threefold of that."""

_MEAN = np.full(len(skeleton.KEYPOINTS), 1.0 / len(skeleton.KEYPOINTS))
"""Weights of the keypoints in their mean."""
_UP = np.zeros(len(skeleton.KEYPOINTS))
"""The same for the line from the wrist to the middle of the fingers' MCP joints."""
_UP[[skeleton.KEYPOINTS.index(f"{finger}_mcp") for finger in skeleton.FINGERS[1:]]] = 0.25
_UP[skeleton.KEYPOINTS.index("wrist")] = -1.0


@dataclass(frozen=True, eq=False)
class HandView:
    """A virtual camera that looks at a hand, see `keypoints.CanonicalFrame`.

    Attributes:
        towards: (3, 3) turn of the camera that brings the hand onto its axis.
        upright: (3, 3) turn about that axis that brings the fingers up.
        half_width: half the side of what it sees at depth 1.
        mirrored: whether it sees the hand in a mirror, as it does left ones.
    """

    towards: Array
    upright: Array
    half_width: float
    mirrored: bool

    @cached_property
    def R_view_camera(self) -> Array:  # noqa: N802
        """(3, 3) camera frame, mirrored where the view is, to the frame of the view."""
        return self.upright @ self.towards

    @property
    def camera(self) -> VirtualCamera:
        """What sees it."""
        return VirtualCamera(self.R_view_camera, self.half_width, self.mirrored)

    def wider(self, factor: float) -> HandView:
        """Return the view with so much more around the hand."""
        return HandView(self.towards, self.upright, self.half_width * factor, self.mirrored)

    def is_near(self, hand: HandView) -> bool:
        """Whether another view, that of the hand as it is, lies within `NEAR` of this one."""
        axis = self.R_view_camera @ hand.towards[2]
        if self.mirrored != hand.mirrored or axis[2] <= 0.0:
            return False
        shift = math.hypot(axis[0], axis[1]) / axis[2] * VIEW_RADII / hand.half_width
        scale = math.log(self.half_width / WIDER / hand.half_width)
        apart = hand.R_view_camera @ self.R_view_camera.T
        turn = math.atan2(apart[1, 0], apart[0, 0])
        return bool(shift <= NEAR[0] and abs(scale) <= NEAR[1] and abs(turn) <= NEAR[2])

    def rays(self, points_px: Array) -> Array:
        """Return viewing rays (*batch, 2) of the camera that pixels of the view show."""
        pixel = 2.0 * self.half_width / SIDE
        at = (points_px - (SIDE - 1) / 2.0) * pixel
        turned = at @ self.R_view_camera[:2] + self.R_view_camera[2]
        rays = turned[..., :2] / np.maximum(turned[..., 2:], 1e-3)
        if self.mirrored:
            rays[..., 0] *= -1.0
        return rays


@dataclass(frozen=True, eq=False)
class Glimpse:
    """What was seen of a hand.

    Attributes:
        view: through which it was seen.
        found: through which it would have been, had it been known where it is.
        pooled: (channel,) the vector of `LandmarkNetwork.pool`.
    """

    view: HandView
    found: HandView
    pooled: npt.NDArray[np.float32]

    def serves(self, side: str) -> bool:
        """Whether a model can lift it as a hand of a side."""
        return self.view.mirrored == (side == "left") and self.view.is_near(self.found)


def view_of(keypoints_px: Array, side: str, camera: Camera) -> HandView:
    """Return the view of a hand whose keypoints (21, 2) are at these pixels of a camera."""
    return view_of_rays(camera.normalize(keypoints_px), side)


def view_of_rays(rays: Array, side: str) -> HandView:
    """Return the view of a hand of a side whose keypoints have these viewing rays (21, 2).

    It is that of `keypoints.canonical_frame`, without PyTorch.
    """
    mirrored = side == "left"
    if mirrored:
        rays = rays * (-1.0, 1.0)
    towards = view_rotation(_MEAN @ rays)
    turned = rays @ towards[:, :2].T + towards[:, 2]
    seen = turned[:, :2] / np.maximum(turned[:, 2:], 1e-3)
    x, y = (_UP @ seen).tolist()
    length = max(math.hypot(x, y), 1e-9)
    x, y = x / length, y / length
    upright = np.array(((-y, x, 0.0), (-x, -y, 0.0), (0.0, 0.0, 1.0)))
    centred = (seen - _MEAN @ seen).ravel()
    radius = max(math.sqrt(centred @ centred / len(_MEAN)), 1e-6)
    return HandView(towards, upright, radius * VIEW_RADII, mirrored)


def frame_of(views: Sequence[HandView]) -> CanonicalFrame:
    """Return views as the models take them."""
    turns = np.array([(view.towards, view.upright) for view in views], np.float32)
    towards, upright = torch.from_numpy(turns).unbind(1)
    radius = np.array([view.half_width / VIEW_RADII for view in views], np.float32)
    return CanonicalFrame(towards, upright, torch.from_numpy(radius))
