"""The table that `--model` picks from."""

from __future__ import annotations

from dataclasses import dataclass

from hand_pose_ros.errors import ConfigError

CONDITIONS = ("keypoints", "image", "fused")
"""What a model sees of a hand: 2D keypoints, the image alone, or the image and the keypoints."""

TEMPORAL = "temporal"
"""The transformer that refines what any of the models says over a window of frames."""


@dataclass(frozen=True)
class ModelEntry:
    """One trained model.

    Attributes:
        summary: what `hand-pose models` says of it.
        condition: what it sees of a hand, one of `CONDITIONS`.
        weights: their file in the weights folder; two models may be one network seeing more or
            less.
        sha256: of that file.
        averaged_with: models whose hands are averaged with its own where there is time for it.
    """

    summary: str
    condition: str
    weights: str
    sha256: str
    averaged_with: tuple[str, ...] = ()


MODELS = {
    "keypoints": ModelEntry(
        "diffusion with kinematics (D*), lifted from 2D keypoints",
        condition="keypoints",
        weights="keypoints.safetensors",
        sha256="58902f6ab15016fe349ee1eef0a4ed32ba3f2855d65d6addbea3444b33bb580c",
    ),
    "image": ModelEntry(
        "the same, lifted from the image of a hand alone",
        condition="image",
        weights="fused.safetensors",
        sha256="9c3133ed3b14f153c567b60f145cbc527ee8fa109bd11461fdf566bb8783e02e",
    ),
    "fused": ModelEntry(
        "the same, lifted from image and 2D keypoints together: nearest to the truth",
        condition="fused",
        weights="fused.safetensors",
        sha256="9c3133ed3b14f153c567b60f145cbc527ee8fa109bd11461fdf566bb8783e02e",
        averaged_with=("keypoints",),
    ),
}

TEMPORAL_WEIGHTS = (
    "temporal.safetensors",
    "f331fdf50259f486820018c5b2c43d06cc45175f76f292e1301723460f5eee94",
)
"""Their file, and its sha256."""


DETECTORS = {
    "mediapipe": "MediaPipe Hands, which has to be installed",
    "own": "the same networks run by our own engine, with hands of the studio learnt on top",
}
"""What finds hands and their 2D landmarks, and what `hand-pose models` says of it."""

HANDS_WEIGHTS = "hands.safetensors"
"""What our own detector sees with, and the landmark network that the image models see with."""

HANDS_SHA256 = "f9dc8fa79900da87afc3845bc6671988dfe44c4cbb73f956baf4c108b73c5780"

CORRECTION_WEIGHTS = (
    "correction.safetensors",
    "b749d295e0be3476b7de9a3fbb63f8e16e3382014ff3da7b561013f0b9eaaa5d",
)
"""The file of the landmarks' correction, and its sha256."""


def model_entry(name: str) -> ModelEntry:
    """Return a row of `MODELS`.

    Raises:
        ConfigError: no such model; the message lists those there are.
    """
    if name not in MODELS:
        raise ConfigError(f"model {name!r} is unknown; there are {', '.join(MODELS)}")
    return MODELS[name]
