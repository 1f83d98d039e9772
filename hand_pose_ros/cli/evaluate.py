"""`hand-pose evaluate`: errors on a dataset with known hands, or of the hands in bags."""

from __future__ import annotations

import argparse
from pathlib import Path

from hand_pose_ros.cli import evaluate_bag, evaluate_dataset
from hand_pose_ros.cli.arguments import (
    add_correction,
    add_detector,
    add_engine,
    add_models,
    add_views,
)
from hand_pose_ros.cli.evaluate_check import add_check_arguments, run_check

PEERS = ("mediapipe",)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what an evaluation can be told."""
    from hand_pose_ros.data.datasets import FORMATS as DATASETS

    parser.add_argument(
        "dataset",
        type=Path,
        nargs="+",
        help="where it lies; bags of hands are scored as they are, any number side by side",
    )
    parser.add_argument(
        "--format",
        choices=(*DATASETS, "bag"),
        help="default: bag for a rosbag2, else folder",
    )
    parser.add_argument("--split", metavar="NAME", help="of a dataset; default: its test set")
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
    add_correction(parser)
    evaluate_dataset.add_arguments(parser)
    evaluate_bag.add_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Score a dataset or bags of hands; print the result."""
    chosen = args.format
    if chosen is None:
        chosen = "bag" if all(map(evaluate_bag.is_hands, args.dataset)) else "folder"
    if args.check or args.check_all:
        return run_check(args, _only(args.dataset, chosen))
    _check_out(args.out, chosen)
    _check_options(args, chosen)
    if chosen == "bag":
        return evaluate_bag.run(args)
    return evaluate_dataset.run(args, _only(args.dataset, chosen), chosen)


def _only(paths: list[Path], chosen: str) -> Path:
    """Return the one dataset that came."""
    from hand_pose_ros.errors import InputError

    if len(paths) > 1:
        odd = next((path for path in paths if not evaluate_bag.is_hands(path)), paths[0])
        why = f"is read as a {chosen}" if odd.exists() else "does not exist"
        raise InputError(
            f"{len(paths)} datasets came; several can only be bags of hands, and {odd} {why}"
        )
    return paths[0]


def _check_options(args: argparse.Namespace, chosen: str) -> None:
    """Refuse what the chosen format cannot do."""
    from hand_pose_ros.errors import InputError

    names, used_by = list(evaluate_bag.OPTIONS), "bag"
    if chosen == "bag":
        names = ["peer", "split", "model", *evaluate_dataset.OPTIONS]
        used_by = "folder or another dataset"
    for name in names:
        if getattr(args, name) is not None:
            raise InputError(
                f"--{name.replace('_', '-')} needs --format {used_by}; {args.dataset[0]} is read "
                f"as a {chosen}"
            )


def _check_out(out: Path | None, chosen: str) -> None:
    """Refuse to write over the results of something else."""
    from hand_pose_ros.errors import InputError
    from hand_pose_ros.evaluation.results import RUN

    if out is None or not out.exists():
        return
    if not out.is_dir():
        raise InputError(f"--out {out} is a file; a folder is needed")
    of_dataset = (out / RUN).exists()
    if of_dataset == (chosen == "bag") and (
        of_dataset or (out / evaluate_dataset.SCORES).exists()
    ):
        other = "a dataset" if of_dataset else "bags"
        raise InputError(f"--out {out} holds the evaluation of {other}; name another folder")
