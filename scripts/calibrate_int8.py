"""Write the ranges that the landmark network's convolutions see, for its 8-bit version.

They are those of the hands of the recording that ships, seen as a video's hands are, each a little
beside its middle.
"""

from __future__ import annotations

import json
import sys
from contextlib import closing

import numpy as np
import numpy.typing as npt
import torch

from hand_pose_ros.models.registry import HANDS_SHA256
from hand_pose_ros.resources import samples_folder, weights_folder
from hand_pose_ros.ros.source import open_source
from hand_pose_ros.runtime.config import DetectorConfig
from hand_pose_ros.runtime.engine.int8 import RANGES_FILE, convolutions
from hand_pose_ros.runtime.glimpse import WIDER, view_of
from hand_pose_ros.runtime.hand_networks import PATCH
from hand_pose_ros.runtime.lift_network import LookNetwork
from hand_pose_ros.runtime.own import OwnDetector
from hand_pose_ros.runtime.weights import load_hand_networks

SEED, EVERY, SHIFT_PX, SCALE = 0, 2, 4.0, 0.12


def patches() -> npt.NDArray[np.uint8]:
    """Return views (row, side, side, 3) of hands."""
    random, seen = np.random.default_rng(SEED), []
    detector = OwnDetector(DetectorConfig(2, name="own"), engine="eager")
    with closing(open_source(samples_folder() / "gestures.mcap")) as source:
        for number, frame in enumerate(source):
            for hand in detector.detect(frame.image_rgb):
                keypoints = hand.keypoints_px + random.normal(0.0, SHIFT_PX, 2)
                width = WIDER * float(np.exp(random.normal(0.0, SCALE)))
                if number % EVERY == 0:
                    view = view_of(keypoints, hand.side, frame.camera).wider(width)
                    seen.append(view.camera.see(frame.image_rgb, frame.camera, PATCH))
    return np.stack(seen)


def ranges(images: npt.NDArray[np.uint8]) -> list[tuple[float, float]]:
    """Return the least and the largest input of each convolution; 0 lies between them."""
    _, network = load_hand_networks()
    found = convolutions(network)
    low, high = np.zeros(len(found)), np.full(len(found), 1e-3)

    def watch(number: int, x: torch.Tensor) -> None:
        low[number] = min(low[number], float(x.min()))
        high[number] = max(high[number], float(x.max()))

    for number, (_, conv) in enumerate(found):
        conv.register_forward_pre_hook(lambda _, inputs, number=number: watch(number, inputs[0]))
    look = LookNetwork(network)
    with torch.inference_mode():
        for image in images:
            look(torch.from_numpy(image[None]))
    return list(zip(low.tolist(), high.tolist(), strict=True))


def main() -> int:
    """Write the file."""
    images = patches()
    found = [[round(low, 5), round(high, 5)] for low, high in ranges(images)]
    told = {"weights_sha256": HANDS_SHA256, "images": len(images), "ranges": found}
    path = weights_folder() / RANGES_FILE
    path.write_text(json.dumps(told) + "\n")
    print(f"{path}: {len(found)} ranges of {len(images)} images")
    return 0


if __name__ == "__main__":
    sys.exit(main())
