"""From detections to hands in three dimensions: every model of the table, on every engine."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
import torch

from hand_pose_ros.errors import ConfigError, InputError
from hand_pose_ros.hand.camera import Camera
from hand_pose_ros.models.image import ImageEncoder
from hand_pose_ros.models.keypoints import KeypointEncoder, canonical_frame, canonical_view
from hand_pose_ros.models.landmark_network import SIDE, LandmarkNetwork
from hand_pose_ros.models.lifter import Lifter, SamplingConfig, balanced_noise
from hand_pose_ros.models.registry import CONDITIONS, model_entry
from hand_pose_ros.runtime.detect import Detection
from hand_pose_ros.runtime.engine import AUTO, choose_engine, compile_network
from hand_pose_ros.runtime.glimpse import Glimpse, frame_of
from hand_pose_ros.runtime.lift_network import NETWORKS, LiftNetwork, PoolNetwork, WholeNetwork
from hand_pose_ros.runtime.lift_program import compile_lift
from hand_pose_ros.runtime.look import look, observe
from hand_pose_ros.runtime.weights import load_model

NOISE_SEED = 7
"""Seed of the start noise of the hypotheses. It is the same in every frame: the answer is then a
function of the image alone, and what moves in it is the hand."""

GLANCES = tuple((turn, scale) for turn in (-0.2, 0.0, 0.2) for scale in (0.9, 1.1))
"""How `ModelLift.glances` look: turned about the line of sight [rad], and how much wider."""


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
        network: what it executes, behind the image network where there is one.
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
        self._turn, self._scale = 0.0, 1.0
        self.sampling = sampling or SamplingConfig()
        draws_noise = self.sampling.sampler == "ddpm" or self.sampling.eta > 0.0
        self.engine = choose_engine(engine, draws_noise=draws_noise)
        self.network = lift_network(encoder, lifter, self.sampling, condition)
        generator = torch.Generator().manual_seed(NOISE_SEED)
        example = (torch.rand((2, *axes), generator=generator) for axes in self.network.shapes)
        self._program = compile_lift(self.engine, self.network, tuple(example))
        if isinstance(encoder, ImageEncoder):
            patch = torch.zeros((2, SIDE, SIDE, 3), dtype=torch.uint8)
            self._pool = compile_network(self.engine, PoolNetwork(encoder.look).eval(), (patch,))

    @property
    def uses_glimpses(self) -> bool:
        """Whether it can lift what a detector's landmark network saw, see `glimpse`."""
        encoder = self.network.encoder
        return isinstance(encoder, ImageEncoder) and isinstance(encoder.look, LandmarkNetwork)

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

    def glances(self) -> list[ModelLift]:
        """Return this lift several times, each looking at the hands a little differently.

        For the mean of what they say, where there is time. A model that sees no image says the
        same each time.
        """
        several = [copy(self) for _ in GLANCES]
        for lift, (turn, scale) in zip(several, GLANCES, strict=True):
            lift._turn, lift._scale = turn, scale
        return several

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
        if self.condition == "keypoints":
            seen = observe(detections, camera)
            arrays = [part.numpy() for part in (seen.rays, seen.depth, seen.world)]
        elif image_rgb is None:
            raise InputError(f"a model of condition {self.condition!r} needs the image")
        else:
            arrays = self._seen(detections, camera, image_rgb)
        rows = (row.astype(np.float64, copy=False) for row in self._program(*arrays))
        return [LiftedHand(*parts) for parts in zip(*rows, strict=True)]

    def _seen(
        self,
        detections: Sequence[Detection],
        camera: Camera,
        image_rgb: npt.NDArray[np.uint8],
    ) -> list[npt.NDArray[np.float32]]:
        """Return what the network is given of an image: of glimpses, or of looks of its own."""
        glimpses = self._glimpses(detections)
        if glimpses:
            views = [glimpse.view for glimpse in glimpses]
            pooled = np.stack([glimpse.pooled for glimpse in glimpses])
            half_widths = np.array([view.half_width for view in views], np.float32)
            R = np.array([view.R_view_camera for view in views], np.float32)
            frame = frame_of(views) if self.condition == "fused" else None
        else:
            rays = observe(detections, camera).rays
            frame = canonical_frame(rays, turn=torch.full((len(detections),), self._turn))
            patches, half_widths = look(detections, camera, image_rgb, frame, self._scale)
            (pooled,) = self._pool(patches)
            R = frame.R_canonical_camera.numpy()
        arrays = [pooled, half_widths, R]
        if self.condition == "fused":
            arrays.append(canonical_view(observe(detections, camera), frame).features.numpy())
        return arrays

    def _glimpses(self, detections: Sequence[Detection]) -> list[Glimpse]:
        """Return what the detector saw of the hands where that is of use for all, else nothing."""
        if not self.uses_glimpses or self._turn or self._scale != 1.0:
            return []
        glimpses = [
            hand.glimpse
            for hand in detections
            if hand.glimpse is not None and hand.glimpse.serves(hand.side)
        ]
        return glimpses if len(glimpses) == len(detections) else []


def lift_network(
    encoder: KeypointEncoder, lifter: Lifter, sampling: SamplingConfig, condition: str
) -> LiftNetwork:
    """Return what lifts what was seen, with the start noise of `NOISE_SEED`."""
    noise = balanced_noise(sampling.hypotheses, torch.Generator().manual_seed(NOISE_SEED))
    network = NETWORKS[condition](encoder, lifter, sampling, noise)
    return network.eval().requires_grad_(False)


def whole_network(name: str, sampling: SamplingConfig | None = None) -> WholeNetwork:
    """Return a model of the table as one program: from what is seen and noise to joints.

    Raises:
        ConfigError: no such model.
        InputError: the weights are missing or damaged.
    """
    parts = load_model(name)
    network = lift_network(*parts, sampling or SamplingConfig(), model_entry(name).condition)
    return WholeNetwork(network).eval()
