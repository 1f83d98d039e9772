"""The training loop: batches in, weights out."""

from __future__ import annotations

import dataclasses
import json
import math
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from hand_pose_ros.errors import HandPoseError, InputError
from hand_pose_ros.training.checkpoint import (
    export_weights,
    load_checkpoint,
    load_weights,
    save_checkpoint,
)
from hand_pose_ros.training.config import TrainingConfig
from hand_pose_ros.training.devices import make_fabric


class Training(ABC):
    """A run that can stop at any step and go on: model, optimiser, randomness.

    From sampled keypoints it goes on as if it had not stopped; from images and tracks with other
    ones than it would have seen.

    What it trains, on what and how that is measured are the methods at its end.
    """

    def __init__(self, config: TrainingConfig, out: Path) -> None:
        self.config, self.out = config, out
        self.fabric = make_fabric(config.accelerator, config.devices)
        self.fabric.launch()
        rank, count = self.fabric.global_rank, self.fabric.world_size
        torch.manual_seed(config.seed)
        self.generator = torch.Generator().manual_seed(config.seed + rank)
        self.model = self.build()
        if config.start:
            load_weights(Path(config.start), self.model, config)
        self.ema = self.build()
        self.ema.load_state_dict(self.model.state_dict())
        self.ema.requires_grad_(False).to(self.fabric.device)
        optimizer = torch.optim.AdamW(
            [each for each in self.model.parameters() if each.requires_grad],
            config.learning_rate,
            weight_decay=config.weight_decay,
        )
        self.schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda s: self._rate(s))
        self.objective, self.optimizer = self.fabric.setup(self.make_objective(), optimizer)
        self.step = 0
        self.source = self.make_source((rank, count))
        torch.manual_seed(config.seed + rank)  # of dropout

    @property
    def leads(self) -> bool:
        """Whether this is the process, of those that train together, that writes and speaks."""
        return bool(self.fabric.is_global_zero)

    @property
    def checkpoint(self) -> Path:
        """Where this run keeps its state."""
        return self.out / "checkpoint.pt"

    def run(self) -> Path:
        """Train to the configured step and return the path of the exported weights."""
        self.out.mkdir(parents=True, exist_ok=True)
        with self._writer() as writer, self._progress() as bar:
            while self.step < self.config.steps:
                terms = self._train_step()
                bar.update(1)
                if writer is not None and self.step % 50 == 0:
                    self._log(writer, "train", terms)
                if self.step % self.config.checkpoint_every == 0:
                    self.save()
                if writer is not None and self._to_validate:
                    errors = self.validate()
                    self._log(writer, "validation", errors | self.validate_heads())
                    bar.set_postfix({name: f"{value:.2f}" for name, value in errors.items()})
        self.save()
        weights = self.out / f"{self.config.model}.safetensors"
        if self.leads:
            export_weights(weights, self.ema.state_dict(), self.config)
        self.fabric.barrier()
        return weights

    def save(self) -> None:
        """Write the state of the run; all processes have to take part."""
        randomness = torch.atleast_2d(self.fabric.all_gather(self.generator.get_state()))
        if not self.leads:
            return
        save_checkpoint(
            self.checkpoint,
            {
                "model": self.model.state_dict(),
                "ema": self.ema.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "schedule": self.schedule.state_dict(),
                "generator": randomness.cpu(),
                "step": self.step,
                "images": self.source.images,
                "config": json.dumps(dataclasses.asdict(self.config)),
            },
        )

    def resume(self) -> None:
        """Go on where `save` left off.

        Raises:
            InputError: no checkpoint, or one of networks of another size or of as many processes.
        """
        state = load_checkpoint(self.checkpoint)
        trained = self.networks_of(json.loads(state["config"]))
        for name, now in self.networks_of(dataclasses.asdict(self.config)).items():
            if trained[name] != now:
                raise InputError(
                    f"{self.checkpoint} has {name} {trained[name]}; the configuration says {now}"
                )
        randomness = torch.atleast_2d(state["generator"])
        if len(randomness) != self.fabric.world_size:
            raise InputError(
                f"{self.checkpoint} is of {len(randomness)} processes; "
                f"the configuration says devices {self.fabric.world_size}"
            )
        self.model.load_state_dict(state["model"])
        self.ema.load_state_dict(state["ema"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])
        # A copy: torch 2.13 crashes on a state that is a part of another tensor.
        self.generator.set_state(randomness[self.fabric.global_rank].clone())
        self.step = int(state["step"])
        self.source.images = int(state.get("images", 0))

    @property
    def _to_validate(self) -> bool:
        return self.step % self.config.validate_every == 0 or self.step == self.config.steps

    def _train_step(self) -> dict[str, torch.Tensor]:
        config = self.config
        self.model.train()
        loss, terms = self._loss()
        self.optimizer.zero_grad(set_to_none=True)
        self.fabric.backward(loss)
        self.fabric.clip_gradients(
            self.objective, self.optimizer, max_norm=config.clip_norm, error_if_nonfinite=False
        )
        self.optimizer.step()
        self.schedule.step()
        self.step += 1
        self._average()
        return {name: term.detach() for name, term in {"loss": loss, **terms}.items()}

    def _loss(self) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        advice = f"training diverged at step {self.step}; a lower learning_rate may help"
        try:
            loss, terms = self.objective(*self.draw())
        except torch.linalg.LinAlgError as error:  # the SVD of a root rotation that is not finite
            raise HandPoseError(f"{advice} ({error})") from error
        if not torch.isfinite(loss):
            raise HandPoseError(f"{advice} (the loss is {loss.item()})")
        return loss, terms

    def _average(self) -> None:
        """Move the averaged weights: fast at first, when the past is worth little."""
        keep = min(self.config.ema, (1.0 + self.step) / (10.0 + self.step))
        with torch.no_grad():
            torch._foreach_lerp_(list(_averaged(self.ema)), list(_averaged(self.model)), 1 - keep)

    def _rate(self, step: int) -> float:
        warm = min(1.0, (step + 1) / self.config.warmup)
        done = min(1.0, step / self.config.steps)
        return warm * (0.02 + 0.98 * 0.5 * (1.0 + math.cos(math.pi * done)))

    def _log(self, writer: SummaryWriter, group: str, values: dict) -> None:
        for name, value in values.items():
            writer.add_scalar(f"{group}/{name}", float(value), self.step)
        writer.add_scalar("rate", self.schedule.get_last_lr()[0], self.step)

    @contextmanager
    def _writer(self) -> Iterator[SummaryWriter | None]:
        """Yield what logs are written with; only one process has it."""
        if not self.leads:
            yield None
            return
        with SummaryWriter(str(self.out), purge_step=self.step) as writer:
            yield writer

    @contextmanager
    def _progress(self) -> Iterator[tqdm]:
        started = time.monotonic()
        with tqdm(
            total=self.config.steps,
            initial=self.step,
            unit="step",
            desc="train",
            disable=not self.leads,
        ) as bar:
            yield bar
        seconds = time.monotonic() - started
        if self.leads:
            (self.out / "time.json").write_text(
                json.dumps({"seconds": seconds, "steps": self.step})
            )

    @abstractmethod
    def build(self) -> torch.nn.Module:
        """Return a fresh model."""

    @abstractmethod
    def make_objective(self) -> torch.nn.Module:
        """Return what makes the loss and its terms of what `draw` returns."""

    @abstractmethod
    def make_source(self, part: tuple[int, int]) -> Any:
        """Return what batches come from, for the k-th of n processes."""

    @abstractmethod
    def draw(self) -> tuple[Any, ...]:
        """Return the next batch, and what else the objective is called with."""

    @abstractmethod
    def validate(self) -> dict[str, float]:
        """Return the errors of the averaged weights [% of the anchor bone]."""

    @abstractmethod
    def networks_of(self, config: dict) -> dict[str, Any]:
        """Return the entries of a configuration that say what networks of what sizes are trained.

        A run goes on only where they are the same.
        """

    def validate_heads(self) -> dict[str, float]:
        """Return what heads for what is seen in an image reach, where any are trained."""
        return {}


def _averaged(model: torch.nn.Module) -> Iterator[torch.Tensor]:
    """Return what is averaged: parameters, and the statistics of batches."""
    yield from model.parameters()
    yield from (buffer for buffer in model.buffers() if buffer.is_floating_point())
