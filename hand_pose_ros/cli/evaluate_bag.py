"""`hand-pose evaluate BAG ...`: recorded hands of any estimators, side by side."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from hand_pose_ros.cli.evaluate_dataset import REPORT, SCORES, TABLES

if TYPE_CHECKING:
    from hand_pose_ros.evaluation.recording_score import RecordingScore
    from hand_pose_ros.ros.score import ScoreOptions

OPTIONS = ("truth", "truth_topic", "topic", "source", "image_topic", "slop")
"""Arguments that only bags have; all are None where nobody gives them."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the evaluation of bags can be told."""
    group = parser.add_argument_group(
        "bags of hands (HandPoseArray, of any estimator)",
        "for instance: hand-pose evaluate mine.mcap theirs.mcap --truth true.mcap --out scores",
    )
    group.add_argument(
        "--truth",
        type=Path,
        metavar="PATH",
        help="where the true hands are: a bag (on /truth/hand_poses, or another estimator's), or "
        "a folder dataset whose images are found by their stamps",
    )
    group.add_argument("--truth-topic", metavar="TOPIC", help="which HandPoseArray of that bag")
    group.add_argument(
        "--topic",
        action="append",
        help="which HandPoseArray to score; needed where a bag has several, several are given by "
        "several --topic",
    )
    group.add_argument(
        "--source",
        type=Path,
        metavar="BAG",
        help="the images that were to be answered; without it those of the bag itself, of the "
        "truth's bag, or the images that have a truth",
    )
    group.add_argument("--image-topic", metavar="TOPIC", help="which images of --source")
    group.add_argument(
        "--slop",
        type=float,
        metavar="S",
        help="how far stamps that belong together may be apart (default: 0.001)",
    )


def is_hands(path: Path) -> bool:
    """Return whether a path is a bag, or the results of `hand-pose replay`."""
    from hand_pose_ros.ros.source.opening import bag_at, is_bag

    return path.exists() and is_bag(bag_at(path))


def run(args: argparse.Namespace) -> int:
    """Score what estimators have recorded; print a table, write JSON and a report."""
    from hand_pose_ros.cli.progress import frames_bar
    from hand_pose_ros.evaluation.recording_table import recording_table
    from hand_pose_ros.ros.score import SLOP_S, ScoreOptions, score_bags

    options = ScoreOptions(
        truth=args.truth,
        truth_topic=args.truth_topic,
        source=args.source,
        image_topic=args.image_topic,
        slop_s=SLOP_S if args.slop is None else args.slop,
    )
    scores = score_bags(args.dataset, options, args.topic or (), frames_bar)
    table = recording_table(scores).markdown()
    print(table)
    if args.out:
        _write(args.out, scores, options, table)
        print(f"\nwritten to {args.out}")
    return 0


def _write(
    out: Path, scores: dict[str, RecordingScore], options: ScoreOptions, table: str
) -> None:
    from hand_pose_ros.data.synthetic.output.whole_files import write_json, write_text
    from hand_pose_ros.evaluation.recording_page import recording_page
    from hand_pose_ros.evaluation.recording_table import ROWS

    out.mkdir(parents=True, exist_ok=True)
    told = {name: str(value) for name, value in vars(options).items() if value is not None}
    content = {
        "options": told,
        "recordings": {name: score.as_dict() for name, score in scores.items()},
        "meaning": {".".join(row.keys): row.meaning for row in ROWS if row.meaning},
    }
    write_json(out / SCORES, content)
    told["slop"] = f"{told.pop('slop_s')} s"
    facts = [(name.replace("_", " "), text) for name, text in told.items()]
    write_text(out / TABLES, f"{table}\n")
    write_text(out / REPORT, recording_page(scores, facts))
