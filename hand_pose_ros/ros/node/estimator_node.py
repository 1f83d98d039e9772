"""The lifecycle node: camera topics in, hands out.

Callbacks only take messages in; one worker thread estimates and publishes, so that a timer, a
parameter or a service never waits for an image.
"""

from __future__ import annotations

import time
import traceback
from typing import Any

from rcl_interfaces.msg import SetParametersResult
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.parameter import Parameter
from rclpy.task import Future
from std_srvs.srv import SetBool, Trigger

from hand_pose_ros.errors import ConfigError, HandPoseError, InputError, ShapeError
from hand_pose_ros.ros import conversions
from hand_pose_ros.ros.images import decode_depth, decode_image
from hand_pose_ros.ros.messages import rclpy_types
from hand_pose_ros.ros.node import parameters
from hand_pose_ros.ros.node.calibration import GRACE_S, MAX_S, MIN_S, Calibration
from hand_pose_ros.ros.node.diagnostics import Diagnostics
from hand_pose_ros.ros.node.inputs import (
    ImageFacts,
    boxes_of,
)
from hand_pose_ros.ros.node.mailbox import Worker
from hand_pose_ros.ros.node.outputs import HandPublisher
from hand_pose_ros.ros.node.pairing import Capture
from hand_pose_ros.ros.node.parameters import NodeConfig
from hand_pose_ros.ros.node.statistics import FrameStatistics
from hand_pose_ros.ros.node.subscriptions import CameraSubscriptions
from hand_pose_ros.ros.source.frame import DEFAULT_FRAME_ID
from hand_pose_ros.runtime.boxes import BoxDetector
from hand_pose_ros.runtime.detect import Detector
from hand_pose_ros.runtime.detectors import make_detector
from hand_pose_ros.runtime.estimator import Estimator
from hand_pose_ros.runtime.lift import ModelLift
from hand_pose_ros.runtime.temporal import make_refiner
from hand_pose_ros.runtime.warm_up import calm_start, warm_up

NAME = "hand_pose_estimator"
_THROTTLE_S = 5.0


