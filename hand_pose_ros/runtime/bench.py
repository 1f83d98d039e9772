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
from hand_pose_ros.runtime.detect import Detection, Detector, RememberingDetector
from hand_pose_ros.runtime.detectors import make_detector
from hand_pose_ros.runtime.engine import AUTO
from hand_pose_ros.runtime.estimator import Estimator
from hand_pose_ros.runtime.lift import Lift, ModelLift
from hand_pose_ros.runtime.mediapipe_graph import import_mediapipe
from hand_pose_ros.runtime.parts import FRAME, SAMPLER, STEP_NS, time_parts
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
        detector: what finds them, one of `registry.DETECTORS`.
        profile: whether the parts of a followed hand are timed by themselves, too.
    """

    peer: str | None = None
    max_frames: int = 300
    max_hands: int = 2
    detector: str = "mediapipe"
    profile: bool = False

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
        chosen = DetectorConfig(options.max_hands, name=options.detector)
        settings = EstimatorConfig(detector=chosen)
        self._options, self._lift = options, lift
        self._detector = RememberingDetector(detector or make_detector(chosen, _engine(lift)))
        warm_up(self._detector)
        self._estimator = Estimator(settings, self._detector, lift)
        self._peer = _Peer(options.max_hands) if options.peer else None
        self._ours: list[dict[str, float]] = []
        self._theirs: list[dict[str, float]] = []
        self._hands: list[Detection] = []
        self._seen: BenchFrame | None = None
        self._stamp_ns = 0

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
        report = _report(self._ours[WARM_UP:], self._theirs[WARM_UP:], self._options)
        lifts = _lift_alone(self._lift, self._hands, self._seen or kept[0])
        report["lift_alone_ms"] = _spread(lifts) if lifts else None
        if self._options.profile and self._seen and isinstance(self._lift, ModelLift):
            report |= self._profile(self._lift, self._seen)
        return report

    def _profile(self, lift: ModelLift, frame: BenchFrame) -> dict[str, Any]:
        """Return the parts of a followed hand, and the sampler's share of a frame."""
        image_rgb, camera = frame.image_rgb, frame.camera
        stamps = itertools.count(self._stamp_ns + STEP_NS, STEP_NS)
        times = time_parts(
            lift,
            self._hands[0],
            image_rgb,
            camera,
            lambda: self._estimator.estimate(image_rgb, camera, next(stamps)),
        )
        parts = {name: _spread(each) for name, each in times.items()}
        share = parts[SAMPLER]["p50"] / parts[FRAME]["p50"]
        return {"parts_cpu_ms": parts, "sampler_share": share}

    def _run_ours(self, block: Sequence[BenchFrame]) -> None:
        for frame in block:
            start = time.process_time()
            estimate = self._estimator.estimate(frame.image_rgb, frame.camera, frame.stamp_ns)
            worked = (time.process_time() - start) * 1e3
            self._stamp_ns = frame.stamp_ns
            self._ours.append({**estimate.timings_ms, "processor": worked})
            if self._detector.last:
                self._hands, self._seen = self._detector.last, frame

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

    def __call__(self, image_rgb: npt.NDArray[np.uint8]) -> dict[str, float]:
        """Return how long one image takes, by the clock and of all processors [ms]."""
        start, started = time.perf_counter(), time.process_time()
        self._hands.process(image_rgb)
        return {
            "total": (time.perf_counter() - start) * 1e3,
            "processor": (time.process_time() - started) * 1e3,
        }


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
    theirs: Sequence[dict[str, float]],
    options: BenchOptions,
) -> dict[str, Any]:
    stages = _spreads(ours)
    report: dict[str, Any] = {
        "frames": len(ours),
        "max_hands": options.max_hands,
        "detector": options.detector,
        "cores": len(os.sched_getaffinity(0)),
        "stages_ms": stages,
    }
    if theirs:
        peer, name = _spreads(theirs), options.peer
        report |= {"peer": name, "peer_ms": peer["total"], "peer_processor_ms": peer["processor"]}
        report[f"ratio_to_{name}"] = stages["total"]["mean"] / peer["total"]["mean"]
        report[f"ratio_to_{name}_p50"] = stages["total"]["p50"] / peer["total"]["p50"]
        worked = stages["processor"]["mean"] / peer["processor"]["mean"]
        report[f"ratio_to_{name}_processor"] = worked
    return report


def _engine(lift: Lift) -> str:
    return str(getattr(lift, "engine", AUTO))


def _spreads(rows: Sequence[dict[str, float]]) -> dict[str, dict[str, float]]:
    return {name: _spread([row[name] for row in rows]) for name in rows[0]}


def _spread(times: Sequence[float]) -> dict[str, float]:
    p50, p95, p99 = np.percentile(times, (50, 95, 99)).tolist()
    return {"mean": float(np.mean(times)), "p50": p50, "p95": p95, "p99": p99}
