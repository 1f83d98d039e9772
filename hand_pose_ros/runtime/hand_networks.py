"""Our own observer: the networks that find hands and read their landmarks, run by an engine.

Nothing here, nor anything that it calls, needs mediapipe.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from hand_pose_ros.data.boxes import box_around
from hand_pose_ros.hand.camera import Camera
from hand_pose_ros.models.landmark_network import SIDE as PATCH
from hand_pose_ros.models.landmark_network import LandmarkNetwork
from hand_pose_ros.models.palm_network import SIDE
from hand_pose_ros.runtime.candidates import (
    Candidate,
    hand_candidates,
    in_image,
    letterboxed,
    palm_candidates,
)
from hand_pose_ros.runtime.detect import Detection
from hand_pose_ros.runtime.engine import AUTO, Program, choose_engine, compile_network
from hand_pose_ros.runtime.glimpse import Glimpse, HandView, view_of_rays
from hand_pose_ros.runtime.lift_network import FindNetwork, LookNetwork
from hand_pose_ros.runtime.region import OTHER_SIDE, Region, from_patch, warp
from hand_pose_ros.runtime.weights import load_hand_networks

View = tuple[Region, bool]
"""A region of an image, and whether it is seen in a mirror."""

HAND_SHARE = 0.5
"""Score from which our branch's hands are looked at, over that of palms: they are fewer, and the
landmark network has the last word."""

VIEW_SMOOTH_FROM = 4.0
"""How much an image shrinks before it is smoothed. MediaPipe never does; in the real video that
changed neither what was found nor the jitter, and took a fifth of the time."""

_DEPTH = 1.0 / 0.4
"""Pixels of the patch to a unit of the network's depth (MediaPipe's `normalize_z`)."""


class HandNetworks:
    """The detector's and the landmark network, ready to run.

    Args:
        engine: how they are executed, see `engine.ENGINES`.
        landmarks: another landmark network than the one that ships.

    Raises:
        ConfigError, UnavailableError: as for `engine.choose_engine`.
        InputError: the weights are missing or damaged.
    """

    def __init__(self, engine: str = AUTO, landmarks: LandmarkNetwork | None = None) -> None:
        self.engine = choose_engine(engine)
        detector, shipped = load_hand_networks()
        landmarks = landmarks or shipped
        self._find = _compiled(self.engine, FindNetwork(detector), SIDE)
        self._look = _compiled(self.engine, LookNetwork(landmarks), PATCH)

    def candidates(self, image_rgb: npt.NDArray[np.uint8], least: float) -> list[Candidate]:
        """Return where hands may be in an RGB image (H, W, 3).

        Palms come first, the surest of them before the others; then hands of our own branch that
        no palm belongs to, likewise.

        Args:
            image_rgb: the image.
            least: score from which there may be a palm, 0..1.
        """
        square, to_square = letterboxed(image_rgb)
        scores, numbers, maps = self._find(square[None])
        palms = palm_candidates(scores[0], numbers[0], least)
        hands = hand_candidates(maps[0], HAND_SHARE * least)
        found = [*palms, *(hand for hand in hands if not any(hand.holds(palm) for palm in palms))]
        return [in_image(candidate, to_square) for candidate in found]

    def look(self, image_rgb: npt.NDArray[np.uint8], views: Sequence[View]) -> list[Detection]:
        """Return what each view of an RGB image (H, W, 3) shows if it is a hand; see its score."""
        if not views:
            return []
        to_patches = [region.to_patch(PATCH, mirrored) for region, mirrored in views]
        patches = [
            warp(image_rgb, to_patch, (PATCH, PATCH), VIEW_SMOOTH_FROM) for to_patch in to_patches
        ]
        rows = zip(*self._look(np.stack(patches)), strict=True)
        return [
            from_patch(_in_patch(*row[:4]), to_patch)
            for row, to_patch in zip(rows, to_patches, strict=True)
        ]

    def look_through(
        self, image_rgb: npt.NDArray[np.uint8], camera: Camera, views: Sequence[HandView]
    ) -> list[Detection]:
        """Return what virtual cameras see, each with its glimpse; otherwise as `look`."""
        if not views:
            return []
        patches = [view.camera.see(image_rgb, camera, PATCH, VIEW_SMOOTH_FROM) for view in views]
        rows = zip(*self._look(np.stack(patches)), strict=True)
        return [
            _through(_read(*row[:4]), view, row[4], camera)
            for row, view in zip(rows, views, strict=True)
        ]


class _Row(NamedTuple):
    """What a row of `LandmarkNetwork` says, in the pixels of its patch; see `Detection`."""

    side: str
    side_score: float
    score: float
    keypoints_px: npt.NDArray[np.float64]
    depth_px: npt.NDArray[np.float64]
    world: npt.NDArray[np.float64]


def _read(
    landmarks: npt.NDArray[np.float32],
    presence: npt.NDArray[np.float32],
    handedness: npt.NDArray[np.float32],
    world: npt.NDArray[np.float32],
) -> _Row:
    points = landmarks.reshape(-1, 3).astype(np.float64)
    right = float(handedness[0])
    return _Row(
        side="right" if right >= 0.5 else "left",
        side_score=max(right, 1.0 - right),
        score=float(presence[0]),
        keypoints_px=points[:, :2] - 0.5,
        depth_px=(points[:, 2] - points[0, 2]) * _DEPTH,
        world=world.reshape(-1, 3).astype(np.float64),
    )


def _in_patch(*row: npt.NDArray[np.float32]) -> Detection:
    seen = _read(*row)
    return Detection(*seen, box=box_around(seen.keypoints_px))


def _through(
    seen: _Row, view: HandView, pooled: npt.NDArray[np.float32], camera: Camera
) -> Detection:
    """Return what was detected in a view as a detection in the image of the camera."""
    rays = view.rays(seen.keypoints_px)
    keypoints = camera.project_rays(rays)
    # The detector's own points stay those of a camera that looks straight at the hand.
    world = seen.world @ view.upright
    side = seen.side
    if view.mirrored:
        world[:, 0] *= -1.0
        side = OTHER_SIDE[side]
    pixel = 2.0 * view.half_width / PATCH * float(camera.K[0, 0])
    return Detection(
        side=side,
        side_score=seen.side_score,
        score=seen.score,
        keypoints_px=keypoints,
        depth_px=seen.depth_px * pixel,
        world=world,
        box=box_around(keypoints),
        glimpse=Glimpse(view, view_of_rays(rays, side), pooled),
    )


def _compiled(engine: str, network: torch.nn.Module, side: int) -> Program:
    example = torch.zeros((2, side, side, 3), dtype=torch.uint8)
    return compile_network(engine, network.eval(), (example,))
