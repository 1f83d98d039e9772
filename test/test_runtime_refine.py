"""Refined hands agree better with their keypoints, and stay hands."""

import dataclasses

import numpy as np
import pytest
import torch

from hand_pose_ros.data.boxes import box_around
from hand_pose_ros.hand import skeleton
from hand_pose_ros.hand.camera import Camera
from hand_pose_ros.hand.kinematics import HandParameters, forward_kinematics
from hand_pose_ros.hand.root import metric_root
from hand_pose_ros.models import registry
from hand_pose_ros.models.registry import ModelEntry
from hand_pose_ros.runtime.detect import Detection
from hand_pose_ros.runtime.lift import LiftedHand, ModelLift
from hand_pose_ros.runtime.refine import (
    READ_SHARE,
    SHARE,
    RefinedLift,
    points_of_depth,
    still_lift,
    towards_rays,
)

K = np.array([[600.0, 0.0, 320.0], [0.0, 600.0, 240.0], [0.0, 0.0, 1.0]])
CAMERA = Camera(K, 640, 480)
RATIOS = np.array(skeleton.DEFAULT_RATIOS)
OFFSETS = np.array(skeleton.DEFAULT_OFFSETS)


def placed(root, articulation):
    hand = HandParameters(
        *(torch.from_numpy(a) for a in (root, articulation, RATIOS * 0.087, OFFSETS))
    )
    return forward_kinematics(hand).positions.numpy()


def facing(turn=0.0):
    """Return a palm that faces the camera, fingers up, turned about the line of sight."""
    up = np.array([[0.0, -1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    c, s = np.cos(turn), np.sin(turn)
    flip = np.diag((1.0, 1.0, -1.0))
    return np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]]) @ (flip @ up)


@pytest.fixture
def seen():
    """A true hand with bent fingers, its keypoints, and a lift that says it is flat and turned."""
    bent = np.full(23, 0.3)
    true = placed(facing(), bent) + (0.02, 0.01, 0.5)
    pixels = true[:, :2] / true[:, 2:] * 600.0 + (320.0, 240.0)
    detection = Detection(
        "right", 0.9, 0.9, pixels, np.zeros(21), np.zeros((21, 3)), box_around(pixels)
    )
    wrong = LiftedHand(
        facing(0.15), bent * 0.6, RATIOS, OFFSETS, np.full(21, 0.05), np.zeros((8, 21, 3))
    )
    return true, detection, wrong


def reprojection(hand, detection):
    points = placed(hand.root_rotation, hand.articulation)
    rays = CAMERA.normalize(detection.keypoints_px)
    point = points + metric_root(points, rays).translation
    return np.linalg.norm(CAMERA.project(point) - detection.keypoints_px, axis=-1).mean()


def test_a_wrong_hand_is_drawn_to_its_keypoints(seen):
    _, detection, wrong = seen
    (refined,) = RefinedLift(lambda detections, camera, image: [wrong])([detection], CAMERA)
    assert reprojection(refined, detection) < 0.5 * reprojection(wrong, detection)
    low, high = np.array(skeleton.ARTICULATION_LIMITS).T
    assert (refined.articulation >= low - 1e-6).all()
    assert (refined.articulation <= high + 1e-6).all()
    assert refined.ratios[skeleton.ANCHOR_BONE] == pytest.approx(1.0)
    np.testing.assert_array_equal(refined.std, wrong.std)


def test_moving_all_the_way_puts_joints_on_their_rays(seen):
    _, detection, wrong = seen
    points = placed(wrong.root_rotation, wrong.articulation)
    rays = CAMERA.normalize(detection.keypoints_px)
    root = metric_root(points, rays).translation
    moved = towards_rays(points, rays, share=1.0)
    wrist = np.append(rays[0] * root[2], root[2])
    placed_again = moved + wrist
    np.testing.assert_allclose(placed_again[:, :2] / placed_again[:, 2:], rays, atol=1e-9)
    np.testing.assert_allclose(towards_rays(points, rays, share=0.0), points, atol=1e-12)
    np.testing.assert_allclose(moved[:, 2], points[:, 2] - points[0, 2], atol=1e-12)


def test_no_detection_no_hand():
    assert RefinedLift(lambda detections, camera, image: [])([], CAMERA) == []


def test_the_mean_of_two_lifts_lies_between_them(seen):
    _, detection, wrong = seen
    other = dataclasses.replace(wrong, root_rotation=facing(0.55))
    lifts = [lambda detections, camera, image, hand=hand: [hand] for hand in (wrong, other)]
    (mean,) = RefinedLift(*lifts, share=0.0)([detection], CAMERA)
    points = [placed(hand.root_rotation, hand.articulation) for hand in (wrong, mean, other)]
    middle = (points[0] + points[2]) / 2.0
    assert np.linalg.norm(points[1] - middle, axis=-1).mean() < 0.005
    assert np.linalg.norm(points[1] - points[0], axis=-1).mean() > 0.006


def test_a_share_of_nothing_leaves_the_hand_nearly_as_it_was(seen):
    _, detection, wrong = seen
    (same,) = RefinedLift(lambda detections, camera, image: [wrong], share=0.0)(
        [detection], CAMERA
    )
    one, two = (placed(h.root_rotation, h.articulation) for h in (wrong, same))
    assert np.linalg.norm(one - two, axis=-1).mean() < 0.004


def test_stills_take_the_models_that_the_table_averages(monkeypatch):
    entries = {
        "image": ModelEntry("", "image", "", ""),
        "fused": ModelEntry("", "fused", "", "", averaged_with=("keypoints",)),
    }
    monkeypatch.setattr(registry, "MODELS", entries)
    asked = []

    class Named:
        def __init__(self, name, engine):
            asked.append((name, engine))

        def __call__(self, detections, camera, image_rgb=None):
            return []

        def glances(self):
            return [self, self]

    monkeypatch.setattr(ModelLift, "from_name", Named)
    fused, image = still_lift("fused", "eager"), still_lift("image")
    assert asked == [("fused", "eager"), ("keypoints", "eager"), ("image", "auto")]
    assert (len(fused._lifts), len(image._lifts)) == (4, 2)
    assert (fused._share, image._share) == (SHARE, 0.0)
    assert (fused._read_share, image._read_share) == (READ_SHARE, 0.0)


def test_points_of_true_depths_are_the_true_hand(seen):
    true, _, _ = seen
    rays, depth = true[:, :2] / true[:, 2:], true[:, 2] / true[:, 2].mean()
    points = points_of_depth(rays, depth + 3.0, (true - true[0]) + 5.0)
    np.testing.assert_allclose(points, true - true[0], atol=1e-9)


def test_read_depths_draw_a_hand_to_the_truth_where_they_count(seen):
    true, detection, wrong = seen
    read = dataclasses.replace(detection, read_depth_px=600.0 * true[:, 2] / true[:, 2].mean())

    def error(detection, read_share):
        lift = RefinedLift(lambda *_: [wrong], read_share=read_share)
        (hand,) = lift([detection], CAMERA)
        points = placed(hand.root_rotation, hand.articulation)
        return np.linalg.norm(points - (true - true[0]), axis=-1).mean()

    plain = error(read, 0.0)
    assert error(detection, 0.5) == plain
    assert error(read, 0.5) < 0.8 * plain
    # As a focal length would make of them that is far too short: some are behind the camera.
    behind = dataclasses.replace(read, read_depth_px=40.0 * read.read_depth_px)
    assert error(behind, 0.5) == plain
