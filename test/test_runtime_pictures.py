"""Surfaces, overlays and video files."""

from __future__ import annotations

import sys
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from runtime_stubs import CAMERA, FRAME_NS, IMAGE, ExactLift, ScriptedDetector, true_hand

from hand_pose_ros.errors import OutputError
from hand_pose_ros.hand import skeleton
from hand_pose_ros.hand.camera import Camera
from hand_pose_ros.hand.kinematics import HandParameters, mirror_rotation
from hand_pose_ros.hand.mesh import load_hand_mesh
from hand_pose_ros.runtime.colors import KEYPOINT_COLORS, rgb255
from hand_pose_ros.runtime.config import DetectorConfig
from hand_pose_ros.runtime.detect import MediaPipeDetector
from hand_pose_ros.runtime.estimate import ScaleSource
from hand_pose_ros.runtime.estimator import Estimator
from hand_pose_ros.runtime.overlay import Overlay, OverlayStyle, distance_of, label_of
from hand_pose_ros.runtime.raster import blend_surface
from hand_pose_ros.runtime.surface import surface_of, surfaces_of
from hand_pose_ros.runtime.video_writer import VideoWriter
from hand_pose_ros.runtime.warm_up import drawn_hand, warm_up


def estimate(*hands, camera=CAMERA, image=IMAGE):
    detector = ScriptedDetector([[hand.detection for hand in hands]])
    return Estimator(None, detector, ExactLift(*hands)).estimate(image, camera, FRAME_NS)


SQUARE = np.array([[-0.1, -0.1, 1.0], [0.1, -0.1, 1.0], [0.1, 0.1, 1.0], [-0.1, 0.1, 1.0]])
TOWARDS = np.array([[0, 2, 1], [0, 3, 2]])
"""Faces of the square that look at the camera: counter-clockwise from there, where y is down."""


def painted(vertices, faces, opacity=1.0, color=(1.0, 1.0, 1.0)):
    image = np.zeros((480, 640, 3), np.uint8)
    blend_surface(image, vertices, faces, CAMERA, color, opacity)
    return image


@pytest.mark.parametrize("side", ["right", "left"])
def test_the_surface_encloses_the_joints_of_either_side(side):
    (hand,) = estimate(true_hand(side)).hands
    vertices, faces = surface_of(hand)
    assert vertices.shape[1:] == faces.shape[1:] == (3,)
    nearest = np.linalg.norm(vertices[:, None] - hand.keypoints, axis=-1).min(axis=0)
    assert nearest.max() < 0.03
    assert (hand.keypoints > vertices.min(axis=0) - 0.002).all()
    assert (hand.keypoints < vertices.max(axis=0) + 0.002).all()
    corners = vertices[faces]
    volume = np.einsum("ij,ij->i", corners[:, 0], np.cross(corners[:, 1], corners[:, 2])).sum() / 6
    assert 1e-4 < volume < 6e-4, "outward winding, a hand's volume in cubic metres"


def test_surfaces_made_together_are_those_of_the_parameters():
    hands = [*estimate(true_hand("right")).hands, *estimate(true_hand("left")).hands]
    hands = [replace(hand, id=str(k)) for k, hand in enumerate(hands)]
    surfaces = surfaces_of(hands)
    for hand in hands:
        root = torch.from_numpy(hand.T_cam_wrist[:3, :3])
        root = mirror_rotation(root) if hand.side == "left" else root
        rest = (hand.angles[skeleton.WRIST_DOFS :], hand.bone_lengths, hand.offsets)
        parameters = HandParameters(root, *(torch.from_numpy(array) for array in rest))
        expected = load_hand_mesh().pose(parameters, hand.side).numpy() + hand.T_cam_wrist[:3, 3]
        np.testing.assert_allclose(surfaces[hand.id][0], expected, atol=1e-7)
        np.testing.assert_array_equal(surfaces[hand.id][1], surface_of(hand)[1])
    assert surfaces_of([]) == {}


