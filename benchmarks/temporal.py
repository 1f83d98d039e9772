"""What the temporal transformer adds to D*: errors, jitter, windows and masked frames in tables.

On sampled tracks, whose simulated detector errs from frame to frame as one that follows a hand
does, and, with `--data`, on the sequences of a `folder` dataset (`hand-pose synth --preset
benchmark`), in which MediaPipe follows the hands, through the whole estimator. Prints Markdown;
`--json` keeps it.

    python benchmarks/temporal.py --data DATASET --json temporal.json
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from tables import table
from temporal_sequences import sequence_rows

from hand_pose_ros.data.synthetic.keypoints import NoiseConfig
from hand_pose_ros.data.synthetic.tracks import TrackConfig
from hand_pose_ros.evaluation.metrics import (
    acceleration_error,
    joint_errors,
    mpjpe_root,
    pa_mpjpe,
    pck_auc,
)
from hand_pose_ros.hand.kinematics import HandParameters, forward_kinematics
from hand_pose_ros.hand.skeleton import DEFAULT_ANCHOR_LENGTH
from hand_pose_ros.models.temporal import TemporalTransformer
from hand_pose_ros.resources import weights_folder
from hand_pose_ros.runtime.config import SmoothingConfig
from hand_pose_ros.runtime.smooth import PoseFilter, ShapeAverage
from hand_pose_ros.runtime.weights import load_temporal, load_temporal_weights
from hand_pose_ros.training.config import TrainingConfig
from hand_pose_ros.training.lifting import build_model
from hand_pose_ros.training.tracks import LiftedTracks, TrackLifter

SEED = 20_261_121
"""Of tracks that training does not draw."""
WINDOWS = (4, 8, 16, 27)
HIDDEN = (0.25, 0.5)
DEFAULT_WINDOW = 16


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="a folder dataset with sequences")
    parser.add_argument("--weights", type=Path, help="another transformer than the shipped one")
    parser.add_argument("--tracks", type=int, default=200, help="how many sampled tracks")
    parser.add_argument("--frames", type=int, default=48, help="of each of them")
    parser.add_argument("--json", type=Path, help="write the rows here too")
    args = parser.parse_args()
    torch.set_num_threads(1)
    transformer = load_temporal_weights(args.weights) if args.weights else load_temporal()
    tracks = sampled_tracks(args.tracks, args.frames)
    rows = {"sampled": sampled_rows(transformer, tracks)}
    print(f"{args.tracks} sampled tracks, frames with a full window around them\n")
    print(table(rows["sampled"], 3))
    if args.data:
        rows["sequences"] = sequence_rows(args.data, transformer)
        print(f"\nsequences of {args.data.name}, through the estimator\n")
        print(table(rows["sequences"], 3))
    if args.json:
        args.json.write_text(json.dumps(rows, indent=1))


def sampled_tracks(count: int, frames: int) -> LiftedTracks:
    """Return tracks from a seed that training does not use, lifted with 8 hypotheses."""
    config = TrainingConfig()
    model = build_model(config)
    from hand_pose_ros.training.checkpoint import load_weights

    load_weights(weights_folder() / "keypoints.safetensors", model, config)
    generator = torch.Generator().manual_seed(SEED)
    sampled = TrackConfig(frames=frames)
    return TrackLifter(model, hypotheses=8).sample(count, generator, NoiseConfig(), sampled)


def sampled_rows(transformer: TemporalTransformer, tracks: LiftedTracks) -> list[dict]:
    """Return a row for each way to smooth."""
    most = transformer.config.window
    frames = tracks.window.seen.shape[1]
    asked = range(most - 1, frames - most // 2)
    true = metres(tracks.true)[:, asked]

    def refined(causal: bool, window: int, hidden: float = 0.0) -> np.ndarray:
        return metres(refine(transformer, tracks, asked, causal, window, hidden))

    lifted = metres(tracks.window.hand)[:, asked]
    smooth = one_euro(tracks.window.hand, tracks.window.times / 30.0)
    rows = [
        measured("D*", lifted, true, lifted),
        measured("One-Euro", smooth[:, asked], true, lifted),
    ]
    for causal, name in ((True, "causal"), (False, "centred")):
        rows += [measured(f"{name} {w}", refined(causal, w), true, lifted) for w in WINDOWS]
        rows += [
            measured(
                f"{name} {DEFAULT_WINDOW}, {share:.0%} masked",
                refined(causal, DEFAULT_WINDOW, share),
                true,
                lifted,
            )
            for share in HIDDEN
        ]
    both = refine(transformer, tracks, range(frames), True, DEFAULT_WINDOW, 0.0)
    after = one_euro(both, tracks.window.times / 30.0)[:, asked]
    return [*rows, measured(f"causal {DEFAULT_WINDOW}, then One-Euro", after, true, lifted)]


def refine(
    transformer: TemporalTransformer,
    tracks: LiftedTracks,
    asked: range,
    causal: bool,
    window: int,
    hidden: float,
) -> HandParameters:
    """Return the hands of the asked frames, (track, frame, ...), each from a window of its own.

    A window reaches less far at the ends of a track. Of the other frames a share is masked.
    """
    frames = tracks.window.seen.shape[1]
    generator = torch.Generator().manual_seed(SEED)
    after = 0 if causal else (window - 1) // 2
    parts = []
    for frame in asked:
        first, last = max(frame - (window - 1 - after), 0), min(frame + after, frames - 1)
        slots = torch.arange(first, last + 1).expand(len(tracks), -1)
        part = tracks.take(torch.arange(len(tracks)), slots)
        seen = torch.rand(part.window.seen.shape, generator=generator) >= hidden
        seen[:, frame - first] = True
        with torch.inference_mode():
            hand = transformer(part.hiding(seen).window, causal)
        parts.append([getattr(hand, name)[:, frame - first] for name in vars(hand)])
    return HandParameters(*(torch.stack(column, dim=1) for column in zip(*parts, strict=True)))


def one_euro(hand: HandParameters, times: torch.Tensor) -> np.ndarray:
    """Return the joints [m] that the filters of the estimator make of tracks."""
    smooth = []
    for track in range(len(times)):
        low_pass, shape = PoseFilter(SmoothingConfig()), ShapeAverage(1.0)
        before = float(times[track, 0])
        rows = []
        for frame, time in enumerate(times[track].tolist()):
            root, angles, ratios, offsets = (
                getattr(hand, name)[track, frame].double().numpy()
                for name in ("root_rotation", "articulation", "bone_lengths", "offsets")
            )
            dt, before = time - before, time
            rows.append((*low_pass.pose(root, angles, dt), *shape(ratios, offsets, dt)))
        columns = (torch.from_numpy(np.stack(column)) for column in zip(*rows, strict=True))
        root, angles, ratios, offsets = columns
        smooth.append(metres(HandParameters(root, angles, ratios, offsets)))
    return np.stack(smooth)


def metres(hand: HandParameters) -> np.ndarray:
    """Return joints [m] of hands of the default size."""
    with torch.inference_mode():
        return DEFAULT_ANCHOR_LENGTH * forward_kinematics(hand).positions.double().numpy()


def measured(name: str, points: np.ndarray, true: np.ndarray, lifted: np.ndarray) -> dict:
    """Return one row: errors [mm] of joints (track, frame, 21, 3) [m], and the gain on D*."""
    error = float(mpjpe_root(points, true).mean())
    shaking = [acceleration_error(p, t).mean() for p, t in zip(points, true, strict=True)]
    return {
        "method": name,
        "mpjpe_mm": error,
        "gain": f"{1.0 - error / float(mpjpe_root(lifted, true).mean()):+.1%}",
        "pa_mpjpe_mm": float(pa_mpjpe(points, true).mean()),
        "auc": pck_auc(joint_errors(points, true)),
        "acceleration_mm": float(np.mean(shaking)),
    }


if __name__ == "__main__":
    main()
