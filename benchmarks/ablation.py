"""D against its parts: methods, samplers, steps and hypotheses in one table.

Runs the shipped lifter (or `--weights`) on sampled hands and, with `--data`, on a `folder` dataset
whose keypoints MediaPipe finds. Prints a Markdown table; `--json` keeps it.

    python benchmarks/ablation.py --data DATASET --json ablation.json
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from tables import table

from hand_pose_ros.data.folder import FolderSample, read_folder, read_image
from hand_pose_ros.data.synthetic.keypoints import NoiseConfig, sample_hands
from hand_pose_ros.evaluation.alignment import align_similarity
from hand_pose_ros.evaluation.metrics import joint_errors, mpjpe_scaled, pa_mpjpe
from hand_pose_ros.hand.skeleton import DEFAULT_ANCHOR_LENGTH
from hand_pose_ros.models.keypoints import KeypointEncoder, KeypointObservation, canonical_view
from hand_pose_ros.models.lifter import Lifter, SamplingConfig
from hand_pose_ros.runtime.lift import balanced_noise
from hand_pose_ros.runtime.look import observe
from hand_pose_ros.runtime.still import StillDetector
from hand_pose_ros.runtime.weights import load_model, load_weights

ROWS = (
    SamplingConfig("baseline", hypotheses=1),
    *(
        SamplingConfig(method, "ddim", steps, 0.0, hypotheses)
        for method in ("d", "d_star")
        for steps in (1, 2, 5, 10)
        for hypotheses in (1, 8)
    ),
    *(
        SamplingConfig(method, "ddpm", 50, 0.0, hypotheses)
        for method in ("d", "d_star")
        for hypotheses in (1, 8)
    ),
)


@dataclass(frozen=True)
class Case:
    """Hands to lift and their true joints (camera frame of right hands, any scale)."""

    observation: KeypointObservation
    true: np.ndarray


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="a folder dataset with keypoints")
    parser.add_argument("--weights", type=Path, help="another file than the shipped one")
    parser.add_argument("--hands", type=int, default=1000, help="how many sampled hands")
    parser.add_argument("--json", type=Path, help="write the rows here too")
    args = parser.parse_args()
    torch.set_num_threads(1)
    encoder, lifter = load_weights(args.weights) if args.weights else load_model("keypoints")
    cases = {"sampled": sampled_case(args.hands)}
    if args.data:
        cases["real"] = folder_case(read_folder(args.data, require=("side", "K", "keypoints")))
    rows = [measure(encoder, lifter, sampling, cases) for sampling in ROWS]
    print(table(rows))
    if args.json:
        args.json.write_text(json.dumps(rows, indent=1))


def sampled_case(count: int) -> Case:
    """Return hands of the training distribution from a seed that training does not use."""
    hands = sample_hands(count, torch.Generator().manual_seed(99), NoiseConfig())
    return Case(hands.observation, (hands.joints * DEFAULT_ANCHOR_LENGTH).double().numpy())


def folder_case(samples: list[FolderSample]) -> Case:
    """Return the hands of a dataset as MediaPipe sees them."""
    detector = StillDetector(corrected=False)
    parts, true = [], []
    for sample in samples:
        image = read_image(sample.path)
        found = detector.detect_one(image, sample.box, sample.side)
        if found is None:
            continue
        parts.append(observe([found], sample.camera(image.shape[1], image.shape[0])))
        true.append(sample.keypoints * ((-1 if sample.side == "left" else 1), 1, 1))
    fields = ([getattr(part, name) for part in parts] for name in ("rays", "depth", "world"))
    return Case(KeypointObservation(*(torch.cat(field) for field in fields)), np.stack(true))


def measure(
    encoder: KeypointEncoder, lifter: Lifter, sampling: SamplingConfig, cases: dict[str, Case]
) -> dict:
    """Return one row: errors on every case, and the time of one hand."""
    row = {
        "method": sampling.method,
        "sampler": "-" if sampling.method == "baseline" else sampling.sampler,
        "steps": 0 if sampling.method == "baseline" else sampling.steps,
        "hypotheses": sampling.hypotheses,
    }
    for name, case in cases.items():
        points, hypotheses = lift(encoder, lifter, sampling, case.observation)
        row[f"{name}_pa_mm"] = float(pa_mpjpe(points, case.true).mean())
        row[f"{name}_scaled_mm"] = float(mpjpe_scaled(points, case.true).mean())
        row[f"{name}_best_pa_mm"] = best_of(hypotheses, case.true)
    row["ms"] = milliseconds(encoder, lifter, sampling, cases["sampled"].observation)
    return row


def lift(
    encoder: KeypointEncoder,
    lifter: Lifter,
    sampling: SamplingConfig,
    observation: KeypointObservation,
) -> tuple[np.ndarray, np.ndarray]:
    """Return points (N, 21, 3) and hypotheses (N, S, 21, 3) [m] in the camera frame."""
    generator = torch.Generator().manual_seed(0)
    noise = balanced_noise(sampling.hypotheses, generator)
    with torch.inference_mode():
        view = canonical_view(observation)
        lifted = lifter(encoder(view.features), sampling, noise, generator)
        points = lifted.points @ view.R_canonical_camera
        hypotheses = lifted.hypotheses @ view.R_canonical_camera.unsqueeze(1)
    return tuple(DEFAULT_ANCHOR_LENGTH * part.double().numpy() for part in (points, hypotheses))


def best_of(hypotheses: np.ndarray, true: np.ndarray) -> float:
    """Return the mean PA-MPJPE [mm] when an oracle picks the best hypothesis of each hand."""
    repeated = np.broadcast_to(true[:, None], hypotheses.shape)
    errors = joint_errors(align_similarity(hypotheses, repeated), repeated).mean(-1)
    return float(errors.min(axis=1).mean())


def milliseconds(
    encoder: KeypointEncoder,
    lifter: Lifter,
    sampling: SamplingConfig,
    observation: KeypointObservation,
    runs: int = 30,
) -> float:
    """Return the median time of one hand, from observation to answer."""
    one = KeypointObservation(observation.rays[:1], observation.depth[:1], observation.world[:1])
    times = []
    for _ in range(runs if sampling.sampler == "ddim" else 5):
        start = time.perf_counter()
        lift(encoder, lifter, sampling, one)
        times.append(1e3 * (time.perf_counter() - start))
    return float(np.median(times))


if __name__ == "__main__":
    main()
