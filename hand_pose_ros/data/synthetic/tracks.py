"""Hands that move as people's do, and what a detector that follows them would say, as tensors.

The articulated hands are those of `keypoints.sample_hands`; here each goes from pose to pose with
minimum jerk, rests, or goes back to where it came from, as in waving, counting and grasping.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from hand_pose_ros.data.synthetic.body.poses import sample_articulation, sample_wrist_rotation
from hand_pose_ros.data.synthetic.body.shapes import (
    sample_anchor_length,
    sample_offsets,
    sample_ratios,
)
from hand_pose_ros.data.synthetic.draws import TrackDraws
from hand_pose_ros.data.synthetic.keypoints import (
    NoiseConfig,
    SampledHands,
    detection_along,
    sample_place,
)
from hand_pose_ros.errors import ConfigError, ShapeError
from hand_pose_ros.hand import skeleton
from hand_pose_ros.hand.kinematics import HandParameters, forward_kinematics
from hand_pose_ros.hand.rotations import matrix_from_quaternion

_STEP_S = (0.25, 1.3)
"""How long one movement takes; log-uniform."""
_REST, _BACK, _SMALL = 0.25, 0.3, 0.35
"""Shares of steps in which a hand stays, goes back to the pose before the last, or moves only a
part of the way to its next pose."""
_TURN_RAD, _WAY = 0.5, 0.08
"""Standard deviation of the keyframes' turn about the home, and way from it over the distance."""
_LAG_S = 0.04
"""Standard deviation of how much later or earlier one joint moves than the others."""
_SWAY_RAD, _TREMOR_RAD = 0.016, 0.001
"""Most amplitude of the slow sway and of the tremor of joints at rest."""
_CLEAR = 0.08
"""Least distance of a joint from the camera [m]."""


@dataclass(frozen=True)
class TrackConfig:
    """How tracks are sampled.

    Attributes:
        frames: of one track.
        slot_s: mean time between two frames [s].
        uneven: most that a frame is early or late, over `slot_s`; each track has its own share.
        settle_s: time after which the slowly changing errors of a hand at rest are others.
        settle_way: mean way of its joints, over the anchor bone, after which they are.
        shake: most share of a keypoint's error variance that is new in every frame; each track
            has its own, log-uniform down to a 200th of it.
        worst: how many times more than in good pictures a detector errs in the worst.
    """

    frames: int = 40
    slot_s: float = 1.0 / 30.0
    uneven: float = 0.45
    settle_s: float = 2.0
    settle_way: float = 0.5
    shake: float = 1.0
    worst: float = 2.0

    def __post_init__(self) -> None:
        if self.frames < 2:
            raise ConfigError(f"frames is {self.frames}; at least 2 make a track")
        for name in ("slot_s", "settle_s", "settle_way"):
            if not getattr(self, name) > 0.0:
                raise ConfigError(f"{name} is {getattr(self, name)}; it must be above 0")
        if not 0.0 <= self.uneven < 0.5:
            raise ConfigError(f"uneven is {self.uneven}; allowed are 0 up to, not including, 0.5")
        if not 0.0 <= self.shake <= 1.0 or self.worst < 1.0:
            raise ConfigError(
                f"shake is {self.shake}, worst is {self.worst}; allowed are 0 to 1, and 1 or more"
            )


@dataclass(frozen=True)
class SampledTracks:
    """Hands followed over time.

    Attributes:
        hands: all frames of the first track, then of the next; (track * frame) rows.
        times: (track, frame) [s], rising.
    """

    hands: SampledHands
    times: Tensor


def sample_tracks(
    count: int, generator: torch.Generator, noise: NoiseConfig, config: TrackConfig
) -> SampledTracks:
    """Draw tracks of moving hands, and what a detector that follows them says.

    The pictures of all of them are equally bad; how bad is drawn.
    """
    noise = noise.scaled(config.worst ** torch.rand(1, generator=generator).item())
    times = _sample_times(count, generator, config)
    hand, way = _move(times, generator)
    joints = forward_kinematics(hand).positions
    anchor = sample_anchor_length(count, generator).repeat_interleave(config.frames, dim=0)
    sized = joints * anchor.unsqueeze(-1)
    wrist = _place(sized.unflatten(0, times.shape), way, generator).flatten(0, 1)
    draws = TrackDraws(
        _error_clock(joints.unflatten(0, times.shape), times, config),
        config.shake * 0.005 ** torch.rand(count, generator=generator),
        generator,
    )
    back = hand.root_rotation[..., 2]
    observation = detection_along(sized + wrist.unsqueeze(-2), back, draws, noise)
    return SampledTracks(SampledHands(observation, hand, joints, wrist, anchor), times)


def interpolate(keys: Tensor, at: Tensor, times: Tensor) -> Float[Tensor, "track frame value"]:
    """Return values that go from key to key with minimum jerk, each at times of its own.

    Before the first and after the last key they rest there.

    Args:
        keys: (track, key, value).
        at: (track, key) their times [s], rising.
        times: (track, frame, value) at which values are wanted [s].

    Raises:
        ShapeError: the shapes do not belong together.

    Source: Flash and Hogan 1985.
    """
    if keys.shape[:2] != at.shape or keys.shape[::2] != times.shape[::2]:
        raise ShapeError(
            f"keys have shape {tuple(keys.shape)}, at {tuple(at.shape)}, times "
            f"{tuple(times.shape)}; (track, key, value), (track, key), (track, frame, value) fit"
        )
    start, end = at[:, :-1, None, None], at[:, 1:, None, None]
    share = ((times.unsqueeze(1) - start) / (end - start)).clamp(0.0, 1.0)
    share = share**3 * (10.0 - 15.0 * share + 6.0 * share.square())
    return keys[:, :1] + (share * keys.diff(dim=1).unsqueeze(2)).sum(1)


