"""`hand-pose evaluate`: errors on a dataset with known hands, or of the hands in a bag."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from hand_pose_ros.cli.arguments import add_detector, add_model, add_views
from hand_pose_ros.cli.evaluate_check import add_check_arguments, run_check

if TYPE_CHECKING:
    from hand_pose_ros.data.folder import FolderSample
    from hand_pose_ros.evaluation.report import Points, Score

FORMATS = ("folder", "bag")
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
        "--out", type=Path, metavar="DIR", help="write scores and predictions here"
    )
    add_check_arguments(parser)
    add_detector(parser)
    add_model(parser)
    add_views(parser)


def run(args: argparse.Namespace) -> int:
    """Score a folder of images or a bag of hands; print the result."""
    from hand_pose_ros.errors import InputError
    from hand_pose_ros.ros.source.opening import is_bag

    if args.check or args.check_all:
        return run_check(args)
    _check_out(args.out)
    chosen = args.format
    if chosen is None:
        chosen = "bag" if args.dataset.exists() and is_bag(args.dataset) else "folder"
    if chosen not in FORMATS:
        raise InputError(f"--format {chosen} can be checked so far: add --check")
    for name, used_by in (("peer", "folder"), ("truth", "bag"), ("topic", "bag")):
        if getattr(args, name) is not None and chosen != used_by:
            raise InputError(
                f"--{name} needs --format {used_by}; {args.dataset} is read as a {chosen}"
            )
    return _run_bag(args) if chosen == "bag" else _run_folder(args)


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


def _run_folder(args: argparse.Namespace) -> int:
    """Predict every image without looking at its truth, then score."""
    from hand_pose_ros.cli.progress import frames_bar, still_detector, use_threads
    from hand_pose_ros.data.folder import read_folder
    from hand_pose_ros.evaluation.report import markdown_table, score
    from hand_pose_ros.runtime.predict import predict_folder, predictions_as_dict
    from hand_pose_ros.runtime.refine import still_lift

    samples = read_folder(args.dataset, require=("keypoints",))
    true = {s.name: s.keypoints for s in samples if s.keypoints is not None}
    use_threads()
    lift = still_lift(args.model, args.engine)
    found = predict_folder(
        args.dataset,
        still_detector(1, args.views, args.detector, args.engine),
        lift,
        progress=lambda samples, count: frames_bar(samples, count, unit="image"),
    )
    ours = {name: None if still is None else still.hand.keypoints for name, still in found.items()}
    scores = {args.model: score(ours, true)}
    if args.peer:
        scores[args.peer] = score(_mediapipe(samples), true, placed=False)
    print(markdown_table(scores))
    if args.out:
        _write(args.out, scores, predictions_as_dict(found))
        print(f"\nwritten to {args.out}")
    return 0


def _mediapipe(samples: list[FolderSample]) -> dict[str, Points | None]:
    """Return MediaPipe's own 3D points of each image, from one look at it."""
    from hand_pose_ros.cli.progress import frames_bar, still_detector
    from hand_pose_ros.data.folder import read_image

    detector = still_detector(1, 0)
    points: dict[str, Points | None] = {}
    for sample in frames_bar(samples, len(samples), unit="image"):
        hand = detector.detect_one(read_image(sample.path), sample.box, sample.side)
        points[sample.name] = None if hand is None else hand.world
    return points


def _check_out(out: Path | None) -> None:
    from hand_pose_ros.errors import InputError

    if out is not None and out.exists() and not out.is_dir():
        raise InputError(f"--out {out} is a file; a folder is needed")


def _write(out: Path, scores: dict[str, Score], predictions: dict) -> None:
    from hand_pose_ros.evaluation.report import PROTOCOLS
    from hand_pose_ros.runtime.results import write_json

    out.mkdir(parents=True, exist_ok=True)
    rows = {name: row.as_dict() for name, row in scores.items()}
    write_json(out / SCORES, {"scores": rows, "protocols": PROTOCOLS})
    write_json(out / "predictions.json", predictions)
