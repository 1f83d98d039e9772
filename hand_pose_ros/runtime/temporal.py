"""The frames of a hand laid on slots of time, and the temporal transformer that reads them.

Slots are counted from the frame that is asked for: a frame lies in the slot nearest to its stamp,
and the transformer is told how far beside it. Where two fall into one slot the nearer counts,
where none does the slot is masked: nothing is made up, repeated or moved in time. So the same
network serves any rate: of 60 images a second it sees every other one, of 15 every other slot is
masked.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch

from hand_pose_ros.errors import ConfigError, InputError
from hand_pose_ros.hand import skeleton
from hand_pose_ros.hand.kinematics import HandParameters
from hand_pose_ros.models.temporal import HandWindow, TemporalTransformer
from hand_pose_ros.runtime.config import CAUSAL, CENTRED, OFF, WindowConfig
from hand_pose_ros.runtime.engine import AUTO, choose_engine, compile_network
from hand_pose_ros.runtime.lift import LiftedHand
from hand_pose_ros.runtime.weights import load_temporal

Array = npt.NDArray[np.float64]
_NEUTRAL = (
    np.eye(3),
    np.zeros(len(skeleton.ARTICULATION)),
    np.ones(len(skeleton.BONES)),
    np.zeros(len(skeleton.OFFSETS)),
    np.zeros(3),
)
"""Root rotation, articulation, ratios, offsets and view of a slot without a frame."""


@dataclass(frozen=True, eq=False)
class _Frame:
    stamp_ns: int
    side: str
    hand: LiftedHand
    values: tuple[Array, ...]


class FrameBuffer:
    """The frames of one hand that later ones are seen beside. A new hand, a new one."""

    def __init__(self) -> None:
        self._frames: deque[_Frame] = deque()

    def push(self, stamp_ns: int, hand: LiftedHand, view: Array, side: str) -> None:
        """Take one more frame. It is never seen beside frames in which it is of the other side.

        Args:
            stamp_ns: its time [ns]. Of two frames of one time the second counts.
            hand: as lifted, a right one.
            view: (3,) unit vector from the camera to it, mirrored as the hand is.
            side: of the hand in the image.

        Raises:
            InputError: a stamp that is before the last one.
        """
        if self._frames and stamp_ns < self._frames[-1].stamp_ns:
            raise InputError(
                f"stamp_ns is {stamp_ns}; it must not be before {self._frames[-1].stamp_ns}"
            )
        if self._frames and stamp_ns == self._frames[-1].stamp_ns:
            self._frames.pop()
        values = (hand.root_rotation, hand.articulation, hand.ratios, hand.offsets, view)
        self._frames.append(_Frame(stamp_ns, side, hand, values))

    def around(self, stamp_ns: int, before: int, after: int, slot_ns: float) -> Slots:
        """Return the frames around one of them; those that are too old for any later one go.

        Args:
            stamp_ns: that of the frame in the middle.
            before: how many slots earlier.
            after: how many slots later.
            slot_ns: from slot to slot [ns].

        Raises:
            InputError: there is no frame with that stamp.
        """
        asked = next((frame for frame in self._frames if frame.stamp_ns == stamp_ns), None)
        if asked is None:
            raise InputError(f"the buffer has no frame of stamp_ns {stamp_ns}")
        nearest: dict[int, tuple[float, _Frame]] = {}
        for frame in reversed(self._frames):
            time = (frame.stamp_ns - stamp_ns) / slot_ns
            slot = round(time)
            if slot < -before:
                break
            if slot <= after and frame.side == asked.side:
                known = nearest.get(slot)
                if known is None or abs(time - slot) < abs(known[0] - slot):
                    nearest[slot] = (time, frame)
        while self._frames[0].stamp_ns < stamp_ns - (before + 1) * slot_ns:
            self._frames.popleft()
        return Slots(nearest, before + after + 1)


class Slots:
    """Frames by their slots, the asked one in slot 0, laid out as the transformer takes them.

    Args:
        frames: time in slots, and the frame, of each slot that has one.
        count: how many slots there are.

    Attributes:
        index: where the asked frame stands: the first seen one stands first.
        hand: the asked frame, as it was lifted.
        arrays: inputs of `TemporalNetwork`, without their batch axis.
    """

    def __init__(self, frames: dict[int, tuple[float, _Frame]], count: int) -> None:
        first = min(frames)
        self.index = -first
        self.hand = frames[0][1].hand
        columns = [np.stack([value] * count).astype(np.float32) for value in _NEUTRAL]
        times, seen = np.arange(count, dtype=np.float32), np.zeros(count, np.float32)
        for slot, (time, frame) in frames.items():
            times[slot - first], seen[slot - first] = time - first, 1.0
            for column, value in zip(columns, frame.values, strict=True):
                column[slot - first] = value
        self.arrays = (*columns, times, seen)


class TemporalNetwork(torch.nn.Module):
    """What an engine executes: the transformer with plain arrays in and out."""

    def __init__(self, transformer: TemporalTransformer, causal: bool) -> None:
        super().__init__()
        self.transformer, self.causal = transformer, causal

    def forward(
        self,
        root_rotation: torch.Tensor,
        articulation: torch.Tensor,
        ratios: torch.Tensor,
        offsets: torch.Tensor,
        view: torch.Tensor,
        times: torch.Tensor,
        seen: torch.Tensor,
    ) -> tuple[torch.Tensor, ...]:
        """Return root rotation, articulation and offsets of every slot."""
        hand = HandParameters(root_rotation, articulation, ratios, offsets)
        refined = self.transformer(HandWindow(hand, view, times, seen > 0.5), self.causal)
        return refined.root_rotation, refined.articulation, refined.offsets


class TemporalRefiner:
    """Refines hands by the frames around them, all hands of an image in one batch.

    Args:
        transformer: trained.
        config: causal or centred, and how far it sees.
        engine: `engine.AUTO` or a key of `engine.ENGINES`.

    Raises:
        ConfigError: it is off, sees farther than the transformer, or there is no such engine.

    Attributes:
        wait_ns: how much later than a frame those are that it still has to see [ns].
    """

    def __init__(
        self, transformer: TemporalTransformer, config: WindowConfig, engine: str = AUTO
    ) -> None:
        most = transformer.config.window
        least = 3 if config.mode == CENTRED else 2
        if config.mode == OFF or not least <= config.window <= most:
            raise ConfigError(
                f"temporal mode is {config.mode!r} and window is {config.window}; {CAUSAL} needs "
                f"a window of 2 to {most}, {CENTRED} of 3 to {most}"
            )
        self._after = (config.window - 1) // 2 if config.mode == CENTRED else 0
        self._before = config.window - 1 - self._after
        self._slot_ns = transformer.config.slot_s * 1e9
        # A frame half a slot late is still in its slot.
        self.wait_ns = (self._after + 0.5) * self._slot_ns if self._after else 0.0
        self._program = compile_network(
            choose_engine(engine),
            TemporalNetwork(transformer.eval(), config.mode != CENTRED).requires_grad_(False),
            _example(config.window),
        )

    def __call__(self, buffers: Sequence[FrameBuffer], stamp_ns: int) -> list[LiftedHand]:
        """Return the hands of the frames with a stamp, one from each buffer.

        Their bone lengths and spread are those of the frame itself.
        """
        if not buffers:
            return []
        slots = [
            buffer.around(stamp_ns, self._before, self._after, self._slot_ns) for buffer in buffers
        ]
        columns = [np.stack(column) for column in zip(*(s.arrays for s in slots), strict=True)]
        outputs = self._program(*columns)
        return [
            replace(
                each.hand,
                root_rotation=root[each.index].astype(np.float64),
                articulation=articulation[each.index].astype(np.float64),
                offsets=offsets[each.index].astype(np.float64),
            )
            for each, root, articulation, offsets in zip(slots, *outputs, strict=True)
        ]


def make_refiner(config: WindowConfig, engine: str = AUTO) -> TemporalRefiner | None:
    """Return the refiner of a configuration with the weights that ship; None where it is off.

    Raises:
        ConfigError, UnavailableError: as `TemporalRefiner`.
        InputError: the weights are missing or damaged.
    """
    return None if config.mode == OFF else TemporalRefiner(load_temporal(), config, engine)


def _example(window: int) -> tuple[torch.Tensor, ...]:
    """Return two windows of finite inputs."""
    columns = (torch.from_numpy(np.stack([value] * window)).float() for value in _NEUTRAL)
    rows = (*columns, torch.arange(window).float(), torch.ones(window))
    return tuple(row.expand(2, *row.shape).contiguous() for row in rows)
