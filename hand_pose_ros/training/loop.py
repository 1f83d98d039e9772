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
from hand_pose_ros.models.encoders import MEDIAPIPE
from hand_pose_ros.models.image import ImageEncoder, ImageView
from hand_pose_ros.models.keypoints import KeypointEncoder
from hand_pose_ros.models.lifter import Lifter, SamplingConfig
from hand_pose_ros.training.batch import Batch
from hand_pose_ros.training.checkpoint import (
    export_weights,
    load_checkpoint,
    load_weights,
    save_checkpoint,
)
from hand_pose_ros.training.config import TrainingConfig
from hand_pose_ros.training.contrastive import Projection
from hand_pose_ros.training.devices import make_fabric
from hand_pose_ros.training.head_losses import head_scores
from hand_pose_ros.training.losses import LifterModel, LifterObjective, own_look
from hand_pose_ros.training.pretrained import landmark_network
from hand_pose_ros.training.sources import VALIDATION_SEED, make_source


def build_model(config: TrainingConfig) -> LifterModel:
    """Return a fresh model of the configured kind and sizes."""
    sizes = config.lifter.condition, config.encoder.width, config.encoder.blocks
    if config.model == "keypoints":
        return LifterModel(KeypointEncoder(*sizes), Lifter(config.lifter))
    encoder = ImageEncoder(*sizes, config.image.encoder)
    if not config.image.trains_encoder:
        encoder.look.load_state_dict(landmark_network().state_dict())
    # What is fast for small channels on a CPU.
    encoder.look.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    projection = None
    if config.image.trains_encoder and config.loss.contrastive:
        projection = Projection(encoder.look.features, config.contrastive.points)
    return LifterModel(encoder, Lifter(config.lifter), projection)


class LifterTraining:
    """A run that can stop at any step and go on as if it had not: model, optimiser, randomness."""

    def __init__(self, config: TrainingConfig, out: Path) -> None:
        self.config, self.out = config, out
        self.fabric = make_fabric(config.accelerator, config.devices)
        self.fabric.launch()
        rank, count = self.fabric.global_rank, self.fabric.world_size
        torch.manual_seed(config.seed)
        self.generator = torch.Generator().manual_seed(config.seed + rank)
        self.model = build_model(config)
        if config.start:
            load_weights(Path(config.start), self.model, config)
        self.ema = build_model(config)
        self.ema.load_state_dict(self.model.state_dict())
        self.ema.requires_grad_(False).to(self.fabric.device)
        optimizer = torch.optim.AdamW(
            [each for each in self.model.parameters() if each.requires_grad],
            config.learning_rate,
            weight_decay=config.weight_decay,
        )
        self.schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda s: self._rate(s))
        objective = LifterObjective(self.model, config.loss, config.mixed)
        self.objective, self.optimizer = self.fabric.setup(objective, optimizer)
        self.step = 0
        self.source = make_source(config, (rank, count))

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
                if writer is not None and self._to_validate:
                    errors = self.validate()
                    self._log(writer, "validation", errors | self.validate_heads())
                    bar.set_postfix({name: f"{value:.2f}" for name, value in errors.items()})
                if self.step % self.config.checkpoint_every == 0:
                    self.save()
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
        trained = networks_of(json.loads(state["config"]))
        for name, now in networks_of(dataclasses.asdict(self.config)).items():
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

    def validate(self) -> dict[str, float]:
        """Return the errors of the averaged weights, see `validate`."""
        generator = torch.Generator().manual_seed(VALIDATION_SEED)
        batch = self.source.validation(generator).to(self.fabric.device)
        return validate(self.ema, batch, generator)

    @property
    def _to_validate(self) -> bool:
        return self.step % self.config.validate_every == 0 or self.step == self.config.steps

    def validate_heads(self) -> dict[str, float]:
        """Return what the heads of the averaged image network reach; none where none is trained.

        See `head_scores`.
        """
        generator = torch.Generator().manual_seed(VALIDATION_SEED)
        batch = self.source.validation(generator).to(self.fabric.device)
        if batch.looked is None or not isinstance(batch.view, ImageView):
            return {}
        look = own_look(self.ema).eval()
        with torch.inference_mode():
            pooled = look.pool(torch.cat((batch.view.patch, batch.looked.more)))
            return head_scores(look.read(pooled), batch.looked.truth)

    def _train_step(self) -> dict[str, torch.Tensor]:
        config = self.config
        self.model.train()
        loss, terms = self._loss(self.source.draw(self.generator))
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

    def _loss(self, batch: Batch) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        advice = f"training diverged at step {self.step}; a lower learning_rate may help"
        try:
            loss, terms = self.objective(batch.to(self.fabric.device), self.generator)
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


def networks_of(config: dict) -> dict[str, Any]:
    """Return the entries of a configuration that say which networks of what sizes are trained.

    Earlier runs did not write all of them.
    """
    image = config.get("image", {}).get("encoder", MEDIAPIPE)
    model = config.get("model", "keypoints")
    named = {"model": model, "lifter": config["lifter"], "encoder": config["encoder"]}
    if model != "keypoints":
        named["image.encoder"] = image
    return dict(json.loads(json.dumps(named)))


def _averaged(model: LifterModel) -> Iterator[torch.Tensor]:
    """Return what is averaged: parameters, and the statistics of batches."""
    yield from model.parameters()
    yield from (buffer for buffer in model.buffers() if buffer.is_floating_point())


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
