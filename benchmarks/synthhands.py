"""The paper's methods on SynthHands-test: baseline, D and D*, samplers and steps in one table.

A virtual camera looks at every hand of which something is seen; it follows simulated keypoints, as
a detector would give them. Models that take keypoints are shown these, too. Sizes are made true by
the anchor bone, as in the paper. Prints a Markdown table of all hands, and one of the sequences
with the temporal transformer behind D*; `--json` keeps both.

    hand-pose synth --preset benchmark --format shards --out out/benchmark
    python benchmarks/synthhands.py out/benchmark --model image
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tables import table
from temporal import refine

from hand_pose_ros.data.patches import (
    LEAST_VISIBLE,
    PatchTransform,
    SeenHands,
    collate,
)
from hand_pose_ros.data.shards import read_shards
from hand_pose_ros.data.synthetic.keypoints import NoiseConfig
from hand_pose_ros.data.synthetic.sample import SynthSample
from hand_pose_ros.errors import HandPoseError
from hand_pose_ros.evaluation.metrics import acceleration_error
from hand_pose_ros.evaluation.report import score
from hand_pose_ros.hand.kinematics import HandParameters, forward_kinematics
from hand_pose_ros.models.image import ImageEncoder
from hand_pose_ros.models.keypoints import KeypointEncoder
from hand_pose_ros.models.lifter import Lifter, SamplingConfig, balanced_noise
from hand_pose_ros.models.registry import CONDITIONS, model_entry
from hand_pose_ros.models.temporal import HandWindow
from hand_pose_ros.runtime.config import WindowConfig
from hand_pose_ros.runtime.lift import NOISE_SEED
from hand_pose_ros.runtime.weights import load_model, load_temporal, load_weights
from hand_pose_ros.training.sources import seen_batch
from hand_pose_ros.training.tracks import LiftedTracks
from hand_pose_ros.training.validation import PLAIN

BATCH = 64
SEED = 5
D_STAR = SamplingConfig()
WINDOW = WindowConfig().window
ROWS = (
    SamplingConfig("baseline", hypotheses=1),
    *(
        SamplingConfig(method, "ddim", steps, 0.0, hypotheses)
        for method in ("d", "d_star")
        for steps, hypotheses in ((1, 1), (2, 1), (5, 1), (10, 1), (2, 8), (5, 8))
    ),
    *(
        SamplingConfig(method, "ddpm", 50, 0.0, hypotheses)
        for method in ("d", "d_star")
        for hypotheses in (1, 8)
    ),
)


@dataclass(frozen=True)
class Hands:
    """What was looked at.

    Attributes:
        condition: (N, C) what the encoder makes of each hand.
        R_canonical_camera: (N, 3, 3).
        anchor: (N,) true length of the anchor bone [m].
        true: (N, 21, 3) [m], right hands, wrist at the origin.
        pair: (N,) whether another hand is in the image.
        sequence: (N,) number of the sequence and hand; -1 for a single image.
    """

    condition: torch.Tensor
    R_canonical_camera: torch.Tensor
    anchor: torch.Tensor
    true: np.ndarray
    pair: np.ndarray
    sequence: np.ndarray


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("shards", help="folder of SynthHands-test")
    parser.add_argument("--model", choices=CONDITIONS, default="image", help="the condition")
    parser.add_argument("--weights", type=Path, help="another file than the shipped one")
    parser.add_argument("--sequences", action="store_true", help="only the sequences")
    parser.add_argument("--json", type=Path, help="write the rows here too")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    try:
        name = model_entry(arguments.model).condition
        models = load_weights(arguments.weights) if arguments.weights else load_model(name)
        seen = views(arguments.shards, arguments.sequences)
        hands = encoded(models[0], seen, arguments.model)
    except HandPoseError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    moving = sequence_rows(models[1], hands)
    print(f"sequences, {WINDOW} slots\n\n{table(moving)}\n")
    rows = []
    if not arguments.sequences:
        rows = [row_of(models[1], hands, sampling) for sampling in ROWS]
        print(f"{len(hands.true)} hands, {hands.pair.sum()} of them beside another\n")
        print(table(rows))
    if arguments.json:
        arguments.json.write_text(json.dumps({"all": rows, "sequences": moving}, indent=1))
    return 0


def encoded(
    encoder: KeypointEncoder, seen: Iterable[tuple[SeenHands, bool, int]], condition: str
) -> Hands:
    """Return the hands of `views`, seen through the encoder."""
    parts: list[tuple[Any, ...]] = []
    batch: list[SeenHands] = []
    others: list[tuple[bool, int]] = []
    for hand, pair, sequence in seen:
        batch.append(hand)
        others.append((pair, sequence))
        if len(batch) == BATCH:
            parts.append(part_of(encoder, collate(batch), condition))
            batch = []
    if batch:
        parts.append(part_of(encoder, collate(batch), condition))
    features, turn, anchor, true = (torch.cat(part) for part in zip(*parts, strict=True))
    pair, sequence = np.array(others).T
    return Hands(features, turn, anchor, true.double().numpy(), pair.astype(bool), sequence)


def views(shards: str, sequences: bool) -> Iterator[tuple[SeenHands, bool, int]]:
    """Yield each hand, whether it is one of a pair, and of which sequence it is."""
    transform = PatchTransform(NoiseConfig(), PLAIN)
    for number, sample in enumerate(read_shards(shards)):
        if sequences and sample.sequence is None:
            continue
        random = np.random.default_rng([SEED, number])
        for which, hand in enumerate(sample.hands):
            if hand.visible.sum() < LEAST_VISIBLE and sample.sequence is None:
                continue
            seen = transform.seen(sample.image_rgb, sample.camera, hand, random)
            yield seen, len(sample.hands) > 1, sequence_of(sample, which)


def sequence_of(sample: SynthSample, which: int) -> int:
    """Return a number that all images of one hand's movement share; -1 for a single image."""
    return -1 if sample.sequence is None else 2 * sample.sequence + which


