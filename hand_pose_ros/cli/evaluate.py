"""`hand-pose evaluate`: errors on a dataset with known hands, or of the hands in a bag."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from hand_pose_ros.cli import evaluate_bag
from hand_pose_ros.cli.arguments import add_detector, add_model, add_views

if TYPE_CHECKING:
    from hand_pose_ros.data.folder import FolderSample
    from hand_pose_ros.evaluation.report import Points, Score

FORMATS = ("folder", "bag")
PEERS = ("mediapipe",)
SCORES = "scores.json"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what an evaluation can be told."""
    parser.add_argument(
        "dataset",
        type=Path,
        nargs="+",
        help="where it lies; bags of hands are scored as they are, any number side by side",
    )
    parser.add_argument(
        "--format",
        choices=FORMATS,
        help="default: bag for a rosbag2, else folder",
    )
    parser.add_argument("--peer", choices=PEERS, help="score this estimator on the same images")
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="write scores and predictions here"
    )
    add_detector(parser)
    add_model(parser)
    add_views(parser)
    evaluate_bag.add_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Score a folder of images or bags of hands; print the result."""
    _check_out(args.out)
    chosen = args.format or ("bag" if all(map(evaluate_bag.is_hands, args.dataset)) else "folder")
    _check_options(args, chosen)
    if chosen == "bag":
        return evaluate_bag.run(args)
    (args.dataset,) = args.dataset
    return _run_folder(args)


def _check_options(args: argparse.Namespace, chosen: str) -> None:
    """Refuse what the chosen format cannot do."""
    from hand_pose_ros.errors import InputError

    first, *others = args.dataset
    for names, used_by in ((("peer",), "folder"), (evaluate_bag.OPTIONS, "bag")):
        for name in names:
            if getattr(args, name) is not None and chosen != used_by:
                option = name.replace("_", "-")
                raise InputError(
                    f"--{option} needs --format {used_by}; {first} is read as {chosen}"
                )
    if others and chosen != "bag":
        raise InputError(
            f"{len(args.dataset)} datasets came; several can only be bags of hands, and {first} "
            f"is read as a {chosen}"
        )


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
