"""Write the ranges that layers see of their input, for the 8-bit versions of the networks.

They are those of the hands of the recording that ships, seen as a video's hands are, each a little
beside its middle.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import numpy as np
import torch

from hand_pose_ros.models.registry import MODELS
from hand_pose_ros.resources import samples_folder, weights_folder
from hand_pose_ros.ros.source import Frame, open_source
from hand_pose_ros.runtime.config import DetectorConfig
from hand_pose_ros.runtime.detect import Detection
from hand_pose_ros.runtime.engine.int8 import RANGES_FILE, key_of, rounded_layers
from hand_pose_ros.runtime.glimpse import WIDER, view_of
from hand_pose_ros.runtime.hand_networks import HandNetworks
from hand_pose_ros.runtime.lift import ModelLift
from hand_pose_ros.runtime.own import OwnDetector
from hand_pose_ros.runtime.weights import load_hand_networks

SEED, EVERY, SHIFT_PX, SCALE = 0, 2, 4.0, 0.12

Ranges = dict[str, dict[str, list[float]]]


def watch(network: torch.nn.Module, ranges: Ranges) -> None:
    """Take part in the ranges of what a network's layers are given from now on."""
    layers = ranges.setdefault(key_of(network), {})

    def widen(name: str, x: torch.Tensor) -> None:
        low, high = layers.get(name, (0.0, 1e-3))
        layers[name] = [min(low, float(x.min())), max(high, float(x.max()))]

    for name, layer in rounded_layers(network).items():
        layer.register_forward_pre_hook(lambda _, x, name=name: widen(name, x[0]))


def seen_hands(networks: HandNetworks) -> Iterator[tuple[Frame, Detection]]:
    """Yield hands as they are seen through views a little beside them."""
    random = np.random.default_rng(SEED)
    detector = OwnDetector(DetectorConfig(2, name="own"), engine="eager")
    with closing(open_source(samples_folder() / "gestures.mcap")) as source:
        for number, frame in enumerate(source):
            for hand in detector.detect(frame.image_rgb):
                keypoints = hand.keypoints_px + random.normal(0.0, SHIFT_PX, 2)
                width = WIDER * float(np.exp(random.normal(0.0, SCALE)))
                if number % EVERY == 0:
                    view = view_of(keypoints, hand.side, frame.camera).wider(width)
                    found = networks.look_through(frame.image_rgb, frame.camera, [view])
                    yield frame, replace(found[0], side=hand.side)


def main() -> int:
    """Write the file."""
    ranges: Ranges = {}
    lifts = [ModelLift.from_name(name, engine="eager") for name in MODELS]
    for lift in lifts:
        watch(lift.network.encoder, ranges)
        watch(lift.network.lifter, ranges)
    _, landmarks = load_hand_networks()
    watch(landmarks, ranges)
    networks = HandNetworks("eager", landmarks=landmarks)
    ranges[key_of(landmarks)].clear()  # of the warm-up
    count = 0
    for frame, hand in seen_hands(networks):
        count += 1
        for lift in lifts:
            lift([hand], frame.camera, frame.image_rgb)
    told = {
        key: {name: [round(value, 5) for value in span] for name, span in layers.items()}
        for key, layers in ranges.items()
    }
    path = weights_folder() / RANGES_FILE
    path.write_text(json.dumps(told, indent=1) + "\n")
    print(f"{path}: {sum(map(len, told.values()))} ranges of {count} hands")
    return 0


if __name__ == "__main__":
    sys.exit(main())