def test_a_square_covers_its_own_pixels_with_smooth_edges():
    """Golden: 0.2 m at 1 m and 600 px of focal length are 120 px."""
    image = painted(SQUARE, TOWARDS)
    covered = (image[..., 0] > 0).sum()
    assert covered == pytest.approx(120 * 120, rel=0.02)
    weight = image[..., 0] / image[..., 0].sum()
    rows, columns = np.indices(weight.shape)
    middle = (weight * columns).sum(), (weight * rows).sum()
    np.testing.assert_allclose(middle, (319.5, 239.5), atol=0.3)
    inside = image[200:280, 280:360, 0]
    assert inside.min() > 0


def test_a_surface_seen_from_behind_or_behind_the_camera_is_not_drawn():
    assert not painted(SQUARE, TOWARDS[:, ::-1]).any()
    assert not painted(SQUARE * (1.0, 1.0, -1.0), TOWARDS).any()
    assert not painted(SQUARE + (50.0, 0.0, 0.0), TOWARDS).any()


def test_the_nearer_of_two_surfaces_is_seen_whatever_their_order():
    near = SQUARE * (0.5, 0.5, 0.5) + (0.0, 0.0, 0.1)
    both = np.concatenate((SQUARE, near))
    faces = np.concatenate((TOWARDS, TOWARDS + 4))
    image = painted(both, faces)
    np.testing.assert_allclose(image, painted(both, faces[::-1]), atol=2)
    np.testing.assert_array_equal(
        image[235:245, 315:325], painted(near, TOWARDS)[235:245, 315:325]
    )


def test_opacity_mixes_with_what_lies_under_it():
    image = np.full((480, 640, 3), 200, np.uint8)
    blend_surface(image, SQUARE, TOWARDS, CAMERA, (0.0, 0.0, 0.0), 0.0)
    assert (image == 200).all()
    solid, half = painted(SQUARE, TOWARDS), painted(SQUARE, TOWARDS, opacity=0.5)
    middle = (slice(220, 260), slice(300, 340))
    np.testing.assert_allclose(half[middle], solid[middle] / 2.0, atol=1.0)


def test_a_surface_larger_than_the_image_is_cut():
    image = painted(SQUARE * (20.0, 20.0, 1.0), TOWARDS)
    assert (image > 0).all()


def test_the_overlay_shows_joints_where_they_project_and_leaves_the_image_alone():
    hand = true_hand("right", turn=(-1.57, 0.0, 0.0), flexion=0.0)
    frame = estimate(hand)
    before = IMAGE.copy()
    style = OverlayStyle(surface_opacity=0.0, detections=False)
    picture = Overlay(style).draw(IMAGE, frame)
    np.testing.assert_array_equal(IMAGE, before)
    for joint in (0, 4, 8, 12, 16, 20):
        x, y = np.rint(CAMERA.project(hand.points[joint])).astype(int)
        np.testing.assert_allclose(picture[y, x], rgb255(KEYPOINT_COLORS[joint]), atol=3)


def test_each_part_of_the_overlay_can_be_left_out():
    frame = estimate(true_hand("left"))
    nothing = OverlayStyle(surface_opacity=0.0, bones=False, detections=False)
    plain = Overlay(nothing).draw(IMAGE, frame)
    for part in ({"surface_opacity": 0.5}, {"bones": True}, {"detections": True}):
        drawn = Overlay(replace(nothing, **part)).draw(IMAGE, frame)
        assert (drawn != plain).any()


def test_surfaces_that_are_known_are_not_computed_again(monkeypatch):
    frame = estimate(true_hand("right"))
    expected = Overlay().draw(IMAGE, frame)
    known = {hand.id: surface_of(hand) for hand in frame.hands}
    monkeypatch.setattr("hand_pose_ros.runtime.overlay.surface_of", None)
    np.testing.assert_array_equal(Overlay().draw(IMAGE, frame, known), expected)


def test_an_image_without_hands_is_shown_as_it_is():
    image = np.random.default_rng(0).integers(0, 255, IMAGE.shape).astype(np.uint8)
    np.testing.assert_array_equal(Overlay().draw(image, estimate(image=image)), image)


