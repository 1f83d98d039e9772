"""The correction of landmarks: what it gathers, how it begins, that it learns, where it moves."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from hand_pose_ros.data.boxes import box_around
from hand_pose_ros.errors import ConfigError, InputError
from hand_pose_ros.hand.camera import Camera
from hand_pose_ros.hand.kinematics import forward_kinematics
from hand_pose_ros.hand.mesh import load_hand_mesh
from hand_pose_ros.models.landmark_correction import AROUND, MAPS, LandmarkCorrection, gather
from hand_pose_ros.models.landmark_network import BLOCKS, FEATURES, SIDE, LandmarkTrunk
from hand_pose_ros.models.registry import CORRECTION_WEIGHTS
from hand_pose_ros.resources import weights_folder
from hand_pose_ros.runtime import correct, still
from hand_pose_ros.runtime.correct import LandmarkCorrector
from hand_pose_ros.runtime.detect import Detection
from hand_pose_ros.runtime.engine import ENGINES, compile_network
from hand_pose_ros.runtime.hand_networks import HandNetworks
from hand_pose_ros.runtime.lift_network import CorrectNetwork
from hand_pose_ros.runtime.region import Region, warp
from hand_pose_ros.runtime.still import StillDetector, median_detection
from hand_pose_ros.runtime.warm_up import SIZE, drawn_hand
from hand_pose_ros.runtime.weights import load_correction, load_hand_networks
from hand_pose_ros.training.correction import (
    CorrectionConfig,
    SeenLandmarks,
    corrected_errors,
    train_correction,
)


def rows(count, seed=0):
    """Landmarks that are off to where one of the gathered values says."""
    generator = torch.Generator().manual_seed(seed)
    true = 60.0 + 100.0 * torch.rand((count, 21, 2), generator=generator)
    off = 2.0 * torch.randn((count, 21, 1), generator=generator)
    landmarks = torch.cat((true + off, torch.zeros(count, 21, 1)), dim=-1)
    around = torch.randn((count, 21, AROUND), generator=generator)
    around[..., :64] = off
    pooled = torch.rand((count, FEATURES), generator=generator)
    return SeenLandmarks(landmarks, pooled, around, true, 20.0 * off[..., 0])


def test_maps_are_those_behind_the_blocks():
    trunk, image = LandmarkTrunk().eval(), torch.rand(1, 3, SIDE, SIDE)
    with torch.inference_mode():
        last, inner = trunk.maps(image, MAPS)
        torch.testing.assert_close(last, trunk(image))
    assert [each.shape[1] for each in inner] == [BLOCKS[block].channels for block in MAPS]
    assert [SIDE // each.shape[-1] for each in inner] == [4, 8, 16]


def test_what_is_gathered_lies_around_the_landmark():
    """On a map that holds its own coordinates the cells around a place are read back."""
    cell, size = 8, SIDE // 8
    centres = (torch.arange(size) + 0.5) * cell
    x, y = centres.expand(size, size), centres.unsqueeze(1).expand(size, size)
    landmarks = 40.0 + 140.0 * torch.rand(2, 21, 3)
    seen = gather([torch.stack((x, y)).expand(2, -1, -1, -1)], landmarks).unflatten(-1, (2, 9))
    steps = torch.tensor([(i, j) for j in (-cell, 0, cell) for i in (-cell, 0, cell)])
    wanted = landmarks[..., :2].unsqueeze(2) + steps
    torch.testing.assert_close(seen.transpose(-1, -2), wanted, atol=1e-3, rtol=0.0)


def test_it_begins_with_the_landmarks_as_they_are():
    seen = rows(3)
    places, _, depth = LandmarkCorrection().eval()(seen.landmarks, seen.pooled, seen.around)
    torch.testing.assert_close(places, seen.landmarks[..., :2])
    torch.testing.assert_close(depth, seen.landmarks[..., 2] - seen.landmarks[:, :1, 2])


def test_it_learns_what_the_maps_show():
    torch.manual_seed(0)
    correction, seen, others = LandmarkCorrection(dropout=0.0), rows(256), rows(64, seed=1)
    train_correction(correction, seen, CorrectionConfig(steps=60, batch=32))
    before = others.errors(others.landmarks[..., :2]).mean()
    assert corrected_errors(correction, others).mean() < 0.6 * before
    with torch.inference_mode():
        _, _, depth = correction(others.landmarks, others.pooled, others.around)
    assert torch.corrcoef(torch.stack((depth.flatten(), others.depth.flatten())))[0, 1] > 0.8


def test_rows_that_are_grossly_wrong_are_no_rows():
    seen = rows(40)
    wrong = replace(seen, landmarks=seen.landmarks + 100.0)
    with pytest.raises(InputError, match="0 rows are of use; a batch has 32"):
        train_correction(LandmarkCorrection(), wrong, CorrectionConfig(batch=32))
    with pytest.raises(ConfigError, match="batch is 0"):
        CorrectionConfig(batch=0)


@pytest.mark.parametrize("altered", [False, True])
def test_without_its_file_the_error_says_how_to_do_without(monkeypatch, tmp_path, altered):
    shipped = weights_folder() / CORRECTION_WEIGHTS[0]
    if altered:
        (tmp_path / shipped.name).write_bytes(shipped.read_bytes()[:-1] + b"\x7f")
    monkeypatch.setattr("hand_pose_ros.runtime.weights.weights_folder", lambda: tmp_path)
    what = "the file is damaged" if altered else "are missing"
    with pytest.raises(InputError, match=f"{what}.*--no-correction"):
        load_correction()


@pytest.fixture(scope="module")
def drawn():
    """The drawn hand, and where its joints are in the picture and in the camera's frame [m]."""
    mesh = load_hand_mesh()
    # As `drawn_hand` puts it.
    R_cam_wrist = np.array([[0.0, -1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, -1.0]]).T
    middle = mesh.rest_vertices.double().numpy().mean(axis=0) @ R_cam_wrist.T
    joints = forward_kinematics(mesh.rest_hand).positions.double().numpy() @ R_cam_wrist.T
    joints += (0.0, 0.0, 0.4) - middle * (1.0, 1.0, 0.0)
    camera = Camera.from_field_of_view(SIZE, SIZE, 40.0)
    return drawn_hand(), camera.project(joints), joints


