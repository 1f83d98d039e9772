"""`hand-pose evaluate`: errors on a dataset with known hands, or of the hands in a bag."""

from __future__ import annotations

import argparse
from pathlib import Path

from hand_pose_ros.cli import evaluate_dataset
from hand_pose_ros.cli.arguments import add_detector, add_engine, add_models, add_views
from hand_pose_ros.cli.evaluate_check import add_check_arguments, run_check

PEERS = ("mediapipe",)
SCORES = "scores.json"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what an evaluation can be told."""
    from hand_pose_ros.data.datasets import FORMATS as DATASETS

    parser.add_argument("dataset", type=Path, help="where it lies; a bag of hands is scored as is")
    parser.add_argument(
        "--format",
        choices=(*DATASETS, "bag"),
        help="default: bag for a rosbag2, else folder",
    )
    parser.add_argument("--split", metavar="NAME", help="of a dataset; default: its test set")
    parser.add_argument(
        "--truth",
        type=Path,
        metavar="BAG",
        help="of a bag: where the true hands are, or those of another estimator",
    )
    parser.add_argument(
        "--topic", help="of a bag: its HandPoseArray; needed where there are several"
    )
    parser.add_argument("--peer", choices=PEERS, help="score this estimator on the same images")
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="write JSON, a Markdown table and an HTML report here; a run that was broken off "
        "goes on here",
    )
    add_check_arguments(parser)
    add_detector(parser)
    add_models(parser)
    add_engine(parser)
    add_views(parser)
    evaluate_dataset.add_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Score a folder of images or a bag of hands; print the result."""
    from hand_pose_ros.ros.source.opening import is_bag

    if args.check or args.check_all:
        return run_check(args)
    _check_out(args.out)
    chosen = args.format
    if chosen is None:
        chosen = "bag" if args.dataset.exists() and is_bag(args.dataset) else "folder"
    _check_options(args, chosen)
    if chosen == "bag":
        return _run_bag(args)
    return evaluate_dataset.run(args, args.dataset, chosen)


def _check_options(args: argparse.Namespace, chosen: str) -> None:
    """Refuse what the chosen format cannot do."""
    from hand_pose_ros.errors import InputError

    names, used_by = ["truth", "topic"], "bag"
    if chosen == "bag":
        names = ["peer", "split", "model", *evaluate_dataset.OPTIONS]
        used_by = "folder or another dataset"
    for name in names:
        if getattr(args, name) is not None:
            raise InputError(
                f"--{name} needs --format {used_by}; {args.dataset} is read as a {chosen}"
            )


def _run_bag(args: argparse.Namespace) -> int:
    """Score what an estimator has recorded."""
    from dataclasses import asdict

    from hand_pose_ros.cli.replay import print_truth
    from hand_pose_ros.ros.score import score_bag
    from hand_pose_ros.runtime.results import write_json

    scored = score_bag(args.dataset, args.truth, args.topic)
    print(f"{scored.topic}: {scored.frames} images, {scored.frames_with_hand} with a hand")
    print(
        f"age when recorded: p50 {scored.age_ms['p50']:.1f} ms, p95 {scored.age_ms['p95']:.1f} ms"
    )
    if scored.images is not None:
        print(f"answered: {scored.answered} of the {scored.images} images that have a truth")
    if scored.truth is not None:
        print_truth(scored.truth)
    if args.out:
        args.out.mkdir(parents=True, exist_ok=True)
        write_json(args.out / SCORES, asdict(scored))
        print(f"written to {args.out}")
    return 0


def _check_out(out: Path | None) -> None:
    from hand_pose_ros.errors import InputError

    if out is not None and out.exists() and not out.is_dir():
        raise InputError(f"--out {out} is a file; a folder is needed")
