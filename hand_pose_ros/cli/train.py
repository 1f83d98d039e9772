"""`hand-pose train`: weights of the keypoint lifter from sampled kinematic hands."""

from __future__ import annotations

import argparse
from pathlib import Path

from hand_pose_ros.errors import InputError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what a run can be told."""
    parser.add_argument("--out", type=Path, required=True, help="folder of the run")
    parser.add_argument("--config", type=Path, help="YAML with the keys of TrainingConfig")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="override one key, such as --set steps=100 or --set noise.white=0.05",
    )
    parser.add_argument("--resume", action="store_true", help="go on from the run's checkpoint")


def run(args: argparse.Namespace) -> int:
    """Train, and print where the weights are and what they reach on sampled hands."""
    import torch

    from hand_pose_ros.training.config import load_config
    from hand_pose_ros.training.loop import KeypointTraining, validate

    config = load_config(args.config, args.set)
    torch.set_num_threads(config.threads)
    training = KeypointTraining(config, args.out)
    if args.resume:
        training.resume()
    elif training.checkpoint.exists():
        raise InputError(
            f"{training.checkpoint} exists; go on with --resume or choose another --out"
        )
    weights = training.run()
    print(f"weights: {weights}")
    for method, error in validate(training.ema).items():
        print(f"{method}: {error:.2f} % of the wrist to index MCP length on sampled hands")
    return 0