class EstimatorNode(LifecycleNode):
    """Runs the estimator on a camera's topics.

    Args:
        estimator: in place of the one that the parameters describe, for tests.
        options: of `rclpy.node.Node`.

    Attributes:
        failed: a future that gets the error of a worker that died.
    """

    def __init__(self, estimator: Estimator | None = None, **options: Any) -> None:
        super().__init__(NAME, **options)
        self._given = estimator
        self._config: NodeConfig = parameters.declare(self, NodeConfig())
        self.add_on_set_parameters_callback(self._on_set_parameters)
        self.failed: Future = Future()
        self.statistics = FrameStatistics()
        self._enabled = True
        self._must_reset = False
        self._calibration: Calibration | None = None
        self._worker: Worker[Capture] | None = None
        self._dropped = 0
        self._estimator: Estimator | None = None
        self._engine = "none"
        self._boxes_detector: BoxDetector | None = None
        self._publisher: HandPublisher | None = None
        self._inputs: CameraSubscriptions | None = None
        self._last: ImageFacts | None = None
        self._diagnostics = Diagnostics(self)
        waiting = MutuallyExclusiveCallbackGroup()
        self.create_service(Trigger, "~/reset", self._on_reset)
        self.create_service(SetBool, "~/enable", self._on_enable)
        calibrate = _calibrate_service()
        self.create_service(calibrate, "~/calibrate", self._on_calibrate, callback_group=waiting)

    @property
    def config(self) -> NodeConfig:
        """The parameters as they are now."""
        return self._config

    @property
    def dropped(self) -> int:
        """Images that a newer one replaced before they were looked at."""
        worker = self._worker
        return self._dropped + (worker.mailbox.dropped if worker else 0)

    @property
    def unpaired(self) -> int:
        """Images whose boxes did not come in time."""
        return self._inputs.unpaired if self._inputs else 0

    @property
    def engine(self) -> str:
        """What executes the network."""
        return self._engine

    @property
    def state(self) -> str:
        """What the node does, in a word or two."""
        inputs = self._inputs
        if inputs is None:
            return "inactive"
        if not self._enabled:
            return "disabled"
        return f"no {inputs.silent}" if inputs.silent else "active"

    # --- lifecycle -------------------------------------------------------------------------------

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Load the model, run everything once, and open the topics that go out."""
        try:
            self._estimator = self._given or self._make_estimator()
            self._publisher = HandPublisher(self, rclpy_types())
        except HandPoseError as error:
            self.get_logger().error(str(error))
            return TransitionCallbackReturn.FAILURE
        except Exception:
            return self._failed()
        self.get_logger().info(f"configured: model {self._config.model}, engine {self.engine}")
        return super().on_configure(state)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Listen to the camera."""
        result = super().on_activate(state)
        self.statistics.reset()
        self._dropped = 0
        self._last = None
        self._must_reset = True
        self._worker = Worker(self._work, self._on_death, self._config.input.queue_size)
        try:
            self._inputs = CameraSubscriptions(self, lambda: self._config.input, self._on_capture)
        except Exception:
            self._stop()
            return self._failed()
        return result

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop to listen; the images that have come are finished."""
        self._stop(finish=True)
        seen = self.statistics.snapshot(time.monotonic(), self.dropped)
        self.get_logger().info(
            f"deactivated: of {seen.received} images {seen.processed} were worked on, "
            f"{seen.dropped} dropped for newer ones, {seen.refused} could not be read"
        )
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Give model and topics back."""
        self._release()
        return super().on_cleanup(state)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop and give everything back."""
        self._stop()
        self._release()
        return super().on_shutdown(state)

    def destroy_node(self) -> None:
        """Stop the worker before anything that it uses goes."""
        self._stop()
        super().destroy_node()

    def _failed(self) -> TransitionCallbackReturn:
        """Log the error at hand, which rclpy would swallow."""
        self.get_logger().error(traceback.format_exc())
        return TransitionCallbackReturn.ERROR

    def _make_estimator(self) -> Estimator:
        config = self._config
        detector: Detector
        with calm_start():
            if config.input.use_boxes:
                detector = self._boxes_detector = BoxDetector(
                    config.estimator.detector, config.engine
                )
            else:
                detector = make_detector(config.estimator.detector, config.engine)
            warm_up(detector)
        lift = ModelLift.from_name(config.model, engine=config.engine)
        self._engine = lift.engine
        refiner = make_refiner(config.estimator.temporal, config.engine)
        return Estimator(config.estimator, detector, lift, refiner)

    def _release(self) -> None:
        if self._publisher is not None:
            self._publisher.destroy()
        self._publisher = self._estimator = self._boxes_detector = None

    def _stop(self, *, finish: bool = False) -> None:
        if self._inputs is not None:
            self._inputs.close()
        worker, self._worker = self._worker, None
        if worker is not None:
            worker.stop(finish=finish)
            self._dropped += worker.mailbox.dropped
        self._inputs = None
        calibration, self._calibration = self._calibration, None
        if calibration is not None:
            calibration.done.set()

    # --- what comes in ---------------------------------------------------------------------------

    def _on_capture(self, capture: Capture) -> None:
        self.statistics.receive()
        worker = self._worker
        if self._enabled and worker is not None:
            worker.mailbox.put(capture)

    def _on_set_parameters(self, changes: list[Parameter]) -> Any:
        try:
            self._config = parameters.changed(self._config, {p.name: p.value for p in changes})
        except ConfigError as error:
            return SetParametersResult(successful=False, reason=str(error))
        return SetParametersResult(successful=True)

    def _on_reset(self, request: Any, response: Any) -> Any:
        self._must_reset = True
        response.success, response.message = True, "all hands are forgotten"
        return response

    def _on_enable(self, request: Any, response: Any) -> Any:
        self._enabled = self._must_reset = bool(request.data)
        response.success, response.message = True, "enabled" if request.data else "disabled"
        return response

    def _on_calibrate(self, request: Any, response: Any) -> Any:
        response.success = False
        if not MIN_S <= request.seconds <= MAX_S:
            response.message = f"seconds is {request.seconds:g}; allowed are {MIN_S} to {MAX_S}"
            return response
        if not 0.0 <= request.hand_scale <= 0.3:
            response.message = f"hand_scale is {request.hand_scale:g}; allowed are 0 to 0.3 m"
            return response
        if self._worker is None or not self._enabled or self._calibration is not None:
            response.message = "the node is not active, is disabled, or calibrates already"
            return response
        calibration = Calibration(float(request.seconds), float(request.hand_scale))
        self._calibration = calibration
        in_time = calibration.done.wait(calibration.seconds + GRACE_S)
        self._calibration = None
        if not calibration.hands:
            response.message = "no hand was in view at the end" if in_time else "no image came"
            return response
        response.success = True
        for side, hand in calibration.hands.items():
            response.sides.append(conversions.SIDE_CODES[side])
            response.hand_scales.append(hand.anchor)
            response.scale_sources.append(int(hand.scale_source))
        response.message = ", ".join(
            f"{side}: {hand.anchor * 1e3:.0f} mm ({hand.scale_source.name.lower()})"
            for side, hand in calibration.hands.items()
        )
        return response

    # --- the worker ------------------------------------------------------------------------------

    def _work(self, capture: Capture) -> None:
        """Estimate and publish the hands of one image."""
        message = capture.image
        started_s = time.monotonic()
        config, inputs = self._config, self._inputs
        estimator, publisher = self._estimator, self._publisher
        if estimator is None or publisher is None or inputs is None:
            return
        try:
            image = decode_image(message)
        except InputError as error:
            self._refuse(error)
            return
        stamp_ns, frame_id = self._stamp_and_frame(message)
        height, width = image.shape[:2]
        encoding = message.format if config.input.is_compressed else message.encoding
        self._prepare(estimator, config, ImageFacts(stamp_ns, (width, height), encoding, frame_id))
        camera = inputs.camera(
            width,
            height,
            rectified=inputs.is_rectified,
            horizontal_fov_deg=config.input.horizontal_fov_deg,
        )
        if self._boxes_detector is not None:
            self._boxes_detector.boxes = boxes_of(capture.boxes)
        depth = self._depth_of(capture)
        calibration = self._calibration
        if calibration is not None:
            calibration.before(estimator, stamp_ns)
        try:
            frame = estimator.estimate(image, camera, stamp_ns, frame_id, depth)
        except (InputError, ShapeError) as error:
            self._refuse(error)
            return
        if calibration is not None and calibration.after(estimator, stamp_ns):
            self._calibration = None
        publisher.publish(frame, image, config.output)
        now_s = time.monotonic()
        age_ms = (self.get_clock().now().nanoseconds - stamp_ns) * 1e-6
        self.statistics.process(now_s, age_ms, (now_s - started_s) * 1e3)

    def _refuse(self, error: Exception) -> None:
        self.statistics.refuse()
        self.get_logger().warning(
            f"an image is left out: {error}", throttle_duration_sec=_THROTTLE_S
        )

    def _stamp_and_frame(self, message: Any) -> tuple[int, str]:
        stamp_ns, frame_id = conversions.stamp_ns(message), message.header.frame_id
        if not stamp_ns:
            self.get_logger().warning(
                "images have no stamp; the time of arrival is taken", once=True
            )
            stamp_ns = self.get_clock().now().nanoseconds
        if not frame_id:
            self.get_logger().warning(
                f"images have no frame_id; it is called {DEFAULT_FRAME_ID!r}", once=True
            )
        return stamp_ns, frame_id or DEFAULT_FRAME_ID

    def _prepare(self, estimator: Estimator, config: NodeConfig, source: ImageFacts) -> None:
        """Bring the estimator up to what was asked of the node since the last image."""
        if config.estimator is not estimator.config:
            estimator.configure(config.estimator)
        if self._last is not None and (change := source.change_since(self._last)):
            self.get_logger().warning(f"{change}: all hands are forgotten")
            self._must_reset = True
        self._last = source
        if self._must_reset:
            self._must_reset = False
            estimator.reset()

    def _depth_of(self, capture: Capture) -> Any:
        """Return the depth image that goes with an image, None where there is none to be used."""
        if capture.depth is None:
            return None
        try:
            return decode_depth(capture.depth)
        except InputError as error:
            self.get_logger().warning(
                f"a depth image is left out: {error}", throttle_duration_sec=_THROTTLE_S
            )
            return None

    def _on_death(self, error: BaseException) -> None:
        if (
            not self.context.ok()
        ):  # told to stop in the middle of an image: nothing can be published
            return
        self.get_logger().fatal(f"the estimator died: {type(error).__name__}: {error}")
        self.failed.set_exception(error)


def _calibrate_service() -> Any:
    """Return the class of our service; it exists only where the package is built."""
    from hand_pose_ros.srv import Calibrate

    return Calibrate