def test_a_hand_at_the_edge_or_not_finite_is_drawn_without_harm():
    frame = estimate(true_hand("right", place=(0.28, 0.2, 0.5)))
    assert Overlay().draw(IMAGE, frame).any()
    broken = replace(frame.hands[0], keypoints=np.full((21, 3), np.nan))
    assert not Overlay().draw(IMAGE, replace(frame, hands=(broken,))).any()


def test_the_label_says_side_id_and_how_sure_the_distance_is():
    frame = estimate(true_hand("left"))
    (hand,) = frame.hands
    assert label_of(hand, frame) == f"left 0   ~{distance_of(hand):.2f} m"
    measured = replace(hand, scale_source=ScaleSource.DEPTH)
    assert "~" not in label_of(measured, frame)
    assumed = replace(frame, camera=Camera.from_field_of_view(640, 480))
    assert "~" in label_of(measured, assumed)


def test_the_drawn_hand_is_found_and_leaves_nothing_behind():
    pytest.importorskip("mediapipe")
    detector = MediaPipeDetector(DetectorConfig(max_hands=1))
    (hand,) = detector.detect(drawn_hand())
    assert hand.side == "right"
    warm_up(detector)
    assert detector.detect(np.zeros((128, 128, 3), np.uint8)) == []
    detector.close()


def frames_of(path):
    capture, frames = cv2.VideoCapture(str(path)), []
    while (read := capture.read())[0]:
        frames.append(
            (cv2.cvtColor(read[1], cv2.COLOR_BGR2RGB), capture.get(cv2.CAP_PROP_POS_MSEC))
        )
    return frames


@pytest.fixture(params=["av", "opencv"])
def backend(request, monkeypatch):
    if request.param == "opencv":
        monkeypatch.setitem(sys.modules, "av", None)
    else:
        pytest.importorskip("av")
    return request.param


def test_a_video_plays_back_what_was_written(tmp_path, backend):
    """Odd sizes lose a row or column; frames of another size get black bars."""
    writer = VideoWriter(tmp_path / "v.mp4")
    for index in range(10):
        writer.write(np.full((101, 161, 3), 20 * index, np.uint8), index * FRAME_NS)
    writer.write(np.full((200, 100, 3), 255, np.uint8), 10 * FRAME_NS)
    writer.close()
    frames = frames_of(tmp_path / "v.mp4")
    assert len(frames) == 11
    for index, (image, _) in enumerate(frames[:10]):
        assert image.shape == (100, 160, 3)
        assert image.mean() == pytest.approx(20 * index, abs=6)
    last = frames[10][0]
    assert last[50, 80].min() > 200
    assert last[50, 10].max() < 40


def test_frames_are_shown_at_their_times(tmp_path):
    pytest.importorskip("av")
    writer = VideoWriter(tmp_path / "v.mp4")
    stamps_ms = [0, 100, 150, 400]
    for stamp in stamps_ms:
        writer.write(np.zeros((64, 64, 3), np.uint8), 10**18 + stamp * 1_000_000)
    writer.close()
    np.testing.assert_allclose([t for _, t in frames_of(tmp_path / "v.mp4")], stamps_ms, atol=2)


def test_a_video_without_frames_leaves_no_file_and_closes_twice(tmp_path, backend):
    writer = VideoWriter(tmp_path / "v.mp4")
    writer.close()
    writer.close()
    assert list(tmp_path.iterdir()) == []


def test_a_video_that_cannot_be_written_says_so(tmp_path, backend):
    writer = VideoWriter(tmp_path / "missing" / "v.mp4")
    with pytest.raises(OutputError, match=r"writing .*v\.mp4 failed"):
        writer.write(IMAGE, 0)


def test_the_keypoints_have_the_colours_of_their_fingers():
    assert len(KEYPOINT_COLORS) == len(skeleton.KEYPOINTS)
    assert rgb255((0.0, 0.5, 1.0)) == (0, 128, 255)