def looked_at(image, views):
    return median_detection(HandNetworks("eager").look(image, views))


def test_the_shipped_one_draws_landmarks_to_the_joints_of_a_drawn_hand(drawn):
    image, true, joints = drawn
    views = [(Region.of_keypoints(true), False)]
    seen = looked_at(image, views)
    moved = LandmarkCorrector("eager")(image, seen, views)
    before, after = (
        np.linalg.norm(hand.keypoints_px - true, axis=-1).mean() for hand in (seen, moved)
    )
    assert after < 0.9 * before < 0.06 * np.ptp(true, axis=0).max()
    assert np.corrcoef(moved.read_depth_px, joints[:, 2])[0, 1] > 0.4


def test_a_mirrored_view_of_a_mirrored_image_says_the_same_places(drawn):
    image, true, _ = drawn
    region = Region.of_keypoints(true).turned(10.0)
    flipped = replace(region, x=SIZE - 1.0 - region.x, turn=-region.turn)
    seen = looked_at(image, [(region, False)])
    mirror = np.array((-1.0, 1.0)), np.array((SIZE - 1.0, 0.0))
    other = replace(seen, keypoints_px=seen.keypoints_px * mirror[0] + mirror[1])
    corrector = LandmarkCorrector("eager")
    one = corrector(image, seen, [(region, False)])
    two = corrector(np.ascontiguousarray(image[:, ::-1]), other, [(flipped, True)])
    back = two.keypoints_px * mirror[0] + mirror[1]
    np.testing.assert_allclose(back, one.keypoints_px, atol=0.2)
    np.testing.assert_allclose(two.read_depth_px, one.read_depth_px, atol=0.5)
    assert np.abs(one.keypoints_px - seen.keypoints_px).max() > 1.0


