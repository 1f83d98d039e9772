"""Trained models from files: checked, and built to the sizes that the file names."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import torch

from hand_pose_ros.errors import ConfigError, InputError
from hand_pose_ros.models.image import ImageEncoder
from hand_pose_ros.models.keypoints import KeypointEncoder
from hand_pose_ros.models.lifter import Lifter, LifterConfig
from hand_pose_ros.models.registry import TEMPORAL, TEMPORAL_WEIGHTS, model_entry
from hand_pose_ros.models.temporal import TemporalConfig, TemporalTransformer
from hand_pose_ros.resources import weights_folder
from hand_pose_ros.training.checkpoint import NOT_OURS, read_weights
from hand_pose_ros.training.pretrained import landmark_network


def load_model(name: str) -> tuple[KeypointEncoder, Lifter]:
    """Return encoder and lifter of a model of the table, ready to run.

    Raises:
        ConfigError: no such model.
        InputError: its file is missing, or is not the one that shipped.
    """
    entry = model_entry(name)
    return load_weights(_shipped(name, entry.weights, entry.sha256))


def load_temporal() -> TemporalTransformer:
    """Return the temporal transformer that ships, ready to run.

    Raises:
        InputError: its file is missing, or is not the one that shipped.
    """
    return load_temporal_weights(_shipped(TEMPORAL, *TEMPORAL_WEIGHTS))


def load_temporal_weights(path: Path) -> TemporalTransformer:
    """Return the transformer of a file written by `hand-pose train --model temporal`.

    Raises:
        InputError: missing, unreadable, or of another kind.
    """
    metadata, tensors = read_weights(path)
    try:
        transformer = TemporalTransformer(TemporalConfig(**json.loads(metadata["network"])))
        transformer.load_state_dict(tensors)
    except (KeyError, TypeError, ValueError, RuntimeError, ConfigError) as error:
        raise InputError(f"{path} is not a temporal transformer: {error}") from error
    return transformer.eval().requires_grad_(False)


def load_weights(path: Path) -> tuple[KeypointEncoder, Lifter]:
    """Return encoder and lifter of a file written by `hand-pose train`.

    Raises:
        InputError: missing, unreadable, or of another kind.
        UnavailableError: it sees images, for which mediapipe has to be installed.
    """
    metadata, tensors = read_weights(path)
    try:
        fields = json.loads(metadata["lifter"])
        fields["unet_widths"] = tuple(fields["unet_widths"])
        lifter_config = LifterConfig(**fields)
        sizes = json.loads(metadata["encoder"])
        kind = KeypointEncoder if metadata["model"] == "keypoints" else ImageEncoder
        encoder = kind(lifter_config.condition, sizes["width"], sizes["blocks"])
        lifter = Lifter(lifter_config)
        if isinstance(encoder, ImageEncoder):
            theirs = landmark_network().state_dict()
            tensors |= {f"{NOT_OURS}{name}": tensor for name, tensor in theirs.items()}
        torch.nn.ModuleDict({"encoder": encoder, "lifter": lifter}).load_state_dict(tensors)
    except (KeyError, TypeError, ValueError, RuntimeError, ConfigError) as error:
        raise InputError(f"{path} is not a model of this project: {error}") from error
    for network in (encoder, lifter):
        network.eval().requires_grad_(False)
    return encoder, lifter


def _shipped(name: str, file: str, sha256: str) -> Path:
    """Return the path of a file of the weights folder, once it was found to be the right one."""
    path = weights_folder() / file
    if not path.is_file():
        raise InputError(f"the weights of model {name!r} are missing: {path}")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if digest != sha256:
        raise InputError(
            f"{path} has checksum {digest[:12]}, model {name!r} has {sha256[:12]}; "
            "the file is damaged or another one"
        )
    return path
