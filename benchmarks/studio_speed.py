"""How many finished images the studio makes a second: rendered, blurred, noisy, with their truth.

Streams them as training does, once every worker has made its backgrounds, which takes it half a
minute and happens once.

    python benchmarks/studio_speed.py --workers 2
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import sys
import time

import torch
from torch.utils.data import DataLoader

from hand_pose_ros.data.synthetic.config import PRESETS, preset
from hand_pose_ros.data.synthetic.sample import SynthSample
from hand_pose_ros.data.synthetic.stream import studio_dataset
from hand_pose_ros.errors import HandPoseError

BATCH = 64


def image_and_joints(sample: SynthSample) -> tuple[torch.Tensor, torch.Tensor]:
    """Return what an image network is trained with."""
    return torch.from_numpy(sample.image_rgb), torch.from_numpy(sample.hands[0].keypoints)


def main() -> int:
    """Warm up, count, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--preset", choices=sorted(PRESETS), default="train")
    parser.add_argument("--count", type=int, default=3000)
    parser.add_argument("--warm-up", type=int, default=1024, metavar="N", help="uncounted images")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    arguments = parser.parse_args()
    dataset = studio_dataset(preset(arguments.preset).config, transform=image_and_joints)
    loader = DataLoader(
        dataset, BATCH, num_workers=arguments.workers, multiprocessing_context="spawn"
    )
    batches = iter(loader)
    try:
        for _ in itertools.islice(batches, -(-arguments.warm_up // BATCH)):
            pass
        start, counted = time.perf_counter(), -(-arguments.count // BATCH)
        for _ in itertools.islice(batches, counted):
            pass
    except HandPoseError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    rate = counted * BATCH / (time.perf_counter() - start)
    found = {"preset": arguments.preset, "workers": arguments.workers, "images": counted * BATCH}
    print(json.dumps({**found, "images_per_s": round(rate, 1)}, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
