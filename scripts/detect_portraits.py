"""Let MediaPipe look at pictures of sampled hands, and keep what it says beside the truth.

The file is what `hand-pose train --set detected=FILE` learns a real detector's errors from. Needs
the extras `render` and `mediapipe`.
"""

from __future__ import annotations

import argparse
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from hand_pose_ros.data.synthetic.detected import DetectedHands, concatenate, save_detected, take
from hand_pose_ros.data.synthetic.keypoints import NoiseConfig, sample_hands
from hand_pose_ros.data.synthetic.portraits import Portrait, PortraitStudio
from hand_pose_ros.data.synthetic.render.renderer import HandRenderer
from hand_pose_ros.errors import HandPoseError
from hand_pose_ros.models.keypoints import KeypointObservation
from hand_pose_ros.runtime.detect import Detection, detection_of
from hand_pose_ros.runtime.mediapipe_graph import LandmarkGraph
from hand_pose_ros.runtime.region import Region, from_patch, warp

SIZE, PATCH = 256, 224
BATCH = 64
PART = 1000
"""Hands that one worker draws in one go, from a seed of their own."""


def detected_hands(count: int, seed: list[int]) -> DetectedHands:
    """Return sampled hands with what was detected of pictures of them."""
    torch.set_num_threads(1)
    random = np.random.default_rng(seed)
    generator = torch.Generator().manual_seed(int(random.integers(2**62)))
    hands = sample_hands(count, generator, NoiseConfig())
    found: list[tuple[Detection, Portrait]] = []
    graph = LandmarkGraph()
    with HandRenderer(SIZE, SIZE, supersampling=1) as renderer:
        studio = PortraitStudio(renderer, random)
        for indices in torch.arange(count).split(BATCH):
            portraits = studio.take(take(hands, indices))
            found += [(detect(graph, portrait, random), portrait) for portrait in portraits]
    graph.close()
    presence = torch.tensor([hand.score for hand, _ in found])
    return DetectedHands(replace(hands, observation=observation_of(found)), presence)


def detect(graph: LandmarkGraph, portrait: Portrait, random: np.random.Generator) -> Detection:
    """Return what the landmark network says of the region where a tracker would look."""
    rough = portrait.keypoints_px + random.normal(0.0, 2.0, portrait.keypoints_px.shape)
    region = Region.of_keypoints(rough, random.uniform(1.6, 2.1)).turned(random.normal(0.0, 10.0))
    to_patch = region.to_patch(PATCH)
    patch = warp(portrait.image_rgb, to_patch, (PATCH, PATCH))
    return from_patch(detection_of(PATCH, PATCH, *graph.process(patch)), to_patch)


def observation_of(found: list[tuple[Detection, Portrait]]) -> KeypointObservation:
    """Return detections in the camera frame of the sampled hands."""
    parts = zip(
        *(
            (
                portrait.camera.normalize(hand.keypoints_px),
                hand.depth_px / portrait.camera.K[0, 0],
                hand.world,
            )
            for hand, portrait in found
        ),
        strict=True,
    )
    return KeypointObservation(*(torch.from_numpy(np.stack(part)).float() for part in parts))


def main() -> int:
    """Write the file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("runs/detected.npz"), help="where to")
    parser.add_argument("--count", type=int, default=30, help="thousands of pictures")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    try:
        workers = len(os.sched_getaffinity(0))
        # MediaPipe and OpenGL have threads of their own, which a forked process would lack.
        with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
            seeds = [[arguments.seed, part] for part in range(arguments.count)]
            parts = pool.map(detected_hands, [PART] * len(seeds), seeds)
            kept = list(tqdm(parts, total=len(seeds), unit="thousand", disable=None))
        hands = kept[0].hands
        for part in kept[1:]:
            hands = concatenate(hands, part.hands)
        presence = torch.cat([part.presence for part in kept])
        save_detected(arguments.out, DetectedHands(hands, presence))
    except (HandPoseError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
