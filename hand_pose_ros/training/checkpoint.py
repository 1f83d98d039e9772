"""Checkpoints that survive an interruption, and the weights that ship."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from hand_pose_ros.errors import InputError
from hand_pose_ros.models.encoders import MEDIAPIPE
from hand_pose_ros.models.registry import TEMPORAL
from hand_pose_ros.training.config import TrainingConfig

NOT_OURS = "encoder.look."
"""Names of the tensors of what looks; where that is MediaPipe's network, see `pretrained`,
`hands.safetensors` has them."""

_NOT_SHIPPED = "projection."
"""Names of the tensors that only training needs."""


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write a checkpoint beside its place and move it there, so that a full one always exists."""
    partial = path.with_suffix(".partial")
    torch.save(state, partial)
    os.replace(partial, path)


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Return what `save_checkpoint` wrote.

    Raises:
        InputError: no such file, or not a checkpoint.
    """
    if not path.is_file():
        raise InputError(f"no checkpoint at {path}; train without --resume first")
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch.load raises many unrelated types on a broken file
        raise InputError(f"{path} is not a readable checkpoint: {error}") from error
    missing = {"model", "ema", "optimizer", "step", "generator", "config"} - set(state)
    if missing:
        raise InputError(
            f"{path} lacks {', '.join(sorted(missing))}; it is not from hand-pose train"
        )
    return dict(state)


def export_weights(path: Path, tensors: dict[str, torch.Tensor], config: TrainingConfig) -> None:
    """Write half-precision safetensors with the sizes of the networks in their metadata.

    MediaPipe's network, which is not ours and was not changed, stays out.
    """
    left_out = (_NOT_SHIPPED,) if config.image.trains_encoder else (_NOT_SHIPPED, NOT_OURS)
    half = {
        name: tensor.half().contiguous()
        for name, tensor in tensors.items()
        if not name.startswith(left_out)
    }
    metadata = {"model": config.model, "look": config.image.encoder, **_sizes(config)}
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    save_file(half, partial, metadata=metadata)
    os.replace(partial, path)


def export_hand_networks(
    path: Path, detector: torch.nn.Module, landmarks: torch.nn.Module
) -> None:
    """Write the networks of our detector in half precision, in which MediaPipe's are exact."""
    networks = torch.nn.ModuleDict({"detector": detector, "landmarks": landmarks})
    _export(path, networks, "detector, landmarks")


def export_correction(path: Path, correction: torch.nn.Module) -> None:
    """Write the landmarks' correction in half precision."""
    _export(path, correction, "correction")


def _export(path: Path, network: torch.nn.Module, named: str) -> None:
    half = {name: tensor.half().contiguous() for name, tensor in network.state_dict().items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    save_file(half, partial, metadata={"networks": named})
    os.replace(partial, path)


def read_weights(path: Path) -> tuple[dict[str, str], dict[str, torch.Tensor]]:
    """Return metadata and tensors, in single precision, of a file of `export_weights`.

    Raises:
        InputError: no such file, or not safetensors.
    """
    try:
        with safe_open(str(path), framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {key: file.get_tensor(key).float() for key in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise InputError(f"{path} cannot be read as safetensors: {error}") from error
    return metadata, tensors


def load_weights(path: Path, model: torch.nn.Module, config: TrainingConfig) -> None:
    """Give a model the weights of a file.

    A keypoint model fills the part of an image model that it is, and leaves the rest as it was.

    Raises:
        InputError: as for `read_weights`, or they are of networks of another size or kind.
    """
    metadata, tensors = read_weights(path)
    for block, wanted in _sizes(config).items():
        if metadata.get(block) != wanted:
            raise InputError(
                f"{path} has {block} {metadata.get(block)}; the configuration says {wanted}"
            )
    kind = metadata.get("model", "keypoints")
    if kind != "keypoints" and config.model == "keypoints":
        raise InputError(f"{path} has a model of {kind}; a keypoint model cannot begin with it")
    look = metadata.get("look", MEDIAPIPE)
    if kind not in ("keypoints", TEMPORAL) and look != config.image.encoder:
        raise InputError(
            f"{path} has image.encoder {look}; the configuration says {config.image.encoder}"
        )
    model.load_state_dict(tensors, strict=config.model in ("keypoints", TEMPORAL))


def _sizes(config: TrainingConfig) -> dict[str, str]:
    """Return what the shapes of the weights depend on, as JSON by its name."""
    if config.model == TEMPORAL:
        return {"network": json.dumps(asdict(config.tracks.network))}
    return {name: json.dumps(asdict(getattr(config, name))) for name in ("lifter", "encoder")}
