"""From detections to hands in three dimensions: the keypoint route of the model table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
import torch

from hand_pose_ros.errors import ConfigError
from hand_pose_ros.hand.camera import Camera
from hand_pose_ros.models.keypoints import KeypointEncoder, KeypointObservation, canonical_view
from hand_pose_ros.models.lifter import POINTS, Lifter, SamplingConfig
from hand_pose_ros.runtime.detect import Detection
from hand_pose_ros.runtime.engine import AUTO, choose_engine, compile_network
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
    """Lifts the 2D keypoints of all hands of an image in one batch.

    Args:
        encoder: of the observation.
        lifter: of the condition that the encoder makes.
        sampling: how hypotheses are drawn.
        engine: `engine.AUTO` or a key of `engine.ENGINES`.

    Raises:
        ConfigError: no such engine, or one that cannot do this sampling.
        UnavailableError: the engine is not installed.

    Attributes:
        engine: the name of the engine in use.
    """

    def __init__(
        self,
        encoder: KeypointEncoder,
        lifter: Lifter,
        sampling: SamplingConfig | None = None,
        engine: str = AUTO,
    ) -> None:
        self.sampling = sampling or SamplingConfig()
        draws_noise = self.sampling.sampler == "ddpm" or self.sampling.eta > 0.0
        self.engine = choose_engine(engine, draws_noise=draws_noise)
        generator = torch.Generator().manual_seed(NOISE_SEED)
        noise = balanced_noise(self.sampling.hypotheses, generator)
        self._network = _Network(encoder, lifter, self.sampling, noise).eval()
        self._network.requires_grad_(False)
        example = (
            torch.rand((2, POINTS, *axes), generator=generator) for axes in ((2,), (), (3,))
        )
        self._program = compile_network(self.engine, self._network, tuple(example))

    @classmethod
    def from_name(
        cls,
        name: str = "keypoints",
        sampling: SamplingConfig | None = None,
        engine: str = AUTO,
    ) -> KeypointLift:
        """Return the lift of a model of the table, ready to run.

        Raises:
            ConfigError: no such model or engine.
            InputError: the weights are missing or damaged.
            UnavailableError: the engine is not installed.
        """
        return cls(*load_model(name), sampling, engine)

    def __call__(self, detections: Sequence[Detection], camera: Camera) -> list[LiftedHand]:
        """Return one hand for each detection, in their order."""
        if not detections:
            return []
        seen = observe(detections, camera)
        arrays = (part.numpy() for part in (seen.rays, seen.depth, seen.world))
        rows = (row.astype(np.float64) for row in self._program(*arrays))
        return [LiftedHand(*parts) for parts in zip(*rows, strict=True)]


class _Network(torch.nn.Module):
    """From an observation to the fields of `LiftedHand`, in the camera frame."""

    def __init__(
        self,
        encoder: KeypointEncoder,
        lifter: Lifter,
        sampling: SamplingConfig,
        noise: torch.Tensor,
    ) -> None:
        super().__init__()
        self.encoder, self.lifter = encoder, lifter
        self.sampling, self.noise = sampling, noise

    def forward(
        self, rays: torch.Tensor, depth: torch.Tensor, world: torch.Tensor
    ) -> tuple[torch.Tensor, ...]:
        """Return root rotation, articulation, ratios, offsets, std and hypotheses."""
        view = canonical_view(KeypointObservation(rays, depth, world))
        lifted = self.lifter(self.encoder(view.features), self.sampling, self.noise)
        hand = lifted.hand
        if hand is None:
            raise ConfigError("method 'd' has no kinematic hand; it cannot be followed")
        return (
            view.R_canonical_camera.transpose(-1, -2) @ hand.root_rotation,
            hand.articulation,
            hand.bone_lengths,
            hand.offsets,
            lifted.std,
            lifted.hypotheses @ view.R_canonical_camera.unsqueeze(1),
        )


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
