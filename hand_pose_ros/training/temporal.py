"""The training of the temporal transformer, behind the same loop as that of the lifters."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from hand_pose_ros.hand.kinematics import HandParameters, forward_kinematics
from hand_pose_ros.models.temporal import TemporalTransformer
from hand_pose_ros.resources import weights_folder
from hand_pose_ros.training.checkpoint import load_weights
from hand_pose_ros.training.devices import Whole, to_device
from hand_pose_ros.training.lifting import build_model
from hand_pose_ros.training.loop import Training
from hand_pose_ros.training.sources import VALIDATION_SEED
from hand_pose_ros.training.temporal_loss import TemporalObjective
from hand_pose_ros.training.tracks import LiftedTracks, TrackLifter, TrackSource


class TemporalTraining(Training):
    """Trains one transformer for both its variants, causal and centred."""

    model: TemporalTransformer
    ema: TemporalTransformer

    def build(self) -> TemporalTransformer:
        """Return a fresh transformer."""
        return TemporalTransformer(self.config.tracks.network)

    def make_objective(self) -> TemporalObjective:
        """Return the loss of windows."""
        return TemporalObjective(self.model, self.config.tracks.loss)

    def make_source(self, part: tuple[int, int]) -> TrackSource:
        """Return tracks as the configured keypoint lifter lifts them."""
        config = self.config
        lifting = replace(config, model="keypoints")
        lifter = build_model(lifting)
        shipped = weights_folder() / "keypoints.safetensors"
        load_weights(Path(config.tracks.lifter or shipped), lifter, lifting)
        return TrackSource(
            TrackLifter(lifter), config.tracks, config.noise, config.batch // part[1]
        )

    def draw(self) -> tuple[Any, ...]:
        """Return the next windows, and whether to see them causally: in two steps of three."""
        return Whole(self.source.draw(self.generator), self.fabric.device), bool(self.step % 3)

    def networks_of(self, config: dict) -> dict[str, Any]:
        """Return the transformer's sizes."""
        network = config.get("tracks", {}).get("network")
        return {"model": config["model"], "tracks.network": json.loads(json.dumps(network))}

    def validate(self) -> dict[str, float]:
        """Return the mean joint error [% of the anchor bone] as lifted, and of both variants.

        In the slots that have a third of the window behind them, and their acceleration error.
        """
        generator = torch.Generator().manual_seed(VALIDATION_SEED)
        tracks = to_device(self.source.validation(generator), self.fabric.device)
        self.ema.eval()
        with torch.inference_mode():
            hands = {
                "lifted": tracks.window.hand,
                "causal": self.ema(tracks.window, causal=True),
                "centred": self.ema(tracks.window, causal=False),
            }
            return {
                f"{name}{kind}": error
                for name, hand in hands.items()
                for kind, error in _errors(hand, tracks).items()
            }


def _errors(hand: HandParameters, tracks: LiftedTracks) -> dict[str, float]:
    begun = tracks.window.seen.shape[1] // 3
    joints = forward_kinematics(hand).positions
    error = (joints - forward_kinematics(tracks.true).positions)[:, begun:]
    return {
        "": 100.0 * error.norm(dim=-1).mean().item(),
        "_acceleration": 100.0 * error.diff(n=2, dim=1).norm(dim=-1).mean().item(),
    }