@torch.inference_mode()
def part_of(encoder: KeypointEncoder, seen: SeenHands, condition: str) -> tuple[Any, ...]:
    """Return condition, turn, anchor and true joints [m] of a batch."""
    batch = seen_batch(seen, torch.full((len(seen.turn),), condition != "image"))
    view, hands = batch.view, batch.hands
    inputs = view.inputs if isinstance(encoder, ImageEncoder) else (view.features,)
    anchor = hands.anchor.reshape(-1)
    true = hands.joints * anchor.reshape(-1, 1, 1)
    return encoder(*inputs), view.R_canonical_camera, anchor, true


@torch.inference_mode()
def lifted(lifter: Lifter, hands: Hands, sampling: SamplingConfig) -> np.ndarray:
    """Return the points (N, 21, 3) [m] in the camera's axes."""
    generator = torch.Generator().manual_seed(NOISE_SEED)
    noise = balanced_noise(sampling.hypotheses, generator)
    points = [
        lifter(condition, sampling, noise, generator).points
        for condition in hands.condition.split(256)
    ]
    turned = torch.cat(points) @ hands.R_canonical_camera
    return (turned * hands.anchor.reshape(-1, 1, 1)).double().numpy()


def row_of(lifter: Lifter, hands: Hands, sampling: SamplingConfig) -> dict[str, Any]:
    """Return one row: errors of all hands, of pairs, of sequences, and the time of one hand."""
    points = lifted(lifter, hands, sampling)
    first = sampling.method == "baseline"
    row: dict[str, Any] = {
        "method": sampling.method,
        "sampler": "-" if first else sampling.sampler,
        "steps": 0 if first else 50 if sampling.sampler == "ddpm" else sampling.steps,
        "hypotheses": sampling.hypotheses,
    }
    for name, chosen in (("", slice(None)), ("pairs_", hands.pair)):
        found = scored(points[chosen], hands.true[chosen])
        row[f"{name}mpjpe_mm"], row[f"{name}pa_mm"], row[f"{name}auc"] = found
    moving = [hands.sequence == k for k in np.unique(hands.sequence) if k >= 0]
    apart = [acceleration_error(points[k], hands.true[k]).mean() for k in moving]
    row["acceleration_mm"] = float(np.mean(apart))
    row["ms"] = milliseconds(lifter, hands.condition[:1], sampling)
    return row


