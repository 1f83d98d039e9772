"""Kinematic hands before a camera, and what an imperfect keypoint detector would say of them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from hand_pose_ros.data.synthetic.body.poses import sample_articulation, sample_wrist_rotation
from hand_pose_ros.data.synthetic.body.shapes import (
    sample_anchor_length,
    sample_offsets,
    sample_ratios,
)
from hand_pose_ros.data.synthetic.draws import Draws, Lasting, SeparateDraws
from hand_pose_ros.errors import ConfigError
from hand_pose_ros.hand.kinematics import HandParameters, forward_kinematics
from hand_pose_ros.hand.projection import view_rotation
from hand_pose_ros.hand.rotations import matrix_from_euler
from hand_pose_ros.models.keypoints import KeypointObservation

_FINGER_OF = torch.tensor([0, *(finger for finger in range(5) for _ in range(4))])
_BASE_OF = [0, *(base for base in (1, 5, 9, 13, 17) for _ in range(4))]
_MCPS, _PIPS = [5, 9, 13, 17], [6, 10, 14, 18]
_DIPS, _TIPS = [3, 7, 11, 15, 19], [4, 8, 12, 16, 20]
# How much of a finger's common error reaches each keypoint: little at its base, all at its tip.
_REACH = torch.tensor([0.0, *((0.25, 0.5, 0.75, 1.0) * 5)])


@dataclass(frozen=True)
class NoiseConfig:
    """How a keypoint detector errs, in units of the root-mean-square radius of the hand in view.

    Attributes:
        white: standard deviation of each keypoint on its own, per axis.
        finger: of the tip of a whole finger that is off together.
        wrist: of the wrist, on whose place detectors and datasets agree least.
        outlier: share of fingers that are grossly wrong.
        depth_finger: like `finger`, for the depth of relative depths and of the detector's 3D
        points. tilt: of their whole hand about the axes of the image [rad]; a detector is less
        sure which
            way a palm leans than how its fingers are bent.
        depth_flip: share of hands with fingers whose depth has the wrong sign.
        knuckle: how far a detector that looks at a palm sets the finger MCPs towards the PIPs,
            where the crease is, over the length of that bone; MediaPipe does so on our renders.
        tip: how far it sets tips towards the DIPs, likewise.
        definition: standard deviation of both over hands.
        focal: relative error of the assumed focal length, for a third of the hands.
    """

    white: float = 0.045
    finger: float = 0.09
    wrist: float = 0.09
    outlier: float = 0.02
    depth_finger: float = 0.3
    tilt: float = 0.25
    depth_flip: float = 0.08
    knuckle: float = 0.12
    tip: float = 0.1
    definition: float = 0.08
    focal: float = 0.15

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not 0.0 <= value <= 1.0:
                raise ConfigError(f"noise {name} is {value}; allowed are 0 to 1")

    def scaled(self, factor: float) -> NoiseConfig:
        """Return the noise of worse pictures: of all that differs from image to image."""
        names = ("white", "finger", "wrist", "depth_finger", "tilt")
        return replace(self, **{name: min(factor * getattr(self, name), 1.0) for name in names})


@dataclass(frozen=True)
class SampledHands:
    """A batch of right hands with what a detector says of them.

    Attributes:
        observation: noisy keypoints, relative depth and 3D points.
        hand: the true parameters; `bone_lengths` in units of the anchor bone.
        joints: (batch, 21, 3) true joints in the same unit, camera axes, wrist at the origin.
        wrist: (batch, 3) true wrist in the camera frame [m].
        anchor: (batch, 1) true length of the anchor bone [m].
    """

    observation: KeypointObservation
    hand: HandParameters
    joints: Tensor
    wrist: Tensor
    anchor: Tensor

    @property
    def placed(self) -> Float[Tensor, "batch 21 3"]:
        """The true joints in the camera frame [m]."""
        return self.joints * self.anchor.unsqueeze(-1) + self.wrist.unsqueeze(-2)


def sample_hands(count: int, generator: torch.Generator, noise: NoiseConfig) -> SampledHands:
    """Draw hands with realistic poses, proportions and views, seen in true perspective.

    Distances are log-uniform from 0.2 to 1.6 m; the hand is anywhere within 27 degrees of the
    optical axis.
    """
    hand = HandParameters(
        sample_wrist_rotation(count, generator),
        sample_articulation(count, generator),
        sample_ratios(count, generator),
        sample_offsets(count, generator),
    )
    joints = forward_kinematics(hand).positions
    anchor = sample_anchor_length(count, generator)
    wrist = sample_place(joints * anchor.unsqueeze(-1), generator)
    placed = joints * anchor.unsqueeze(-1) + wrist.unsqueeze(-2)
    observation = simulated_detection(placed, hand.root_rotation[..., 2], generator, noise)
    return SampledHands(observation, hand, joints, wrist, anchor)


def simulated_detection(
    points: Float[Tensor, "batch 21 3"],
    back: Float[Tensor, "batch 3"],
    generator: torch.Generator,
    noise: NoiseConfig,
) -> KeypointObservation:
    """Return what a keypoint detector says of right hands, with its errors.

    Args:
        points: true joints [m] in the camera frame.
        back: direction out of the back of the hand.
        generator: source of all randomness.
        noise: how it errs.
    """
    return detection_along(points, back, SeparateDraws(generator), noise)


def detection_along(
    points: Float[Tensor, "batch 21 3"],
    back: Float[Tensor, "batch 3"],
    draws: Draws,
    noise: NoiseConfig,
) -> KeypointObservation:
    """Return `simulated_detection` with errors from any source, such as along tracks."""
    return _observe(_as_marked(points, back, draws, noise), draws, noise)


def sample_place(joints: Tensor, generator: torch.Generator) -> Tensor:
    """Return wrists that put the middle of each hand at a drawn distance and direction."""
    count = len(joints)
    distance = 0.2 * 8.0 ** torch.rand(count, 1, generator=generator)
    ray = (torch.rand(count, 2, generator=generator) - 0.5) * 1.0
    middle = torch.cat((ray, torch.ones(count, 1)), dim=-1) * distance
    wrist = middle - joints.mean(dim=-2)
    nearest = (joints[..., 2] + wrist[:, 2:]).amin(dim=-1, keepdim=True)
    closer = (0.08 - nearest).clamp_min(0.0)
    return wrist + closer * torch.cat((ray, torch.ones(count, 1)), dim=-1)


def _as_marked(points: Tensor, back: Tensor, draws: Draws, noise: NoiseConfig) -> Tensor:
    """Return the joints where a detector takes them to be, which depends on the visible side.

    Args:
        points: (batch, 21, 3) in the camera frame.
        back: (batch, 3) direction out of the back of the hand.
        draws: source of all randomness.
        noise: how far, and how differently from hand to hand.
    """
    view = torch.nn.functional.normalize(points.mean(dim=-2), dim=-1)
    palm_seen = (back * view).sum(-1).clamp_min(0.0).reshape(-1, 1, 1)
    spread = noise.definition * draws.normal(len(points), 2, 1, 1, lasting=Lasting.TRACK)
    knuckle = noise.knuckle * palm_seen + spread[:, 0]
    tip = noise.tip + spread[:, 1]
    marked = points.clone()
    marked[:, _MCPS] += knuckle * (points[:, _PIPS] - points[:, _MCPS])
    marked[:, _TIPS] += tip * (points[:, _DIPS] - points[:, _TIPS])
    return marked


def _observe(
    points: Float[Tensor, "batch 21 3"], draws: Draws, noise: NoiseConfig
) -> KeypointObservation:
    """Return what a detector says of metric points [m] in the camera frame."""
    count = len(points)
    level = 0.3 + 1.1 * draws.uniform(count, 1, 1, lasting=Lasting.POSE)
    rays = points[..., :2] / points[..., 2:]
    size = radius_of(rays)
    error = _keypoint_error(count, 2, noise.white, noise.finger, draws) * level
    error[:, 0] += noise.wrist * draws.normal(count, 2, lasting=Lasting.SHAKING) * level[:, 0]
    wrong = draws.uniform(count, 5, 1, lasting=Lasting.POSE) < noise.outlier
    gross = draws.normal(count, 5, 2, lasting=Lasting.POSE) * wrong * 0.6
    error = error + gross[:, _FINGER_OF] * _REACH.unsqueeze(-1)
    seen, depth_scale = rays + error * size, points[..., 2].mean(dim=-1, keepdim=True)
    depth = _own_points(points, level, (0.25, 1.0), draws, noise)[..., 2]
    depth = (depth - depth[:, :1]) / depth_scale
    world = _own_points(points, level, (0.7, 1.2), draws, noise)
    return KeypointObservation(_wrong_focal(seen, draws, noise), depth, world)


def _own_points(
    points: Tensor,
    level: Tensor,
    gains: tuple[float, float],
    draws: Draws,
    noise: NoiseConfig,
) -> Tensor:
    """Return the detector's own 3D points: the hand tilted, bent, with shrunk or flipped depth."""
    count = len(points)
    centred = _towards_axis(points)
    radius = centred.square().sum(-1).mean(-1).sqrt()[:, None, None]
    error = _keypoint_error(count, 3, noise.white, noise.finger, draws)
    depth_error = _keypoint_error(count, 1, noise.white, noise.depth_finger, draws)
    error = error + torch.nn.functional.pad(depth_error, (2, 0))
    low, high = gains
    gain = low + (high - low) * draws.uniform(count, 1, lasting=Lasting.POSE)
    flipped = draws.uniform(count, 1, lasting=Lasting.POSE) < noise.depth_flip
    finger_flips = draws.uniform(count, 5, lasting=Lasting.POSE) < 0.6
    sign = 1.0 - 2.0 * (flipped & finger_flips)[:, _FINGER_OF].float()
    base = centred[:, _BASE_OF]
    depth = base[..., 2] + (centred[..., 2] - base[..., 2]) * sign
    bent = torch.stack((centred[..., 0], centred[..., 1], depth * gain), dim=-1)
    tilt = (
        noise.tilt * draws.normal(count, 3, lasting=Lasting.POSE) * torch.tensor((0.4, 1.0, 1.0))
    )
    return bent @ matrix_from_euler(tilt).transpose(-1, -2) + error * level * radius


