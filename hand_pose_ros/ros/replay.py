"""A recording through the estimator: a bag, an overlay video and a JSON out."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import hand_pose_ros
from hand_pose_ros.errors import ConfigError, HandPoseError, InputError
from hand_pose_ros.evaluation.truth_score import TruthScore
from hand_pose_ros.ros.bag import BagMessage, BagWriter
from hand_pose_ros.ros.hands_topic import recorded_hand
from hand_pose_ros.ros.recorder import HandRecorder
from hand_pose_ros.ros.source import Frame, open_source
from hand_pose_ros.ros.source.opening import BAG, RESULTS
from hand_pose_ros.ros.truth import TruthByStamp, read_truth
from hand_pose_ros.runtime.config import EstimatorConfig
from hand_pose_ros.runtime.detect import Detection, Detector, RememberingDetector
from hand_pose_ros.runtime.detectors import make_detector
from hand_pose_ros.runtime.estimate import FrameEstimate
from hand_pose_ros.runtime.estimator import Estimator, Seen
from hand_pose_ros.runtime.lift import Lift
from hand_pose_ros.runtime.output import OutputFolder
from hand_pose_ros.runtime.overlay import Overlay
from hand_pose_ros.runtime.results import camera_as_dict, frame_as_dict, write_json
from hand_pose_ros.runtime.summary import Summary
from hand_pose_ros.runtime.surface import surfaces_of
from hand_pose_ros.runtime.temporal import TemporalRefiner
from hand_pose_ros.runtime.video_writer import VideoWriter

VIDEO = "overlay.mp4"
"""What a replay writes beside `BAG` and `RESULTS`."""

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class ReplayOptions:
    """What to replay and what to write.

    Attributes:
        path: a video, a bag or a folder of images.
        out: the folder of the results.
        image_topic: which images of a bag.
        camera_info_topic: their calibration.
        horizontal_fov_deg: field of view to assume where there is none [degrees].
        passthrough: whether the messages of the input bag are copied to the output bag.
        overlay: whether a video is drawn.
        surface: whether the bag has the surfaces of the hands among its markers.
        max_frames: stop after so many; None for all.
        estimator: settings of the estimator.
    """

    path: Path
    out: Path
    image_topic: str | None = None
    camera_info_topic: str | None = None
    horizontal_fov_deg: float | None = None
    passthrough: bool = False
    overlay: bool = True
    surface: bool = True
    max_frames: int | None = None
    estimator: EstimatorConfig = field(default_factory=EstimatorConfig)

    def __post_init__(self) -> None:
        if self.max_frames is not None and self.max_frames < 1:
            raise ConfigError(f"max_frames is {self.max_frames}; it must be at least 1")
        if self.path.resolve().is_relative_to(self.out.resolve()):
            raise InputError(f"{self.path} lies in {self.out}, which would be replaced")


@dataclass(frozen=True)
class ReplayResult:
    """What a replay amounts to.

    Attributes:
        folder: where its files are.
        summary: see `Summary.as_dict`; with "truth", see `TruthScore.as_dict`, where known.
        complete: False where it was interrupted.
    """

    folder: Path
    summary: dict[str, Any]
    complete: bool


Progress = Callable[[Iterable[Frame], int | None], Iterable[Frame]]
"""Wraps the frames, of which there are so many, with something that shows how far it has come."""


def replay(
    options: ReplayOptions,
    detector: Detector | None = None,
    lift: Lift | None = None,
    refiner: TemporalRefiner | None = None,
    progress: Progress = lambda frames, count: frames,
) -> ReplayResult:
    """Run a recording through the estimator and write what comes out.

    An interrupt (Ctrl-C) ends it early: what was written is kept, `complete` is then False.

    Raises:
        InputError: the input cannot be read, or the output folder holds other things.
        OutputError: writing failed; what was written before is kept, and the message says where.
    """
    copied: list[BagMessage] = []
    on_message = copied.append if options.passthrough else None
    source = open_source(
        options.path,
        options.image_topic,
        options.camera_info_topic,
        options.horizontal_fov_deg,
        on_message,
    )
    try:
        truth = read_truth(options.path)
        detector = RememberingDetector(detector or make_detector(options.estimator.detector))
        estimator = Estimator(options.estimator, detector, lift, refiner)
        output = OutputFolder(options.out, RESULTS)
        run = _Run(options, output.work, truth)
        expected = source.expected_frames
        if options.max_frames is not None:
            expected = min(expected or options.max_frames, options.max_frames)
        try:
            complete = run.through(iter(progress(source, expected)), estimator, detector, copied)
        except Exception as error:
            folder = run.keep(output)
            if folder is None or not isinstance(error, HandPoseError):
                raise
            text = f"{error}; what was written before is in {folder}"
            raise type(error)(text) from error
        except BaseException:
            output.discard()
            raise
    finally:
        source.close()
    return ReplayResult(output.finish(complete), run.summary(), complete)


@dataclass(frozen=True, eq=False)
class _Waiting:
    """An image whose hands are seen beside later images."""

    frame: Frame
    seen: Seen
    detections: list[Detection]


class _Run:
    """The open files of one replay."""

    def __init__(self, options: ReplayOptions, folder: Path, truth: TruthByStamp) -> None:
        self._options, self._folder = options, folder
        self._truth, self._score = truth, TruthScore()
        self._summary, self._overlay = Summary(), Overlay()
        self._frames: list[dict[str, Any]] = []
        self._camera: dict[str, Any] | None = None

    def through(
        self,
        frames: Iterator[Frame],
        estimator: Estimator,
        detector: RememberingDetector,
        copied: list[BagMessage],
    ) -> bool:
        """Process frame after frame; return False where an interrupt ended it."""
        complete = True
        with ExitStack() as files:
            writer = files.enter_context(BagWriter(self._folder / BAG))
            recorder = HandRecorder(writer)
            video = VideoWriter(self._folder / VIDEO) if self._options.overlay else None
            if video is not None:
                files.callback(video.close)
            waiting: deque[_Waiting] = deque()

            def write(each: _Waiting) -> None:
                self._write(each, estimator.place(each.seen), recorder, video)

            def write_waiting() -> None:
                while waiting:
                    write(waiting.popleft())

            try:
                for count, frame in enumerate(frames, start=1):
                    _pass_on(copied, recorder)
                    if waiting and frame.stamp_ns == waiting[-1].frame.stamp_ns:
                        write_waiting()  # what is seen now would take its place
                    seen = estimator.see(
                        frame.image_rgb, frame.camera, frame.stamp_ns, frame.frame_id
                    )
                    waiting.append(_Waiting(frame, seen, detector.last))
                    while waiting and estimator.is_ready(waiting[0].seen):
                        write(waiting.popleft())
                    if count == self._options.max_frames:
                        break
                else:
                    _pass_on(copied, recorder)
                write_waiting()
            except KeyboardInterrupt:
                complete = False
                with suppress(KeyboardInterrupt):  # a second one: what is written is kept
                    write_waiting()
            except (InputError, ConfigError):  # of an image; those before it are good
                write_waiting()
                raise
        if not self._frames:
            if not complete:
                raise KeyboardInterrupt
            raise InputError(f"{self._options.path} has no image that can be read")
        self.write_results(complete)
        return complete

    def _write(
        self,
        waited: _Waiting,
        estimate: FrameEstimate,
        recorder: HandRecorder,
        video: VideoWriter | None,
    ) -> None:
        frame, options = waited.frame, self._options
        surfaces = {}
        if options.surface or options.overlay:
            surfaces = surfaces_of(estimate.hands)
        recorder.write(estimate, surfaces if options.surface else None, frame.recorded_ns)
        if video is not None:
            drawn = self._overlay.draw(frame.image_rgb, estimate, surfaces)
            video.write(drawn, frame.stamp_ns)
        self._summary.add(estimate, waited.detections)
        true = self._truth.get(estimate.stamp_ns)
        if true is not None:
            self._score.add(true, [recorded_hand(hand) for hand in estimate.hands])
        self._camera = camera_as_dict(frame.camera)
        self._frames.append(frame_as_dict(estimate))

    def summary(self) -> dict[str, Any]:
        """Return the summary of the frames so far."""
        summary = self._summary.as_dict()
        truth = self._score.as_dict()
        return summary if truth is None else {**summary, "truth": truth}

    def write_results(self, complete: bool) -> None:
        """Write the JSON."""
        content = {
            "hand_pose_ros": hand_pose_ros.__version__,
            "input": str(self._options.path),
            "complete": complete,
            "camera": self._camera,
            "summary": self.summary(),
            "frames": self._frames,
        }
        write_json(self._folder / RESULTS, content)

    def keep(self, output: OutputFolder) -> Path | None:
        """Put away what there is after a failure; return where, or None where there is nothing."""
        if not self._frames:
            output.discard()
            return None
        try:
            self.write_results(complete=False)
        except HandPoseError as error:
            _LOG.warning("%s", error)
            # An empty file marks a folder of ours, too.
            (output.work / RESULTS).touch()
        return output.finish(complete=False)


def _pass_on(copied: list[BagMessage], recorder: HandRecorder) -> None:
    """Write the input's messages that were read since the last frame."""
    for message in copied:
        recorder.pass_through(message)
    copied.clear()
