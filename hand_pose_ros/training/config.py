"""What a training run is made of, one frozen block each, checked on construction."""

from __future__ import annotations

import dataclasses
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from hand_pose_ros.data.synthetic.keypoints import NoiseConfig
from hand_pose_ros.errors import ConfigError, InputError
from hand_pose_ros.models.lifter import LifterConfig


@dataclass(frozen=True)
class EncoderConfig:
    """Sizes of the keypoint encoder."""

    width: int = 512
    blocks: int = 3

    def __post_init__(self) -> None:
        if self.width < 1 or self.blocks < 1:
            raise ConfigError(f"encoder width {self.width} and blocks {self.blocks} must be >= 1")


@dataclass(frozen=True)
class LossWeights:
    """Weights of the terms of `training.losses.lifter_loss`."""

    diffusion: float = 1.0
    inverse_kinematics: float = 1.0
    baseline: float = 1.0
    angles: float = 0.1
    projection: float = 0.2

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value < 0.0:
                raise ConfigError(f"loss weight {name} is {value}; it must not be negative")


@dataclass(frozen=True)
class TrainingConfig:
    """One run of `hand-pose train`.

    Attributes:
        start: safetensors of an earlier run to begin with; empty to begin with noise.
        detected: file of `scripts/detect_portraits.py`; empty where all hands are simulated.
        detected_share: share of a batch that comes from it.
    """

    steps: int = 8000
    batch: int = 512
    learning_rate: float = 2e-3
    weight_decay: float = 1e-2
    warmup: int = 300
    clip_norm: float = 1.0
    ema: float = 0.999
    seed: int = 0
    validate_every: int = 1000
    checkpoint_every: int = 500
    threads: int = 2
    mixed: bool = True
    start: str = ""
    detected: str = ""
    detected_share: float = 0.25
    lifter: LifterConfig = field(default_factory=LifterConfig)
    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    loss: LossWeights = field(default_factory=LossWeights)
    noise: NoiseConfig = field(default_factory=NoiseConfig)

    def __post_init__(self) -> None:
        for name in ("steps", "batch", "validate_every", "checkpoint_every", "threads"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}; it must be at least 1")
        if not 0.0 < self.learning_rate < 1.0:
            raise ConfigError(f"learning_rate is {self.learning_rate}; allowed are 0 to 1")
        for name in ("ema", "detected_share"):
            if not 0.0 <= getattr(self, name) < 1.0:
                raise ConfigError(
                    f"{name} is {getattr(self, name)}; allowed are 0 up to, not including, 1"
                )


def load_config(path: Path | None, overrides: list[str]) -> TrainingConfig:
    """Return the configuration of a YAML file (or the defaults) with `key.sub=value` overrides.

    Raises:
        InputError: an unreadable file.
        ConfigError: an unknown key (the known ones are listed) or a value out of range.
    """
    values: Any = {}
    if path is not None:
        try:
            values = yaml.safe_load(path.read_text()) or {}
        except (OSError, yaml.YAMLError) as error:
            raise InputError(f"cannot read the configuration {path}: {error}") from error
    for override in overrides:
        key, equals, text = override.partition("=")
        if not equals:
            raise ConfigError(f"override {override!r} is not of the form key=value")
        _set(values, key.split("."), yaml.safe_load(text), override)
    config = build(TrainingConfig, values, "")
    assert isinstance(config, TrainingConfig)
    return config


def build(block: type, values: Any, where: str) -> Any:
    """Return a dataclass block from nested dictionaries, refusing unknown keys and wrong types."""
    if not isinstance(values, dict):
        raise ConfigError(f"{where or 'the configuration'} is {values!r}; a mapping is needed")
    known = {f.name: f for f in dataclasses.fields(block)}
    defaults = block()
    arguments: dict[str, Any] = {}
    for key, value in values.items():
        if key not in known:
            raise ConfigError(f"unknown key {where}{key}; known are {', '.join(known)}")
        current = getattr(defaults, key)
        if dataclasses.is_dataclass(current):
            arguments[key] = build(type(current), value, f"{where}{key}.")
        else:
            arguments[key] = _like(current, value, f"{where}{key}")
    return block(**arguments)


def _like(current: Any, value: Any, name: str) -> Any:
    if isinstance(current, tuple) and isinstance(value, (list, tuple)):
        return tuple(value)
    if isinstance(current, float) and isinstance(value, str):  # YAML takes 6e-4 for a text
        with suppress(ValueError):
            value = float(value)
    allowed = (int, float) if isinstance(current, float) else type(current)
    is_wrong_flag = isinstance(value, bool) and not isinstance(current, bool)
    if is_wrong_flag or not isinstance(value, allowed):
        raise ConfigError(f"{name} is {value!r}; a {type(current).__name__} is needed")
    return float(value) if isinstance(current, float) else value


def _set(values: dict, keys: list[str], value: Any, override: str) -> None:
    for key in keys[:-1]:
        values = values.setdefault(key, {})
        if not isinstance(values, dict):
            raise ConfigError(f"override {override!r} goes into {key}, which is a plain value")
    values[keys[-1]] = value
