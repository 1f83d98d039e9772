"""Landmarks of still images, by a second look at the maps around them: where, and how deep."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import torch

from hand_pose_ros.data.boxes import box_around
from hand_pose_ros.models.landmark_network import SIDE
from hand_pose_ros.runtime.detect import Detection
from hand_pose_ros.runtime.engine import AUTO, ENGINES, PREFERRED, choose_engine, compile_network
from hand_pose_ros.runtime.hand_networks import View
from hand_pose_ros.runtime.lift_network import CorrectNetwork
from hand_pose_ros.runtime.region import out_of_patch, patch_scale, warp
from hand_pose_ros.runtime.weights import load_correction, load_hand_networks

SHARE = 0.5
"""How far a landmark moves. The correction learnt on renders, the landmark network on photographs:
the two err differently, and their mean less than either."""


class LandmarkCorrector:
    """The landmark network and its correction, ready to run.

    Args:
        engine: how they are executed, see `engine.ENGINES`; instead of one that rounds, or needs
            a GPU, on which none was tried, the first of `engine.PREFERRED` that does neither.
        share: how far landmarks move to where they are said to be, 0..1.

    Raises:
        ConfigError, UnavailableError: as for `engine.choose_engine`.
        InputError: the weights are missing or damaged.
    """

    def __init__(self, engine: str = AUTO, share: float = SHARE) -> None:
        self._share = share
        network = CorrectNetwork(load_hand_networks()[1], load_correction()).eval()
        example = (torch.zeros((2, SIDE, SIDE, 3), dtype=torch.uint8),)
        self._program = compile_network(_unrounded(engine), network, example)

    def __call__(
        self, image_rgb: npt.NDArray[np.uint8], hand: Detection, views: Sequence[View]
    ) -> Detection:
        """Return a hand of an RGB image (H, W, 3) with other keypoints and with depths read anew.

        The rest, the detector's own depths too, stays as it was.

        Args:
            image_rgb: the image.
            hand: what was found in it.
            views: where it is looked at; the median of what they say counts.
        """
        to_patches = [region.to_patch(SIDE, mirrored) for region, mirrored in views]
        patches = [warp(image_rgb, to_patch, (SIDE, SIDE)) for to_patch in to_patches]
        places, _, depths = self._program(np.stack(patches))
        said = [
            out_of_patch(place.astype(np.float64) - 0.5, to_patch)
            for place, to_patch in zip(places, to_patches, strict=True)
        ]
        moved = np.median(said, axis=0) - hand.keypoints_px
        keypoints = hand.keypoints_px + self._share * moved
        scales = np.array([patch_scale(to_patch) for to_patch in to_patches])
        scaled = depths.astype(np.float64) / scales[:, None]
        # Each view's depths have an offset of their own.
        depth = np.median(scaled - scaled.mean(axis=1, keepdims=True), axis=0)
        return replace(
            hand, keypoints_px=keypoints, box=box_around(keypoints), read_depth_px=depth
        )


def _unrounded(engine: str) -> str:
    fit = (name for name, each in ENGINES.items() if each.is_exact and not each.needs_cuda)
    usable = [name for name in fit if not ENGINES[name].lacks]
    return next(name for name in (choose_engine(engine), *PREFERRED) if name in usable)
