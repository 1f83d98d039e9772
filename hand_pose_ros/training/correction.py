"""How the landmarks' correction learns: from kept rows of what was seen, again and again."""

from __future__ import annotations

import logging
from dataclasses import dataclass, fields

import torch
from jaxtyping import Float
from torch import Tensor

from hand_pose_ros.errors import ConfigError, InputError
from hand_pose_ros.models.landmark_correction import LandmarkCorrection

_LOG = logging.getLogger(__name__)
_FORGIVEN = 0.7
_SOFT = 0.01  # of the hand's radius: errors below it are about squared


@dataclass(frozen=True)
class CorrectionConfig:
    """One run.

    Attributes:
        steps: of `batch` rows each.
        learning_rate: at its height, a tenth into the run; it falls to nothing.
        gross: mean error of the landmarks, of the hand's longer extent, from which a row is left
            out: the landmark network saw something else there.
    """

    steps: int = 1000
    batch: int = 128
    learning_rate: float = 1e-3
    weight_decay: float = 0.05
    gross: float = 0.12
    seed: int = 0

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if value < 0 or (value == 0 and field.name not in ("seed", "weight_decay")):
                raise ConfigError(f"{field.name} is {value}; it must be above 0")


@dataclass(frozen=True)
class SeenLandmarks:
    """Rows of what `LandmarkCorrection` is given, and the truth.

    Attributes:
        landmarks: (row, 21, 3) [px].
        pooled: (row, feature).
        around: (row, 21, value), half precision is enough.
        true: (row, 21, 2) where the landmarks are [px].
        depth: (row, 21) how deep, see `LandmarkCorrection`, about the wrist [px].
    """

    landmarks: Tensor
    pooled: Tensor
    around: Tensor
    true: Tensor
    depth: Tensor

    def take(self, rows: Tensor) -> SeenLandmarks:
        """Return some of the rows."""
        return SeenLandmarks(*(getattr(self, field.name)[rows] for field in fields(self)))

    @classmethod
    def joined(cls, parts: list[SeenLandmarks]) -> SeenLandmarks:
        """Return the rows of all."""
        names = [field.name for field in fields(cls)]
        return cls(*(torch.cat([getattr(part, name) for part in parts]) for name in names))

    def errors(self, places: Float[Tensor, "row 21 2"]) -> Float[Tensor, " row"]:
        """Return the mean error of places over the longer extent of the hand."""
        extent = (self.true.amax(dim=1) - self.true.amin(dim=1)).amax(dim=-1)
        return (places - self.true).norm(dim=-1).mean(dim=-1) / extent


def correction_loss(correction: LandmarkCorrection, seen: SeenLandmarks) -> Float[Tensor, ""]:
    """Return the negative log likelihood of the errors (Laplace), and errors of place and depth.

    Of an error that all depths of a hand have in common a part is forgiven: it moves no joint
    against another.
    """
    places, spread, depth = correction(seen.landmarks, seen.pooled.float(), seen.around.float())
    centred = seen.true - seen.true.mean(dim=1, keepdim=True)
    radius = centred.square().sum(-1).mean(-1).sqrt().unsqueeze(-1)
    error = ((places - seen.true).square().sum(-1) / radius.square() + _SOFT**2).sqrt()
    spread = spread.clamp(-6.0, 3.0)
    deep = depth - seen.depth
    deep = (deep - _FORGIVEN * deep.mean(dim=1, keepdim=True)).abs() / radius
    likelihood = (error * torch.exp(-spread) + 2.0 * spread).mean()
    return likelihood + 2.0 * error.mean() + deep.mean()


def train_correction(
    correction: LandmarkCorrection, seen: SeenLandmarks, config: CorrectionConfig
) -> None:
    """Train a correction in place, and leave it in evaluation mode.

    Raises:
        InputError: fewer rows of use than a batch.
    """
    useful = (seen.errors(seen.landmarks[..., :2]) < config.gross).nonzero()[:, 0]
    if len(useful) < config.batch:
        raise InputError(f"{len(useful)} rows are of use; a batch has {config.batch}")
    generator = torch.Generator().manual_seed(config.seed)
    optimizer = torch.optim.AdamW(
        correction.parameters(), config.learning_rate, weight_decay=config.weight_decay
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, config.learning_rate, config.steps, pct_start=0.1
    )
    correction.train()
    order = useful[:0]
    for step in range(1, config.steps + 1):
        if len(order) < config.batch:
            order = useful[torch.randperm(len(useful), generator=generator)]
        rows, order = order[: config.batch], order[config.batch :]
        loss = correction_loss(correction, seen.take(rows))
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(correction.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if step % 100 == 0:
            _LOG.info("step %d of %d: loss %.3f", step, config.steps, loss.item())
    correction.eval()


def corrected_errors(correction: LandmarkCorrection, seen: SeenLandmarks) -> Float[Tensor, " row"]:
    """Return the errors of what a correction makes of rows, see `SeenLandmarks.errors`."""
    with torch.inference_mode():
        parts = [seen.take(rows) for rows in torch.arange(len(seen.true)).split(256)]
        errors = [
            part.errors(correction(part.landmarks, part.pooled.float(), part.around.float())[0])
            for part in parts
        ]
    return torch.cat(errors)
