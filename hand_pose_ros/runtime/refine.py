"""Lifted hands drawn to the keypoints that they came from: a fit for images that can wait.

A lifter sees the keypoints through a network and lets some of what they say slip. Here the joints
are moved most of the way onto the viewing rays of their keypoints, keeping the depth that was
lifted, and the kinematic hand is fitted to them again. It takes tens of milliseconds, too long for
a video.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import torch

from hand_pose_ros.hand.camera import Camera
from hand_pose_ros.hand.fitting import FitOptions, fit_hand
from hand_pose_ros.hand.kinematics import HandParameters, forward_kinematics
from hand_pose_ros.hand.root import metric_root
from hand_pose_ros.hand.skeleton import ANCHOR_BONE, DEFAULT_ANCHOR_LENGTH
from hand_pose_ros.models.registry import model_entry
from hand_pose_ros.runtime.detect import Detection
from hand_pose_ros.runtime.engine import AUTO
from hand_pose_ros.runtime.lift import Lift, LiftedHand, ModelLift
from hand_pose_ros.runtime.look import observe

SHARE = 0.8
"""How far a joint moves to its ray: keypoints err sideways less than a lifter does, but do err."""

_NEAREST = 0.5
"""Least depth of a joint over the hand's mean depth that is believed of a reading: a camera whose
focal length is far off puts joints on the camera, or behind it."""

READ_SHARE = 1.0 / 3.0
"""Weight of the points of keypoints and depths that a second look read, beside those of two
lifts: a third opinion, of a network that sees the image around each joint."""

NOISE = 0.05
"""Standard deviation of the moved joints over the anchor bone; see `FitOptions.noise`."""


class RefinedLift:
    """Other lifts of the same hands, a hand fitted to the mean of their joints and to keypoints.

    Args:
        lifts: one or more; two that see different things err differently.
        share: how far the joints are moved to the rays of their keypoints, 0 for not at all.
        read_share: weight of the points of read depths (`Detection.read_depth_px`), where a
            detection has them, against the mean of the lifts.
    """

    def __init__(self, *lifts: Lift, share: float = SHARE, read_share: float = 0.0) -> None:
        self._lifts, self._share, self._read_share = lifts, share, read_share

    def __call__(
        self,
        detections: Sequence[Detection],
        camera: Camera,
        image_rgb: npt.NDArray[np.uint8] | None = None,
    ) -> list[LiftedHand]:
        """Return one hand for each detection, in their order; the rest of it is the first's."""
        several = [lift(detections, camera, image_rgb) for lift in self._lifts]
        lifted = several[0]
        if not lifted:
            return []
        rays = observe(detections, camera).rays.double().numpy()
        means = np.mean([[_points(hand) for hand in hands] for hands in several], axis=0)
        moved = [
            towards_rays(self._with_read(points, seen, hand, camera), seen, self._share)
            for points, seen, hand in zip(means, rays, detections, strict=True)
        ]
        fitted = fit_hand(torch.from_numpy(np.stack(moved)), options=FitOptions(noise=NOISE)).hand
        rows = (fitted.root_rotation, fitted.articulation, fitted.bone_lengths, fitted.offsets)
        return [
            _with(hand, *parts)
            for hand, *parts in zip(lifted, *(row.numpy() for row in rows), strict=True)
        ]

    def _with_read(
        self,
        points: npt.NDArray[np.float64],
        rays: npt.NDArray[np.float64],
        hand: Detection,
        camera: Camera,
    ) -> npt.NDArray[np.float64]:
        if hand.read_depth_px is None or not self._read_share:
            return points
        depth = hand.read_depth_px / camera.K[0, 0]
        if depth.min() - depth.mean() < _NEAREST - 1.0:
            return points
        return points + self._read_share * (points_of_depth(rays, depth, points) - points)


def still_lift(name: str = "keypoints", engine: str = AUTO) -> RefinedLift:
    """Return what lifts the hands of unrelated images: a model of the table, and a fit.

    A model that sees the image takes several glances, and those that the table averages it with
    are run beside it. The hands of one that sees the image alone are not drawn to keypoints; those
    of one that sees both take the depths of a second look into account, too.

    Raises:
        ConfigError: no such model or engine.
        InputError: the weights are missing or damaged.
        UnavailableError: the engine is not installed.
    """
    entry = model_entry(name)
    names = (name, *entry.averaged_with)
    share = 0.0 if entry.condition == "image" else SHARE
    lifts = [ModelLift.from_name(each, engine=engine) for each in names]
    if entry.condition != "keypoints":
        lifts = [glance for lift in lifts for glance in lift.glances()]
    read_share = READ_SHARE if entry.condition == "fused" else 0.0
    return RefinedLift(*lifts, share=share, read_share=read_share)


def points_of_depth(
    rays: npt.NDArray[np.float64],
    depth: npt.NDArray[np.float64],
    like: npt.NDArray[np.float64],
) -> npt.NDArray[np.float64]:
    """Return wrist-relative joints (21, 3) on their rays, as large as others.

    Args:
        rays: (21, 2).
        depth: (21,) over the mean depth of the hand, up to an offset; none is at the camera.
        like: (21, 3) joints of the same root-mean-square radius [m].
    """
    z = 1.0 + depth - depth.mean()
    points = np.column_stack((rays * z[:, None], z))
    size, wanted = (np.square(each - each.mean(axis=0)).sum() for each in (points, like))
    return np.asarray((points - points[0]) * np.sqrt(wanted / size))


def towards_rays(
    points: npt.NDArray[np.float64], rays: npt.NDArray[np.float64], share: float = SHARE
) -> npt.NDArray[np.float64]:
    """Return wrist-relative joints (21, 3) [m] moved sideways to rays (21, 2), depth as it was.

    With a share of 0 nothing moves, with 1 the joints, put where `metric_root` says, project to
    their rays.
    """
    placed = points + metric_root(points, rays).translation
    on_rays = rays * placed[:, 2:]
    placed[:, :2] += share * (on_rays - placed[:, :2])
    return placed - placed[0]


def _points(hand: LiftedHand) -> npt.NDArray[np.float64]:
    parameters = HandParameters(
        *(
            torch.from_numpy(array)
            for array in (
                hand.root_rotation,
                hand.articulation,
                hand.ratios * DEFAULT_ANCHOR_LENGTH,
                hand.offsets,
            )
        )
    )
    return forward_kinematics(parameters).positions.numpy()


def _with(
    hand: LiftedHand,
    root_rotation: npt.NDArray[np.float64],
    articulation: npt.NDArray[np.float64],
    bone_lengths: npt.NDArray[np.float64],
    offsets: npt.NDArray[np.float64],
) -> LiftedHand:
    ratios = bone_lengths / bone_lengths[ANCHOR_BONE]
    return replace(
        hand,
        root_rotation=root_rotation,
        articulation=articulation,
        ratios=ratios,
        offsets=offsets,
    )
