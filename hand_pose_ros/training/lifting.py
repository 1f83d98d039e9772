"""The training of the lifters: the baseline, D and D*, from keypoints, images or both."""

from __future__ import annotations

import json
from functools import cached_property
from typing import Any

import torch

from hand_pose_ros.models.encoders import MEDIAPIPE
from hand_pose_ros.models.image import ImageEncoder, ImageView
from hand_pose_ros.models.keypoints import KeypointEncoder
from hand_pose_ros.models.lifter import METHODS, Lifter, SamplingConfig
from hand_pose_ros.training.config import TrainingConfig
from hand_pose_ros.training.contrastive import Projection
from hand_pose_ros.training.devices import Whole, to_device
from hand_pose_ros.training.head_losses import head_scores
from hand_pose_ros.training.loop import Training
from hand_pose_ros.training.losses import LifterModel, LifterObjective, own_look
from hand_pose_ros.training.pretrained import landmark_network
from hand_pose_ros.training.sources import VALIDATION_SEED, Source, make_source
from hand_pose_ros.training.validation import Views, other_views


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


class LifterTraining(Training):
    """Trains an encoder and what lifts from its condition."""

    model: LifterModel
    ema: LifterModel

    def build(self) -> LifterModel:
        """Return a fresh model."""
        return build_model(self.config)

    def make_objective(self) -> LifterObjective:
        """Return what makes the loss and its terms of what `draw` returns."""
        return LifterObjective(self.model, self.config.loss, self.config.mixed)

    def make_source(self, part: tuple[int, int]) -> Source:
        """Return what batches come from, for the k-th of n processes.

        What is measured on is read first: where it cannot be, no time is lost.
        """
        if self.leads:
            self._other_views  # noqa: B018
        return make_source(self.config, part)

    def draw(self) -> tuple[Any, ...]:
        """Return the next batch, and what else the objective is called with."""
        return Whole(self.source.draw(self.generator), self.fabric.device), self.generator

    def validate(self) -> dict[str, float]:
        """Return the errors of the averaged weights, see `validate`.

        Those of `other_views` have the name of their entry before that of the method.
        """
        generator = torch.Generator().manual_seed(VALIDATION_SEED)
        batch = self.source.validation(generator)
        errors = self._errors(Views(batch.view, batch.hands.joints), generator)
        for name, views in self._other_views.items():
            found = self._errors(views, generator)
            errors |= {f"{name}/{method}": error for method, error in found.items()}
        return errors

    @cached_property
    def _other_views(self) -> dict[str, Views]:
        return other_views(self.config.validation, self.config.model == "fused")

    def _errors(self, views: Views, generator: torch.Generator) -> dict[str, float]:
        return validate(self.ema, to_device(views, self.fabric.device), generator)

    def validate_heads(self) -> dict[str, float]:
        """Return what the heads of the averaged image network reach; none where none is trained.

        See `head_scores`.
        """
        generator = torch.Generator().manual_seed(VALIDATION_SEED)
        batch = to_device(self.source.validation(generator), self.fabric.device)
        if batch.looked is None or not isinstance(batch.view, ImageView):
            return {}
        look = own_look(self.ema).eval()
        with torch.inference_mode():
            pooled = look.pool(torch.cat((batch.view.patch, batch.looked.more)))
            return head_scores(look.read(pooled), batch.looked.truth)

    def networks_of(self, config: dict) -> dict[str, Any]:
        """Return encoder and lifter; earlier runs did not write all of what they are."""
        look = config.get("image", {}).get("encoder", MEDIAPIPE)
        model = config.get("model", "keypoints")
        named = {"model": model, "lifter": config["lifter"], "encoder": config["encoder"]}
        if model != "keypoints":
            named["image.encoder"] = look
        return dict(json.loads(json.dumps(named)))


def validate(model: LifterModel, views: Views, generator: torch.Generator) -> dict[str, float]:
    """Return the mean joint error [% of the anchor bone] of each method, wrists aligned."""
    model.eval()
    with torch.inference_mode():
        parts = [(model.encoder(*inputs), joints) for inputs, joints in views.chunks()]
        condition, target = (torch.cat(part) for part in zip(*parts, strict=True))
        errors = {}
        for method in METHODS:
            sampling = SamplingConfig(method=method)
            lifted = model.lifter(condition, sampling, generator=generator)
            errors[method] = 100.0 * (lifted.points - target).norm(dim=-1).mean().item()
    return errors
