"""Folders of still images, and the bench: with a scripted detector and an exact lift."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass

import cv2
import numpy as np
import pytest
from runtime_stubs import CAMERA, FRAME_NS, IMAGE, ExactLift, ScriptedDetector, true_hand

from hand_pose_ros.errors import ConfigError, InputError
from hand_pose_ros.hand.camera import Camera
from hand_pose_ros.runtime.bench import WARM_UP, Bench, BenchOptions
from hand_pose_ros.runtime.estimate import ScaleSource
from hand_pose_ros.runtime.predict import estimate_still, predict_folder, predictions_as_dict
from hand_pose_ros.runtime.still import StillDetector

LEFT = true_hand("left")


class ScriptedStill(StillDetector):
    """Finds one true hand in every image that is not black, and keeps what it was told."""

    def __init__(self, hand=LEFT):
        self.hand, self.told = hand, []

    def detect_one(self, image_rgb, box=None, side=None):
        self.told.append((box, side))
        return self.hand.detection if image_rgb.any() else None


@pytest.fixture
def folder(tmp_path):
    images = tmp_path / "data" / "images"
    images.mkdir(parents=True)
    cv2.imwrite(str(images / "a.png"), np.full((480, 640, 3), 90, np.uint8))
    cv2.imwrite(str(images / "b.png"), IMAGE)
    (images / "c.png").write_text("no image")
    return images.parent


def annotate(folder, **fields):
    (folder / "annotations.json").write_text(json.dumps({"images": {"a.png": fields}}))


def test_each_image_is_answered_with_a_hand_or_null(folder, caplog):
    annotate(folder, K=CAMERA.K.tolist())
    with caplog.at_level(logging.WARNING):
        found = predict_folder(folder, ScriptedStill(), ExactLift(LEFT))
    assert "c.png is not an image" in caplog.text
    images = json.loads(json.dumps(predictions_as_dict(found)))["images"]
    assert sorted(images) == ["a.png", "b.png", "c.png"]
    assert images["b.png"] is None
    assert images["c.png"] is None
    np.testing.assert_allclose(images["a.png"]["keypoints"], LEFT.points, atol=1e-5)
    assert images["a.png"]["side"] == "left"
    assert images["a.png"]["score"] == pytest.approx(0.99)


def test_box_side_and_camera_are_used_and_keypoints_never_read(folder):
    annotate(folder, K=CAMERA.K.tolist(), box=[1, 2, 3, 4], side="left", keypoints="secret")
    detector = ScriptedStill()
    found = predict_folder(folder, detector, ExactLift(LEFT))
    assert detector.told[0] == ((1.0, 2.0, 3.0, 4.0), "left")
    assert detector.told[1] == (None, None)
    assert found["a.png"].hand.scale_source is ScaleSource.ASSUMED


def test_without_a_calibration_the_scale_is_said_to_be_unknown(folder):
    found = predict_folder(folder, ScriptedStill(), ExactLift(LEFT))
    assert found["a.png"].camera.assumed
    assert found["a.png"].hand.scale_source is ScaleSource.UNKNOWN


def test_a_measured_hand_comes_out_at_its_size():
    small = true_hand("right", anchor=0.08)
    lift, image = ExactLift(small), np.ones_like(IMAGE)
    still = estimate_still(image, CAMERA, ScriptedStill(small), lift, hand_scale=0.08)
    np.testing.assert_allclose(still.hand.keypoints, small.points, atol=1e-5)
    assert still.hand.scale_source is ScaleSource.CALIBRATED


def test_images_do_not_influence_one_another():
    """No smoothing, no averaging: the second answer is that of a fresh start."""
    other = true_hand("left", place=(0.05, 0.02, 0.8), flexion=0.7)
    image = np.ones_like(IMAGE)
    for hand in (LEFT, other):
        still = estimate_still(image, CAMERA, ScriptedStill(hand), ExactLift(LEFT, other))
        np.testing.assert_allclose(still.hand.keypoints, hand.points, atol=1e-5)


def test_a_folder_that_is_none_is_an_error(tmp_path):
    with pytest.raises(InputError, match="is not a folder"):
        predict_folder(tmp_path / "nowhere", ScriptedStill(), ExactLift(LEFT))


@dataclass(frozen=True)
class Still:
    stamp_ns: int
    image_rgb: np.ndarray
    camera: Camera = CAMERA


def stills(count):
    return [Still(i * FRAME_NS, IMAGE) for i in range(count)]


class CountingLift(ExactLift):
    calls = 0

    def __call__(self, detections, camera, image_rgb=None):
        self.calls += 1
        return super().__call__(detections, camera)


def test_a_bench_counts_every_frame_but_the_first_ones():
    lift = CountingLift(LEFT)
    detector = ScriptedDetector([[LEFT.detection]])
    timing = Bench(lift, BenchOptions(max_frames=20), detector)
    report = timing.run(iter(stills(50)))
    assert report["frames"] == 20 - WARM_UP
    assert detector.calls == 20 + 2, "the warm-up looks twice"
    assert lift.calls > 20
    assert report["stages_ms"]["total"]["mean"] >= report["stages_ms"]["lift"]["mean"] > 0.0
    assert report["lift_alone_ms"]["p50"] <= report["lift_alone_ms"]["p95"]
    assert "ratio_to_mediapipe" not in report
    json.dumps(report, allow_nan=False)


def test_beside_the_peer_the_ratio_is_that_of_the_mean_times():
    pytest.importorskip("mediapipe")
    detector = ScriptedDetector([[]])
    timing = Bench(ExactLift(LEFT), BenchOptions("mediapipe", 12, 1), detector)
    report = timing.run(stills(12))
    expected = report["stages_ms"]["total"]["mean"] / report["peer_ms"]["mean"]
    assert report["ratio_to_mediapipe"] == pytest.approx(expected)
    assert report["lift_alone_ms"] is None, "no hand was ever seen"


def test_a_bench_of_too_few_frames_or_an_unknown_peer_is_refused():
    with pytest.raises(InputError, match="the input has 3 frames"):
        Bench(ExactLift(LEFT), BenchOptions(), ScriptedDetector([[]])).run(stills(3))
    with pytest.raises(ConfigError, match=r"peer is 'openpose'.*mediapipe"):
        BenchOptions(peer="openpose")
    with pytest.raises(ConfigError, match="max_frames is 5"):
        BenchOptions(max_frames=5)
