"""How long the stages take, beside MediaPipe Hands on the same frames in the same run."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from hand_pose_ros.errors import ConfigError, InputError
from hand_pose_ros.hand.camera import Camera
from hand_pose_ros.runtime.config import DetectorConfig, EstimatorConfig
from hand_pose_ros.runtime.detect import (
    Detection,
    Detector,
    MediaPipeDetector,
    RememberingDetector,
)
from hand_pose_ros.runtime.estimator import Estimator
from hand_pose_ros.runtime.lift import Lift
from hand_pose_ros.runtime.mediapipe_graph import import_mediapipe
from hand_pose_ros.runtime.warm_up import drawn_hand, warm_up

BLOCK = 15
"""Frames that one side works through before the other has the same ones."""

WARM_UP = 5
"""Frames at the start that are not counted."""

LIFTS = 200
"""Calls of the lifter alone that are timed."""

PEERS = ("mediapipe",)


@runtime_checkable
class BenchFrame(Protocol):
    """One image of a video, as `ros.source.Frame` is."""

    @property
    def image_rgb(self) -> npt.NDArray[np.uint8]:
        """(H, W, 3)."""

    @property
    def camera(self) -> Camera:
        """Its intrinsics."""

    @property
    def stamp_ns(self) -> int:
        """Its time [ns]."""


@dataclass(frozen=True)
class BenchOptions:
    """What is timed.

    Attributes:
        peer: None, or one of `PEERS`.
        max_frames: frames of the input that are used.
        max_hands: most hands, of both sides alike.
    """

    peer: str | None = None
    max_frames: int = 300
    max_hands: int = 2

    def __post_init__(self) -> None:
        if self.peer is not None and self.peer not in PEERS:
            raise ConfigError(f"peer is {self.peer!r}; it must be one of {', '.join(PEERS)}")
        if self.max_frames <= WARM_UP:
            raise ConfigError(f"max_frames is {self.max_frames}; it must be above {WARM_UP}")


Progress = Callable[[Sequence[Any], int], Iterable[Any]]


class Bench:
    """Times the pipeline, the lifter alone and the peer.

    The two sides take turns, block by block and each time the other one first, so that a machine
    that gets slower or faster meanwhile does so for both. Reading the frames is not counted.
    """

    def __init__(
        self, lift: Lift, options: BenchOptions, detector: Detector | None = None
    ) -> None:
        settings = EstimatorConfig(detector=DetectorConfig(options.max_hands))
        self._options, self._lift = options, lift
        self._detector = RememberingDetector(detector or MediaPipeDetector(settings.detector))
        warm_up(self._detector)
        self._estimator = Estimator(settings, self._detector, lift)
        self._peer = _Peer(options.max_hands) if options.peer else None
        self._ours: list[dict[str, float]] = []
        self._theirs: list[float] = []
        self._hands: list[Detection] = []

    def run(
        self, frames: Iterable[BenchFrame], progress: Progress = lambda blocks, count: blocks
    ) -> dict[str, Any]:
        """Return the timings [ms], ready for JSON.

        Raises:
            InputError: there are too few frames.
        """
        kept = list(itertools.islice(frames, self._options.max_frames))
        if len(kept) <= WARM_UP:
            raise InputError(f"the input has {len(kept)} frames; more than {WARM_UP} are needed")
        blocks = list(_blocks(kept))
        sides = (self._run_ours, self._run_peer)
        for number, block in enumerate(progress(blocks, len(blocks))):
            for side in sides[:: 1 if number % 2 else -1]:
                side(block)
        lifts = _lift_alone(self._lift, self._hands, kept[0])
        return _report(self._ours[WARM_UP:], self._theirs[WARM_UP:], lifts, self._options)

    def _run_ours(self, block: Sequence[BenchFrame]) -> None:
        for frame in block:
            estimate = self._estimator.estimate(frame.image_rgb, frame.camera, frame.stamp_ns)
            self._ours.append(estimate.timings_ms)
            self._hands = self._detector.last or self._hands

    def _run_peer(self, block: Sequence[BenchFrame]) -> None:
        if self._peer is not None:
            self._theirs.extend(self._peer(frame.image_rgb) for frame in block)


class _Peer:
    """MediaPipe Hands in tracking mode, as its users call it."""

    def __init__(self, max_hands: int) -> None:
        hands = import_mediapipe().solutions.hands
        self._hands = hands.Hands(static_image_mode=False, max_num_hands=max_hands)
        picture = drawn_hand()
        self(picture)
        self(np.zeros_like(picture))

    def __call__(self, image_rgb: npt.NDArray[np.uint8]) -> float:
        """Return how long one image takes [ms]."""
        start = time.perf_counter()
        self._hands.process(image_rgb)
        return (time.perf_counter() - start) * 1e3


def _blocks(frames: Sequence[BenchFrame]) -> Iterator[Sequence[BenchFrame]]:
    for start in range(0, len(frames), BLOCK):
        yield frames[start : start + BLOCK]


def _lift_alone(lift: Lift, hands: Sequence[Detection], frame: BenchFrame) -> list[float]:
    """Return how long the lifter takes for one hand, call after call [ms]."""
    if not hands:
        return []
    times = []
    for _ in range(LIFTS + WARM_UP):
        start = time.perf_counter()
        lift([hands[0]], frame.camera, frame.image_rgb)
        times.append((time.perf_counter() - start) * 1e3)
    return times[WARM_UP:]


def _report(
    ours: Sequence[dict[str, float]],
    theirs: Sequence[float],
    lifts: Sequence[float],
    options: BenchOptions,
) -> dict[str, Any]:
    stages = {stage: _spread([times[stage] for times in ours]) for stage in ours[0]}
    report: dict[str, Any] = {
        "frames": len(ours),
        "max_hands": options.max_hands,
        "cores": len(os.sched_getaffinity(0)),
        "stages_ms": stages,
        "lift_alone_ms": _spread(lifts) if lifts else None,
    }
    if theirs:
        report["peer"] = options.peer
        report["peer_ms"] = _spread(theirs)
        report[f"ratio_to_{options.peer}"] = stages["total"]["mean"] / report["peer_ms"]["mean"]
        report[f"ratio_to_{options.peer}_p50"] = stages["total"]["p50"] / report["peer_ms"]["p50"]
    return report


def _spread(times: Sequence[float]) -> dict[str, float]:
    return {
        "mean": float(np.mean(times)),
        "p50": float(np.percentile(times, 50)),
        "p95": float(np.percentile(times, 95)),
    }
