"""Show rendered hands to MediaPipe: a network that never saw them says how like hands they are.

Prints which share it finds, and how far its points are from the truth, in space after Procrustes
alignment and in the image over the longer side of the box. The same numbers on real images, whose
points people have set: `hand-pose evaluate DATASET --format folder --peer mediapipe`.

    python benchmarks/rendered_hands.py --preset frontal --count 1000
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np

from hand_pose_ros.data.synthetic.config import BLOCK, PRESETS, preset
from hand_pose_ros.errors import HandPoseError


def seen_in_block(name: str, seed: int, number: int) -> list[tuple[float, float, float]]:
    """Return PA-MPJPE [mm], 2D error and whether the side is right; NaN where none is found."""
    from hand_pose_ros.data.synthetic.studio import Studio
    from hand_pose_ros.data.synthetic.threads import use_one_thread
    from hand_pose_ros.evaluation.metrics import pa_mpjpe
    from hand_pose_ros.runtime.still import StillDetector

    use_one_thread()
    detector = StillDetector(1, 0)
    rows = []
    chosen = preset(name)
    with Studio(chosen.config, chosen.split) as studio:
        for sample in studio.block(seed, number):
            if len(sample.hands) != 1:
                continue
            (hand,) = sample.hands
            found = detector.detect_one(sample.image_rgb)
            if found is None:
                rows.append((np.nan, np.nan, np.nan))
                continue
            apart = np.linalg.norm(found.keypoints_px - hand.keypoints_px, axis=1).mean()
            extent = np.ptp(hand.keypoints_px, axis=0).max()
            error = float(pa_mpjpe(found.world, hand.keypoints))
            rows.append((error, float(apart / extent), float(found.side == hand.side)))
    return rows


def report(rows: np.ndarray) -> dict[str, float]:
    """Return what the rows amount to."""
    found = np.isfinite(rows[:, 0])
    near = found & (rows[:, 1] < 0.25)
    return {
        "images": len(rows),
        "found": float(found.mean()),
        "side_right": float(rows[found, 2].mean()),
        "pa_mpjpe_mm": float(rows[found, 0].mean()),
        "pa_mpjpe_median_mm": float(np.median(rows[found, 0])),
        "error_2d_over_box": float(rows[found, 1].mean()),
        "error_2d_median": float(np.median(rows[found, 1])),
        "elsewhere": float((found & ~near).mean()),
    }


def main() -> int:
    """Render, look, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--preset", choices=sorted(PRESETS), default="frontal")
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    arguments = parser.parse_args()
    blocks = range(-(-arguments.count // BLOCK))
    try:
        rows = np.array(list(_rows(arguments, blocks)))[: arguments.count]
    except HandPoseError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    print(json.dumps({"preset": arguments.preset, **report(rows)}, indent=2))
    return 0


def _rows(arguments: argparse.Namespace, blocks: range) -> Iterator[tuple[float, float, float]]:
    with ProcessPoolExecutor(arguments.workers, get_context("spawn")) as pool:
        names = [arguments.preset] * len(blocks)
        for rows in pool.map(seen_in_block, names, [arguments.seed] * len(blocks), blocks):
            yield from rows


if __name__ == "__main__":
    sys.exit(main())
