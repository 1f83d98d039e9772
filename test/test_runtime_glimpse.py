"""What the detector saw of a hand is lifted where it serves, and the hand is the same one."""

import dataclasses

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation
from test_runtime_lift import CAMERA, detections

from hand_pose_ros.hand.camera import Camera
from hand_pose_ros.hand.kinematics import HandParameters, forward_kinematics
from hand_pose_ros.hand.placing import euler_angles, place_joints, quaternion
from hand_pose_ros.hand.rotations import euler_from_matrix, matrix_from_euler
from hand_pose_ros.models.keypoints import canonical_frame
from hand_pose_ros.models.landmark_network import SIDE
from hand_pose_ros.runtime.config import DetectorConfig, EstimatorConfig
from hand_pose_ros.runtime.detectors import make_detector
from hand_pose_ros.runtime.estimator import Estimator
from hand_pose_ros.runtime.glimpse import WIDER, HandView, frame_of, view_of
from hand_pose_ros.runtime.hand_networks import HandNetworks
from hand_pose_ros.runtime.lift import ModelLift
from hand_pose_ros.runtime.look import observe
from hand_pose_ros.runtime.own import OwnDetector
from hand_pose_ros.runtime.warm_up import drawn_hand

PICTURE = drawn_hand()
SMALL = Camera.from_field_of_view(256, 256, 40.0)


@pytest.fixture(scope="module")
def networks():
    return HandNetworks("eager")


@pytest.mark.parametrize("side", ["left", "right"])
def test_a_view_is_the_canonical_frame(side):
    found, _ = detections(3)
    for hand in (dataclasses.replace(each, side=side) for each in found):
        frame = canonical_frame(observe([hand], CAMERA).rays)
        view = view_of(hand.keypoints_px, side, CAMERA)
        assert view.mirrored == (side == "left")
        again = frame_of([view])
        for name in ("towards", "upright", "radius"):
            torch.testing.assert_close(
                getattr(again, name), getattr(frame, name), atol=1e-4, rtol=1e-4
            )


@pytest.mark.parametrize("side", ["left", "right"])
def test_pixels_of_a_view_are_rays_of_the_camera(side):
    (hand,), _ = detections(1)
    view = view_of(hand.keypoints_px, side, CAMERA)
    rays = CAMERA.normalize(hand.keypoints_px)
    flipped = rays * (-1.0 if view.mirrored else 1.0, 1.0)
    seen = np.column_stack((flipped, np.ones(21))) @ view.R_view_camera.T
    pixels = seen[:, :2] / seen[:, 2:] / view.half_width * SIDE / 2.0 + (SIDE - 1) / 2.0
    np.testing.assert_allclose(view.rays(pixels), rays, atol=1e-9)


def moved(view, shift=0.0, scale=1.0, turn=0.0):
    """Return the view of a hand beside the middle of another view, in units of `NEAR`."""
    from hand_pose_ros.hand.camera import view_rotation

    radius = view.half_width / WIDER / 2.4 * scale
    c, s = np.cos(turn), np.sin(turn)
    upright = np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])
    towards = view_rotation(np.array([shift * radius, 0.0])) @ view.R_view_camera
    return HandView(towards, upright, radius * 2.4, view.mirrored)


def test_a_view_serves_a_hand_near_its_middle():
    (hand,), _ = detections(1)
    view = view_of(hand.keypoints_px, "right", CAMERA).wider(WIDER)
    assert view.is_near(moved(view))
    for name, near, far in (("shift", 0.27, 0.33), ("turn", -0.27, 0.33)):
        assert view.is_near(moved(view, **{name: near}))
        assert not view.is_near(moved(view, **{name: far}))
    for near, far in ((1.25, 1.35), (0.8, 0.75)):
        assert view.is_near(moved(view, scale=near))
        assert not view.is_near(moved(view, scale=far))
    assert not view.is_near(dataclasses.replace(moved(view), mirrored=True))


def test_a_followed_hand_is_seen_where_it_is(networks):
    detector = OwnDetector(DetectorConfig(1, name="own"), networks=networks)
    (first,) = detector.detect_through(PICTURE, SMALL)
    assert first.glimpse is None  # it was looked for in the whole image
    (second,) = detector.detect_through(PICTURE, SMALL)
    assert second.glimpse is not None and second.glimpse.pooled.shape == (1152,)
    assert second.side == first.side == "right"
    size = first.size_px
    assert np.abs(second.keypoints_px - first.keypoints_px).mean() < 0.03 * size
    mirrored = np.ascontiguousarray(PICTURE[:, ::-1])
    detector.reset()
    detector.detect_through(mirrored, SMALL)
    (left,) = detector.detect_through(mirrored, SMALL)
    assert left.side == "left" and left.glimpse.view.mirrored
    flipped = (255.0, 0.0) + left.keypoints_px * (-1.0, 1.0)
    assert np.abs(flipped - second.keypoints_px).mean() < 0.03 * size


