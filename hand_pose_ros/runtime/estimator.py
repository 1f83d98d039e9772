"""Image, intrinsics and stamp in; metric, kinematically valid hands out."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from hand_pose_ros.errors import ConfigError, InputError, ShapeError
from hand_pose_ros.hand.camera import Camera
from hand_pose_ros.runtime.config import CAUSAL, CENTRED, OFF, EstimatorConfig
from hand_pose_ros.runtime.detect import Detection, Detector, LookingDetector
from hand_pose_ros.runtime.estimate import FrameEstimate
from hand_pose_ros.runtime.hand_state import CalibratedHand, HandState, place_hand, pose_hands
from hand_pose_ros.runtime.lift import Lift, LiftedHand
from hand_pose_ros.runtime.look import view_of
from hand_pose_ros.runtime.temporal import TemporalRefiner, make_refiner
from hand_pose_ros.runtime.track import Tracked, Tracker

STAGES = ("detect", "track", "lift", "pose", "root")
"""Names of the stages in `FrameEstimate.timings_ms`, in their order; "total" is beside them."""


class Estimator:
    """Runs the stages over the images of one camera, in the order of their stamps.

    Not for several threads at once. A stamp that jumps back, or ahead by more than the tracker's
    `max_gap_s`, starts anew as `reset` does.
    """

    def __init__(
        self,
        config: EstimatorConfig | None = None,
        detector: Detector | None = None,
        lift: Lift | None = None,
        refiner: TemporalRefiner | None = None,
    ) -> None:
        self.config = config or EstimatorConfig()
        self._detector = detector or _default_detector(self.config)
        self._lift = lift or _default_lift()
        self._detect = _detection(self._detector, self._lift)
        self._refiner = refiner or make_refiner(self.config.temporal)
        self._tracker = Tracker(self.config.track)
        self._states: dict[str, HandState] = {}
        self._in_view: list[Tracked] = []
        self._known: dict[str, CalibratedHand] = {}
        self._stamp_ns: int | None = None

    def reset(self) -> None:
        """Forget all earlier images: hands, ids, proportions, filters. Calibrations stay."""
        self._detector.reset()
        self._tracker.reset()
        self._states.clear()
        self._in_view = []
        self._stamp_ns = None

    def configure(self, config: EstimatorConfig) -> None:
        """Take other settings from the next image on; hands that are followed go on.

        Raises:
            ConfigError: settings of detector or transformer differ, which are for one made anew.
        """
        for name, what in (("detector", "detector"), ("temporal", "transformer")):
            if getattr(config, name) != getattr(self.config, name):
                raise ConfigError(f"the settings of the {what} cannot change while it runs")
        self.config = config
        self._tracker.configure(config.track)
        for state in self._states.values():
            state.configure(config)

    def begin_calibration(self) -> None:
        """Measure the proportions of all hands anew, those calibrated before included."""
        self._known.clear()
        for state in self._states.values():
            state.shape.restart()

    def finish_calibration(self, hand_scale: float = 0.0) -> dict[str, CalibratedHand]:
        """Hold the proportions of the hands in the last image, also when they come back.

        Args:
            hand_scale: measured wrist to index MCP length [m]; 0 where there is none: the size
                is then what depth images showed, or the settings say.

        Returns:
            What was measured, by side; empty where the last image had no hand.

        Raises:
            ConfigError: no hand is of that scale.
        """
        EstimatorConfig(hand_scale)  # checks its range
        for hand in self._in_view:
            self._known[hand.side] = self._states[hand.id].calibrate(hand_scale)
        return dict(self._known)

    def forget_calibration(self) -> None:
        """Let proportions and sizes be learnt again."""
        self.begin_calibration()
        self.reset()

    def estimate(
        self,
        image_rgb: npt.NDArray[Any],
        camera: Camera,
        stamp_ns: int,
        frame_id: str = "camera",
        depth: npt.NDArray[np.floating] | None = None,
    ) -> FrameEstimate:
        """Return the hands that are seen in this image.

        Args:
            image_rgb: (H, W, 3) uint8.
            camera: its intrinsics, for an image of this size.
            stamp_ns: its time [ns].
            frame_id: name of its optical frame.
            depth: (H, W) z of the surface at each pixel [m], registered; 0 or NaN is a hole.

        Raises:
            ShapeError: image or depth does not have the camera's size.
            InputError: the image is not RGB uint8.
            ConfigError: it is to be seen beside later images, for which `see` and `place` are.
        """
        if self.config.temporal.mode == CENTRED:
            raise ConfigError(
                f"temporal mode is {CENTRED!r}, which waits for later images; only a replay can, "
                f"elsewhere it is {OFF!r} or {CAUSAL!r}"
            )
        return self.place(self.see(image_rgb, camera, stamp_ns, frame_id, depth))

    def see(
        self,
        image_rgb: npt.NDArray[Any],
        camera: Camera,
        stamp_ns: int,
        frame_id: str = "camera",
        depth: npt.NDArray[np.floating] | None = None,
    ) -> Seen:
        """Return what is seen in an image, for `place`: the first half of `estimate`.

        Raises:
            ShapeError, InputError: as `estimate`.
        """
        _check_image(image_rgb, camera, depth)
        if self._must_restart(stamp_ns):
            self.reset()
        self._stamp_ns = stamp_ns
        clock = _Stopwatch()
        with clock.stage("detect"):
            detections = self._detect(image_rgb, camera)
        with clock.stage("track"):
            self._in_view = tracked = self._tracker.update(detections, stamp_ns)
            states = self._states_of(tracked)
        with clock.stage("lift"):
            found = [hand.detection for hand in tracked]
            lifted = self._lift(found, camera, image_rgb) if tracked else []
            if self._refiner is not None:
                for hand, state, each in zip(tracked, states, lifted, strict=True):
                    view = view_of(hand.detection, camera)
                    state.frames.push(stamp_ns, each, view, hand.side)
        return Seen(stamp_ns, frame_id, camera, depth, tracked, states, lifted, clock)

    def is_ready(self, seen: Seen) -> bool:
        """Whether all images have come that `place` would look at beside this one."""
        if self._refiner is None or self._stamp_ns is None:
            return True
        # A stamp before it tells that everything began anew.
        return not 0 <= self._stamp_ns - seen.stamp_ns < self._refiner.wait_ns

    def place(self, seen: Seen) -> FrameEstimate:
        """Return the hands of what was seen: the second half of `estimate`, in the same order."""
        clock, states, lifted = seen.clock, seen.states, seen.lifted
        with clock.stage("pose"):
            if self._refiner is not None:
                lifted = self._refiner([state.frames for state in states], seen.stamp_ns)
            sides = [hand.side for hand in seen.tracked]
            posed = pose_hands(sides, states, lifted, seen.stamp_ns)
        with clock.stage("root"):
            hands = tuple(
                place_hand(hand, state, pose, seen.camera, seen.depth)
                for hand, state, pose in zip(seen.tracked, states, posed, strict=True)
            )
        return FrameEstimate(seen.stamp_ns, seen.frame_id, seen.camera, hands, clock.finished())

    def _must_restart(self, stamp_ns: int) -> bool:
        if self._stamp_ns is None:
            return False
        gap_ns = stamp_ns - self._stamp_ns
        return gap_ns < 0 or gap_ns > self.config.track.max_gap_s * 1e9

    def _states_of(self, tracked: Sequence[Tracked]) -> list[HandState]:
        """Return the state of each hand, fresh for a new one; drop those of forgotten hands."""
        for hand in tracked:
            if hand.is_new:
                self._states[hand.id] = HandState(self.config, self._known.get(hand.side))
        self._states = {key: self._states[key] for key in self._tracker.ids}
        return [self._states[hand.id] for hand in tracked]


@dataclass(frozen=True, eq=False)
class Seen:
    """What was seen in one image, on its way through `Estimator`."""

    stamp_ns: int
    frame_id: str
    camera: Camera
    depth: npt.NDArray[np.floating] | None
    tracked: list[Tracked]
    states: list[HandState]
    lifted: list[LiftedHand]
    clock: _Stopwatch


class _Stopwatch:
    """Times the stages of one image."""

    def __init__(self) -> None:
        self._times_ms: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time what is done inside."""
        start = time.perf_counter()
        yield
        self._times_ms[name] = (time.perf_counter() - start) * 1e3

    def finished(self) -> dict[str, float]:
        """Return the milliseconds of each stage, and their total."""
        return {**self._times_ms, "total": sum(self._times_ms.values())}


