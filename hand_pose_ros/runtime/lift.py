"""From detections to hands in three dimensions: the keypoint route of the model table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
import torch

from hand_pose_ros.hand.camera import Camera
from hand_pose_ros.models.keypoints import KeypointEncoder, KeypointObservation, canonical_view
from hand_pose_ros.models.lifter import POINTS, Lifter, SamplingConfig
from hand_pose_ros.runtime.detect import Detection
from hand_pose_ros.runtime.weights import load_model

NOISE_SEED = 7
"""Seed of the start noise of the hypotheses. It is the same in every frame: the answer is then a
function of the image alone, and what moves in it is the hand."""


@dataclass(frozen=True, eq=False)
class LiftedHand:
    """A right hand of anchor length 1 about its wrist; a left one is mirrored (camera x negated).

    Attributes:
        root_rotation: (3, 3) wrist frame to camera frame.
        articulation: (23,) [rad], order `skeleton.ARTICULATION`.
        ratios: (20,) bone lengths over the anchor bone, order `skeleton.BONES`.
        offsets: (15,) [rad], order `skeleton.OFFSETS`.
        std: (21,) spread of each joint over the hypotheses, in anchor lengths.
        hypotheses: (S, 21, 3) joints of each hypothesis, in anchor lengths, camera axes.
    """

    root_rotation: npt.NDArray[np.float64]
    articulation: npt.NDArray[np.float64]
    ratios: npt.NDArray[np.float64]
    offsets: npt.NDArray[np.float64]
    std: npt.NDArray[np.float64]
    hypotheses: npt.NDArray[np.float64]


@runtime_checkable
class Lift(Protocol):
    """Anything that turns the detections of one image into hands."""

    def __call__(self, detections: Sequence[Detection], camera: Camera) -> list[LiftedHand]:
        """Return one hand for each detection, in their order."""
        ...


class KeypointLift:
    """Lifts the 2D keypoints of all hands of an image in one batch."""

    def __init__(
        self,
        encoder: KeypointEncoder,
        lifter: Lifter,
        sampling: SamplingConfig | None = None,
    ) -> None:
        self.sampling = sampling or SamplingConfig()
        self._encoder, self._lifter = encoder, lifter
        generator = torch.Generator().manual_seed(NOISE_SEED)
        count = self.sampling.hypotheses
        self._noise = balanced_noise(count, generator)

    @classmethod
    def from_name(cls, name: str = "keypoints", sampling: SamplingConfig | None = None):  # type: ignore[no-untyped-def]
        """Return the lift of a model of the table.

        Raises:
            ConfigError: no such model.
            InputError: its weights are missing or damaged.
        """
        return cls(*load_model(name), sampling)

    def __call__(self, detections: Sequence[Detection], camera: Camera) -> list[LiftedHand]:
        """Return one hand for each detection, in their order."""
        if not detections:
            return []
        with torch.inference_mode():
            view = canonical_view(observe(detections, camera))
            lifted = self._lifter(self._encoder(view.features), self.sampling, self._noise)
            R_camera = view.R_canonical_camera.transpose(-1, -2)
            hand = lifted.hand
            roots = R_camera @ hand.root_rotation
            hypotheses = lifted.hypotheses @ view.R_canonical_camera.unsqueeze(1)
        rows = (
            roots,
            hand.articulation,
            hand.bone_lengths,
            hand.offsets,
            lifted.std,
            hypotheses,
        )
        return [
            LiftedHand(*parts)
            for parts in zip(*(row.numpy().astype(np.float64) for row in rows), strict=True)
        ]


def observe(detections: Sequence[Detection], camera: Camera) -> KeypointObservation:
    """Return detections as the encoder wants them: undistorted rays of right hands."""
    mirror = np.array([-1.0 if d.side == "left" else 1.0 for d in detections])
    rays = camera.normalize(np.stack([d.keypoints_px for d in detections]))
    rays[..., 0] *= mirror[:, None]
    world = np.stack([d.world for d in detections])
    world[..., 0] *= mirror[:, None]
    depth = np.stack([d.depth_px for d in detections]) / camera.K[0, 0]
    return KeypointObservation(*(_tensor(array) for array in (rays, depth, world)))


def balanced_noise(count: int, generator: torch.Generator) -> torch.Tensor:
    """Return (count, 21, 3) standard normal noise in pairs of opposite sign.

    Opposite starts cancel the part of the hypotheses that is odd in the noise, so that their mean
    is steadier than that of as many independent ones (antithetic variates).
    """
    half = torch.randn(((count + 1) // 2, POINTS, 3), generator=generator)
    return torch.cat((half, -half))[:count]


def _tensor(array: npt.NDArray[np.float64]) -> torch.Tensor:
    return torch.from_numpy(array.astype(np.float32))
