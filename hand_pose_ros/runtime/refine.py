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

NOISE = 0.05
"""Standard deviation of the moved joints over the anchor bone; see `FitOptions.noise`."""


class RefinedLift:
    """Other lifts of the same hands, a hand fitted to the mean of their joints and to keypoints.

    Args:
        lifts: one or more; two that see different things err differently.
        share: how far the joints are moved to the rays of their keypoints, 0 for not at all.
    """

    def __init__(self, *lifts: Lift, share: float = SHARE) -> None:
        self._lifts, self._share = lifts, share

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
            towards_rays(points, seen, self._share)
            for points, seen in zip(means, rays, strict=True)
        ]
        fitted = fit_hand(torch.from_numpy(np.stack(moved)), options=FitOptions(noise=NOISE)).hand
        rows = (fitted.root_rotation, fitted.articulation, fitted.bone_lengths, fitted.offsets)
        return [
            _with(hand, *parts)
            for hand, *parts in zip(lifted, *(row.numpy() for row in rows), strict=True)
        ]


def still_lift(name: str = "keypoints", engine: str = AUTO) -> RefinedLift:
    """Return what lifts the hands of unrelated images: a model of the table, and a fit.

    A model that sees the image takes several glances, and those that the table averages it with
    are run beside it. The hands of one that sees the image alone are not drawn to keypoints.

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
    return RefinedLift(*lifts, share=share)


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