def _check_image(
    image_rgb: npt.NDArray[Any], camera: Camera, depth: npt.NDArray[np.floating] | None
) -> None:
    if image_rgb.ndim != 3 or image_rgb.shape[2] != 3 or image_rgb.dtype != np.uint8:
        raise InputError(
            f"image has shape {image_rgb.shape} and type {image_rgb.dtype}; "
            "it must be (height, width, 3) uint8"
        )
    size = (camera.height, camera.width)
    if image_rgb.shape[:2] != size:
        raise ShapeError(f"image has shape {image_rgb.shape}; the camera is {size}")
    if depth is not None and depth.shape != size:
        raise ShapeError(f"depth has shape {depth.shape}; the camera is {size}")


def _detection(
    detector: Detector, lift: Lift
) -> Callable[[npt.NDArray[np.uint8], Camera], list[Detection]]:
    """Return what finds the hands in an image of a camera.

    They come with what was seen of them where the detector keeps that and the lift can use it.
    """
    if isinstance(detector, LookingDetector) and getattr(lift, "uses_glimpses", False):
        return detector.detect_through
    return lambda image_rgb, camera: detector.detect(image_rgb)


def _default_detector(config: EstimatorConfig) -> Detector:
    from hand_pose_ros.runtime.detectors import make_detector

    return make_detector(config.detector)


def _default_lift() -> Lift:
    from hand_pose_ros.runtime.lift import ModelLift

    return ModelLift.from_name()