@pytest.mark.parametrize("name", ["torchscript", "onnxruntime"])
def test_engines_agree_on_the_shipped_correction(drawn, name):
    if ENGINES[name].lacks:
        pytest.skip(ENGINES[name].lacks)
    image, true, _ = drawn
    region = Region.of_keypoints(true)
    patches = np.stack(
        [
            warp(image, region.turned(turn).to_patch(SIDE, mirrored), (SIDE, SIDE))
            for turn, mirrored in ((0.0, False), (20.0, True), (-20.0, False))
        ]
    )
    network = CorrectNetwork(load_hand_networks()[1], load_correction()).eval()
    example = (torch.zeros((2, SIDE, SIDE, 3), dtype=torch.uint8),)
    fast, eager = (compile_network(each, network, example) for each in (name, "eager"))
    for count in (1, 3):
        for one, other in zip(fast(patches[:count]), eager(patches[:count]), strict=True):
            np.testing.assert_allclose(one, other, atol=2e-3)


@pytest.mark.parametrize("name", ["openvino-int8", "cudagraphs", "tensorrt", "torchscript"])
def test_it_runs_on_the_cpu_and_is_not_rounded(monkeypatch, name):
    asked = []
    monkeypatch.setattr(correct, "choose_engine", lambda _: name)
    monkeypatch.setattr(correct, "compile_network", lambda *parts: asked.append(parts[0]))
    LandmarkCorrector(name)
    (chosen,) = asked
    assert ENGINES[chosen].is_exact and not ENGINES[chosen].needs_cuda
    assert (chosen == name) == (name == "torchscript")


@pytest.fixture
def found():
    angle = np.linspace(0.0, 6.0, 21)
    keypoints = 128.0 + np.stack((50.0 * np.cos(angle), 70.0 * np.sin(angle)), axis=-1)
    keypoints[[0, 9]] = (128.0, 200.0), (128.0, 120.0)
    return Detection(
        "right", 0.9, 0.9, keypoints, np.zeros(21), np.zeros((21, 3)), box_around(keypoints)
    )


def test_landmarks_move_by_a_share_to_the_median_of_the_views(monkeypatch, found):
    """A program that always says the middle of the patch says that of the region."""
    middle = np.full((21, 2), SIDE / 2.0, np.float32)

    def program(patches):
        count = len(patches)
        depths = np.linspace(-112.0, 112.0, 21) + np.array(((50.0,), (0.0,), (-70.0,)))
        depths[1, 4] += 30.0  # the view in the middle errs in one joint
        return np.stack([middle] * count), np.zeros((count, 21)), depths

    monkeypatch.setattr(correct, "compile_network", lambda *_: program)
    region = Region(100.0, 90.0, 200.0)
    views = [(region, False), (region.turned(30.0), True), (region.turned(-30.0), False)]
    image = np.zeros((256, 256, 3), np.uint8)
    moved = LandmarkCorrector("eager", share=0.25)(image, found, views)
    wanted = 0.75 * found.keypoints_px + 0.25 * np.array((100.0, 90.0))
    np.testing.assert_allclose(moved.keypoints_px, wanted, atol=1e-5)
    np.testing.assert_allclose(moved.box, box_around(moved.keypoints_px))
    np.testing.assert_array_equal(moved.world, found.world)
    # 224 pixels of the patch are 200 of the image, for depths too. Each view has its own offset.
    # What one view gets wrong in one joint moves its mean, but hardly the median.
    np.testing.assert_allclose(moved.read_depth_px, np.linspace(-100.0, 100.0, 21), atol=1.5)


def test_stills_are_corrected_where_that_is_asked_for(monkeypatch, found):
    class Finder:
        def find(self, image_rgb):
            return [found]

        def look(self, image_rgb, views):
            return [found for _ in views]

    class Moved:
        def __init__(self, engine):
            pass

        def __call__(self, image_rgb, hand, views):
            moved.append(len(views))
            return hand

    moved = []
    monkeypatch.setattr(still, "make_finder", lambda config, engine: Finder())
    monkeypatch.setattr(still, "LandmarkCorrector", Moved)
    image = np.zeros((256, 256, 3), np.uint8)
    for views, corrected in ((4, True), (4, False), (0, True)):
        StillDetector(1, views, corrected=corrected).detect_one(image)
    assert moved == [4]
