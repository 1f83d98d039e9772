"""A picture of pairs of hands of SynthHands-test: the image, and what a model sees in it.

Each hand is lifted on its own, by D* from the view of a camera that follows simulated keypoints,
and drawn where its true wrist is, at its true size.

    hand-pose synth --preset benchmark --format shards --out out/benchmark
    python benchmarks/pairs.py out/benchmark pairs.jpg
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import torch
from synthhands import D_STAR, LEAST_VISIBLE, SEED, Hands, lifted, part_of

from hand_pose_ros.data.patches import PatchTransform
from hand_pose_ros.data.shards import read_shards
from hand_pose_ros.data.synthetic.keypoints import NoiseConfig
from hand_pose_ros.data.synthetic.sample import SynthHand, SynthSample
from hand_pose_ros.errors import HandPoseError
from hand_pose_ros.hand import skeleton
from hand_pose_ros.models.keypoints import KeypointEncoder
from hand_pose_ros.models.lifter import Lifter
from hand_pose_ros.models.registry import CONDITIONS
from hand_pose_ros.runtime.colors import KEYPOINT_COLORS, rgb255
from hand_pose_ros.runtime.weights import load_model
from hand_pose_ros.training.validation import PLAIN

COLUMNS = 6
SHADE = (20, 20, 20)


def main() -> int:
    """Draw the picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("shards", help="folder of SynthHands-test")
    parser.add_argument("picture", type=Path, help="where it goes, .jpg or .png")
    parser.add_argument("--model", choices=CONDITIONS, default="fused")
    parser.add_argument("--count", type=int, default=12, help="how many pairs")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    try:
        encoder, lifter = load_model(arguments.model)
        chosen = itertools.islice(pairs(arguments.shards), arguments.count)
        tiles = [tile(sample, encoder, lifter, arguments.model) for sample in chosen]
    except HandPoseError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    rows = [np.hstack(tiles[k : k + COLUMNS]) for k in range(0, len(tiles), COLUMNS)]
    rows = [row for row in rows if row.shape == rows[0].shape]
    quality = [cv2.IMWRITE_JPEG_QUALITY, 80]
    cv2.imwrite(str(arguments.picture), np.vstack(rows)[..., ::-1], quality)
    return 0


def pairs(shards: str) -> Iterator[SynthSample]:
    """Yield the single images in which two hands are seen."""
    for sample in read_shards(shards):
        seen = [hand.visible.sum() >= LEAST_VISIBLE for hand in sample.hands]
        if sample.sequence is None and len(seen) == 2 and all(seen):
            yield sample


def tile(
    sample: SynthSample, encoder: KeypointEncoder, lifter: Lifter, condition: str
) -> np.ndarray:
    """Return the image above itself with the hands drawn on it."""
    drawn = np.array(sample.image_rgb)
    transform = PatchTransform(NoiseConfig(), PLAIN)
    random = np.random.default_rng([SEED, sample.index])
    for hand in sorted(sample.hands, key=lambda each: -each.keypoints[:, 2].mean()):
        seen = transform.seen(sample.image_rgb, sample.camera, hand, random)
        vector, R, anchor, true = part_of(encoder, seen, condition)
        none = np.array([False])
        hands = Hands(vector, R, anchor, true.double().numpy(), none, none)
        (points,) = lifted(lifter, hands, D_STAR)
        draw(drawn, placed(points, hand), sample)
    return np.vstack((sample.image_rgb, drawn))


def placed(points: np.ndarray, hand: SynthHand) -> np.ndarray:
    """Return the points (21, 3) [m] of a right hand about its wrist as those of the hand."""
    mirror = (-1.0 if hand.side == "left" else 1.0, 1.0, 1.0)
    return points * mirror + hand.keypoints[0]


def draw(image: np.ndarray, points: np.ndarray, sample: SynthSample) -> None:
    """Draw bones with a dark edge, the farthest first."""
    pixels = np.rint(sample.camera.project(points)).astype(int)
    bones = range(1, len(skeleton.KEYPOINTS))
    for bone in sorted(bones, key=lambda i: -points[[i, skeleton.PARENTS[i]], 2].sum()):
        start, end = (tuple(pixels[i].tolist()) for i in (skeleton.PARENTS[bone], bone))
        cv2.line(image, start, end, SHADE, 4, cv2.LINE_AA)
        cv2.line(image, start, end, rgb255(KEYPOINT_COLORS[bone]), 2, cv2.LINE_AA)


if __name__ == "__main__":
    sys.exit(main())
