"""`hand-pose bench`: how long the pipeline takes, beside MediaPipe in the same run."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from hand_pose_ros.cli.arguments import add_model


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what a bench can be told."""
    parser.add_argument(
        "--input", type=Path, help="a video or a bag; default: the sample that ships"
    )
    parser.add_argument("--peer", choices=("mediapipe",), help="time it beside this")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers there, too")
    parser.add_argument("--max-frames", type=int, default=300, metavar="N", help="default: 300")
    parser.add_argument("--max-hands", type=int, default=2, metavar="N", help="default: 2")
    add_model(parser)


def run(args: argparse.Namespace) -> int:
    """Time, and print a table."""
    from hand_pose_ros.cli.progress import frames_bar, use_threads
    from hand_pose_ros.resources import samples_folder
    from hand_pose_ros.ros.source import open_source
    from hand_pose_ros.runtime.bench import Bench, BenchOptions
    from hand_pose_ros.runtime.lift import ModelLift
    from hand_pose_ros.runtime.results import write_json
    from hand_pose_ros.runtime.warm_up import calm_start

    options = BenchOptions(args.peer, args.max_frames, args.max_hands)
    source = open_source(args.input or samples_folder() / "gestures.mcap")
    use_threads()
    try:
        lift = ModelLift.from_name(args.model, engine=args.engine)
        with calm_start():
            timing = Bench(lift, options)
        report = timing.run(source, lambda blocks, count: frames_bar(blocks, count, unit="block"))
    finally:
        source.close()
    report["hypotheses"], report["engine"] = lift.sampling.hypotheses, lift.engine
    print_report(report)
    if args.json is not None:
        write_json(args.json, report)
    return 0


def print_report(report: dict[str, Any]) -> None:
    """Print the numbers of `runtime.bench` for people."""
    rows = {f"ours: {stage}": times for stage, times in report["stages_ms"].items()}
    if report["lift_alone_ms"] is not None:
        name = f"lifter alone, {report['hypotheses']} hypotheses, {report['engine']}"
        rows[name] = report["lift_alone_ms"]
    if "peer" in report:
        rows[f"{report['peer']} alone, tracking"] = report["peer_ms"]
    width = max(len(name) for name in rows)
    print(f"{report['frames']} frames, up to {report['max_hands']} hands, {report['cores']} cores")
    print(f"{'[ms per frame]':<{width}} {'mean':>8} {'p50':>8} {'p95':>8}")
    for name, times in rows.items():
        print(f"{name:<{width}} {times['mean']:8.2f} {times['p50']:8.2f} {times['p95']:8.2f}")
    if "peer" in report:
        ratio = report[f"ratio_to_{report['peer']}"]
        print(f"our time per frame over that of {report['peer']} in this run: {ratio:.2f}")
