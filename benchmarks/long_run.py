"""Frames without end with hands coming and going: memory, times, and what is compiled on the way.

The drawn hand of the warm-up is shown left, right, twice, nowhere, and moving; the estimator is
that of `replay`. Every line is a part of the run: resident memory, processor time of a frame, and
how many programs were built since the start.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from hand_pose_ros.cli.progress import use_threads
from hand_pose_ros.hand.camera import Camera
from hand_pose_ros.runtime.config import DetectorConfig, EstimatorConfig
from hand_pose_ros.runtime.detectors import make_detector
from hand_pose_ros.runtime.engine import AUTO
from hand_pose_ros.runtime.engine import table as engines
from hand_pose_ros.runtime.estimator import Estimator
from hand_pose_ros.runtime.lift import ModelLift
from hand_pose_ros.runtime.warm_up import drawn_hand

STEP_NS = 33_333_333
WIDTH, HEIGHT = 1280, 720
SCENE = 45
"""Frames of a scene: nobody, a right hand, both, a left hand, in turn."""


class Scenes:
    """Images without end."""

    def __init__(self) -> None:
        self._right = drawn_hand()
        self._left = np.ascontiguousarray(self._right[:, ::-1])

    def __iter__(self) -> Iterator[npt.NDArray[np.uint8]]:
        number = 0
        while True:
            yield self.at(number)
            number += 1

    def at(self, number: int) -> npt.NDArray[np.uint8]:
        """Return an image (HEIGHT, WIDTH, 3)."""
        image = np.full((HEIGHT, WIDTH, 3), 70, np.uint8)
        scene, moved = (number // SCENE) % 4, int(40 * np.sin(number / 9.0))
        if scene in (1, 2):
            image[200:456, 180 + moved : 436 + moved] = self._right
        if scene in (2, 3):
            image[220:476, 800 - moved : 1056 - moved] = self._left
        return image


class Builds:
    """Counts the programs that are built from now on."""

    def __init__(self) -> None:
        self.count = 0
        for name, engine in engines.ENGINES.items():
            object.__setattr__(engine, "build", self._counted(engine.build))
            engines.ENGINES[name] = engine

    def _counted(self, build):  # type: ignore[no-untyped-def]
        def counted(*arguments):  # type: ignore[no-untyped-def]
            self.count += 1
            return build(*arguments)

        return counted


def resident_mb() -> float:
    """Return the memory that this process holds now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


def run(minutes: float, model: str, engine: str, parts: int) -> list[dict[str, float]]:
    """Return memory and times of the parts of a run."""
    builds = Builds()
    lift = ModelLift.from_name(model, engine=engine)
    settings = EstimatorConfig(detector=DetectorConfig(2, name="own"))
    estimator = Estimator(settings, make_detector(settings.detector, lift.engine), lift)
    camera, scenes = Camera.from_field_of_view(WIDTH, HEIGHT, 60.0), iter(Scenes())
    for number in range(4 * SCENE):  # every scene once
        estimator.estimate(next(scenes), camera, number * STEP_NS)
    builds.count, rows, number = 0, [], 4 * SCENE
    for _ in range(parts):
        end, times, hands = time.monotonic() + 60.0 * minutes / parts, [], 0
        while time.monotonic() < end:
            image, start = next(scenes), time.process_time()
            hands += len(estimator.estimate(image, camera, number * STEP_NS).hands)
            times.append((time.process_time() - start) * 1e3)
            number += 1
        p50, p99 = np.percentile(times, (50, 99)).tolist()
        rows.append(
            {
                "frames": len(times),
                "hands": hands,
                "memory_mb": resident_mb(),
                "p50_ms": p50,
                "p99_ms": p99,
                "built": builds.count,
            }
        )
        print("  ".join(f"{name} {value:.1f}" for name, value in rows[-1].items()), flush=True)
    return rows


def main() -> int:
    """Print a line for each part."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--parts", type=int, default=15)
    parser.add_argument("--model", default="image")
    parser.add_argument("--engine", default=AUTO)
    arguments = parser.parse_args()
    use_threads()
    rows = run(arguments.minutes, arguments.model, arguments.engine, arguments.parts)
    growth = rows[-1]["memory_mb"] - rows[0]["memory_mb"]
    print(f"memory grew by {growth:.1f} MB from the first part to the last")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
