"""`hand-pose replay`: a video or a bag in; a bag, an overlay video, a JSON and a summary out."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from hand_pose_ros.cli.arguments import add_detector, add_hand_scale, add_model, add_temporal


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what a replay can be told."""
    parser.add_argument("input", type=Path, help="a video, a rosbag2 or a folder of images")
    parser.add_argument("--out", type=Path, required=True, help="folder of the results")
    parser.add_argument("--image-topic", metavar="TOPIC", help="which images of a bag")
    parser.add_argument("--camera-info-topic", metavar="TOPIC", help="their calibration")
    parser.add_argument(
        "--fov",
        type=float,
        metavar="DEG",
        help="horizontal field of view to assume where there is no calibration (default: 60)",
    )
    add_hand_scale(parser)
    parser.add_argument("--max-hands", type=int, default=2, metavar="N", help="default: 2")
    add_detector(parser)
    add_model(parser)
    add_temporal(parser)
    parser.add_argument(
        "--passthrough", action="store_true", help="copy the input's messages to the output bag"
    )
    parser.add_argument("--no-overlay", action="store_true", help="draw no video")
    parser.add_argument("--no-surface", action="store_true", help="no hand surface in the bag")
    parser.add_argument("--max-frames", type=int, metavar="N", help="stop after so many frames")


def run(args: argparse.Namespace) -> int:
    """Replay, and print what it amounts to."""
    from hand_pose_ros.cli.progress import (
        frames_bar,
        terminated_as_interrupted,
        use_threads,
        video_detector,
    )
    from hand_pose_ros.ros.replay import ReplayOptions, replay
    from hand_pose_ros.runtime.config import DetectorConfig, EstimatorConfig, WindowConfig
    from hand_pose_ros.runtime.lift import ModelLift
    from hand_pose_ros.runtime.temporal import make_refiner

    options = ReplayOptions(
        path=args.input,
        out=args.out,
        image_topic=args.image_topic,
        camera_info_topic=args.camera_info_topic,
        horizontal_fov_deg=args.fov,
        passthrough=args.passthrough,
        overlay=not args.no_overlay,
        surface=not args.no_surface,
        max_frames=args.max_frames,
        estimator=EstimatorConfig(
            args.hand_scale,
            detector=DetectorConfig(args.max_hands, name=args.detector),
            temporal=WindowConfig(args.temporal, args.window),
        ),
    )
    use_threads()
    lift = ModelLift.from_name(args.model, engine=args.engine)
    refiner = make_refiner(options.estimator.temporal, args.engine)
    detector = video_detector(options.estimator.detector, args.engine)
    with terminated_as_interrupted():
        result = replay(options, detector, lift, refiner, frames_bar)
    print_summary(result.summary)
    print(f"results: {result.folder}")
    if not result.complete:
        raise KeyboardInterrupt
    return 0


def print_summary(summary: dict[str, Any]) -> None:
    """Print a summary of `ros.replay` for people."""
    frames = summary["frames"]
    share = summary["frames_with_hand"] / max(frames, 1)
    print(f"frames: {frames}, with a hand {summary['frames_with_hand']} ({share:.1%})")
    for key, hand in summary["hands"].items():
        sides = ", ".join(f"{side} in {count}" for side, count in hand["sides"].items())
        print(f"hand {key}: {sides}{_variation(hand)}")
    for stage, times in summary["latency_ms"].items():
        print(f"  {stage:<7} p50 {times['p50']:6.2f} ms   p95 {times['p95']:6.2f} ms")
    jitter = summary["jitter_mm_per_s2"]
    if jitter["ours"] is not None:
        print(
            "jitter (mean acceleration of the wrist-relative joints, hands of equal size): "
            f"{_accelerated(jitter['ours'])}; the detector's own 3D: "
            f"{_accelerated(jitter['detector'])}"
        )
    print(f"angles outside their limits: {summary['angles_outside_limits']}")
    if summary["scale_source"]:
        sources = ", ".join(f"{name} {n}" for name, n in summary["scale_source"].items())
        print(f"scale_source of the hands: {sources}")
    if summary["camera_assumed"]:
        print("camera: ASSUMED from a field of view, no calibration; distances are rough")
    if "truth" in summary:
        print_truth(summary["truth"])


def _variation(hand: dict[str, Any]) -> str:
    variation = hand["bone_length_variation"]
    if variation is None:
        return "; too short to tell how constant its bone lengths are"
    return f"; bone lengths after the first second: std/mean {variation:.2%}"


def _accelerated(value: float | None) -> str:
    return "unknown" if value is None else f"{value / 1e3:.2f} m/s^2"


def print_truth(truth: dict[str, Any]) -> None:
    """Print what `TruthScore` counted for people."""
    from hand_pose_ros.evaluation.truth_score import PROTOCOLS

    print(
        f"against the truth: {truth['found']} of {truth['true_hands']} hands "
        f"found, {truth['wrong_side']} of them with the wrong side"
    )
    for name, error in truth["errors_mm"].items():
        if error is not None:
            print(f"  {name:<13} {error:6.1f} mm   mean joint error, {PROTOCOLS[name][1]}")
