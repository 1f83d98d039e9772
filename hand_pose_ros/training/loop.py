"""The training loop of the keypoint lifter: sampled hands in, weights out."""

from __future__ import annotations

import dataclasses
import json
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from hand_pose_ros.data.synthetic.detected import concatenate, load_detected
from hand_pose_ros.data.synthetic.keypoints import NoiseConfig, SampledHands, sample_hands
from hand_pose_ros.errors import HandPoseError, InputError
from hand_pose_ros.models.keypoints import KeypointEncoder, canonical_view
from hand_pose_ros.models.lifter import Lifter, SamplingConfig
from hand_pose_ros.training.checkpoint import (
    export_weights,
    load_checkpoint,
    load_weights,
    save_checkpoint,
)
from hand_pose_ros.training.config import TrainingConfig
from hand_pose_ros.training.losses import KeypointLifterModel, lifter_loss

VALIDATION_HANDS = 1024
VALIDATION_SEED = 20_230_814


def build_model(config: TrainingConfig) -> KeypointLifterModel:
    """Return a fresh model of the configured sizes."""
    encoder = KeypointEncoder(config.lifter.condition, config.encoder.width, config.encoder.blocks)
    return KeypointLifterModel(encoder, Lifter(config.lifter))


class KeypointTraining:
    """A run that can stop at any step and go on as if it had not: model, optimiser, randomness."""

    def __init__(self, config: TrainingConfig, out: Path) -> None:
        self.config, self.out = config, out
        torch.manual_seed(config.seed)
        self.generator = torch.Generator().manual_seed(config.seed)
        self.model = build_model(config)
        if config.start:
            load_weights(Path(config.start), self.model, config)
        self.ema = build_model(config)
        self.ema.load_state_dict(self.model.state_dict())
        self.ema.requires_grad_(False)
        self.optimizer = torch.optim.AdamW(
            self.model.parameters(), config.learning_rate, weight_decay=config.weight_decay
        )
        self.schedule = torch.optim.lr_scheduler.LambdaLR(self.optimizer, lambda s: self._rate(s))
        self.step = 0
        self.detected = load_detected(Path(config.detected)) if config.detected else None

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
                    errors = validate(self.ema)
                    self._log(writer, "validation", errors)
                    bar.set_postfix({name: f"{value:.2f}" for name, value in errors.items()})
                if self.step % self.config.checkpoint_every == 0:
                    self.save()
        self.save()
        weights = self.out / "keypoints.safetensors"
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
        for block in ("lifter", "encoder"):
            now = json.loads(json.dumps(dataclasses.asdict(getattr(self.config, block))))
            if trained[block] != now:
                raise InputError(
                    f"{self.checkpoint} has {block} {trained[block]}; the configuration says {now}"
                )
        self.model.load_state_dict(state["model"])
        self.ema.load_state_dict(state["ema"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])
        self.generator.set_state(state["generator"])
        self.step = int(state["step"])

    def _train_step(self) -> dict[str, torch.Tensor]:
        config = self.config
        self.model.train()
        loss, terms = self._loss(self._draw_hands())
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), config.clip_norm)
        self.optimizer.step()
        self.schedule.step()
        self.step += 1
        self._average()
        return {name: term.detach() for name, term in {"loss": loss, **terms}.items()}

    def _draw_hands(self) -> SampledHands:
        config, generator = self.config, self.generator
        detected = round(config.batch * config.detected_share) if self.detected else 0
        hands = sample_hands(config.batch - detected, generator, config.noise)
        if self.detected is not None:
            hands = concatenate(hands, self.detected.draw(detected, generator))
        return hands

    def _loss(self, hands: SampledHands) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        advice = f"training diverged at step {self.step}; a lower learning_rate may help"
        try:
            loss, terms = lifter_loss(
                self.model, hands, self.config.loss, self.generator, self.config.mixed
            )
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


def validate(model: KeypointLifterModel) -> dict[str, float]:
    """Return the mean joint error [% of the anchor bone] of each method on fixed sampled hands."""
    generator = torch.Generator().manual_seed(VALIDATION_SEED)
    hands: SampledHands = sample_hands(VALIDATION_HANDS, generator, NoiseConfig())
    model.eval()
    with torch.inference_mode():
        view = canonical_view(hands.observation)
        target = hands.joints @ view.R_canonical_camera.transpose(-1, -2)
        condition = model.encoder(view.features)
        errors = {}
        for method in ("baseline", "d", "d_star"):
            sampling = SamplingConfig(method=method)
            lifted = model.lifter(condition, sampling, generator=generator)
            errors[method] = 100.0 * (lifted.points - target).norm(dim=-1).mean().item()
    return errors