def test_a_hand_that_jumps_is_looked_at_again(networks):
    detector = OwnDetector(DetectorConfig(1, name="own"), networks=networks)
    for _ in range(2):
        detector.detect_through(PICTURE, SMALL)
    away = np.roll(PICTURE, 60, axis=1)
    (hand,) = detector.detect_through(away, SMALL)
    assert hand.glimpse is None or not hand.glimpse.serves("right")


@pytest.mark.parametrize("model", ["image", "fused"])
def test_a_glimpse_is_lifted_as_a_look_of_its_own_is(networks, model):
    lift = ModelLift.from_name(model, engine="eager")
    detector = OwnDetector(DetectorConfig(1, name="own"), networks=networks)
    for _ in range(3):
        (hand,) = detector.detect_through(PICTURE, SMALL)
    assert hand.glimpse.serves("right")
    (shared,) = lift([hand], SMALL, PICTURE)
    (own,) = lift([dataclasses.replace(hand, glimpse=None)], SMALL, PICTURE)
    apart = np.linalg.norm(shared.hypotheses.mean(0) - own.hypotheses.mean(0), axis=-1)
    assert 0.0 < apart.mean() < 0.06  # of the length to the index knuckle
    (turned,) = lift.glances()[0]([hand], SMALL, PICTURE)  # a glance looks for itself
    assert np.abs(turned.hypotheses - shared.hypotheses).max() > 1e-4


def test_the_image_network_runs_once_a_frame(networks, monkeypatch):
    lift = ModelLift.from_name("image", engine="eager")
    detector = OwnDetector(DetectorConfig(1, name="own"), networks=networks)
    estimator = Estimator(EstimatorConfig(), detector, lift)
    for number in range(3):
        estimator.estimate(PICTURE, SMALL, number * 33_000_000)
    looks = []
    monkeypatch.setattr(lift, "_pool", lambda patches: looks.append(len(patches)))
    frame = estimator.estimate(PICTURE, SMALL, 4 * 33_000_000)
    assert len(frame.hands) == 1 and looks == []


def test_a_keypoint_model_is_given_no_glimpses():
    assert not ModelLift.from_name("keypoints", engine="eager").uses_glimpses
    assert make_detector(DetectorConfig(1, name="own"), "eager").detect(PICTURE)[0].glimpse is None


def test_a_hand_is_placed_on_numpy_as_on_pytorch():
    generator = torch.Generator().manual_seed(3)
    root = matrix_from_euler(torch.rand(3, generator=generator, dtype=torch.float64))
    rest = [torch.rand(n, generator=generator, dtype=torch.float64) for n in (23, 20, 15)]
    joints = forward_kinematics(HandParameters(root, *rest))
    positions, rotations = place_joints(root.numpy(), *(part.numpy() for part in rest))
    np.testing.assert_allclose(positions, joints.positions.numpy(), atol=1e-12)
    np.testing.assert_allclose(rotations, joints.rotations.numpy(), atol=1e-12)


@pytest.mark.parametrize(
    "angles", [(0.3, -0.4, 2.0), (1.0, np.pi / 2, 0.0), (-3.0, -np.pi / 2, 0)]
)
def test_angles_on_numpy_are_those_on_pytorch(angles):
    rotation = matrix_from_euler(torch.tensor(angles, dtype=torch.float64))
    expected = euler_from_matrix(rotation).numpy()
    np.testing.assert_allclose(euler_angles(rotation.numpy()), expected, atol=1e-9)


@pytest.mark.parametrize("degrees", [0.0, 1e-4, 90.0, 179.999, 180.0])
def test_the_quaternion_of_a_rotation_turns_as_it_does(degrees: float) -> None:
    axes = [*np.eye(3), *-np.eye(3), *np.random.default_rng(0).standard_normal((50, 3))]
    for axis in axes:
        turn = Rotation.from_rotvec(np.radians(degrees) * axis / np.linalg.norm(axis)).as_matrix()
        found = quaternion(turn)
        np.testing.assert_allclose(Rotation.from_quat(found).as_matrix(), turn, atol=1e-12)
        assert np.linalg.norm(found) == pytest.approx(1.0, abs=1e-12)
        assert found[3] >= 0.0