def sequence_rows(lifter: Lifter, hands: Hands) -> list[dict[str, Any]]:
    """Return the errors over the sequences: each frame alone, and seen beside the others."""
    numbers = [k for k in np.unique(hands.sequence) if k >= 0]
    index = torch.from_numpy(np.stack([np.flatnonzero(hands.sequence == k) for k in numbers]))
    true = hands.true[index.numpy()]
    rows = []
    for sampling in (SamplingConfig("baseline", hypotheses=1), SamplingConfig("d"), D_STAR):
        points = lifted(lifter, hands, sampling)[index.numpy()]
        rows.append({"method": sampling.method, **moved(points, true)})
    tracks = tracks_of(lifter, hands, index)
    anchor = hands.anchor[index].reshape(*index.shape, 1, 1).double().numpy()
    transformer = load_temporal()
    for causal in (True, False):
        refined = refine(transformer, tracks, range(index.shape[1]), causal, WINDOW, 0.0)
        with torch.inference_mode():
            points = forward_kinematics(refined).positions.double().numpy() * anchor
        name = f"d_star, {'causal' if causal else 'centred'} transformer"
        rows.append({"method": name, **moved(points, true)})
    for row in rows:
        row["gain"] = f"{1.0 - row['mpjpe_mm'] / rows[2]['mpjpe_mm']:+.1%}"
    return rows


@torch.inference_mode()
def tracks_of(lifter: Lifter, hands: Hands, index: torch.Tensor) -> LiftedTracks:
    """Return what D* says of the hands (sequence, frame) of each sequence."""
    generator = torch.Generator().manual_seed(NOISE_SEED)
    noise = balanced_noise(D_STAR.hypotheses, generator)
    found = [lifter(c, D_STAR, noise).hand for c in hands.condition[index.flatten()].split(256)]
    parts = (torch.cat(part) for part in zip(*(vars(h).values() for h in found), strict=True))
    root, *rest = (part.unflatten(0, index.shape) for part in parts)
    R = hands.R_canonical_camera[index]
    hand = HandParameters(R.transpose(-1, -2) @ root, *rest)
    slots = torch.arange(index.shape[1], dtype=torch.float32).expand(index.shape)
    seen = torch.ones(index.shape, dtype=torch.bool)
    return LiftedTracks(HandWindow(hand, R[..., 2, :], slots, seen), hand)


def moved(points: np.ndarray, true: np.ndarray) -> dict[str, float]:
    """Return the errors of sequences of points (sequence, frame, 21, 3) [m]."""
    shaking = [acceleration_error(p, t).mean() for p, t in zip(points, true, strict=True)]
    found = scored(points.reshape(-1, 21, 3), true.reshape(-1, 21, 3))
    names = ("mpjpe_mm", "pa_mm", "auc")
    return {**dict(zip(names, found, strict=True)), "acceleration_mm": float(np.mean(shaking))}


def scored(points: np.ndarray, true: np.ndarray) -> tuple[float, float, float]:
    """Return root-aligned and PA-MPJPE [mm], and the latter's AUC."""
    names = [str(k) for k in range(len(true))]
    found = score(dict(zip(names, points, strict=True)), dict(zip(names, true, strict=True)))
    return found.mpjpe_root_mm, found.pa_mpjpe_mm, found.pa_auc


@torch.inference_mode()
def milliseconds(
    lifter: Lifter, condition: torch.Tensor, sampling: SamplingConfig, runs: int = 30
) -> float:
    """Return the median time of one hand, from condition to answer."""
    generator = torch.Generator().manual_seed(NOISE_SEED)
    noise = balanced_noise(sampling.hypotheses, generator)
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        lifter(condition, sampling, noise, generator)
        times.append(1e3 * (time.perf_counter() - start))
    return float(np.median(times))


if __name__ == "__main__":
    sys.exit(main())
