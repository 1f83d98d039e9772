"""Trained models from files: checked, and built to the sizes that the file names."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import torch

from hand_pose_ros.errors import ConfigError, InputError
from hand_pose_ros.models.detector import HandDetector
from hand_pose_ros.models.encoders import MEDIAPIPE
from hand_pose_ros.models.image import ImageEncoder
from hand_pose_ros.models.keypoints import KeypointEncoder
from hand_pose_ros.models.landmark_correction import LandmarkCorrection
from hand_pose_ros.models.landmark_network import LandmarkNetwork
from hand_pose_ros.models.lifter import Lifter, LifterConfig
from hand_pose_ros.models.registry import (
    CORRECTION_WEIGHTS,
    HANDS_SHA256,
    HANDS_WEIGHTS,
    TEMPORAL_WEIGHTS,
    model_entry,
)
from hand_pose_ros.models.temporal import TemporalConfig, TemporalTransformer
from hand_pose_ros.resources import weights_folder
from hand_pose_ros.training.checkpoint import NOT_OURS, read_weights


def load_model(name: str) -> tuple[KeypointEncoder, Lifter]:
    """Return encoder and lifter of a model of the table, ready to run.

    Raises:
        ConfigError: no such model.
        InputError: its file is missing, or is not the one that shipped.
    """
    entry = model_entry(name)
    encoder, lifter = load_weights(_checked(f"model {name!r}", entry.weights, entry.sha256))
    encoder.weights_sha256 = lifter.weights_sha256 = entry.sha256
    return encoder, lifter


def load_hand_networks() -> tuple[HandDetector, LandmarkNetwork]:
    """Return our detector and the landmark network, ready to run.

    Raises:
        InputError: their file is missing, or is not the one that shipped.
    """
    path = _checked("the detector", HANDS_WEIGHTS, HANDS_SHA256)
    _, tensors = read_weights(path)
    detector, landmarks = HandDetector(), LandmarkNetwork()
    networks = torch.nn.ModuleDict({"detector": detector, "landmarks": landmarks})
    networks.load_state_dict(tensors)
    networks.eval().requires_grad_(False)
    landmarks.weights_sha256 = HANDS_SHA256
    return detector, landmarks


def load_correction() -> LandmarkCorrection:
    """Return the correction of landmarks that ships, ready to run.

    Raises:
        InputError: its file is missing, or is not the one that shipped.
    """
    try:
        path = _checked("the landmarks' correction", *CORRECTION_WEIGHTS)
    except InputError as error:
        raise InputError(f"{error}; --no-correction does without") from error
    _, tensors = read_weights(path)
    correction = LandmarkCorrection()
    correction.load_state_dict(tensors)
    return correction.eval().requires_grad_(False)


def load_temporal() -> TemporalTransformer:
    """Return the temporal transformer that ships, ready to run.

    Raises:
        InputError: its file is missing, or is not the one that shipped.
    """
    return load_temporal_weights(_checked("the temporal transformer", *TEMPORAL_WEIGHTS))


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
        UnavailableError: what sees its images, timm, is not installed.
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
            theirs = load_hand_networks()[1].state_dict()
            tensors |= {f"{NOT_OURS}{name}": tensor for name, tensor in theirs.items()}
        torch.nn.ModuleDict({"encoder": encoder, "lifter": lifter}).load_state_dict(tensors)
    except (KeyError, TypeError, ValueError, RuntimeError, ConfigError) as error:
        raise InputError(f"{path} is not a model of this project: {error}") from error
    for network in (encoder, lifter):
        network.eval().requires_grad_(False)
    if isinstance(encoder, ImageEncoder) and isinstance(encoder.look, LandmarkNetwork):
        encoder.look.weights_sha256 = HANDS_SHA256
    return encoder, lifter


def _checked(what: str, file: str, sha256: str) -> Path:
    """Return the path of a file that ships, after a look at its checksum."""
    path = weights_folder() / file
    if not path.is_file():
        raise InputError(f"the weights of {what} are missing: {path}")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if digest != sha256:
        raise InputError(
            f"{path} has checksum {digest[:12]}, {what} has {sha256[:12]}; "
            "the file is damaged or another one"
        )
    return path
