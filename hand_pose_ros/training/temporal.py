"""The training of the temporal transformer, behind the same loop as that of the lifters."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from hand_pose_ros.hand.kinematics import HandParameters, forward_kinematics
from hand_pose_ros.models.temporal import TemporalTransformer
from hand_pose_ros.resources import weights_folder
from hand_pose_ros.training.checkpoint import load_weights
from hand_pose_ros.training.loop import LifterTraining, build_model
from hand_pose_ros.training.sources import VALIDATION_SEED
from hand_pose_ros.training.temporal_loss import temporal_loss
from hand_pose_ros.training.tracks import LiftedTracks, TrackLifter, TrackSource


class TemporalTraining(LifterTraining):
    """Trains one transformer for both its variants, causal and centred."""

    sizes = ("model", "tracks")

    def build(self) -> TemporalTransformer:
        """Return a fresh transformer."""
        return TemporalTransformer(self.config.tracks.network)

    def make_source(self) -> TrackSource:
        """Return tracks as the configured keypoint lifter lifts them."""
        config = self.config
        lifting = replace(config, model="keypoints")
        lifter = build_model(lifting)
        shipped = weights_folder() / "keypoints.safetensors"
        load_weights(Path(config.tracks.lifter or shipped), lifter, lifting)
        return TrackSource(TrackLifter(lifter), config.tracks, config.noise, config.batch)

    def next_loss(self) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the loss of the next windows: of two steps in three causal."""
        batch = self.source.draw(self.generator)
        causal = bool(self.step % 3)
        return temporal_loss(self.model, batch, self.config.tracks.loss, causal)

    def validate(self) -> dict[str, float]:
        """Return the mean joint error [% of the anchor bone] as lifted, and of both variants.

        In the slots that have a third of the window behind them, and their acceleration error.
        """
        generator = torch.Generator().manual_seed(VALIDATION_SEED)
        tracks = self.source.validation(generator)
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
