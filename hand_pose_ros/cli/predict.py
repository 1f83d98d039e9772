"""`hand-pose predict`: a folder of images in, hands as JSON out."""

from __future__ import annotations

import argparse
from pathlib import Path

from hand_pose_ros.cli.arguments import (
    add_correction,
    add_detector,
    add_hand_scale,
    add_model,
    add_views,
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what a prediction can be told."""
    parser.add_argument(
        "folder", type=Path, help="images, or a folder with images/ and annotations.json"
    )
    parser.add_argument("--out", type=Path, required=True, help="the JSON file to write")
    add_detector(parser)
    add_model(parser)
    add_views(parser)
    add_correction(parser)
    add_hand_scale(parser)


def run(args: argparse.Namespace) -> int:
    """Predict, write the file, and say in how many images there was a hand."""
    from hand_pose_ros.cli.progress import frames_bar, still_detector, use_threads
    from hand_pose_ros.data.folder import read_folder
    from hand_pose_ros.errors import InputError
    from hand_pose_ros.runtime.predict import predict_folder, predictions_as_dict
    from hand_pose_ros.runtime.refine import still_lift
    from hand_pose_ros.runtime.results import write_json

    if not args.out.absolute().parent.is_dir():
        raise InputError(f"--out {args.out}: there is no folder {args.out.absolute().parent}")
    read_folder(args.folder, keypoints=False)
    use_threads()
    lift = still_lift(args.model, args.engine)
    found = predict_folder(
        args.folder,
        still_detector(2, args.views, args.detector, args.engine, args.corrected),
        lift,
        args.hand_scale,
        lambda samples, count: frames_bar(samples, count, unit="image"),
    )
    write_json(args.out, predictions_as_dict(found))
    hands = sum(still is not None for still in found.values())
    print(f"{hands} of {len(found)} images with a hand: {args.out}")
    return 0
