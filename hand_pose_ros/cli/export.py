"""`hand-pose export`: a model as a file that runs without this package."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what an export can be told."""
    parser.add_argument(
        "--model", default="keypoints", metavar="NAME", help="see `hand-pose models`"
    )
    parser.add_argument(
        "--engine",
        default="onnx",
        metavar="NAME",
        help="onnx (the default), torchscript, torch-export, openvino, openvino-int8 or tensorrt",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="where to write")
    parser.add_argument(
        "--rows",
        type=int,
        default=1,
        metavar="N",
        help="hands at once, where the format fixes that; default: 1",
    )


def run(args: argparse.Namespace) -> int:
    """Write the files, and name them."""
    from hand_pose_ros.runtime.engine.artefacts import export_model
    from hand_pose_ros.runtime.lift import whole_network

    for path in export_model(whole_network(args.model), args.engine, args.rows, args.out):
        print(f"{path}: {path.stat().st_size / 1e6:.1f} MB")
    return 0
