"""The lifecycle node: camera topics in, hands out.

Callbacks only take messages in; one worker thread estimates and publishes, so that a timer, a
parameter or a service never waits for an image.
"""

from __future__ import annotations

import functools
import time
from typing import Any

from rcl_interfaces.msg import SetParametersResult
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.parameter import Parameter
from rclpy.task import Future
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_srvs.srv import SetBool, Trigger

from hand_pose_ros.errors import ConfigError, HandPoseError, InputError, ShapeError
from hand_pose_ros.ros import conversions
from hand_pose_ros.ros.camera_info import names_rectified
from hand_pose_ros.ros.images import decode_depth, decode_image
from hand_pose_ros.ros.messages import rclpy_types
from hand_pose_ros.ros.node import parameters
from hand_pose_ros.ros.node.calibration import GRACE_S, MAX_S, MIN_S, Calibration
from hand_pose_ros.ros.node.diagnostics import Diagnostics
from hand_pose_ros.ros.node.inputs import (
    Companions,
    LiveCamera,
    boxes_of,
    sensor_qos,
    why_silent,
)
from hand_pose_ros.ros.node.mailbox import Worker
from hand_pose_ros.ros.node.outputs import HandPublisher
from hand_pose_ros.ros.node.parameters import AUTO, COMPRESSED, NO, YES, NodeConfig
from hand_pose_ros.ros.node.statistics import FrameStatistics
from hand_pose_ros.ros.source.frame import DEFAULT_FRAME_ID
from hand_pose_ros.runtime.boxes import BoxDetector
from hand_pose_ros.runtime.detect import Detector, MediaPipeDetector
from hand_pose_ros.runtime.estimator import Estimator
from hand_pose_ros.runtime.lift import KeypointLift
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
        self._worker: Worker[Any] | None = None
        self._dropped = 0
        self._estimator: Estimator | None = None
        self._engine = "none"
        self._boxes_detector: BoxDetector | None = None
        self._publisher: HandPublisher | None = None
        self._inputs: list[Any] = []
        self._source: tuple[str, int, int] | None = None
        self._last_image_s = 0.0
        self._is_silent = False
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
        return self._dropped + (self._worker.mailbox.dropped if self._worker else 0)

    @property
    def engine(self) -> str:
        """What executes the network."""
        return self._engine

    @property
    def state(self) -> str:
        """What the node does, in a word or two."""
        if self._worker is None:
            return "inactive"
        if not self._enabled:
            return "disabled"
        return "no images" if self._is_silent else "active"

    # --- lifecycle -------------------------------------------------------------------------------

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Load the model, run everything once, and open the topics that go out."""
        try:
            self._estimator = self._given or self._make_estimator()
        except HandPoseError as error:
            self.get_logger().error(str(error))
            return TransitionCallbackReturn.FAILURE
        self._publisher = HandPublisher(self, rclpy_types())
        self.get_logger().info(f"configured: model {self._config.model}, engine {self.engine}")
        return super().on_configure(state)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Listen to the camera."""
        result = super().on_activate(state)
        self.statistics.reset()
        self._dropped = 0
        self._source = None
        self._must_reset = True
        self._worker = Worker(self._work, self._on_death)
        self._listen()
        return result

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop to listen; the image at hand is finished."""
        self._stop()
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

    def _make_estimator(self) -> Estimator:
        config = self._config
        detector: Detector
        with calm_start():
            if config.input.use_boxes:
                detector = self._boxes_detector = BoxDetector(config.estimator.detector)
            else:
                detector = MediaPipeDetector(config.estimator.detector)
            warm_up(detector)
        lift = KeypointLift.from_name(config.model, engine=config.engine)
        self._engine = lift.engine
        return Estimator(config.estimator, detector, lift)

    def _release(self) -> None:
        if self._publisher is not None:
            self._publisher.destroy()
        self._publisher = self._estimator = self._boxes_detector = None

    def _listen(self) -> None:
        settings = self._config.input
        qos = sensor_qos(settings.reliability)
        self._camera = LiveCamera(self.get_logger().warning)
        self._depths, self._boxes = Companions(), Companions()
        subscribe = functools.partial(self.create_subscription, qos_profile=qos)
        compressed = settings.image_transport == COMPRESSED
        kind, topic = (CompressedImage, "image/compressed") if compressed else (Image, "image")
        self._kind = f"sensor_msgs/msg/{kind.__name__}"
        images = subscribe(kind, topic, self._on_image)
        self._topic = images.topic_name
        known = {YES: True, NO: False, AUTO: names_rectified(self._topic)}
        self._rectified = known[settings.rectified]
        self._inputs = [images, subscribe(CameraInfo, "camera_info", self._on_camera_info)]
        if settings.use_depth:
            self._inputs.append(subscribe(Image, "depth", self._depths.add))
        if settings.use_boxes:
            from vision_msgs.msg import Detection2DArray

            self._inputs.append(subscribe(Detection2DArray, "boxes", self._boxes.add))
        self._last_image_s, self._is_silent = time.monotonic(), False
        self._watch = self.create_timer(settings.silence_s / 4.0, self._on_watch)
        self.get_logger().info(f"listening to {self._topic}")

    def _stop(self) -> None:
        worker, self._worker = self._worker, None
        for subscription in self._inputs:
            self.destroy_subscription(subscription)
        if self._inputs:
            self.destroy_timer(self._watch)
        self._inputs = []
        if worker is not None:
            worker.stop()
            self._dropped += worker.mailbox.dropped
        calibration, self._calibration = self._calibration, None
        if calibration is not None:
            calibration.done.set()

    # --- what comes in ---------------------------------------------------------------------------

    def _on_image(self, message: Any) -> None:
        self._last_image_s = time.monotonic()
        if self._is_silent:
            self._is_silent = False
            self.get_logger().info(f"images come on {self._topic} again")
        self.statistics.receive()
        worker = self._worker
        if self._enabled and worker is not None:
            worker.mailbox.put(message)

    def _on_camera_info(self, message: Any) -> None:
        self._camera.update(message)

    def _on_watch(self) -> None:
        settings = self._config.input
        if time.monotonic() - self._last_image_s < settings.silence_s:
            return
        self._is_silent = True
        reason = why_silent(self, self._topic, self._kind, settings.reliability)
        self.get_logger().warning(
            f"no image for {settings.silence_s:g} s: {reason}",
            throttle_duration_sec=2.0 * _THROTTLE_S,
        )

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

    def _work(self, message: Any) -> None:
        """Estimate and publish the hands of one image."""
        started_s = time.monotonic()
        config, estimator, publisher = self._config, self._estimator, self._publisher
        if estimator is None or publisher is None:
            return
        try:
            image = decode_image(message)
        except InputError as error:
            self._refuse(error)
            return
        stamp_ns, frame_id = self._stamp_and_frame(message)
        height, width = image.shape[:2]
        self._prepare(estimator, config, (frame_id, height, width))
        camera = self._camera(
            width,
            height,
            rectified=self._rectified,
            horizontal_fov_deg=config.input.horizontal_fov_deg,
        )
        depth = self._companions(stamp_ns, config)
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
            f"an image on {self._topic} is left out: {error}", throttle_duration_sec=_THROTTLE_S
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

    def _prepare(
        self, estimator: Estimator, config: NodeConfig, source: tuple[str, int, int]
    ) -> None:
        """Bring the estimator up to what was asked of the node since the last image."""
        if config.estimator is not estimator.config:
            estimator.configure(config.estimator)
        if self._source is not None and source != self._source:
            self.get_logger().info(
                f"images are now {source[2]} x {source[1]} px in frame {source[0]!r}: reset"
            )
            self._must_reset = True
        self._source = source
        if self._must_reset:
            self._must_reset = False
            estimator.reset()

    def _companions(self, stamp_ns: int, config: NodeConfig) -> Any:
        """Give the detector its boxes, and return the depth image where there is one."""
        slop_ns = round(config.input.companion_slop_s * 1e9)
        if self._boxes_detector is not None:
            found = self._boxes.nearest(stamp_ns, slop_ns)
            self._boxes_detector.boxes = boxes_of(found) if found is not None else ()
        message = self._depths.nearest(stamp_ns, slop_ns)
        if message is None:
            return None
        try:
            return decode_depth(message)
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
