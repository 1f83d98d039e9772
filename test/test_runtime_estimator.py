"""The estimator with an exact detector and lift: what comes out is the true hand."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, fields, replace

import numpy as np
import pytest
import torch
from runtime_stubs import CAMERA, FRAME_NS, IMAGE, ExactLift, ScriptedDetector, moved, true_hand

from hand_pose_ros.errors import ConfigError, InputError, ShapeError
from hand_pose_ros.hand import skeleton
from hand_pose_ros.hand.camera import Camera
from hand_pose_ros.hand.rotations import euler_from_matrix
from hand_pose_ros.runtime.config import (
    DetectorConfig,
    EstimatorConfig,
    SmoothingConfig,
    TrackConfig,
    check_option,
)
from hand_pose_ros.runtime.estimate import ScaleSource
from hand_pose_ros.runtime.estimator import STAGES, Estimator

RIGHT = true_hand("right", place=(0.12, 0.05, 0.5))
LEFT = true_hand("left", place=(-0.12, 0.05, 0.5))


def estimator_of(*hands, script=None, config=None):
    detector = ScriptedDetector(script or [[hand.detection for hand in hands]])
    return Estimator(config, detector, ExactLift(*hands))


def run(estimator, count, camera=CAMERA, **more):
    return [estimator.estimate(IMAGE, camera, i * FRAME_NS, **more) for i in range(count)]


@pytest.mark.parametrize("side", ["right", "left"])
def test_an_exact_lift_gives_the_true_hand_of_either_side(side):
    hand = true_hand(side)
    frame = run(estimator_of(hand), 3)[-1]
    (estimate,) = frame.hands
    assert (estimate.side, estimate.id) == (side, "0")
    np.testing.assert_allclose(estimate.keypoints, hand.points, atol=1e-6)
    np.testing.assert_allclose(
        CAMERA.project(estimate.keypoints), estimate.keypoints_px, atol=0.01
    )


@pytest.mark.parametrize("side", ["right", "left"])
def test_wrist_frame_angles_and_lengths_belong_to_the_keypoints(side):
    (estimate,) = run(estimator_of(true_hand(side)), 1)[0].hands
    R, t = estimate.T_cam_wrist[:3, :3], estimate.T_cam_wrist[:3, 3]
    np.testing.assert_allclose(R @ R.T, np.eye(3), atol=1e-9)
    assert np.linalg.det(R) == pytest.approx(1.0)
    np.testing.assert_allclose(estimate.rotations[0], R)
    np.testing.assert_allclose(estimate.keypoints[0], t)
    parents = list(skeleton.PARENTS[1:])
    bones = estimate.keypoints[1:] - estimate.keypoints[parents]
    along = estimate.rotations[1:, :, 0] * estimate.bone_lengths[:, None]
    np.testing.assert_allclose(bones, along, atol=1e-9)
    euler = euler_from_matrix(torch.from_numpy(R)).numpy()
    np.testing.assert_allclose(estimate.angles[:3], euler, atol=1e-9)


def test_a_left_hand_is_the_mirror_image_of_a_right_one():
    (right,) = run(estimator_of(true_hand("right", place=(0.1, 0.0, 0.5))), 1)[0].hands
    (left,) = run(estimator_of(true_hand("left", place=(-0.1, 0.0, 0.5))), 1)[0].hands
    np.testing.assert_allclose(left.keypoints * [-1, 1, 1], right.keypoints, atol=1e-4)
    np.testing.assert_allclose(left.angles[3:], right.angles[3:])
    # x of the frame along the fingers, z out of the back: mirrored vectors; y follows.
    for axis in (0, 2):
        mirrored = left.rotations[0][:, axis] * [-1, 1, 1]
        np.testing.assert_allclose(mirrored, right.rotations[0][:, axis], atol=1e-9)


def test_two_hands_at_once_each_with_its_own_state():
    frames = run(estimator_of(RIGHT, LEFT), 10)
    hands = {hand.side: hand for hand in frames[-1].hands}
    assert {hand.id for hand in hands.values()} == {"0", "1"}
    np.testing.assert_allclose(hands["right"].keypoints, RIGHT.points, atol=1e-5)
    np.testing.assert_allclose(hands["left"].keypoints, LEFT.points, atol=1e-5)


def test_no_hand_is_an_empty_answer_and_nothing_stale_follows():
    estimator = estimator_of(RIGHT, script=[[RIGHT.detection], [], [RIGHT.detection]])
    frames = run(estimator, 3)
    assert [len(frame.hands) for frame in frames] == [1, 0, 1]
    assert frames[2].hands[0].id == "0"


def test_stamp_frame_camera_and_timings_are_told():
    frame = estimator_of(RIGHT).estimate(IMAGE, CAMERA, 12_345, "left_optical")
    assert (frame.stamp_ns, frame.frame_id, frame.camera) == (12_345, "left_optical", CAMERA)
    assert set(frame.timings_ms) == {*STAGES, "total"}
    assert sum(frame.timings_ms[stage] for stage in STAGES) <= frame.timings_ms["total"]


def test_the_lift_is_told_the_side_of_the_track():
    wrong = replace(RIGHT.detection, side="left", side_score=0.8)
    script = [[RIGHT.detection]] * 5 + [[wrong]]
    estimator = estimator_of(RIGHT, script=script)
    frames = run(estimator, 6)
    assert estimator._lift.sides == ["right"]
    assert frames[-1].hands[0].side == "right"


def test_a_changed_side_starts_the_hand_anew():
    wrong = replace(RIGHT.detection, side="left", side_score=0.7)
    script = [[wrong]] + [[RIGHT.detection]] * 30
    frames = run(estimator_of(RIGHT, script=script), 31)
    assert frames[0].hands[0].side == "left"
    np.testing.assert_allclose(frames[-1].hands[0].keypoints, RIGHT.points, atol=1e-5)


@pytest.mark.parametrize("jump", [-1, 5_000_000_000])
def test_a_clock_that_jumps_starts_everything_anew(jump):
    far = true_hand("right", place=(0.12, 0.05, 0.9), flexion=0.6)
    script = [[RIGHT.detection]] * 10 + [[far.detection]]
    estimator = estimator_of(RIGHT, far, script=script)
    run(estimator, 10)
    frame = estimator.estimate(IMAGE, CAMERA, 9 * FRAME_NS + jump)
    np.testing.assert_allclose(frame.hands[0].keypoints, far.points, atol=1e-5)
    assert estimator._detector.resets == 1


def test_reset_clears_all_state():
    far = true_hand("right", place=(-0.12, 0.05, 0.9), flexion=0.6)
    estimator = estimator_of(RIGHT, far, script=[[RIGHT.detection]] * 10 + [[far.detection]])
    run(estimator, 10)
    estimator.reset()
    frame = estimator.estimate(IMAGE, CAMERA, 10 * FRAME_NS)
    assert frame.hands[0].id == "0"
    np.testing.assert_allclose(frame.hands[0].keypoints, far.points, atol=1e-5)


def test_lengths_are_averaged_over_frames_and_angles_limited():
    class NoisyLift(ExactLift):
        rng = np.random.default_rng(0)

        def __call__(self, detections, camera, image_rgb=None):
            (hand,) = super().__call__(detections, camera)
            ratios = hand.ratios * self.rng.normal(1.0, 0.05, 20)
            angles = hand.articulation + self.rng.normal(0.0, 1.0, 23)
            return [replace(hand, ratios=ratios, articulation=angles)]

    estimator = Estimator(None, ScriptedDetector([[RIGHT.detection]]), NoisyLift(RIGHT))
    frames = run(estimator, 90)
    low, high = np.array(skeleton.ARTICULATION_LIMITS).T
    angles = np.array([frame.hands[0].angles[3:] for frame in frames])
    assert (angles >= low).all()
    assert (angles <= high).all()
    lengths = np.array([frame.hands[0].bone_lengths for frame in frames[30:]])
    assert (lengths.std(axis=0) / lengths.mean(axis=0)).max() < 0.01


ASSUMED_CAMERA = Camera.from_field_of_view(640, 480)


@pytest.mark.parametrize(
    ("hand_scale", "camera", "source"),
    [
        (0.0, CAMERA, ScaleSource.ASSUMED),
        (0.08, CAMERA, ScaleSource.CALIBRATED),
        (0.08, ASSUMED_CAMERA, ScaleSource.ASSUMED),
        (0.0, ASSUMED_CAMERA, ScaleSource.UNKNOWN),
    ],
)
def test_the_source_of_the_scale_is_said(hand_scale, camera, source):
    estimator = estimator_of(RIGHT, config=EstimatorConfig(hand_scale=hand_scale))
    assert run(estimator, 1, camera=camera)[0].hands[0].scale_source is source


def test_a_measured_hand_comes_out_at_its_size_and_distance():
    small = true_hand("right", anchor=0.075)
    estimator = estimator_of(small, config=EstimatorConfig(hand_scale=0.075))
    (estimate,) = run(estimator, 1)[0].hands
    assert estimate.bone_lengths[skeleton.ANCHOR_BONE] == pytest.approx(0.075)
    np.testing.assert_allclose(estimate.keypoints, small.points, atol=1e-5)


def depth_of(hand, background=2.0):
    """Return a depth image that shows the skin in front of each joint, and a wall."""
    from hand_pose_ros.hand.root import SURFACE_TO_JOINT

    depth = np.full(IMAGE.shape[:2], background)
    for (u, v), z in zip(
        CAMERA.project(hand.points), hand.points[:, 2] - SURFACE_TO_JOINT, strict=True
    ):
        depth[int(v) - 5 : int(v) + 6, int(u) - 5 : int(u) + 6] = z
    return depth


def test_depth_teaches_the_size_which_stays_when_depth_goes():
    small = true_hand("right", anchor=0.078)
    estimator = estimator_of(small)
    (estimate,) = run(estimator, 8, depth=depth_of(small))[-1].hands
    assert estimate.scale_source is ScaleSource.DEPTH
    assert estimate.bone_lengths[skeleton.ANCHOR_BONE] == pytest.approx(0.078, rel=0.03)
    np.testing.assert_allclose(estimate.keypoints, small.points, atol=0.012)
    later = estimator.estimate(IMAGE, CAMERA, 9 * FRAME_NS)
    assert later.hands[0].scale_source is ScaleSource.DEPTH
    np.testing.assert_allclose(later.hands[0].keypoints, small.points, atol=0.02)


def test_a_depth_image_full_of_holes_is_as_none():
    estimator = estimator_of(RIGHT)
    (estimate,) = run(estimator, 2, depth=np.zeros(IMAGE.shape[:2]))[-1].hands
    assert estimate.scale_source is ScaleSource.ASSUMED
    np.testing.assert_allclose(estimate.keypoints, RIGHT.points, atol=1e-5)


def test_smoothing_lowers_the_jitter_of_shaking_keypoints():
    rng = np.random.default_rng(0)
    script = [[moved(RIGHT.detection, *rng.normal(0.0, 1.0, 2))] for _ in range(60)]

    def jitter(enabled):
        config = EstimatorConfig(smoothing=SmoothingConfig(enabled=enabled))
        frames = run(estimator_of(RIGHT, script=script, config=config), 60)
        wrists = np.array([frame.hands[0].keypoints[0] for frame in frames])
        return np.abs(np.diff(wrists, n=2, axis=0)).mean()

    assert jitter(True) < 0.7 * jitter(False)


@pytest.mark.parametrize(
    ("image", "match"),
    [
        (np.zeros((480, 640), np.uint8), r"\(480, 640\)"),
        (np.zeros((480, 640, 3), np.float32), "float32"),
        (np.zeros((100, 640, 3), np.uint8), r"the camera is \(480, 640\)"),
    ],
)
def test_an_image_that_is_none_is_refused(image, match):
    estimator = estimator_of(RIGHT)
    with pytest.raises((InputError, ShapeError), match=match):
        estimator.estimate(image, CAMERA, 0)


def test_a_depth_image_of_another_size_is_refused():
    with pytest.raises(ShapeError, match=r"depth has shape \(4, 4\)"):
        estimator_of(RIGHT).estimate(IMAGE, CAMERA, 0, depth=np.zeros((4, 4)))


@pytest.mark.parametrize(
    ("config", "match"),
    [
        (lambda: EstimatorConfig(hand_scale=-0.1), "hand_scale is -0.1"),
        (lambda: EstimatorConfig(hand_scale=float("nan")), "hand_scale is nan"),
        (lambda: SmoothingConfig(angle_cutoff=0.0), r"angle_cutoff is 0.0.*0.01\.\."),
    ],
)
def test_a_setting_that_makes_no_sense_is_refused(config, match):
    with pytest.raises(ConfigError, match=match):
        config()


@pytest.mark.parametrize(
    ("block", "name", "value", "match"),
    [
        (SmoothingConfig, "enabled", 1, "enabled is 1; it must be of type bool"),
        (TrackConfig, "max_gap_s", "long", "max_gap_s is 'long'; it must be of type float"),
        (TrackConfig, "max_gap_s", True, "max_gap_s is True; it must be of type float"),
    ],
)
def test_a_setting_of_another_type_is_refused(block, name, value, match):
    with pytest.raises(ConfigError, match=match):
        check_option({entry.name: entry for entry in fields(block)}[name], value)


def test_every_setting_says_what_it_is():
    for block in (DetectorConfig, TrackConfig, SmoothingConfig):
        assert all(entry.metadata["description"] for entry in fields(block))


def test_settings_are_frozen():
    with pytest.raises(FrozenInstanceError):
        EstimatorConfig().hand_scale = 0.1


# --- settings and calibration of a running estimator -------------------------------------------


def with_ratio(hand, factor):
    """Return a hand like another one but for the length of its first bone."""
    ratios = hand.lifted.ratios.copy()
    ratios[0] *= factor
    return replace(hand, lifted=replace(hand.lifted, ratios=ratios))


def test_settings_change_while_hands_are_followed():
    estimator = estimator_of(RIGHT)
    run(estimator, 3)
    estimator.configure(EstimatorConfig(hand_scale=0.1))
    frame = estimator.estimate(IMAGE, CAMERA, 3 * FRAME_NS)
    (hand,) = frame.hands
    assert hand.id == "0"
    assert hand.scale_source is ScaleSource.CALIBRATED
    np.testing.assert_allclose(hand.bone_lengths[skeleton.ANCHOR_BONE], 0.1)
    with pytest.raises(ConfigError, match="detector cannot change"):
        estimator.configure(EstimatorConfig(detector=DetectorConfig(max_hands=1)))


def test_other_smoothing_holds_from_the_next_image_on():
    still, moving = RIGHT.detection, moved(RIGHT.detection, 60.0)
    script = [[still]] * 5 + [[moving]] * 40
    lag = {}
    for name, cutoff in (("slow", 0.05), ("fast", 500.0)):
        estimator = estimator_of(RIGHT, script=script)
        run(estimator, 5)
        smoothing = SmoothingConfig(lateral_cutoff=cutoff, lateral_beta=0.0)
        estimator.configure(EstimatorConfig(smoothing=smoothing))
        frame = estimator.estimate(IMAGE, CAMERA, 5 * FRAME_NS)
        pixels = CAMERA.project(frame.hands[0].keypoints)
        lag[name] = np.abs(pixels - moving.keypoints_px)[:, 0].mean()
    assert lag["fast"] < 5.0 < 50.0 < lag["slow"]


def test_a_calibration_holds_the_shape_also_when_the_hand_comes_back():
    first, later = RIGHT, with_ratio(RIGHT, 1.1)
    estimator = estimator_of(first, script=[[first.detection]] * 9 + [[]] * 60)
    lift = estimator._lift
    run(estimator, 3)
    estimator.begin_calibration()
    for index in range(3, 8):
        estimator.estimate(IMAGE, CAMERA, index * FRAME_NS)
    known = estimator.finish_calibration(hand_scale=0.1)
    assert set(known) == {"right"}
    assert known["right"].anchor == 0.1
    assert known["right"].scale_source is ScaleSource.CALIBRATED
    lift._hands = (later,)
    frame = estimator.estimate(IMAGE, CAMERA, 8 * FRAME_NS)
    expected = np.array(skeleton.DEFAULT_RATIOS) * 0.1
    np.testing.assert_allclose(frame.hands[0].bone_lengths, expected, rtol=1e-9)
    estimator.reset()
    estimator._detector.script = [[later.detection]]
    back = estimator.estimate(IMAGE, CAMERA, 100 * FRAME_NS).hands[0]
    np.testing.assert_allclose(back.bone_lengths, expected, rtol=1e-9)
    assert back.scale_source is ScaleSource.CALIBRATED
    estimator.forget_calibration()
    anew = estimator.estimate(IMAGE, CAMERA, 101 * FRAME_NS).hands[0]
    assert anew.bone_lengths[0] != pytest.approx(expected[0], rel=1e-3)
    assert anew.scale_source is ScaleSource.ASSUMED


def test_a_calibration_without_a_measure_keeps_the_assumed_size():
    estimator = estimator_of(RIGHT)
    estimator.begin_calibration()
    run(estimator, 5)
    (known,) = estimator.finish_calibration().values()
    assert known.scale_source is ScaleSource.ASSUMED
    assert known.anchor == skeleton.DEFAULT_ANCHOR_LENGTH


def test_a_calibration_takes_the_size_that_depth_showed():
    true = true_hand("right", anchor=0.1)
    depth = np.full((480, 640), np.nan)
    for (u, v), point in zip(true.detection.keypoints_px, true.points, strict=True):
        depth[round(v) - 3 : round(v) + 4, round(u) - 3 : round(u) + 4] = point[2] - 0.008
    estimator = estimator_of(true)
    for index in range(10):
        frame = estimator.estimate(IMAGE, CAMERA, index * FRAME_NS, depth=depth)
    assert frame.hands[0].scale_source is ScaleSource.DEPTH
    (known,) = estimator.finish_calibration().values()
    assert known.scale_source is ScaleSource.CALIBRATED
    assert known.anchor == pytest.approx(0.1, rel=0.06)


def test_nothing_is_calibrated_without_a_hand_or_with_a_size_that_no_hand_has():
    estimator = estimator_of(RIGHT, script=[[]])
    estimator.begin_calibration()
    run(estimator, 2)
    assert estimator.finish_calibration(0.1) == {}
    with pytest.raises(ConfigError, match=r"hand_scale is 0\.7"):
        estimator.finish_calibration(0.7)
