"""The training loop of the lifters: batches in, weights out."""

from __future__ import annotations

import dataclasses
import json
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from hand_pose_ros.errors import HandPoseError, InputError
from hand_pose_ros.models.image import ImageEncoder
from hand_pose_ros.models.keypoints import KeypointEncoder
from hand_pose_ros.models.lifter import Lifter, SamplingConfig
from hand_pose_ros.training.checkpoint import (
    export_weights,
    load_checkpoint,
    load_weights,
    save_checkpoint,
)
from hand_pose_ros.training.config import TrainingConfig
from hand_pose_ros.training.losses import LifterModel, lifter_loss
from hand_pose_ros.training.pretrained import landmark_network
from hand_pose_ros.training.sources import VALIDATION_SEED, Batch, make_source


def build_model(config: TrainingConfig) -> LifterModel:
    """Return a fresh model of the configured kind and sizes."""
    kind = KeypointEncoder if config.model == "keypoints" else ImageEncoder
    encoder = kind(config.lifter.condition, config.encoder.width, config.encoder.blocks)
    if isinstance(encoder, ImageEncoder):
        encoder.look.load_state_dict(landmark_network().state_dict())
        # What is fast for small channels on a CPU.
        encoder.look = encoder.look.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return LifterModel(encoder, Lifter(config.lifter))


