"""`hand-pose predict`: a folder of images in, hands as JSON out."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what a prediction can be told."""
    parser.add_argument(
        "folder", type=Path, help="images, or a folder with images/ and annotations.json"
    )
    parser.add_argument("--out", type=Path, required=True, help="the JSON file to write")
    parser.add_argument(
        "--model", default="keypoints", metavar="NAME", help="see `hand-pose models`"
    )
    parser.add_argument(
        "--views", type=int, default=12, metavar="N", help="0, 1, 2, 4, 6 or 12; default: 12"
    )
    parser.add_argument(
        "--hand-scale",
        type=float,
        default=0.0,
        metavar="M",
        help="measured length from wrist to index knuckle; without it that of an average adult",
    )


def run(args: argparse.Namespace) -> int:
    """Predict, write the file, and say in how many images there was a hand."""
    from hand_pose_ros.cli.progress import frames_bar, still_detector, use_threads
    from hand_pose_ros.data.folder import read_folder
    from hand_pose_ros.errors import InputError
    from hand_pose_ros.runtime.lift import KeypointLift
    from hand_pose_ros.runtime.predict import predict_folder, predictions_as_dict
    from hand_pose_ros.runtime.refine import RefinedLift
    from hand_pose_ros.runtime.results import write_json

    if not args.out.absolute().parent.is_dir():
        raise InputError(f"--out {args.out}: there is no folder {args.out.absolute().parent}")
    read_folder(args.folder, keypoints=False)
    use_threads()
    lift = RefinedLift(KeypointLift.from_name(args.model))
    found = predict_folder(
        args.folder,
        still_detector(2, args.views),
        lift,
        args.hand_scale,
        lambda samples, count: frames_bar(samples, count, unit="image"),
    )
    write_json(args.out, predictions_as_dict(found))
    hands = sum(still is not None for still in found.values())
    print(f"{hands} of {len(found)} images with a hand: {args.out}")
    return 0
