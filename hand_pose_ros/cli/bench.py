"""`hand-pose bench`: how long the pipeline takes, beside MediaPipe in the same run."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

from hand_pose_ros.cli.arguments import add_detector, add_model


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what a bench can be told."""
    parser.add_argument(
        "--input", type=Path, help="a video or a bag; default: the sample that ships"
    )
    parser.add_argument("--peer", choices=("mediapipe",), help="time it beside this")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers there, too")
    parser.add_argument("--max-frames", type=int, default=300, metavar="N", help="default: 300")
    parser.add_argument(
        "--max-hands",
        type=int,
        nargs="+",
        default=[2],
        metavar="N",
        help="hands that are looked for, one bench each; default: 2",
    )
    parser.add_argument(
        "--engines",
        nargs="+",
        metavar="NAME",
        help="several in the place of --engine, one bench each, each beside the peer",
    )
    parser.add_argument(
        "--profile", action="store_true", help="time the parts of a followed hand, too"
    )
    add_detector(parser)
    add_model(parser)


def run(args: argparse.Namespace) -> int:
    """Time, and print a table; the first bench is the one whose numbers the JSON begins with."""
    from hand_pose_ros.cli.progress import use_threads
    from hand_pose_ros.runtime.results import write_json

    use_threads()
    runs = [
        _bench(args, engine, hands)
        for engine in args.engines or [args.engine]
        for hands in args.max_hands
    ]
    if args.json is not None:
        write_json(args.json, runs[0] | ({"runs": runs} if len(runs) > 1 else {}))
    return 0


def _bench(args: argparse.Namespace, engine: str, max_hands: int) -> dict[str, Any]:
    """Return the report of one engine and one number of hands, which is printed."""
    from hand_pose_ros.cli.progress import frames_bar
    from hand_pose_ros.resources import samples_folder
    from hand_pose_ros.ros.source import open_source
    from hand_pose_ros.runtime.bench import Bench, BenchOptions
    from hand_pose_ros.runtime.lift import ModelLift
    from hand_pose_ros.runtime.warm_up import calm_start

    options = BenchOptions(args.peer, args.max_frames, max_hands, args.detector, args.profile)
    source = open_source(args.input or samples_folder() / "gestures.mcap")
    try:
        start = time.perf_counter()
        lift = ModelLift.from_name(args.model, engine=engine)
        with calm_start():
            timing = Bench(lift, options)
        started = time.perf_counter() - start
        report = timing.run(source, lambda blocks, count: frames_bar(blocks, count, unit="block"))
    finally:
        source.close()
    report |= {"model": args.model, "engine": lift.engine, "start_s": started}
    report["hypotheses"] = lift.sampling.hypotheses
    print_report(report)
    return report


def print_report(report: dict[str, Any]) -> None:
    """Print the numbers of `runtime.bench` for people."""
    rows = {f"ours: {stage}": times for stage, times in report["stages_ms"].items()}
    if report["lift_alone_ms"] is not None:
        name = f"lifter alone, {report['hypotheses']} hypotheses, {report['engine']}"
        rows[name] = report["lift_alone_ms"]
    if "peer" in report:
        rows[f"{report['peer']} alone, tracking"] = report["peer_ms"]
        rows[f"{report['peer']}: processor"] = report["peer_processor_ms"]
    parts = report.get("parts_cpu_ms", {})
    rows |= {f"of one hand, processor: {part}": times for part, times in parts.items()}
    width = max(len(name) for name in rows)
    print(f"{report['frames']} frames, up to {report['max_hands']} hands, {report['cores']} cores")
    print(
        f"model {report['model']}, engine {report['engine']}, detector {report['detector']}, "
        f"ready after {report['start_s']:.1f} s"
    )
    columns = ("mean", "p50", "p95", "p99")
    print(f"{'[ms per frame]':<{width}}" + "".join(f" {column:>8}" for column in columns))
    for name, times in rows.items():
        print(f"{name:<{width}}" + "".join(f" {times[column]:8.2f}" for column in columns))
    if "peer" in report:
        ratio, p50, worked = (
            report[f"ratio_to_{report['peer']}{what}"] for what in ("", "_p50", "_processor")
        )
        print(
            f"our time per frame over that of {report['peer']} in this run: {ratio:.2f} "
            f"(medians {p50:.2f}, processor time {worked:.2f})"
        )
    if "sampler_share" in report:
        print(f"sampler, IK and FK over a frame's processor time: {report['sampler_share']:.1%}")
    print()
