"""Train the correction of landmarks on the studio, and write the weights that ship.

The landmark network under it is MediaPipe's and stays as it is. Needs the extra `render`. What is
seen of the hands is kept in memory, 65 KB a hand.
"""

from __future__ import annotations

import argparse
import itertools
import logging
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from hand_pose_ros.data.patches import AugmentConfig, shaken
from hand_pose_ros.data.shard_dataset import torch_dataset
from hand_pose_ros.data.synthetic.config import preset
from hand_pose_ros.data.synthetic.sample import SynthHand, SynthSample
from hand_pose_ros.data.synthetic.stream import studio_dataset
from hand_pose_ros.errors import ConfigError, HandPoseError
from hand_pose_ros.models.landmark_correction import MAPS, LandmarkCorrection, gather
from hand_pose_ros.models.landmark_network import SIDE, LandmarkNetwork
from hand_pose_ros.runtime.lift_network import as_planes
from hand_pose_ros.runtime.region import Region, warp
from hand_pose_ros.runtime.weights import load_hand_networks
from hand_pose_ros.training.checkpoint import export_correction
from hand_pose_ros.training.correction import (
    CorrectionConfig,
    SeenLandmarks,
    corrected_errors,
    train_correction,
)
from hand_pose_ros.training.sources import Turns

PRESETS = ("train", "train", "frontal")
"""Whose pictures come in turns."""
VISIBLE = 12
"""Visible joints from which a hand is worth a look."""
TURN, SCALE = 25.0, 0.13
"""Most turn [degrees] and most logarithm of the scale of a view."""
POINT, SHIFT = 0.07, 0.05
"""Standard deviations of the keypoints that a view follows and of their middle, in radii."""
GROSS = 0.2
"""Mean error, of the hand's extent, from which a hand was not seen at all: it is not kept, nor
does it count in the errors that are told. From `CorrectionConfig.gross` up to here it counts in
these, as in use, but is too wrong to learn from."""
VALIDATION, VALIDATION_SEED = 512, 79
"""Hands of people that are not trained on."""
ROWS = 64


def samples(shards: list[Path], seed: int) -> Iterator[SynthSample]:
    """Yield pictures of shards or, without any, fresh from the studio."""
    if shards:
        yield from Turns([torch_dataset(shards, shuffle=500, seed=seed)])
    streams = {name: studio_dataset(preset(name).config, seed=seed) for name in set(PRESETS)}
    yield from Turns([streams[name] for name in PRESETS])


def view(
    sample: SynthSample, hand: SynthHand, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return what the landmark network is shown of a hand, and where and how deep joints are."""
    true = np.asarray(hand.keypoints_px, np.float64)
    radius = np.sqrt(np.square(true - true.mean(axis=0)).sum(-1).mean())
    followed = true + random.normal(0.0, POINT * radius, true.shape)
    region = Region.of_keypoints(followed + random.normal(0.0, SHIFT * radius, 2))
    scale, turn = np.exp(random.uniform(-SCALE, SCALE)), random.uniform(-TURN, TURN)
    region = replace(region, side=region.side * float(scale)).turned(float(turn))
    to_patch = region.to_patch(SIDE, bool(random.integers(2)))
    patch = shaken(warp(sample.image_rgb, to_patch, (SIDE, SIDE)), AugmentConfig(), random)
    z, pixels = hand.keypoints[:, 2], np.sqrt(abs(np.linalg.det(to_patch[:, :2])))
    depth = (z - z[0]) / z.mean() * sample.camera.K[0, 0] * pixels
    return patch, true @ to_patch[:, :2].T + to_patch[:, 2] + 0.5, depth


def rows(
    pictures: Iterator[SynthSample], network: LandmarkNetwork, random: np.random.Generator
) -> Iterator[SeenLandmarks]:
    """Yield what the landmark network sees, some rows at a time."""
    views = (
        view(sample, hand, random)
        for sample in pictures
        for hand in sample.hands
        if hand.visible.sum() >= VISIBLE
    )
    while several := list(itertools.islice(views, ROWS)):
        patches, true, depth = (np.stack(part) for part in zip(*several, strict=True))
        with torch.inference_mode():
            last, inner = network.trunk.maps(as_planes(torch.from_numpy(patches)), MAPS)
            pooled = last.mean(dim=(2, 3))
            landmarks, _ = network.points(pooled)
            around = gather(inner, landmarks)
        truth = (torch.from_numpy(part).float() for part in (true, depth))
        seen = SeenLandmarks(landmarks, pooled, around.half(), *truth)
        yield seen.take((seen.errors(landmarks[..., :2]) < GROSS).nonzero()[:, 0])


def some(parts: Iterator[SeenLandmarks], count: int) -> SeenLandmarks:
    """Return at least so many rows."""
    kept: list[SeenLandmarks] = []
    while sum(len(part.true) for part in kept) < count:
        kept.append(next(parts))
    return SeenLandmarks.joined(kept)


def main() -> int:
    """Train, say what it reaches, and write the weights."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("runs/correction"), help="folder")
    parser.add_argument("--shards", type=Path, nargs="*", default=[], help="of `hand-pose synth`")
    parser.add_argument("--hands", type=int, default=22000)
    parser.add_argument("--steps", type=int, default=1400)
    parser.add_argument("--seed", type=int, default=5)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.set_num_threads(1)
    torch.manual_seed(arguments.seed)
    try:
        if arguments.hands < 1:
            raise ConfigError(f"--hands is {arguments.hands}; it must be at least 1")
        config = CorrectionConfig(steps=arguments.steps, seed=arguments.seed)
        arguments.out.mkdir(parents=True, exist_ok=True)
        network, random = load_hand_networks()[1], np.random.default_rng(arguments.seed)
        others = studio_dataset(preset("frontal").config, split="validation", seed=VALIDATION_SEED)
        held_out = some(rows(iter(others), network, random), VALIDATION)
        pictures = samples(arguments.shards, arguments.seed)
        seen = some(rows(pictures, network, random), arguments.hands)
        correction = LandmarkCorrection()
        train_correction(correction, seen, config)
        before = held_out.errors(held_out.landmarks[..., :2]).mean()
        after = corrected_errors(correction, held_out).mean()
        logging.info("frontal hands of other people: %.2f -> %.2f %%", 100 * before, 100 * after)
        path = arguments.out / "correction.safetensors"
        export_correction(path, correction)
    except (HandPoseError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"weights: {path}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
