"""`hand-pose train`: weights from sampled hands and, for images, rendered ones."""

from __future__ import annotations

import argparse
from pathlib import Path

from hand_pose_ros.errors import InputError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what a run can be told."""
    parser.add_argument("--out", type=Path, required=True, help="folder of the run")
    parser.add_argument(
        "--model",
        metavar="NAME",
        help="keypoints (the default), image, fused: both; or temporal, which refines any of them",
    )
    parser.add_argument("--config", type=Path, help="YAML with the keys of TrainingConfig")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="override one key, such as --set steps=100 or --set image.encoder=small",
    )
    parser.add_argument("--resume", action="store_true", help="go on from the run's checkpoint")


def run(args: argparse.Namespace) -> int:
    """Train, and print where the weights are and what they reach on sampled hands."""
    import torch

    from hand_pose_ros.models.registry import TEMPORAL
    from hand_pose_ros.training.config import load_config
    from hand_pose_ros.training.lifting import LifterTraining
    from hand_pose_ros.training.temporal import TemporalTraining

    overrides = [f"model={args.model}"] if args.model else []
    config = load_config(args.config, [*overrides, *args.set])
    torch.set_num_threads(config.threads)
    kind = TemporalTraining if config.model == TEMPORAL else LifterTraining
    training = kind(config, args.out)
    if args.resume:
        training.resume()
    elif training.checkpoint.exists():
        raise InputError(
            f"{training.checkpoint} exists; go on with --resume or choose another --out"
        )
    weights = training.run()
    if not training.leads:
        return 0
    print(f"weights: {weights}")
    seen = "rendered hands" if config.model in ("image", "fused") else "sampled hands"
    for name, error in training.validate().items():
        where, _, method = name.rpartition("/")
        hands = getattr(config.validation, where) if where else seen
        print(f"{method}: {error:.2f} % of the wrist to index MCP length on {hands}")
    heads = training.validate_heads()
    if heads:
        error = heads.pop("keypoints_2d")
        right = ", ".join(f"{name} {100.0 * share:.1f} %" for name, share in heads.items())
        print(f"heads: 2D keypoints off by {error:.2f} % of the view; right are {right}")
    return 0