def _sample_times(count: int, generator: torch.Generator, config: TrackConfig) -> Tensor:
    even = torch.arange(config.frames) * config.slot_s
    most = config.uneven * torch.rand(count, 1, generator=generator)
    late = most * (2.0 * torch.rand(count, config.frames, generator=generator) - 1.0)
    is_even = torch.rand(count, 1, generator=generator) < 0.5
    return even + config.slot_s * late * ~is_even


def _move(times: Tensor, generator: torch.Generator) -> tuple[HandParameters, Tensor]:
    """Return the hands of all frames, and their ways (track, frame, 3) over their distance."""
    count, frames = times.shape
    low, high = _STEP_S
    keys = 2 + int(times[:, -1].max().item() / low)
    steps = low * (high / low) ** torch.rand(count, keys - 1, generator=generator)
    at = torch.nn.functional.pad(steps.cumsum(dim=1), (1, 0))
    # The first movement has begun before the first frame.
    at = at - steps[:, :1] * torch.rand(count, 1, generator=generator)
    posed = sample_articulation(count * keys, generator).unflatten(0, (count, keys))
    turned = _TURN_RAD * torch.randn(count, keys, 3, generator=generator)
    gone = _WAY * torch.randn(count, keys, 3, generator=generator)
    visited = _visit(torch.cat((posed, turned, gone), dim=-1), generator)
    lag = _LAG_S * torch.randn(count, 1, visited.shape[-1], generator=generator)
    path = interpolate(visited, at, times.unsqueeze(-1) + lag)
    articulation, turn, way = path.split((posed.shape[-1], 3, 3), dim=-1)
    bounds = torch.tensor(skeleton.ARTICULATION_LIMITS).unbind(-1)
    articulation = (articulation + _sway(times, posed.shape[-1], generator)).clamp(*bounds)
    home = sample_wrist_rotation(count, generator).unsqueeze(1)
    rotation = _rotation(turn + _sway(times, 3, generator)) @ home
    hand = HandParameters(
        rotation.flatten(0, 1),
        articulation.flatten(0, 1),
        sample_ratios(count, generator).repeat_interleave(frames, dim=0),
        sample_offsets(count, generator).repeat_interleave(frames, dim=0),
    )
    return hand, way


def _visit(keys: Tensor, generator: torch.Generator) -> Tensor:
    """Return the keys of a way on which some steps rest, some go back, and some are small."""
    visited = [keys[:, 0]]
    for key in keys.unbind(1)[1:]:
        last, before = visited[-1], visited[max(len(visited) - 2, 0)]
        kind = torch.rand(len(key), 1, generator=generator)
        part = torch.rand(len(key), 1, generator=generator)
        is_small = torch.rand(len(key), 1, generator=generator) < _SMALL
        fresh = torch.where(is_small, last + 0.4 * part * (key - last), key)
        after = torch.where(kind < _REST + _BACK, before, fresh)
        visited.append(torch.where(kind < _REST, last, after))
    return torch.stack(visited, dim=1)


def _sway(times: Tensor, values: int, generator: torch.Generator) -> Tensor:
    """Return small angles (track, frame, value) [rad]: slow sway, and tremor of 8 to 12 Hz."""
    count = len(times)
    total = times.new_zeros(())
    for size, low, high in ((_SWAY_RAD, 0.3, 1.2), (_TREMOR_RAD, 8.0, 12.0)):
        rate = low + (high - low) * torch.rand(count, 1, values, generator=generator)
        phase = torch.rand(count, 1, values, generator=generator)
        strength = size * torch.rand(count, 1, 1, generator=generator)
        wave = torch.sin(2.0 * torch.pi * (rate * times.unsqueeze(-1) + phase))
        total = total + strength * wave
    return total


def _rotation(vector: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 3 3"]:
    """Return the rotation about each vector by its length [rad]."""
    half = 0.5 * vector.norm(dim=-1, keepdim=True)
    return matrix_from_quaternion(
        torch.cat((torch.cos(half), 0.5 * torch.sinc(half / torch.pi) * vector), dim=-1)
    )


def _place(sized: Tensor, way: Tensor, generator: torch.Generator) -> Tensor:
    """Return wrists (track, frame, 3) [m] in front of the camera, nothing too near to it."""
    first = sample_place(sized[:, 0], generator).unsqueeze(1)
    wrist = first + way * first[..., 2:]
    nearest = (sized[..., 2] + wrist[..., 2:]).amin(dim=(1, 2)).reshape(-1, 1, 1)
    return wrist + torch.nn.functional.pad((_CLEAR - nearest).clamp_min(0.0), (2, 0))


def _error_clock(joints: Tensor, times: Tensor, config: TrackConfig) -> Tensor:
    """Return (track, frame) how far the errors of a detector have changed since the first frame.

    With time, and with the way of the joints: a detector errs otherwise in another pose.
    """
    moved = joints.diff(dim=1).norm(dim=-1).mean(dim=-1)
    passed = times.diff(dim=1) / config.settle_s + moved / config.settle_way
    return torch.nn.functional.pad(passed.cumsum(dim=1), (1, 0))
