"""Training of our branch of the detector on whole images; the trunk under it stays as it is.

So what the trunk sees of an image is worked out once and used for several steps.
"""

from __future__ import annotations

import itertools
import logging
import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from hand_pose_ros.data.boxes import box_around
from hand_pose_ros.data.frames import Frame
from hand_pose_ros.errors import ConfigError
from hand_pose_ros.models.detector import (
    PALM_POINTS,
    STRIDE,
    HandBranch,
    HandDetector,
    cell_middles,
    read_cells,
)
from hand_pose_ros.training.checkpoint import load_checkpoint, save_checkpoint

_LOG = logging.getLogger(__name__)
_SPREAD, _LEAST_SPREAD = 0.07, 0.5
"""Standard deviation of a hand's peak, in sides of its box; and the least [cells]."""
_NEAR = 0.3
"""Height of the peak from which a cell tells of the hand."""


@dataclass(frozen=True)
class DetectorTrainingConfig:
    """A run.

    Attributes:
        frames: images seen.
        batch: images of a step.
        fresh: of them, images not seen before; the others are drawn from those kept.
        kept: images whose features are kept, of 240 kB each.
        learning_rate: at its height; it falls to nothing as a cosine.
        warmup: steps until there.
        decay: weight decay.
        ema: of the weights that are kept.
        seed: of everything.
    """

    frames: int = 24_000
    batch: int = 48
    fresh: int = 12
    kept: int = 4000
    learning_rate: float = 2e-3
    warmup: int = 100
    decay: float = 1e-3
    ema: float = 0.995
    seed: int = 0

    def __post_init__(self) -> None:
        if not 1 <= self.fresh <= self.batch <= self.kept:
            raise ConfigError(
                f"fresh, batch, kept are {self.fresh}, {self.batch}, {self.kept}; "
                "each must be at least the one before it, the first 1"
            )

    @property
    def steps(self) -> int:
        """Steps of the whole run."""
        return self.frames // self.fresh


@dataclass(frozen=True, eq=False)
class Targets:
    """What is true of the cells of maps (batch, y, x).

    Attributes:
        heat: 1 at the middle of a palm, falling off around it.
        weight: of the numbers below, which are of the nearest hand; 0 where there is none.
        counts: whether there may be a false hand: not where hands do not matter.
        right: 1 for a right hand, 0 for a left one.
        size: longer side of its box [px].
        box: (batch, y, x, 4) middle x and y, width, height.
        wrist, knuckle: (batch, y, x, 2).
    """

    heat: Tensor
    weight: Tensor
    counts: Tensor
    right: Tensor
    size: Tensor
    box: Tensor
    wrist: Tensor
    knuckle: Tensor

    def rows(self, indices: Tensor) -> Targets:
        """Return some of the images."""
        return Targets(*(part[indices] for part in vars(self).values()))


def targets_of(frame: Frame) -> Targets:
    """Return what is true of the cells of one image."""
    side = frame.image_rgb.shape[0] // STRIDE
    middles = cell_middles(side, side).double().numpy() - 0.5
    heat, best = np.zeros((side, side)), np.full((side, side), -1)
    boxes = box_around(frame.keypoints_px)
    palms = frame.keypoints_px[:, list(PALM_POINTS)]
    sizes = boxes[:, 2:].max(axis=1, initial=0.0)
    for number, (palm, size) in enumerate(zip(palms, sizes, strict=True)):
        spread = max(_SPREAD * size, _LEAST_SPREAD * STRIDE)
        # Peaks lie on a cell, so that one has the height 1.
        offset = middles - palm.mean(axis=0)
        nearest = np.unravel_index((offset**2).sum(-1).argmin(), heat.shape)
        peak = np.exp(-((middles - middles[nearest]) ** 2).sum(-1) / (2.0 * spread**2))
        best = np.where(peak > heat, number, best)
        heat = np.maximum(heat, peak)
    counts = np.ones_like(heat)
    for x, y, width, height in frame.ignored:
        inside = (middles >= (x, y)) & (middles <= (x + width, y + height))
        counts[inside.all(axis=-1)] = 0.0
    boxes = np.concatenate((boxes[:, :2] + boxes[:, 2:] / 2.0, boxes[:, 2:]), axis=1)
    of = best.clip(0) if len(sizes) else np.zeros_like(best)
    told = [frame.right, sizes, boxes, palms[:, 0], palms[:, 1]]
    told = [part if len(sizes) else np.ones((1, *part.shape[1:])) for part in told]
    parts = [heat, np.where(heat >= _NEAR, heat, 0.0), counts, *(part[of] for part in told)]
    return Targets(*(torch.from_numpy(np.asarray(part, np.float32)) for part in parts))


def detector_loss(maps: Float[Tensor, "batch number y x"], true: Targets) -> dict[str, Tensor]:
    """Return the parts of the loss, weighted; their sum is to be made small.

    `score` is the focal loss of Zhou et al. 2019, equation 1; the others are mean errors of the
    cells near a palm's middle, lengths in sides of the hand's box.
    """
    seen = read_cells(maps)
    chance = torch.sigmoid(seen.score).clamp(1e-5, 1.0 - 1e-5)
    is_peak = true.heat >= 1.0
    missed = -((1.0 - chance) ** 2) * chance.log() * is_peak
    false = -((1.0 - true.heat) ** 4) * chance**2 * (1.0 - chance).log() * true.counts * ~is_peak
    peaks = is_peak.sum().clamp(min=1)
    weight = true.weight / true.weight.sum().clamp(min=1.0)
    side = functional.binary_cross_entropy_with_logits(seen.right, true.right, reduction="none")
    per_size = weight / true.size
    middle = (seen.box[..., :2] - true.box[..., :2]).abs().sum(-1)
    extent = (seen.box[..., 2:] / true.box[..., 2:].clamp(min=1.0)).log().abs().sum(-1)
    points = ((seen.wrist - true.wrist).abs() + (seen.knuckle - true.knuckle).abs()).sum(-1)
    return {
        "score": (missed + false).sum() / peaks,
        "side": 0.3 * (side * weight).sum(),
        "middle": 2.0 * (middle * per_size).sum(),
        "extent": (extent * weight).sum(),
        "points": 2.0 * (points * per_size).sum(),
    }


