"""Where the temporal transformer's windows come from: sampled tracks, lifted frame by frame."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from hand_pose_ros.data.synthetic.keypoints import NoiseConfig
from hand_pose_ros.data.synthetic.tracks import SampledTracks, TrackConfig, sample_tracks
from hand_pose_ros.hand.kinematics import HandParameters
from hand_pose_ros.models.keypoints import canonical_view
from hand_pose_ros.models.lifter import SamplingConfig, balanced_noise
from hand_pose_ros.models.temporal import HandWindow
from hand_pose_ros.training.config import TracksConfig
from hand_pose_ros.training.losses import LifterModel

_NOISE_SEED = 7
_AT_ONCE = 32
"""Tracks that are lifted in one go."""


@dataclass(frozen=True)
class LiftedTracks:
    """What a lifter says of each frame of tracks, and the truth.

    Attributes:
        window: all frames of the tracks, every slot seen.
        true: (track, frame, ...) in the units and axes of `window.hand`.
    """

    window: HandWindow
    true: HandParameters

    def __len__(self) -> int:
        return len(self.window.seen)

    def take(self, rows: Tensor, slots: Tensor) -> LiftedTracks:
        """Return some frames of some tracks.

        Args:
            rows: (batch,) numbers of tracks.
            slots: (batch, slot) numbers of frames, one after the other.
        """
        at = rows.unsqueeze(1), slots
        window = self.window
        taken = HandWindow(
            _each(window.hand, lambda part: part[at]),
            window.view[at],
            window.times[at] - slots[:, :1],
            window.seen[at],
        )
        return LiftedTracks(taken, _each(self.true, lambda part: part[at]))

    def put(self, rows: Tensor, tracks: LiftedTracks) -> None:
        """Replace some tracks (row,) by others."""
        for mine, theirs in zip(self._tensors(), tracks._tensors(), strict=True):
            mine[rows] = theirs

    def hiding(self, seen: Tensor) -> LiftedTracks:
        """Return the same with only some slots (batch, slot) seen."""
        index = torch.arange(seen.shape[1], dtype=self.window.times.dtype)
        times = torch.where(seen, self.window.times, index)
        return replace(self, window=replace(self.window, seen=seen, times=times))

    def _tensors(self) -> list[Tensor]:
        window = self.window
        parts: list[Any] = [window.hand, self.true]
        hands = [tensor for part in parts for tensor in vars(part).values()]
        return [*hands, window.view, window.times, window.seen]


class TrackLifter:
    """Lifts every frame of sampled tracks with a trained keypoint lifter.

    Args:
        model: of keypoints.
        hypotheses: drawn for a frame.
    """

    def __init__(self, model: LifterModel, hypotheses: int = 2) -> None:
        self._model = model.eval().requires_grad_(False)
        self._sampling = SamplingConfig(hypotheses=hypotheses)
        generator = torch.Generator().manual_seed(_NOISE_SEED)
        self._noise = balanced_noise(hypotheses, generator)

    def __call__(self, tracks: SampledTracks, slot_s: float) -> LiftedTracks:
        """Return what the lifter says of the tracks, whose frames are `slot_s` apart."""
        shape = tuple(tracks.times.shape)
        hands = tracks.hands
        with torch.no_grad():
            view = canonical_view(hands.observation)
            lifted = self._model.lifter(
                self._model.encoder(view.features), self._sampling, self._noise
            ).hand
            root = view.R_canonical_camera.transpose(-1, -2) @ lifted.root_rotation
        towards = torch.nn.functional.pad(hands.observation.rays.mean(dim=1), (0, 1), value=1.0)
        assert lifted is not None
        window = HandWindow(
            _each(replace(lifted, root_rotation=root), lambda part: part.unflatten(0, shape)),
            torch.nn.functional.normalize(towards, dim=-1).unflatten(0, shape),
            tracks.times / slot_s,
            torch.ones(shape, dtype=torch.bool),
        )
        return LiftedTracks(window, _each(hands.hand, lambda part: part.unflatten(0, shape)))

    def sample(
        self, count: int, generator: torch.Generator, noise: NoiseConfig, config: TrackConfig
    ) -> LiftedTracks:
        """Return lifted tracks, drawn."""
        parts = []
        for done in range(0, count, _AT_ONCE):
            some = min(_AT_ONCE, count - done)
            parts.append(self(sample_tracks(some, generator, noise, config), config.slot_s))
        return join(parts)


class TrackSource:
    """A pool of lifted tracks, some of which are replaced in every step, and windows of them.

    Args:
        lifter: lifts them.
        config: how many there are.
        noise: how their detector errs.
        batch: windows at a time.

    Attributes:
        images: how many images were used: none ever is.
    """

    images = 0

    def __init__(
        self, lifter: TrackLifter, config: TracksConfig, noise: NoiseConfig, batch: int
    ) -> None:
        self._lifter, self._config, self._noise, self._batch = lifter, config, noise, batch
        self._pool: LiftedTracks | None = None
        self._next = 0

    def draw(self, generator: torch.Generator) -> LiftedTracks:
        """Return the next batch of windows. The first call lifts the whole pool."""
        config = self._config
        if self._pool is None:
            self._pool = self._sample(config.pool, generator)
        elif config.fresh:
            at = (self._next + torch.arange(config.fresh)) % config.pool
            self._next = int(at[-1]) + 1
            self._pool.put(at, self._sample(config.fresh, generator))
        window = config.network.window
        return draw_windows(self._pool, self._batch, window, config.hidden, generator)

    def validation(self, generator: torch.Generator) -> LiftedTracks:
        """Return windows in which nothing is hidden."""
        count, window = self._config.validation, self._config.network.window
        tracks = self._sample(count, generator)
        return tracks.take(torch.arange(count), torch.arange(window).expand(count, window))

    def _sample(self, count: int, generator: torch.Generator) -> LiftedTracks:
        return self._lifter.sample(count, generator, self._noise, self._config.sampled)


def join(parts: list[LiftedTracks]) -> LiftedTracks:
    """Return the tracks of several."""
    windows = [part.window for part in parts]
    return LiftedTracks(
        HandWindow(
            _join([window.hand for window in windows]),
            *(
                torch.cat([getattr(w, name) for w in windows])
                for name in ("view", "times", "seen")
            ),
        ),
        _join([part.true for part in parts]),
    )


def draw_windows(
    tracks: LiftedTracks, count: int, slots: int, hidden: float, generator: torch.Generator
) -> LiftedTracks:
    """Return windows of tracks with random slots masked, and some windows shorter than others.

    Args:
        tracks: to draw from.
        count: how many windows.
        slots: of each.
        hidden: most of a window that is masked; of a third nothing is, as when all goes well.
        generator: source of all randomness.

    Source: Ivashechkin et al. 2023, section 2.7.
    """
    rows = torch.randint(len(tracks), (count,), generator=generator)
    room = tracks.window.seen.shape[1] - slots + 1
    first = torch.randint(room, (count, 1), generator=generator)
    index = torch.arange(slots)
    share = hidden * torch.rand(count, 1, generator=generator)
    share = share * (torch.rand(count, 1, generator=generator) < 2.0 / 3.0)
    seen = torch.rand(count, slots, generator=generator) >= share
    is_half = torch.rand(count, 1, generator=generator) < 0.05
    seen = torch.where(is_half, (index + rows.unsqueeze(1)) % 2 == 0, seen)
    # A window that has just begun, or that ends before the others do.
    length = torch.randint(3, slots + 1, (count, 1), generator=generator)
    is_short = torch.rand(count, 1, generator=generator) < 0.4
    seen = seen & ~(is_short & (index >= length))
    seen[:, 0] = True
    return tracks.take(rows, first + index).hiding(seen)


def _each(hand: HandParameters, change: Callable[[Tensor], Tensor]) -> HandParameters:
    return HandParameters(*(change(part) for part in vars(hand).values()))


def _join(hands: list[HandParameters]) -> HandParameters:
    return HandParameters(
        *(torch.cat(parts) for parts in zip(*(vars(hand).values() for hand in hands), strict=True))
    )
