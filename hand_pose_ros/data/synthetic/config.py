"""What the studio is asked for, and the presets that name some of it."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

from hand_pose_ros.data.synthetic.body.poses import FAMILIES
from hand_pose_ros.errors import ConfigError, InputError

BLOCK = 64
"""Single images that one process makes in one go."""
VIEWS = ("any", "frontal")
SENSORS = ("any", "mild")
Number = int | float
SHOWN_FAMILIES = ("shown", "open", "relaxed", "pointing")
"""Families of poses that people show to a camera on purpose, whole gestures most often."""

_SHARES = ("left", "two_hands", "objects", "truncated")


@dataclass(frozen=True)
class StudioConfig:
    """What the images show.

    Attributes:
        size: width and height of the images [px].
        view: "any", or "frontal" for palms and backs held up to the camera.
        sensor: "any", or "mild" for pictures without much noise or blur.
        families: of the poses, see `poses.FAMILIES`.
        left: share of left hands.
        two_hands: share of images with two hands near each other.
        objects: share of hands that hold a thing.
        truncated: share of images that cut the hand off.
        nearest, farthest: distance of the hand [m].
        fill: longer side of the box around the keypoints over the side of the image, least, most.
        frames: images of a sequence; 0 for single images.
        rate_hz: of the images of a sequence.
    """

    size: int = 256
    view: str = "any"
    sensor: str = "any"
    families: tuple[str, ...] = FAMILIES
    left: float = 0.5
    two_hands: float = 0.2
    objects: float = 0.12
    truncated: float = 0.1
    nearest: float = 0.2
    farthest: float = 1.5
    fill: tuple[float, float] = (0.4, 0.9)
    frames: int = 0
    rate_hz: float = 30.0

    def __post_init__(self) -> None:
        for name in _SHARES:
            self._check(name, getattr(self, name), 0.0, 1.0)
        self._check("size", self.size, 32, 2048)
        self._check("nearest", self.nearest, 0.12, self.farthest)
        self._check("farthest", self.farthest, self.nearest, 4.0)
        self._check("frames", self.frames, 0, 10_000)
        self._check("rate_hz", self.rate_hz, 1.0, 1000.0)
        self._check("fill", self.fill[0], 0.05, self.fill[1])
        self._check("fill", self.fill[1], self.fill[0], 1.5)
        for name, allowed in (("view", VIEWS), ("sensor", SENSORS)):
            value = getattr(self, name)
            if value not in allowed:
                raise ConfigError(f"{name} is {value!r}; it must be one of {', '.join(allowed)}")
        unknown = [name for name in self.families if name not in FAMILIES]
        if unknown or not self.families:
            raise ConfigError(f"families are {self.families}; allowed are {', '.join(FAMILIES)}")

    def _check(self, name: str, value: Number, low: Number, high: Number) -> None:
        if not low <= value <= high:
            raise ConfigError(f"studio {name} is {value}; it must lie between {low} and {high}")


@dataclass(frozen=True)
class Preset:
    """A named dataset; count and seed None leave them to the caller.

    Attributes:
        config: what the images show.
        summary: one line about it.
        split: whose hands.
        count: single images.
        sequences: sequences beside them.
        seed: of everything.
        labels_sha256: what `labels.labels_checksum` is everywhere, where that is fixed.
    """

    config: StudioConfig
    summary: str
    split: str = "train"
    count: int | None = None
    sequences: int = 0
    seed: int | None = None
    labels_sha256: str | None = None


_FRONTAL = StudioConfig(
    view="frontal",
    sensor="mild",
    families=SHOWN_FAMILIES,
    two_hands=0.0,
    objects=0.0,
    truncated=0.0,
    nearest=0.3,
    farthest=0.9,
    fill=(0.45, 0.8),
)
PRESETS = {
    "train": Preset(StudioConfig(), "everything the studio can do"),
    "frontal": Preset(_FRONTAL, "hands as people show them to a camera, little occlusion"),
    "fists": Preset(replace(_FRONTAL, view="any", families=("fist",)), "fists from all sides"),
    "frames": Preset(
        StudioConfig(two_hands=0.3, nearest=0.3, farthest=2.0, fill=(0.05, 1.0)),
        "hands as they stand in the whole image of a camera, from small to as large as that",
    ),
    "two_hands": Preset(StudioConfig(two_hands=1.0, objects=0.0, fill=(0.6, 0.95)), "pairs"),
    "sequences": Preset(StudioConfig(frames=64), "movements of 64 images at 30 Hz"),
    "benchmark": Preset(
        StudioConfig(),
        "SynthHands-test: 3,000 images and 30 sequences of people that no other split has",
        split="test",
        count=3000,
        sequences=30,
        seed=20_261_121,
        labels_sha256="0c439d79fa170385eebf2131c5172499086abff16f7b534cd9f50494c917b34e",
    ),
}


def preset(name: str) -> Preset:
    """Return a preset.

    Raises:
        InputError: there is none of that name.
    """
    if name not in PRESETS:
        raise InputError(f"preset {name!r} is unknown; there are {', '.join(PRESETS)}")
    return PRESETS[name]


def as_dict(config: StudioConfig) -> dict[str, Any]:
    """Return the options by name, as JSON has them."""
    values = {entry.name: getattr(config, entry.name) for entry in fields(config)}
    return {name: list(v) if isinstance(v, tuple) else v for name, v in values.items()}