class DetectorTraining:
    """One run: reads frames, steps, and keeps a checkpoint from which it can go on.

    Args:
        detector: whose branch is trained.
        config: of the run.
        out: folder of the checkpoint.
    """

    def __init__(self, detector: HandDetector, config: DetectorTrainingConfig, out: Path) -> None:
        self.config, self.step = config, 0
        self.checkpoint = out / "checkpoint.pt"
        self.detector = detector.eval().requires_grad_(False)
        detector.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.branch = detector.hands.requires_grad_(True)
        self.average = HandBranch()
        self.average.load_state_dict(self.branch.state_dict())
        self._optimizer = torch.optim.AdamW(
            self.branch.parameters(), config.learning_rate, weight_decay=config.decay
        )
        self._generator = torch.Generator().manual_seed(config.seed)
        self._features: list[tuple[Tensor, ...]] = []
        self._targets: list[Targets] = []

    def run(self, frames: Iterator[Frame], report_every: int = 50) -> None:
        """Train until the run's last step; frames are read as they are needed."""
        sums: dict[str, float] = {}
        while self.step < self.config.steps:
            fresh = list(itertools.islice(frames, self.config.fresh))
            for name, value in self.train_on(fresh).items():
                sums[name] = sums.get(name, 0.0) + value / report_every
            if self.step % report_every == 0:
                losses = " ".join(f"{name} {value:.3f}" for name, value in sums.items())
                _LOG.info("step %d of %d: %s", self.step, self.config.steps, losses)
                sums = {}
                self.save()
        self.save()

    def train_on(self, fresh: list[Frame]) -> dict[str, float]:
        """Take one step on new images and some of those kept; return the parts of the loss."""
        self._keep(fresh)
        count = len(fresh)
        earlier = max(len(self._targets) - count, 0)
        drawn = torch.randint(
            earlier or count, (self.config.batch - count,), generator=self._generator
        )
        newest = torch.arange(len(self._targets) - count, len(self._targets))
        rows = torch.cat((newest, drawn)).tolist()
        features = zip(*(self._features[row] for row in rows), strict=True)
        halved = [torch.stack(maps).float() for maps in features]
        halved = [x.contiguous(memory_format=torch.channels_last) for x in halved]
        parts = zip(*(vars(self._targets[row]).values() for row in rows), strict=True)
        true = Targets(*(torch.stack(part) for part in parts))
        losses = detector_loss(self.branch(*halved), true)
        self._descend(torch.stack(list(losses.values())).sum())
        return {name: float(value.detach()) for name, value in losses.items()}

    def save(self) -> None:
        """Write the checkpoint; the images kept are not part of it."""
        state: dict[str, Any] = {
            "model": self.branch.state_dict(),
            "ema": self.average.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "step": self.step,
            "generator": self._generator.get_state(),
            "config": asdict(self.config),
        }
        self.checkpoint.parent.mkdir(parents=True, exist_ok=True)
        save_checkpoint(self.checkpoint, state)

    def resume(self) -> None:
        """Go on from the checkpoint; errors as `load_checkpoint`."""
        state = load_checkpoint(self.checkpoint)
        self.branch.load_state_dict(state["model"])
        self.average.load_state_dict(state["ema"])
        self._optimizer.load_state_dict(state["optimizer"])
        self._generator.set_state(state["generator"])
        self.step = state["step"]

    def result(self) -> HandDetector:
        """Return the detector with the average of the branch's weights."""
        result = HandDetector(self.detector.palms)
        result.hands.load_state_dict(self.average.state_dict())
        return result.eval()

    def _keep(self, fresh: list[Frame]) -> None:
        images = np.stack([frame.image_rgb for frame in fresh])
        with torch.no_grad():
            seen = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255.0
            halved = self.detector.palms.trunk.down(
                seen.contiguous(memory_format=torch.channels_last)
            )
        kept = zip(*(maps.half().unbind() for maps in halved), strict=True)
        self._features = [*self._features, *kept][-self.config.kept :]
        self._targets = [*self._targets, *map(targets_of, fresh)][-self.config.kept :]

    def _descend(self, loss: Tensor) -> None:
        config = self.config
        warm = min((self.step + 1) / config.warmup, 1.0)
        fallen = 0.5 * (1.0 + math.cos(math.pi * self.step / config.steps))
        for group in self._optimizer.param_groups:
            group["lr"] = config.learning_rate * warm * fallen
        self._optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.branch.parameters(), 2.0)
        self._optimizer.step()
        self.step += 1
        keep = min(config.ema, self.step / (self.step + 10.0))
        with torch.no_grad():
            for slow, fast in zip(
                self.average.parameters(), self.branch.parameters(), strict=True
            ):
                slow.lerp_(fast, 1.0 - keep)