class LifterTraining:
    """A run that can stop at any step and go on as if it had not: model, optimiser, randomness.

    What it trains, on what and how that is measured are the methods at its end.
    """

    sizes: tuple[str, ...] = ("model", "lifter", "encoder")
    """Blocks of the configuration that must be the same where a run goes on."""

    def __init__(self, config: TrainingConfig, out: Path) -> None:
        self.config, self.out = config, out
        torch.manual_seed(config.seed)
        self.generator = torch.Generator().manual_seed(config.seed)
        self.model = self.build()
        if config.start:
            load_weights(Path(config.start), self.model, config)
        self.ema = self.build()
        self.ema.load_state_dict(self.model.state_dict())
        self.ema.requires_grad_(False)
        self.optimizer = torch.optim.AdamW(
            [each for each in self.model.parameters() if each.requires_grad],
            config.learning_rate,
            weight_decay=config.weight_decay,
        )
        self.schedule = torch.optim.lr_scheduler.LambdaLR(self.optimizer, lambda s: self._rate(s))
        self.step = 0
        self.source = self.make_source()

    @property
    def checkpoint(self) -> Path:
        """Where this run keeps its state."""
        return self.out / "checkpoint.pt"

    def run(self) -> Path:
        """Train to the configured step and return the path of the exported weights."""
        self.out.mkdir(parents=True, exist_ok=True)
        with SummaryWriter(str(self.out), purge_step=self.step) as writer, self._progress() as bar:
            while self.step < self.config.steps:
                terms = self._train_step()
                bar.update(1)
                if self.step % 50 == 0:
                    self._log(writer, "train", terms)
                if self.step % self.config.validate_every == 0 or self.step == self.config.steps:
                    errors = self.validate()
                    self._log(writer, "validation", errors)
                    bar.set_postfix({name: f"{value:.2f}" for name, value in errors.items()})
                if self.step % self.config.checkpoint_every == 0:
                    self.save()
        self.save()
        weights = self.out / f"{self.config.model}.safetensors"
        export_weights(weights, self.ema.state_dict(), self.config)
        return weights

    def save(self) -> None:
        """Write the state of the run."""
        save_checkpoint(
            self.checkpoint,
            {
                "model": self.model.state_dict(),
                "ema": self.ema.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "schedule": self.schedule.state_dict(),
                "generator": self.generator.get_state(),
                "step": self.step,
                "images": self.source.images,
                "config": json.dumps(dataclasses.asdict(self.config)),
            },
        )

    def resume(self) -> None:
        """Go on where `save` left off.

        Raises:
            InputError: no checkpoint, or one of networks of another size.
        """
        state = load_checkpoint(self.checkpoint)
        trained = json.loads(state["config"])
        for block in self.sizes:
            now = json.loads(json.dumps(dataclasses.asdict(self.config)[block]))
            if trained.get(block, "keypoints") != now:
                raise InputError(
                    f"{self.checkpoint} has {block} {trained[block]}; the configuration says {now}"
                )
        self.model.load_state_dict(state["model"])
        self.ema.load_state_dict(state["ema"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])
        self.generator.set_state(state["generator"])
        self.step = int(state["step"])
        self.source.images = int(state.get("images", 0))

    def _train_step(self) -> dict[str, torch.Tensor]:
        config = self.config
        self.model.train()
        loss, terms = self._loss()
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), config.clip_norm)
        self.optimizer.step()
        self.schedule.step()
        self.step += 1
        self._average()
        return {name: term.detach() for name, term in {"loss": loss, **terms}.items()}

    def _loss(self) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        advice = f"training diverged at step {self.step}; a lower learning_rate may help"
        try:
            loss, terms = self.next_loss()
        except torch.linalg.LinAlgError as error:  # the SVD of a root rotation that is not finite
            raise HandPoseError(f"{advice} ({error})") from error
        if not torch.isfinite(loss):
            raise HandPoseError(f"{advice} (the loss is {loss.item()})")
        return loss, terms

    def _average(self) -> None:
        """Move the averaged weights: fast at first, when the past is worth little."""
        keep = min(self.config.ema, (1.0 + self.step) / (10.0 + self.step))
        with torch.no_grad():
            torch._foreach_lerp_(
                list(self.ema.parameters()), list(self.model.parameters()), 1 - keep
            )

    def _rate(self, step: int) -> float:
        warm = min(1.0, (step + 1) / self.config.warmup)
        done = min(1.0, step / self.config.steps)
        return warm * (0.02 + 0.98 * 0.5 * (1.0 + math.cos(math.pi * done)))

    def _log(self, writer: SummaryWriter, group: str, values: dict) -> None:
        for name, value in values.items():
            writer.add_scalar(f"{group}/{name}", float(value), self.step)
        writer.add_scalar("rate", self.schedule.get_last_lr()[0], self.step)

    @contextmanager
    def _progress(self) -> Iterator[tqdm]:
        started = time.monotonic()
        with tqdm(total=self.config.steps, initial=self.step, unit="step", desc="train") as bar:
            yield bar
        seconds = time.monotonic() - started
        (self.out / "time.json").write_text(json.dumps({"seconds": seconds, "steps": self.step}))

    def build(self) -> Any:
        """Return a fresh model."""
        return build_model(self.config)

    def make_source(self) -> Any:
        """Return what batches come from."""
        return make_source(self.config)

    def next_loss(self) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Return the loss of the next batch and its terms."""
        batch: Batch = self.source.draw(self.generator)
        return lifter_loss(
            self.model,
            batch.hands,
            self.config.loss,
            self.generator,
            self.config.mixed,
            batch.view,
        )

    def validate(self) -> dict[str, float]:
        """Return the errors of the averaged weights, see `validate`."""
        generator = torch.Generator().manual_seed(VALIDATION_SEED)
        return validate(self.ema, self.source.validation(generator), generator)


def validate(model: LifterModel, batch: Batch, generator: torch.Generator) -> dict[str, float]:
    """Return the mean joint error [% of the anchor bone] of each method."""
    model.eval()
    view = batch.view
    with torch.inference_mode():
        target = batch.hands.joints @ view.R_canonical_camera.transpose(-1, -2)
        condition = model.encoder(*view.inputs)
        errors = {}
        for method in ("baseline", "d", "d_star"):
            sampling = SamplingConfig(method=method)
            lifted = model.lifter(condition, sampling, generator=generator)
            errors[method] = 100.0 * (lifted.points - target).norm(dim=-1).mean().item()
    return errors
