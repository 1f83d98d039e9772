"""Trained models from files: checked, and built to the sizes that the file names."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import torch

from hand_pose_ros.errors import ConfigError, InputError
from hand_pose_ros.models.encoders import MEDIAPIPE
from hand_pose_ros.models.image import ImageEncoder
from hand_pose_ros.models.keypoints import KeypointEncoder
from hand_pose_ros.models.lifter import Lifter, LifterConfig
from hand_pose_ros.models.registry import model_entry
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
    path = weights_folder() / entry.weights
    if not path.is_file():
        raise InputError(f"the weights of model {name!r} are missing: {path}")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if digest != entry.sha256:
        raise InputError(
            f"{path} has checksum {digest[:12]}, model {name!r} has {entry.sha256[:12]}; "
            "the file is damaged or another one"
        )
    return load_weights(path)


def load_weights(path: Path) -> tuple[KeypointEncoder, Lifter]:
    """Return encoder and lifter of a file written by `hand-pose train`.

    Raises:
        InputError: missing, unreadable, or of another kind.
        UnavailableError: what sees its images, mediapipe or timm, is not installed.
    """
    metadata, tensors = read_weights(path)
    try:
        fields = json.loads(metadata["lifter"])
        fields["unet_widths"] = tuple(fields["unet_widths"])
        lifter_config = LifterConfig(**fields)
        sizes = json.loads(metadata["encoder"])
        widths = lifter_config.condition, sizes["width"], sizes["blocks"]
        look = metadata.get("look", MEDIAPIPE)
        sees_images = metadata["model"] != "keypoints"
        encoder = ImageEncoder(*widths, look) if sees_images else KeypointEncoder(*widths)
        lifter = Lifter(lifter_config)
        if sees_images and look == MEDIAPIPE:
            theirs = landmark_network().state_dict()
            tensors |= {f"{NOT_OURS}{name}": tensor for name, tensor in theirs.items()}
        torch.nn.ModuleDict({"encoder": encoder, "lifter": lifter}).load_state_dict(tensors)
    except (KeyError, TypeError, ValueError, RuntimeError, ConfigError) as error:
        raise InputError(f"{path} is not a model of this project: {error}") from error
    for network in (encoder, lifter):
        network.eval().requires_grad_(False)
    return encoder, lifter
