"""The node's topics on a genuine ROS: what goes in, what comes out, and that nobody waits."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest
from node_bench import FRAME_ID, LEFT, NODE, RIGHT, START_NS, Slow, estimator_of

from hand_pose_ros.hand import skeleton
from hand_pose_ros.hand.camera import Camera
from hand_pose_ros.ros import conversions

pytestmark = pytest.mark.ros


def test_every_image_gives_its_hands_with_its_stamp_and_frame(bench, types):
    bench.start(estimator_of(RIGHT, LEFT))
    hands = bench.listen(f"{NODE}/hand_poses", types.HandPoseArray)
    joints = bench.listen(f"{NODE}/left/joint_states", types.JointState)
    tf = bench.listen("/tf", types.TFMessage)
    images = bench.publisher("image", types.Image)
    infos = bench.publisher("camera_info", types.CameraInfo)
    infos.publish(bench.info())
    bench.until(lambda: bench.node._inputs.camera._info is not None)
    bench.send(images, 5)
    bench.until(lambda: len(hands) == 5 and len(tf) == 5 and len(joints) == 5)
    stamps = [conversions.stamp_ns(message) for message in hands]
    assert stamps == [START_NS + index * 33_333_333 for index in range(5)]
    for message, transforms in zip(hands, tf, strict=True):
        assert message.header.frame_id == FRAME_ID
        assert [hand.side for hand in message.hands] == [2, 1]
        for hand, transform in zip(message.hands, transforms.transforms, strict=True):
            assert transform.header == message.header
            side = {1: "left", 2: "right"}[hand.side]
            assert transform.child_frame_id == f"hand_{side}_{hand.id}"
            place = transform.transform.translation
            wrist = hand.wrist.position
            assert (place.x, place.y, place.z) == (wrist.x, wrist.y, wrist.z)
    right = hands[-1].hands[0]
    found = conversions.points_array(right.keypoints)
    np.testing.assert_allclose(found, RIGHT.points, atol=1e-5)
    assert list(joints[0].name) == list(skeleton.joint_names("left"))
    np.testing.assert_allclose(joints[-1].position, hands[-1].hands[1].angles, atol=1e-6)


def test_an_image_without_a_hand_gives_an_empty_array(bench, types):
    bench.start(estimator_of(script=[[]]))
    hands = bench.listen(f"{NODE}/hand_poses", types.HandPoseArray)
    bench.send(bench.publisher("image", types.Image), 2)
    bench.until(lambda: len(hands) == 2)
    assert [len(message.hands) for message in hands] == [0, 0]


def test_markers_and_the_picture_are_made_while_somebody_listens(bench, types, monkeypatch):
    node = bench.start(estimator_of(RIGHT))
    drawn = []
    overlay = node._publisher._overlay
    monkeypatch.setattr(
        overlay, "draw", lambda image, frame: drawn.append(1) or np.zeros_like(image)
    )
    images = bench.publisher("image", types.Image)
    bench.send(images, 2)
    assert drawn == []
    pictures = bench.listen(f"{NODE}/debug_image", types.Image)
    markers = bench.listen(f"{NODE}/markers", types.MarkerArray)
    bench.until(
        lambda: (
            node._publisher._picture.get_subscription_count()
            and node._publisher._markers.get_subscription_count()
        )
    )
    bench.send(images, 2)
    bench.until(lambda: len(pictures) >= 1 and len(markers) == 2)
    assert (pictures[0].width, pictures[0].height, pictures[0].encoding) == (640, 480, "rgb8")
    kinds = [marker.type for marker in markers[0].markers]
    assert kinds == [types.Marker.LINE_LIST, types.Marker.SPHERE_LIST, types.Marker.TRIANGLE_LIST]
    assert bench.set_parameter("output.mesh", False).successful
    bench.send(images)
    bench.until(lambda: len(markers) == 3)
    assert types.Marker.TRIANGLE_LIST not in [
        marker.type for marker in markers[2].markers if marker.action == types.Marker.ADD
    ]


def test_without_a_calibration_distances_are_unknown_and_tf_is_silent(bench, types):
    node = bench.start(estimator_of(RIGHT))
    hands = bench.listen(f"{NODE}/hand_poses", types.HandPoseArray)
    tf = bench.listen("/tf", types.TFMessage)
    images = bench.publisher("image", types.Image)
    infos = bench.publisher("camera_info", types.CameraInfo)
    bench.send(images)
    broken = bench.info()
    broken.k = np.full(9, np.nan)
    infos.publish(broken)
    bench.until(lambda: node._inputs.camera._info is not None)
    bench.send(images)
    bench.until(lambda: len(hands) == 2)
    assert [m.hands[0].scale_source for m in hands] == [types.HandPose.SCALE_UNKNOWN] * 2
    assert tf == []
    infos.publish(bench.info())
    bench.until(lambda: not np.isnan(node._inputs.camera._info.k[0]))
    bench.send(images)
    bench.until(lambda: len(tf) == 1)
    assert hands[-1].hands[0].scale_source == types.HandPose.SCALE_ASSUMED
    infos.publish(bench.info(Camera.from_field_of_view(640, 600, 60.0)))  # another shape
    bench.until(lambda: node._inputs.camera._info.height == 600)
    assert bench.set_parameter("output.tf_of_unknown_scale", True).successful
    bench.send(images)
    bench.until(lambda: len(tf) == 2)
    assert hands[-1].hands[0].scale_source == types.HandPose.SCALE_UNKNOWN


def test_a_slow_estimator_works_on_the_newest_image_and_holds_nobody_up(bench, types):
    from rcl_interfaces.srv import GetParameters

    node = bench.start(Slow(0.15))
    hands = bench.listen(f"{NODE}/hand_poses", types.HandPoseArray)
    images = bench.publisher("image", types.Image)
    waits = []
    for index in range(40):
        images.publish(bench.image(index))
        if index % 8 == 4:
            started = time.monotonic()
            bench.call(GetParameters, f"{NODE}/get_parameters", names=["model"])
            waits.append(time.monotonic() - started)
        time.sleep(0.02)
    bench.until(lambda: node.statistics.snapshot(0.0, 0).received >= 30)
    time.sleep(0.5)
    seen = node.statistics.snapshot(time.monotonic(), node.dropped)
    assert seen.processed + seen.dropped == seen.received
    assert 3 <= seen.processed <= 15
    stamps = [conversions.stamp_ns(message) for message in hands]
    assert stamps == sorted(set(stamps))
    assert np.median(waits) < 0.1


def test_images_that_cannot_be_read_are_counted_and_left_out(bench, types):
    node = bench.start(estimator_of(RIGHT))
    images = bench.publisher("image", types.Image)
    bench.send(images)
    wrong = bench.image(1)
    wrong.encoding = "rainbow"
    short = bench.image(2)
    short.data = types.sequence(np.zeros(10, np.uint8))
    empty = bench.image(3, width=0)
    for refused, message in enumerate((wrong, short, empty), start=1):
        images.publish(message)
        bench.until(lambda r=refused: node.statistics.snapshot(0.0, 0).refused == r)
    bench.count = 10
    bench.send(images)
    assert not node.failed.done()


def test_a_corrupt_compressed_image_is_left_out(bench, types):
    import cv2

    node = bench.start(estimator_of(RIGHT), ("input.image_transport", "compressed"))
    images = bench.publisher("image/compressed", types.CompressedImage)
    _, data = cv2.imencode(".jpg", np.zeros((480, 640, 3), np.uint8))
    for payload in (data[: len(data) // 2], np.zeros(0, np.uint8), data):
        message = types.CompressedImage(
            header=conversions.header(types, START_NS, FRAME_ID), format="jpeg"
        )
        message.data = types.sequence(payload.ravel())
        images.publish(message)
        time.sleep(0.1)
    bench.until(lambda: node.statistics.snapshot(0.0, 0).processed == 1)
    assert node.statistics.snapshot(0.0, 0).refused == 2


def test_a_camera_that_changes_starts_anew_and_one_line_says_so(bench, types, logged):
    node = bench.start(estimator_of(RIGHT))
    hands = bench.listen(f"{NODE}/hand_poses", types.HandPoseArray)
    images = bench.publisher("image", types.Image)
    bench.send(images, 2)
    detector = node._estimator._detector
    resets, other = detector.resets, {"frame_id": "other_frame"}
    small = {**other, "width": 320, "height": 240}
    bench.send(images, **other)
    bench.send(images, 2, **small)
    bench.send(images, 2, **small, encoding="bgr8")
    bench.count = 0
    bench.send(images, 2, **small, encoding="bgr8")
    assert detector.resets == resets + 4
    assert not node.failed.done()
    said = [
        "images are now 640 x 480 px rgb8 in 'other_frame': all hands are forgotten",
        "images are now 320 x 240 px rgb8 in 'other_frame': all hands are forgotten",
        "images are now 320 x 240 px bgr8 in 'other_frame': all hands are forgotten",
        "stamps jumped back by 0.200 s: all hands are forgotten",
    ]
    bench.until(lambda: len(hands) == 9)
    bench.until(lambda: logged().count("forgotten") == len(said))
    assert all(line in logged() for line in said)


def test_silence_is_explained(bench, types):
    from rclpy.qos import QoSProfile, ReliabilityPolicy

    from hand_pose_ros.ros.node.silence import Awaited, why_silent

    node = bench.start(estimator_of(RIGHT), ("input.silence_s", 0.1))

    def why(topic: str = "/image", reliability: str = "best_effort") -> str:
        return why_silent(node, Awaited("image", topic, "sensor_msgs/msg/Image", reliability))

    bench.until(lambda: node.state == "no image")
    assert why() == (
        "nobody publishes /image; nor any sensor_msgs/msg/Image. Remap 'image' to the right topic"
    )
    bench.user.create_publisher(types.Image, "elsewhere", 1)
    bench.until(lambda: "sensor_msgs/msg/Image is published on /elsewhere" in why())
    sensor = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
    bench.user.create_publisher(types.Image, "image", sensor)
    bench.until(lambda: "published as best effort" in why(reliability="reliable"))
    assert "sends nothing" in why()
    bench.user.create_publisher(types.Header, "header", 1)
    bench.until(lambda: "carries std_msgs/msg/Header, not" in why("/header"))


def test_an_image_without_its_boxes_waits_and_silence_of_boxes_is_told(bench, types, logged):
    node = bench.start(estimator_of(RIGHT), ("input.use_boxes", True), ("input.silence_s", 0.3))
    images = bench.publisher("image", types.Image)
    bench.until(lambda: node.state == "no image")
    for index in range(20):
        images.publish(bench.image(index))
        time.sleep(0.03)
    bench.until(lambda: node.state == "no boxes")
    bench.until(lambda: "nothing on /boxes for 0.3 s: nobody publishes /boxes" in logged())
    assert node.statistics.snapshot(0.0, 0).received == 0
    assert node.unpaired == 5


def test_a_camera_that_stops_is_missed_and_welcomed_back(bench, types, logged):
    node = bench.start(estimator_of(RIGHT), ("input.silence_s", 0.3))
    hands = bench.listen(f"{NODE}/hand_poses", types.HandPoseArray)
    images = bench.publisher("image", types.Image)
    bench.send(images)
    assert node.state == "active"
    bench.until(lambda: node.state == "no image")
    time.sleep(0.3)
    assert len(hands) == 1  # nothing stale is published meanwhile
    bench.send(images)
    assert node.state == "active"
    bench.until(lambda: len(hands) == 2)
    for said in ("nothing on /image for 0.3 s: /image has a", "messages come on /image again"):
        bench.until(lambda said=said: said in logged())


def test_boxes_of_both_kinds_of_vision_msgs():
    from types import SimpleNamespace as Message

    from hand_pose_ros.ros.node.inputs import boxes_of

    point = Message(x=50.0, y=40.0)
    kinds = (Message(position=point, theta=0.0), point)
    boxes = [Message(bbox=Message(center=c, size_x=20.0, size_y=10.0)) for c in kinds]
    boxes.append(Message(bbox=Message(center=point, size_x=float("nan"), size_y=10.0)))
    found = boxes_of(Message(detections=boxes))
    assert [box.tolist() for box in found] == [[40.0, 35.0, 20.0, 10.0]] * 2


def test_depth_goes_with_the_image_of_its_stamp(bench, types):
    seen = []

    class Seeing(Slow):
        def estimate(self, image, camera, stamp_ns, frame_id, depth):
            seen.append(depth)
            return super().estimate(image, camera, stamp_ns, frame_id, depth)

    node = bench.start(Seeing(0.0), ("input.use_depth", True), ("input.companion_slop_s", 0.01))
    images, depths = bench.publisher("image", types.Image), bench.publisher("depth", types.Image)

    def depth_of(index: int, encoding: str = "16UC1") -> Any:
        message = bench.image(index)
        message.encoding, message.step = encoding, 2 * 640
        message.data = types.sequence(np.full(640 * 480, 700, "<u2").view(np.uint8))
        return message

    def waits() -> bool:
        return len(node._inputs._pairing._images) == 1

    for index, depth in enumerate((depth_of(0), depth_of(1, "rainbow"))):
        images.publish(bench.image(index))
        bench.until(waits)
        assert len(seen) == index
        depths.publish(depth)
        bench.until(lambda n=index + 1: len(seen) == n)
    images.publish(bench.image(2))
    bench.until(waits)
    depths.publish(depth_of(9))  # of another moment
    images.publish(bench.image(3))  # the next image ends the wait
    bench.until(lambda: len(seen) == 3)
    assert seen[0].shape == (480, 640)
    assert np.unique(seen[0]).tolist() == [pytest.approx(0.7)]
    assert seen[1:] == [None, None]


def test_boxes_of_another_detector_are_looked_into(bench, types):
    pytest.importorskip("mediapipe", reason="the node's own landmarks are MediaPipe's")
    from vision_msgs.msg import Detection2D, Detection2DArray

    from hand_pose_ros.data.boxes import box_around
    from hand_pose_ros.resources import samples_folder
    from hand_pose_ros.ros.source import open_source
    from hand_pose_ros.ros.truth import read_truth

    sample = samples_folder() / "gestures.mcap"
    true = read_truth(sample)
    seen = next(frame for frame in open_source(sample) if len(true[frame.stamp_ns]) == 1)
    (hand,) = true[seen.stamp_ns]
    true_box = box_around(hand.keypoints_px)
    bench.start(None, ("input.use_boxes", True))
    hands = bench.listen(f"{NODE}/hand_poses", types.HandPoseArray)
    images = bench.publisher("image", types.Image)
    boxes = bench.publisher("boxes", Detection2DArray)
    height, width = seen.image_rgb.shape[:2]

    image = bench.image(0, width=width, height=height)
    image.data = types.sequence(seen.image_rgb.reshape(-1))
    box = Detection2D()
    x, y, box.bbox.size_x, box.bbox.size_y = true_box.tolist()
    centre = getattr(box.bbox.center, "position", box.bbox.center)
    centre.x, centre.y = x + box.bbox.size_x / 2.0, y + box.bbox.size_y / 2.0
    images.publish(image)
    boxes.publish(Detection2DArray(header=image.header, detections=[box]))
    bench.until(lambda: len(hands) == 1)
    (found,) = hands[0].hands
    pixels = np.reshape(found.keypoints_px, (21, 2))
    assert np.linalg.norm(pixels - hand.keypoints_px, axis=1).mean() < 0.1 * true_box[2:].max()
