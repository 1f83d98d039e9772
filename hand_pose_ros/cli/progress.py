"""What the verbs share that work through many images: a progress bar and calm libraries."""

from __future__ import annotations

import signal
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from hand_pose_ros.runtime.config import DetectorConfig
    from hand_pose_ros.runtime.detect import Detector
    from hand_pose_ros.runtime.still import StillDetector

Item = TypeVar("Item")


def frames_bar(frames: Iterable[Item], count: int | None, unit: str = "frame") -> Iterable[Item]:
    """Return the frames under a progress bar; none is shown where nobody watches."""
    from tqdm import tqdm

    return tqdm(frames, total=count, unit=unit, disable=None, dynamic_ncols=True)


@contextmanager
def terminated_as_interrupted() -> Iterator[None]:
    """Let SIGTERM end what is done inside as Ctrl-C does: with what was written kept."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def video_detector(config: DetectorConfig, engine: str) -> Detector:
    """Return a detector for videos that has run once."""
    from hand_pose_ros.runtime.detectors import make_detector
    from hand_pose_ros.runtime.warm_up import calm_start, warm_up

    with calm_start():
        detector = make_detector(config, engine)
        warm_up(detector)
    return detector


def still_detector(
    max_hands: int,
    views: int,
    name: str = "mediapipe",
    engine: str = "auto",
    corrected: bool = True,
) -> StillDetector:
    """Return a detector for still images that has run once."""
    from hand_pose_ros.runtime.still import StillDetector
    from hand_pose_ros.runtime.warm_up import calm_start, warm_up

    with calm_start():
        detector = StillDetector(
            max_hands, views, detector=name, engine=engine, corrected=corrected
        )
        warm_up(detector)
    return detector


def use_threads() -> None:
    """Run small networks on one thread: more only wait for one another."""
    import torch

    torch.set_num_threads(1)