def _towards_axis(points: Tensor) -> Tensor:
    """Return points about their mean as a camera that looks straight at them has its axes."""
    middle = points.mean(dim=-2)
    rotation = view_rotation(middle[..., :2] / middle[..., 2:])
    return (points - middle.unsqueeze(-2)) @ rotation.transpose(-1, -2)


def _keypoint_error(count: int, axes: int, white: float, finger: float, draws: Draws) -> Tensor:
    """Return (count, 21, axes): own error of each keypoint and one common to each finger."""
    own = white * draws.normal(count, 21, axes, lasting=Lasting.SHAKING)
    common = finger * draws.normal(count, 5, axes, lasting=Lasting.SHAKING)
    return own + common[:, _FINGER_OF] * _REACH.unsqueeze(-1)


def radius_of(rays: Float[Tensor, "batch 21 2"]) -> Float[Tensor, "batch 1 1"]:
    """Return the root-mean-square radius of each hand in view."""
    centred = rays - rays.mean(dim=-2, keepdim=True)
    return centred.square().sum(-1).mean(-1).sqrt()[:, None, None]


def _wrong_focal(rays: Tensor, draws: Draws, noise: NoiseConfig) -> Tensor:
    """Scale the rays of a third of the hands, as a guessed focal length would."""
    count = len(rays)
    factor = torch.exp(noise.focal * draws.normal(count, 1, 1, lasting=Lasting.TRACK))
    guessed = draws.uniform(count, 1, 1, lasting=Lasting.TRACK) < 1.0 / 3.0
    return rays * torch.where(guessed, factor, torch.ones_like(factor))
