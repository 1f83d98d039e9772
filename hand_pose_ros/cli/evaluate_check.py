"""`hand-pose evaluate --check`: a dataset is looked through instead of evaluated."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hand_pose_ros.data.check import Check, Problem

MOST_LINES = 50
"""Problems that are printed; further ones are counted."""


def add_check_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what asks for a check."""
    parser.add_argument(
        "--check",
        action="store_true",
        help="look through the dataset instead: counts, missing files, labels, some images",
    )
    parser.add_argument(
        "--check-all", action="store_true", help="as --check, with every image decoded"
    )


def run_check(args: argparse.Namespace, path: Path) -> int:
    """Print what is wrong with a dataset, a line for each problem; 2 where there is any."""
    from tqdm import tqdm

    from hand_pose_ros.cli.main import EXIT_BAD_INPUT, EXIT_OK
    from hand_pose_ros.cli.progress import frames_bar
    from hand_pose_ros.data.check import check_dataset
    from hand_pose_ros.data.datasets import open_dataset
    from hand_pose_ros.data.readers.indexed import Indexed

    told = 0

    def tell(problem: Problem) -> None:
        nonlocal told
        told += 1
        if told <= MOST_LINES:
            tqdm.write(str(problem))

    dataset = open_dataset(path, args.format or "folder", args.split)
    found = check_dataset(
        dataset,
        tell,
        decode_all=args.check_all,
        progress=lambda images, count: frames_bar(images, count, unit="image"),
    )
    if told > MOST_LINES:
        print(f"... and {told - MOST_LINES} more")
    print(f"{dataset.format} {dataset.split}: {summary(found)}")
    if isinstance(dataset, Indexed) and dataset.skipped:
        print(f"{dataset.skipped} images have no valid label and are left out")
    return EXIT_BAD_INPUT if found.problems else EXIT_OK


def summary(found: Check) -> str:
    """Return one line of what a check has seen."""
    inside = f"{100.0 * found.inside / found.known:.1f} %" if found.known else "none"
    problems = {0: "no problem", 1: "1 problem"}.get(found.problems, f"{found.problems} problems")
    return (
        f"{found.images} images, {found.decoded} of them decoded, {found.hands} hands, "
        f"{inside} of {found.known} joints inside their image: {problems}"
    )
