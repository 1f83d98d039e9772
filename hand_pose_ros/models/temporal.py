"""A window of lifted hands in, the same hands moving as hands do out: the temporal transformer.

Encoder only. It sees each frame's joints in the frame of its own wrist, from where they are seen,
and how the wrist is turned against the first seen frame: so nothing depends on how the whole
window is turned. What leaves is a kinematic hand in every slot: angles within their limits, and
the bone lengths of all that was seen, averaged.

A slot is a stretch of time. One without a frame is masked: nobody attends to it, what stands in it
is never read, and a learnt token asks in its place.

Source: Ivashechkin et al. 2023, section 2.7.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import torch
from jaxtyping import Float
from torch import Tensor, nn

from hand_pose_ros.errors import ConfigError, ShapeError
from hand_pose_ros.hand import skeleton
from hand_pose_ros.hand.kinematics import (
    HandParameters,
    forward_kinematics,
    inverse_sine_limit,
    sine_limit,
)
from hand_pose_ros.hand.rotations import matrix_from_6d

_GROUPS = ("rotation", *skeleton.FINGERS, "offsets")
"""What is averaged over time with weights of its own."""
_FINGER_OF = [
    _GROUPS.index(finger)
    for dof in skeleton.ARTICULATION
    for finger in skeleton.FINGERS
    if dof.startswith(finger)
]
_FEATURES = 3 * len(skeleton.BONES) + len(skeleton.ARTICULATION) + 9 + 3
_FORGETTING = (1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.05)
"""How fast the weights of `_GROUPS` fall with the distance in slots before anything is learnt."""
_INSIDE = 0.998
"""Share of the range of an angle in which its mean lies: at the ends the sine has no slope."""


@dataclass(frozen=True)
class TemporalConfig:
    """Sizes of the transformer; what its weights depend on.

    Attributes:
        window: most slots that it sees.
        slot_s: time between two slots [s].
    """

    width: int = 96
    heads: int = 4
    layers: int = 3
    feedforward: int = 192
    dropout: float = 0.05
    window: int = 27
    slot_s: float = 1.0 / 30.0

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if value <= 0 and field.name != "dropout":
                raise ConfigError(f"{field.name} is {value}; it must be positive")
        if not 0.0 <= self.dropout < 1.0:
            raise ConfigError(f"dropout is {self.dropout}; allowed are 0 up to, not including, 1")
        if self.width % self.heads or self.width % 2:
            raise ConfigError(
                f"width is {self.width}; it must be even and a multiple of heads, {self.heads}"
            )


@dataclass(frozen=True)
class HandWindow:
    """Lifted right hands in slots of time, oldest first.

    Attributes:
        hand: (batch, slot, ...) anchor length 1, camera axes; anything in slots that are not seen.
        view: (batch, slot, 3) unit vector from the camera to the hand, camera axes; likewise.
        times: (batch, slot) when its frame was taken, in slots from the start of the window: its
            own index, but for a fraction; the index itself in slots that are not seen.
        seen: (batch, slot) bool, whether a slot has a frame.
    """

    hand: HandParameters
    view: Tensor
    times: Tensor
    seen: Tensor

    def __post_init__(self) -> None:
        slots = tuple(self.seen.shape)
        came = {name: tuple(getattr(self.hand, name).shape[:2]) for name in vars(self.hand)}
        came |= {"view": tuple(self.view.shape[:-1]), "times": tuple(self.times.shape)}
        for name, shape in came.items():
            if len(slots) != 2 or shape != slots:
                raise ShapeError(
                    f"{name} is of {shape} slots, seen of {slots}; (batch, slot) fits"
                )


class TemporalTransformer(nn.Module):
    """Refines the hands of a window; see the module.

    Each angle is a mean over time, with weights that attention gives, and a correction to it. The
    untrained network is a plain low pass.
    """

    limits: Tensor
    offset_limits: Tensor

    def __init__(self, config: TemporalConfig) -> None:
        super().__init__()
        self.config = config
        for name, values in (
            ("limits", skeleton.ARTICULATION_LIMITS),
            ("offset_limits", skeleton.OFFSET_LIMITS),
        ):
            self.register_buffer(name, torch.tensor(values), persistent=False)
        self.embed = nn.Linear(_FEATURES, config.width)
        self.unseen = nn.Parameter(0.02 * torch.randn(config.width))
        self.layers = nn.ModuleList(_Layer(config) for _ in range(config.layers))
        self.norm = nn.LayerNorm(config.width)
        self.weights = _Weights(config.width, 16)
        self.sizes = (len(skeleton.ARTICULATION), len(skeleton.OFFSETS), 6)
        self.correction = nn.Linear(config.width, sum(self.sizes))
        nn.init.zeros_(self.correction.weight)
        nn.init.zeros_(self.correction.bias)

    def forward(self, window: HandWindow, causal: bool = True) -> HandParameters:
        """Return a hand for every slot, (batch, slot, ...), in the frame of the input.

        Args:
            window: up to `config.window` slots.
            causal: whether each slot sees only itself and those before it. Then slots before the
                first seen one have nothing to go by, and mean nothing.

        Raises:
            ShapeError: a longer window than the network is for.
        """
        slots = window.seen.shape[1]
        if slots > self.config.window:
            raise ShapeError(f"the window has {slots} slots; at most {self.config.window} fit")
        visible = _visible(window.seen, causal)
        hand, view = _without_unseen(window)
        R_first = _of_first(hand.root_rotation, window.seen)
        turned = R_first.transpose(-1, -2) @ hand.root_rotation
        hidden = self.embed(_features(hand, view, turned))
        hidden = torch.where(window.seen.unsqueeze(-1), hidden, self.unseen)
        hidden = hidden + positions(window.times, self.config.width)
        index = torch.arange(slots, device=visible.device)
        may_attend = visible | (index.unsqueeze(1) == index)
        for layer in self.layers:
            hidden = layer(hidden, may_attend)
        return self._read(self.norm(hidden), hand, turned, R_first, window.times, visible)

    def _read(
        self,
        hidden: Tensor,
        hand: HandParameters,
        turned: Tensor,
        R_first: Tensor,
        times: Tensor,
        visible: Tensor,
    ) -> HandParameters:
        """Return the averaged and corrected hands."""
        weights = self.weights(hidden, times, visible)
        angles, offsets, turn = self.correction(hidden).split(self.sizes, dim=-1)
        over_time = hand.articulation.transpose(-1, -2).unsqueeze(-2)
        mean_angles = (weights[:, _FINGER_OF] * over_time).sum(-1).transpose(-1, -2)
        mean_offsets = weights[:, -1] @ hand.offsets
        mean_turn = weights[:, 0] @ turned[..., :2].transpose(-1, -2).flatten(-2)
        upright = turn.new_tensor((1.0, 0.0, 0.0, 0.0, 1.0, 0.0))
        rotation = matrix_from_6d(mean_turn) @ matrix_from_6d(upright + turn)
        share = visible / visible.sum(-1, keepdim=True).clamp_min(1)
        return HandParameters(
            R_first @ rotation,
            _corrected(mean_angles, angles, self.limits),
            share @ hand.bone_lengths,
            _corrected(mean_offsets, offsets, self.offset_limits),
        )


class _Layer(nn.Module):
    """Attention over slots and a feedforward network, each behind a norm and beside a skip."""

    def __init__(self, config: TemporalConfig) -> None:
        super().__init__()
        self.heads = config.heads
        self.before_attention = nn.LayerNorm(config.width)
        self.query_key_value = nn.Linear(config.width, 3 * config.width)
        self.out = nn.Linear(config.width, config.width)
        self.dropout = nn.Dropout(config.dropout)
        self.feedforward = nn.Sequential(
            nn.LayerNorm(config.width),
            nn.Linear(config.width, config.feedforward),
            nn.GELU(),
            nn.Dropout(config.dropout),
            nn.Linear(config.feedforward, config.width),
            nn.Dropout(config.dropout),
        )

    def forward(self, hidden: Tensor, may_attend: Tensor) -> Tensor:
        projected = self.query_key_value(self.before_attention(hidden))
        parts = projected.unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        query, key, value = parts.unbind(0)
        attended = nn.functional.scaled_dot_product_attention(
            query, key, value, attn_mask=may_attend.unsqueeze(1)
        )
        hidden = hidden + self.dropout(self.out(attended.transpose(1, 2).flatten(-2)))
        return hidden + self.feedforward(hidden)


class _Weights(nn.Module):
    """Attention from slot to slot for each of `_GROUPS`, which falls with the time between."""

    def __init__(self, width: int, size: int) -> None:
        super().__init__()
        self.query_key = nn.Linear(width, 2 * len(_GROUPS) * size)
        self.forgetting = nn.Parameter(torch.tensor(_FORGETTING).log())

    def forward(self, hidden: Tensor, times: Tensor, visible: Tensor) -> Tensor:
        """Return (batch, group, slot, slot) weights of the seen slots, adding up to 1."""
        query_key = self.query_key(hidden).unflatten(-1, (2, len(_GROUPS), -1))
        query, key = query_key.permute(2, 0, 3, 1, 4).unbind(0)
        apart = (times.unsqueeze(-1) - times.unsqueeze(-2)).abs().unsqueeze(1)
        logits = query @ key.transpose(-1, -2) / math.sqrt(query.shape[-1])
        logits = logits - self.forgetting.exp().reshape(-1, 1, 1) * apart
        return logits.masked_fill(~visible.unsqueeze(1), -1e4).softmax(dim=-1)


def positions(times: Float[Tensor, "batch slot"], width: int) -> Float[Tensor, "batch slot w"]:
    """Return sinusoidal encodings of times in slots, which need not be whole.

    Source: Vaswani et al. 2017, section 3.5.
    """
    rate = torch.exp(
        torch.arange(0, width, 2, device=times.device, dtype=times.dtype)
        * (-math.log(10_000.0) / width)
    )
    angle = times.unsqueeze(-1) * rate
    return torch.cat((torch.sin(angle), torch.cos(angle)), dim=-1)


def _visible(seen: Tensor, causal: bool) -> Tensor:
    """Return (batch, slot, slot): which slots each of them may learn from."""
    slots = seen.shape[1]
    visible = seen.unsqueeze(1).expand(-1, slots, -1)
    if causal:
        index = torch.arange(slots, device=seen.device)
        visible = visible & (index.unsqueeze(1) >= index)
    return visible


def _without_unseen(window: HandWindow) -> tuple[HandParameters, Tensor]:
    """Return hands and views with the same harmless hand in all slots that are not seen."""
    seen, hand = window.seen, window.hand

    def keep(values: Tensor, instead: Tensor) -> Tensor:
        return torch.where(seen.reshape(*seen.shape, *(1,) * (values.ndim - 2)), values, instead)

    zero = hand.articulation.new_zeros(())
    kept = HandParameters(
        keep(hand.root_rotation, torch.eye(3, dtype=zero.dtype, device=zero.device)),
        keep(hand.articulation, zero),
        keep(hand.bone_lengths, zero + 1.0),
        keep(hand.offsets, zero),
    )
    return kept, keep(window.view, zero)


def _of_first(rotations: Tensor, seen: Tensor) -> Tensor:
    """Return (batch, 1, 3, 3) the rotation in the first slot that is seen."""
    first = seen.float().argmax(dim=1).reshape(-1, 1, 1, 1)
    return rotations.gather(1, first.expand(-1, 1, 3, 3))


def _features(hand: HandParameters, view: Tensor, turned: Tensor) -> Tensor:
    """Return (batch, slot, feature) what the transformer sees of each hand."""
    R = hand.root_rotation
    upright = torch.eye(3, dtype=R.dtype, device=R.device).expand_as(R)
    level = HandParameters(upright, hand.articulation, hand.bone_lengths, hand.offsets)
    points = forward_kinematics(level).positions[..., 1:, :]
    seen_from = (view.unsqueeze(-2) @ R).squeeze(-2)
    parts = (points.flatten(-2), hand.articulation, turned.flatten(-2), seen_from)
    return torch.cat(parts, dim=-1)


def _corrected(mean: Tensor, correction: Tensor, limits: Tensor) -> Tensor:
    """Return angles moved within their limits."""
    middle = limits.mean(-1)
    return sine_limit(
        inverse_sine_limit(middle + _INSIDE * (mean - middle), limits) + correction, limits
    )
