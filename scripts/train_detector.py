"""Train what our own detector learns on the studio, and write the weights that ship.

The networks under it are MediaPipe's, read from the installed wheel and left as they are. Needs
the extras `render` and `mediapipe`.
"""

from __future__ import annotations

import argparse
import itertools
import logging
import sys
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from hand_pose_ros.data.frames import Frame, Picture, frames
from hand_pose_ros.data.shard_dataset import torch_dataset
from hand_pose_ros.data.synthetic.config import preset
from hand_pose_ros.data.synthetic.stream import studio_dataset
from hand_pose_ros.data.synthetic.studio import shared_backgrounds
from hand_pose_ros.errors import HandPoseError
from hand_pose_ros.evaluation.calibration import calibrate
from hand_pose_ros.models.detector import HandDetector
from hand_pose_ros.models.palm_network import SIDE
from hand_pose_ros.training.checkpoint import export_hand_networks
from hand_pose_ros.training.detector import DetectorTraining, DetectorTrainingConfig
from hand_pose_ros.training.pretrained import landmark_network, palm_network
from hand_pose_ros.training.sources import Turns

PRESETS = ("frames", "train", "frames", "train", "frontal", "train")
"""Whose pictures come in turns."""
EMPTY = 0.12
"""Share of pictures without a hand."""
PICTURE = 256
"""Side of these [px]."""
VALIDATION, VALIDATION_SEED = 320, 73
"""Pictures that the score is calibrated with."""
SHUFFLED = 500
"""Samples of shards that wait."""


def pictures(shards: list[Path], seed: int) -> Iterator[Picture]:
    """Yield pictures of shards or, without any, fresh from the studio; some without a hand."""
    random = np.random.default_rng([seed, 1])
    backgrounds = shared_backgrounds(PICTURE, None)
    nobody = np.zeros((0, 21, 2)), np.zeros(0, bool)
    for sample in iter(samples(shards, seed)):
        yield Picture.of_sample(sample)
        while random.random() < EMPTY:
            yield Picture(backgrounds.draw(random, PICTURE, PICTURE), *nobody)


def validation_frames() -> Iterator[Frame]:
    """Yield whole images of people that are not trained on, the same ones every time."""
    stream = studio_dataset(preset("frames").config, split="validation", seed=VALIDATION_SEED)
    drawn = map(Picture.of_sample, itertools.islice(stream, VALIDATION))
    return frames(drawn, np.random.default_rng(VALIDATION_SEED), SIDE)


def samples(shards: list[Path], seed: int) -> Iterable:
    """Return samples of the train split without end."""
    if shards:
        return Turns([torch_dataset(shards, shuffle=SHUFFLED, seed=seed)])
    streams = {name: studio_dataset(preset(name).config, seed=seed) for name in set(PRESETS)}
    return Turns([streams[name] for name in PRESETS])


def main() -> int:
    """Train, and write the weights."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--out", type=Path, default=Path("runs/detector"), help="folder of the run"
    )
    parser.add_argument("--shards", type=Path, nargs="*", default=[], help="of `hand-pose synth`")
    parser.add_argument("--frames", type=int, default=DetectorTrainingConfig.frames)
    parser.add_argument("--batch", type=int, default=DetectorTrainingConfig.batch)
    parser.add_argument("--fresh", type=int, default=DetectorTrainingConfig.fresh)
    parser.add_argument("--seed", type=int, default=DetectorTrainingConfig.seed)
    parser.add_argument("--resume", action="store_true", help="go on from the run's checkpoint")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.set_num_threads(1)
    torch.manual_seed(arguments.seed)
    try:
        names = ("frames", "batch", "fresh", "seed")
        options = {name: getattr(arguments, name) for name in names}
        config = replace(DetectorTrainingConfig(), **options)
        training = DetectorTraining(HandDetector(palm_network()), config, arguments.out)
        if arguments.resume:
            training.resume()
        seed = config.seed + training.step
        random = np.random.default_rng(seed)
        training.run(frames(pictures(arguments.shards, seed), random, SIDE))
        detector = training.result()
        scale, shift = calibrate(detector, validation_frames())
        logging.info("log odds of a hand: times %.2f, plus %.2f", scale, shift)
        path = arguments.out / "hands.safetensors"
        export_hand_networks(path, detector, landmark_network())
    except (HandPoseError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"weights: {path}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
