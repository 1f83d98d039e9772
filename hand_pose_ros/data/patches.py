"""Training rows of the image route: what a virtual camera sees of a rendered hand, and its truth.

As at run time the virtual camera follows keypoints that a detector gave, here a simulated one, and
looks a little beside where they say.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from hand_pose_ros.data.synthetic.keypoints import NoiseConfig, SampledHands, simulated_detection
from hand_pose_ros.data.synthetic.sample import SynthHand, SynthSample
from hand_pose_ros.errors import ConfigError
from hand_pose_ros.hand import skeleton
from hand_pose_ros.hand.camera import Camera
from hand_pose_ros.hand.kinematics import HandParameters, forward_kinematics, mirror_rotation
from hand_pose_ros.hand.virtual_camera import VirtualCamera
from hand_pose_ros.models.image import VIEW_RADII
from hand_pose_ros.models.keypoints import CanonicalFrame, KeypointObservation, canonical_frame
from hand_pose_ros.models.landmark_network import SIDE

_ROOT_ANGLES = len(skeleton.DOFS) - len(skeleton.ARTICULATION)

_LEAST_BLUR = 0.3
"""Standard deviation [px] of a blur that can be seen."""
LEAST_VISIBLE = 6
"""Visible joints from which a hand of several is worth a look."""


@dataclass(frozen=True)
class AugmentConfig:
    """How a view differs from the one that is asked for: standard deviations where not said.

    Attributes:
        shift: of where the virtual camera looks, in radii of the hand in view.
        scale: of the logarithm of how wide it sees.
        turn: about its axis [rad].
        colour: of the logarithm of the gain of each channel; half of it of the common exposure,
            somewhat more of the exponent of the tone curve.
        blur: most blur of a third of the views [px of the view].
        noise: most noise of a third of the views, of 255 levels.
        grey: share of views without colour.
    """

    shift: float = 0.08
    scale: float = 0.12
    turn: float = 0.12
    colour: float = 0.12
    blur: float = 2.0
    noise: float = 8.0
    grey: float = 0.05

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not 0.0 <= value <= 64.0:
                raise ConfigError(f"augment {name} is {value}; allowed are 0 to 64")


@dataclass(frozen=True)
class SeenHands:
    """A batch of right hands with their views.

    Attributes:
        hands: what is true of them, and what a detector says.
        patch: (batch, 3, SIDE, SIDE) uint8, RGB.
        half_width: (batch,) half the side of the view at depth 1.
        shift: (batch, 2) how far beside the hand it looks, see `canonical_frame`.
        turn: (batch,) how far it is turned from upright [rad].
        visible: (batch, 21) bool, joints inside the image that nothing hides.
    """

    hands: SampledHands
    patch: Tensor
    half_width: Tensor
    shift: Tensor
    turn: Tensor
    visible: Tensor

    @property
    def frame(self) -> CanonicalFrame:
        """The virtual cameras."""
        return canonical_frame(self.hands.observation.rays, self.shift, self.turn)


class PatchTransform:
    """Makes a `SeenHands` of one row of each sample; the same sample gives the same row.

    Args:
        noise: of the simulated detector.
        augment: of the views.
        seed: of both.
    """

    def __init__(self, noise: NoiseConfig, augment: AugmentConfig, seed: int = 0) -> None:
        self._noise, self._augment, self._seed = noise, augment, seed

    def __call__(self, sample: SynthSample) -> SeenHands:
        """Return one hand of a sample, drawn among those of which something is seen."""
        random = np.random.default_rng([self._seed, sample.index])
        seen = [hand for hand in sample.hands if hand.visible.sum() >= LEAST_VISIBLE]
        hands = seen or [max(sample.hands, key=lambda hand: int(hand.visible.sum()))]
        hand = hands[int(random.integers(len(hands)))]
        return self.seen(sample.image_rgb, sample.camera, hand, random)

    def seen(
        self,
        image_rgb: npt.NDArray[np.uint8],
        camera: Camera,
        hand: SynthHand,
        random: np.random.Generator,
    ) -> SeenHands:
        """Return one view of a hand in an image."""
        generator = torch.Generator().manual_seed(int(random.integers(2**62)))
        hands = sampled_hand(hand)
        camera, factor = self._guessed(camera, random)
        back, noise = hands.hand.root_rotation[..., 2], replace(self._noise, focal=0.0)
        observation = simulated_detection(hands.placed, back, generator, noise)
        observation = replace(observation, rays=observation.rays * factor)
        hands = replace(hands, observation=observation)
        augment = self._augment
        shift = torch.from_numpy(random.normal(0.0, augment.shift, (1, 2))).float()
        turn = torch.from_numpy(random.normal(0.0, augment.turn, 1)).float()
        frame = canonical_frame(observation.rays, shift, turn)
        width = float(frame.radius) * VIEW_RADII * float(np.exp(random.normal(0.0, augment.scale)))
        R = frame.R_canonical_camera[0].double().numpy()
        view = VirtualCamera(R, width, mirrored=hand.side == "left")
        patch = shaken(view.see(image_rgb, camera, SIDE), augment, random)
        rgb = torch.from_numpy(np.ascontiguousarray(patch.transpose(2, 0, 1)))
        visible = torch.from_numpy(np.asarray(hand.visible, dtype=bool)).unsqueeze(0)
        return SeenHands(hands, rgb.unsqueeze(0), torch.tensor([width]), shift, turn, visible)

    def _guessed(self, camera: Camera, random: np.random.Generator) -> tuple[Camera, float]:
        """Return the camera as a third of the users know it: with a guessed focal length.

        And by how much rays are longer then.
        """
        factor = float(np.exp(self._noise.focal * random.standard_normal()))
        if random.random() > 1.0 / 3.0 or camera.is_distorted:
            return camera, 1.0
        K = camera.K.copy()
        K[:2, :2] /= factor
        return replace(camera, K=K), factor


def sampled_hand(hand: SynthHand) -> SampledHands:
    """Return the truth of a rendered hand as a batch of one right hand, seen without error."""
    flip = np.array((-1.0 if hand.side == "left" else 1.0, 1.0, 1.0))
    points = _tensor(hand.keypoints * flip)
    rotation = _tensor(hand.T_cam_wrist[:3, :3])
    lengths = _tensor(hand.bone_lengths)
    anchor = lengths[:, skeleton.ANCHOR_BONE, None]
    parameters = HandParameters(
        mirror_rotation(rotation) if hand.side == "left" else rotation,
        _tensor(hand.angles[_ROOT_ANGLES:]),
        lengths / anchor,
        _tensor(hand.offsets),
    )
    joints = forward_kinematics(parameters).positions
    rays = points[..., :2] / points[..., 2:]
    depth = (points[..., 2] - points[:, :1, 2]) / points[:, :1, 2]
    observation = KeypointObservation(rays, depth, points - points[:, :1])
    return SampledHands(observation, parameters, joints, points[:, 0], anchor)


def shaken(
    patch: npt.NDArray[np.uint8], augment: AugmentConfig, random: np.random.Generator
) -> npt.NDArray[np.uint8]:
    """Return a view in other light, sometimes blurred, noisy or without colour."""
    import cv2

    gain = np.exp(augment.colour * (random.standard_normal(3) + 0.5 * random.standard_normal()))
    gamma = float(np.exp(1.25 * augment.colour * random.standard_normal()))
    levels = 255.0 * (np.arange(256) / 255.0)[:, None] ** gamma * gain
    table = np.clip(levels, 0.0, 255.0).astype(np.uint8)
    patch = np.asarray(cv2.LUT(patch, table.reshape(256, 1, 3)), np.uint8)
    if random.random() < augment.grey:
        patch = np.repeat(patch.mean(axis=-1, keepdims=True).astype(np.uint8), 3, axis=-1)
    if random.random() < 1.0 / 3.0 and augment.blur > _LEAST_BLUR:
        sigma = random.uniform(_LEAST_BLUR, augment.blur)
        patch = np.asarray(cv2.GaussianBlur(patch, (0, 0), sigma), np.uint8)
    if random.random() < 1.0 / 3.0:
        grain = random.normal(0.0, random.uniform(0.0, augment.noise), patch.shape)
        patch = np.clip(patch + grain, 0.0, 255.0).astype(np.uint8)
    return patch


def collate(rows: list[SeenHands]) -> SeenHands:
    """Return rows as one batch."""
    batch: SeenHands = _joined(rows)
    return batch


def _joined(parts: list[Any]) -> Any:
    first = parts[0]
    if isinstance(first, Tensor):
        return torch.cat(parts)
    names = vars(first)
    return type(first)(**{name: _joined([getattr(p, name) for p in parts]) for name in names})


def _tensor(array: npt.NDArray[np.float64]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32)).unsqueeze(0)
