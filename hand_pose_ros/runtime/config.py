"""The settings of the estimator: frozen blocks whose fields know their meaning and their range.

ROS parameters and command lines are declared from the fields' metadata. A block that
exists is valid.
"""

from __future__ import annotations

import math
from dataclasses import Field, dataclass, field, fields
from typing import Any

from hand_pose_ros.errors import ConfigError
from hand_pose_ros.models.registry import DETECTORS


def option(default: Any, description: str, low: Any, high: Any, *, read_only: bool = False) -> Any:
    """Return a dataclass field whose values lie in [low, high]."""
    metadata = {"description": description, "low": low, "high": high, "read_only": read_only}
    return field(default=default, metadata=metadata)


def choice(
    default: str, description: str, choices: tuple[str, ...] = (), *, read_only: bool = True
) -> Any:
    """Return a dataclass field of text; one of `choices` where there are some."""
    metadata = {"description": description, "choices": choices, "read_only": read_only}
    return field(default=default, metadata=metadata)


class CheckedBlock:
    """A frozen dataclass whose options are checked against their ranges when it is made."""

    def __post_init__(self) -> None:
        for entry in fields(self):  # type: ignore[arg-type]
            if "low" in entry.metadata:
                check_option(entry, getattr(self, entry.name))
            elif "choices" in entry.metadata:
                check_choice(entry, getattr(self, entry.name))


def check_option(entry: Field[Any], value: Any) -> None:
    """Raise a ConfigError unless a value has the type and lies in the range of an option."""
    name, default, metadata = entry.name, entry.default, entry.metadata
    kinds: Any = (int, float) if isinstance(default, float) else type(default)
    if not isinstance(value, kinds) or isinstance(value, bool) != isinstance(default, bool):
        raise ConfigError(f"{name} is {value!r}; it must be of type {type(default).__name__}")
    low, high = metadata["low"], metadata["high"]
    if not (math.isfinite(value) and low <= value <= high):
        raise ConfigError(f"{name} is {value}; it must lie in {low}..{high}")


def check_choice(entry: Field[Any], value: Any) -> None:
    """Raise a ConfigError unless a value is a text that a choice allows."""
    if not isinstance(value, str):
        raise ConfigError(f"{entry.name} is {value!r}; it must be of type str")
    choices = entry.metadata["choices"]
    if choices and value not in choices:
        raise ConfigError(f"{entry.name} is {value!r}; it must be one of {', '.join(choices)}")


@dataclass(frozen=True)
class DetectorConfig(CheckedBlock):
    """Settings of the hand detector."""

    max_hands: int = option(2, "most hands in one image", 1, 8, read_only=True)
    min_detection: float = option(
        0.5, "certainty from which a palm becomes a hand", 0.0, 1.0, read_only=True
    )
    min_presence: float = option(
        0.5, "certainty below which a followed hand is lost", 0.0, 1.0, read_only=True
    )
    search_every: int = option(
        3,
        "while some hands are followed, others are looked for in every so manieth image",
        1,
        100,
        read_only=True,
    )
    name: str = choice(
        "mediapipe", "what finds the hands and their 2D landmarks", tuple(DETECTORS)
    )


@dataclass(frozen=True)
class TrackConfig(CheckedBlock):
    """Settings of the tracker, which gives hands their ids and sides."""

    keep_lost_s: float = option(1.0, "how long an unseen hand keeps its id [s]", 0.0, 60.0)
    max_gap_s: float = option(
        1.0, "gap between two images after which all starts anew [s]", 0.01, 3600.0
    )
    max_motion: float = option(
        0.8, "farthest a hand moves from image to image, in hand sizes", 0.05, 10.0
    )
    max_speed: float = option(6.0, "how that grows while it is unseen [hand sizes/s]", 0.0, 100.0)
    duplicate_distance: float = option(
        0.25, "mean distance of keypoints, in hand sizes, below which two hands are one", 0.0, 1.0
    )
    flip_evidence: float = option(
        12.0, "log odds against its side that make a hand change it", 0.0, 1000.0
    )


@dataclass(frozen=True)
class SmoothingConfig(CheckedBlock):
    """Settings of the One-Euro filters; higher cutoffs and betas follow faster and shake more."""

    enabled: bool = option(True, "smooth over time", 0, 1)
    rotation_cutoff: float = option(2.0, "cutoff of the wrist's rotation at rest [Hz]", 0.01, 1e3)
    rotation_beta: float = option(3.0, "its growth with speed [Hz/(rad/s)]", 0.0, 1e3)
    angle_cutoff: float = option(2.0, "cutoff of the joint angles at rest [Hz]", 0.01, 1e3)
    angle_beta: float = option(3.0, "its growth with speed [Hz/(rad/s)]", 0.0, 1e3)
    lateral_cutoff: float = option(3.0, "cutoff of the viewing ray at rest [Hz]", 0.01, 1e3)
    lateral_beta: float = option(30.0, "its growth with speed [Hz/(1/s)]", 0.0, 1e4)
    depth_cutoff: float = option(0.7, "cutoff of the distance at rest [Hz]", 0.01, 1e3)
    depth_beta: float = option(1.5, "its growth with relative speed [Hz/(1/s)]", 0.0, 1e4)
    derivative_cutoff: float = option(1.0, "cutoff of the speeds [Hz]", 0.01, 1e3)


OFF, CAUSAL, CENTRED = "none", "causal", "centred"
"""Not "off", which YAML, and so a ROS parameter, takes for a boolean."""


@dataclass(frozen=True)
class WindowConfig(CheckedBlock):
    """Settings of the temporal transformer, which looks at several frames of a hand."""

    mode: str = choice(
        OFF,
        "none; causal: each hand by the frames before it; centred: by those after it, too, which "
        "only a replay can wait for",
        (OFF, CAUSAL, CENTRED),
    )
    window: int = option(
        16, "how far it sees in slots of 1/30 s, at most one frame in each", 2, 27, read_only=True
    )


@dataclass(frozen=True)
class EstimatorConfig(CheckedBlock):
    """Settings of the estimator: its blocks, and the size of the hand."""

    hand_scale: float = option(
        0.0,
        "wrist to index MCP as measured [m]; 0 where not, an adult's is assumed then",
        0.0,
        0.3,
    )
    average_s: float = option(
        1.0, "time over which the proportions of a hand are learnt [s]", 0.0, 60.0
    )
    detector: DetectorConfig = field(default_factory=DetectorConfig)
    track: TrackConfig = field(default_factory=TrackConfig)
    smoothing: SmoothingConfig = field(default_factory=SmoothingConfig)
    temporal: WindowConfig = field(default_factory=WindowConfig)
