"""What a training run is made of, one frozen block each, checked on construction."""

from __future__ import annotations

import dataclasses
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from hand_pose_ros.data.patches import AugmentConfig
from hand_pose_ros.data.synthetic.config import PRESETS
from hand_pose_ros.data.synthetic.keypoints import NoiseConfig
from hand_pose_ros.data.synthetic.tracks import TrackConfig
from hand_pose_ros.errors import ConfigError, InputError
from hand_pose_ros.models.encoders import MEDIAPIPE, check_encoder
from hand_pose_ros.models.lifter import LifterConfig
from hand_pose_ros.models.registry import CONDITIONS, TEMPORAL
from hand_pose_ros.models.temporal import TemporalConfig
from hand_pose_ros.training.contrastive import ContrastiveConfig
from hand_pose_ros.training.devices import ACCELERATORS

TRAINABLE = (*CONDITIONS, TEMPORAL)
"""What `hand-pose train --model` takes."""


@dataclass(frozen=True)
class EncoderConfig:
    """Sizes of the keypoint encoder."""

    width: int = 512
    blocks: int = 3

    def __post_init__(self) -> None:
        if self.width < 1 or self.blocks < 1:
            raise ConfigError(f"encoder width {self.width} and blocks {self.blocks} must be >= 1")


@dataclass(frozen=True)
class ImageConfig:
    """Where the images of a run come from, and what is shown of them.

    Attributes:
        encoder: the network that looks, see `models.encoders`: `mediapipe` as it is installed, or
            one that is trained, such as `small` or `timm:resnet18`.
        shards: folder of `hand-pose synth --format shards`; empty to render while training.
        presets: of the studio, taken in turns, see `hand-pose synth --preset list`.
        workers: processes that render or read; with 0 the one that trains does it.
        rows: hands of a batch that have an image; the others are sampled keypoints.
        own: share of those whose keypoints are those that the image network reads off the image;
            of an `image` model all are. It errs otherwise on renders than on photographs: a model
            that was shown simulated keypoints only was the better one with its own, too.
        mirrored: share of the images that the heads of an encoder that is trained also see in a
            mirror, as hands of the other side.
        empty: as many images without a hand that they also see.
    """

    encoder: str = MEDIAPIPE
    shards: str = ""
    presets: tuple[str, ...] = ("train", "train", "train", "frontal")
    workers: int = 2
    rows: int = 192
    own: float = 0.0
    mirrored: float = 0.25
    empty: float = 0.125

    @property
    def trains_encoder(self) -> bool:
        """Whether the network that looks learns, and has heads of ours."""
        return self.encoder != MEDIAPIPE

    def __post_init__(self) -> None:
        check_encoder(self.encoder)
        unknown = [name for name in self.presets if name not in PRESETS]
        if unknown or not self.presets:
            raise ConfigError(f"presets are {self.presets}; there are {', '.join(PRESETS)}")
        if self.workers < 0 or self.rows < 1:
            raise ConfigError(
                f"workers is {self.workers} and rows is {self.rows}; at least 0 and 1 are needed"
            )
        for name in ("own", "mirrored", "empty"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ConfigError(f"{name} is {getattr(self, name)}; allowed are 0 to 1")


@dataclass(frozen=True)
class LossWeights:
    """Weights of the terms of `training.losses.lifter_loss`.

    From `keypoints` on they are for encoders that are trained: 2D keypoints, where joints are in
    space, which are visible, the side, whether there is a hand, the mean place and the height of
    the scores of a keypoint (`head_losses`), and views of one hand being alike (`contrastive`).
    """

    diffusion: float = 1.0
    inverse_kinematics: float = 1.0
    baseline: float = 1.0
    angles: float = 0.1
    projection: float = 0.2
    keypoints: float = 1.0
    space: float = 1.0
    visibility: float = 0.05
    side: float = 0.05
    presence: float = 0.05
    places: float = 1.0
    scores: float = 0.2
    contrastive: float = 0.0

    def __post_init__(self) -> None:
        _check_weights(self)


@dataclass(frozen=True)
class TemporalLossWeights:
    """Weights of the terms of `training.temporal_loss`."""

    joints: float = 1.0
    angles: float = 0.1
    velocity: float = 0.1
    acceleration: float = 0.1

    def __post_init__(self) -> None:
        _check_weights(self)


@dataclass(frozen=True)
class TracksConfig:
    """What the temporal transformer is trained on: a pool of lifted tracks that is slowly renewed.

    Attributes:
        lifter: weights of the keypoint lifter that lifts them; empty for those that ship.
        pool: how many tracks there are at a time.
        fresh: how many of them are replaced in each step.
        hidden: most of a window that is masked.
        validation: tracks, others, on which it is measured.
        sampled: how they move and how their detector errs.
        network: sizes of the transformer.
        loss: weights of its terms.
    """

    lifter: str = ""
    pool: int = 3840
    fresh: int = 0
    hidden: float = 0.5
    validation: int = 128
    sampled: TrackConfig = field(default_factory=TrackConfig)
    network: TemporalConfig = field(default_factory=TemporalConfig)
    loss: TemporalLossWeights = field(default_factory=TemporalLossWeights)

    def __post_init__(self) -> None:
        if self.pool < 1 or self.validation < 1 or not 0 <= self.fresh <= self.pool:
            raise ConfigError(
                f"pool is {self.pool}, validation is {self.validation}, fresh is {self.fresh}; "
                "two of at least 1 and one of 0 to pool are needed"
            )
        if not 0.0 <= self.hidden < 1.0:
            raise ConfigError(f"hidden is {self.hidden}; allowed are 0 up to, not including, 1")
        if self.sampled.frames < self.network.window:
            raise ConfigError(
                f"tracks have {self.sampled.frames} frames; the window has {self.network.window}"
            )
        if self.sampled.slot_s != self.network.slot_s:
            raise ConfigError(
                f"slot_s of the tracks is {self.sampled.slot_s}; that of the network is "
                f"{self.network.slot_s}"
            )


@dataclass(frozen=True)
class ValidationConfig:
    """What an image model is measured on, beside rendered hands of people of no other split.

    Attributes:
        shards: folder of `hand-pose synth --format shards`, such as SynthHands-test; or empty.
        folder: `folder` dataset of photographs with true joints, never trained on; or empty.
        images: most of the shards.
    """

    shards: str = ""
    folder: str = ""
    images: int = 1024

    def __post_init__(self) -> None:
        if self.images < 1:
            raise ConfigError(f"validation images is {self.images}; it must be at least 1")


@dataclass(frozen=True)
class TrainingConfig:
    """One run of `hand-pose train`.

    Attributes:
        start: safetensors of an earlier run to begin with; empty to begin with noise. The image
            models can begin with a keypoint model, and then add to it.
        detected: file of `scripts/detect_portraits.py`; empty where all hands are simulated.
        detected_share: share of a batch that comes from it.
        model: what it sees, one of `registry.CONDITIONS`, or `registry.TEMPORAL`.
        tracks: of the temporal transformer alone, which looks at `noise` beside it.
        batch: hands of a step, of all processes together.
        threads: of each process, on a CPU.
        mixed: whether those of the lifters run in bfloat16; kinematics and losses never do.
        accelerator: what computes, one of `devices.ACCELERATORS`.
        devices: how many of them; each has a process and an equal share of the batch.
        validation: what an image model is measured on beside rendered hands.
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
    accelerator: str = "auto"
    devices: int = 1
    start: str = ""
    detected: str = ""
    detected_share: float = 0.25
    model: str = "keypoints"
    lifter: LifterConfig = field(default_factory=LifterConfig)
    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    loss: LossWeights = field(default_factory=LossWeights)
    noise: NoiseConfig = field(default_factory=NoiseConfig)
    image: ImageConfig = field(default_factory=ImageConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    contrastive: ContrastiveConfig = field(default_factory=ContrastiveConfig)
    tracks: TracksConfig = field(default_factory=TracksConfig)
    validation: ValidationConfig = field(default_factory=ValidationConfig)

    def __post_init__(self) -> None:
        sees_images = self.model in ("image", "fused")
        if (self.validation.shards or self.validation.folder) and not sees_images:
            raise ConfigError(f"validation on images is not for the model {self.model!r}")
        if self.model not in TRAINABLE:
            raise ConfigError(f"model {self.model!r} cannot be trained; it is one of {TRAINABLE}")
        if self.loss.contrastive and not (sees_images and self.image.trains_encoder):
            raise ConfigError(
                f"loss.contrastive is {self.loss.contrastive}; it is for a model of images whose "
                "image.encoder is trained"
            )
        if sees_images and self.image.rows > self.batch:
            raise ConfigError(f"image.rows is {self.image.rows}; the batch has {self.batch}")
        if self.accelerator not in ACCELERATORS:
            raise ConfigError(
                f"accelerator {self.accelerator!r} is unknown; there are {', '.join(ACCELERATORS)}"
            )
        for name in (
            *("steps", "batch", "validate_every", "checkpoint_every", "threads", "devices"),
        ):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}; it must be at least 1")
        rows = (self.image.rows,) if sees_images else ()
        for count in (self.batch, *rows):
            if count % self.devices:
                raise ConfigError(
                    f"{count} hands cannot be shared equally by {self.devices} devices"
                )
        if not 0.0 < self.learning_rate < 1.0:
            raise ConfigError(f"learning_rate is {self.learning_rate}; allowed are 0 to 1")
        for name in ("ema", "detected_share"):
            if not 0.0 <= getattr(self, name) < 1.0:
                raise ConfigError(
                    f"{name} is {getattr(self, name)}; allowed are 0 up to, not including, 1"
                )


def _check_weights(block: LossWeights | TemporalLossWeights) -> None:
    for name, value in vars(block).items():
        if value < 0.0:
            raise ConfigError(f"loss weight {name} is {value}; it must not be negative")


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
