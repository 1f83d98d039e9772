"""From detections to hands in three dimensions: every model of the table, on every engine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
import torch

from hand_pose_ros.errors import ConfigError, InputError
from hand_pose_ros.hand.camera import Camera
from hand_pose_ros.models.image import ImageEncoder
from hand_pose_ros.models.keypoints import (
    FEATURES,
    KeypointEncoder,
    KeypointObservation,
    canonical_frame,
    canonical_view,
)
from hand_pose_ros.models.landmark_network import SIDE
from hand_pose_ros.models.lifter import POINTS, Lifted, Lifter, SamplingConfig
from hand_pose_ros.models.registry import CONDITIONS, model_entry
from hand_pose_ros.runtime.detect import Detection
from hand_pose_ros.runtime.engine import AUTO, choose_engine, compile_network
from hand_pose_ros.runtime.look import look, observe
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

    def __call__(
        self,
        detections: Sequence[Detection],
        camera: Camera,
        image_rgb: npt.NDArray[np.uint8] | None = None,
    ) -> list[LiftedHand]:
        """Return one hand for each detection, in their order; not every lift needs the image."""
        ...


class ModelLift:
    """Lifts all hands of an image in one batch.

    Args:
        encoder: of what is seen.
        lifter: of the condition that the encoder makes.
        sampling: how hypotheses are drawn.
        engine: `engine.AUTO` or a key of `engine.ENGINES`.
        condition: what the encoder is given, one of `registry.CONDITIONS`.

    Raises:
        ConfigError: no such engine or condition, or an engine that cannot do this sampling.
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
        condition: str = "keypoints",
    ) -> None:
        if condition not in CONDITIONS:
            raise ConfigError(
                f"condition {condition!r} is unknown; there are {', '.join(CONDITIONS)}"
            )
        self.condition = condition
        self.sampling = sampling or SamplingConfig()
        draws_noise = self.sampling.sampler == "ddpm" or self.sampling.eta > 0.0
        self.engine = choose_engine(engine, draws_noise=draws_noise)
        generator = torch.Generator().manual_seed(NOISE_SEED)
        noise = balanced_noise(self.sampling.hypotheses, generator)
        self._network = _NETWORKS[condition](encoder, lifter, self.sampling, noise).eval()
        self._network.requires_grad_(False)
        example = (torch.rand((2, *axes), generator=generator) for axes in self._network.shapes)
        self._program = compile_network(self.engine, self._network, tuple(example))

    @classmethod
    def from_name(
        cls,
        name: str = "keypoints",
        sampling: SamplingConfig | None = None,
        engine: str = AUTO,
    ) -> ModelLift:
        """Return the lift of a model of the table, ready to run.

        Raises:
            ConfigError: no such model or engine.
            InputError: the weights are missing or damaged.
            UnavailableError: the engine is not installed.
        """
        return cls(*load_model(name), sampling, engine, model_entry(name).condition)

    def __call__(
        self,
        detections: Sequence[Detection],
        camera: Camera,
        image_rgb: npt.NDArray[np.uint8] | None = None,
    ) -> list[LiftedHand]:
        """Return one hand for each detection, in their order.

        Raises:
            InputError: the model sees images, and there is none.
        """
        if not detections:
            return []
        seen = observe(detections, camera)
        if self.condition == "keypoints":
            arrays = [part.numpy() for part in (seen.rays, seen.depth, seen.world)]
        else:
            if image_rgb is None:
                raise InputError(f"a model of condition {self.condition!r} needs the image")
            frame = canonical_frame(seen.rays)
            patches, half_widths = look(detections, camera, image_rgb, frame)
            arrays = [patches, half_widths, frame.R_canonical_camera.numpy()]
            if self.condition == "fused":
                arrays.append(canonical_view(seen, frame).features.numpy())
        rows = (row.astype(np.float64) for row in self._program(*arrays))
        return [LiftedHand(*parts) for parts in zip(*rows, strict=True)]


class _Network(torch.nn.Module):
    """From what is seen to the fields of `LiftedHand`, in the camera frame.

    Attributes:
        shapes: of one row of each input.
    """

    shapes: tuple[tuple[int, ...], ...]

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

    def lift(self, condition: torch.Tensor, R: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Return root rotation, articulation, ratios, offsets, std and hypotheses.

        R turns the camera frame into that in which the condition is lifted.
        """
        lifted: Lifted = self.lifter(condition, self.sampling, self.noise)
        hand = lifted.hand
        if hand is None:
            raise ConfigError("method 'd' has no kinematic hand; it cannot be followed")
        return (
            R.transpose(-1, -2) @ hand.root_rotation,
            hand.articulation,
            hand.bone_lengths,
            hand.offsets,
            lifted.std,
            lifted.hypotheses @ R.unsqueeze(1),
        )


class _KeypointNetwork(_Network):
    """Of an observation."""

    shapes = ((POINTS, 2), (POINTS,), (POINTS, 3))

    def forward(
        self, rays: torch.Tensor, depth: torch.Tensor, world: torch.Tensor
    ) -> tuple[torch.Tensor, ...]:
        view = canonical_view(KeypointObservation(rays, depth, world))
        return self.lift(self.encoder(view.features), view.R_canonical_camera)


class _ImageNetwork(_Network):
    """Of a view of a hand, its width and its frame."""

    shapes: tuple[tuple[int, ...], ...] = ((3, SIDE, SIDE), (), (3, 3))
    encoder: ImageEncoder

    def forward(
        self, patch: torch.Tensor, half_width: torch.Tensor, R: torch.Tensor
    ) -> tuple[torch.Tensor, ...]:
        return self.lift(self.encoder(patch, half_width), R)


class _FusedNetwork(_Network):
    """Of a view of a hand, its width and its frame, and keypoint features in that frame."""

    shapes = ((3, SIDE, SIDE), (), (3, 3), (FEATURES,))
    encoder: ImageEncoder

    def forward(
        self,
        patch: torch.Tensor,
        half_width: torch.Tensor,
        R: torch.Tensor,
        features: torch.Tensor,
    ) -> tuple[torch.Tensor, ...]:
        return self.lift(self.encoder(patch, half_width, features), R)


_NETWORKS: dict[str, type[_Network]] = {
    "keypoints": _KeypointNetwork,
    "image": _ImageNetwork,
    "fused": _FusedNetwork,
}


def balanced_noise(count: int, generator: torch.Generator) -> torch.Tensor:
    """Return (count, 21, 3) standard normal noise in pairs of opposite sign.

    Opposite starts cancel the part of the hypotheses that is odd in the noise, so that their mean
    is steadier than that of as many independent ones (antithetic variates).
    """
    half = torch.randn(((count + 1) // 2, POINTS, 3), generator=generator)
    return torch.cat((half, -half))[:count]
