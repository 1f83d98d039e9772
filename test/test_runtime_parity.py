"""Engines beside eager PyTorch on real hands: the same joints, or an error as small."""

import numpy as np
import pytest
import torch

from hand_pose_ros.data.folder import read_folder, read_image
from hand_pose_ros.evaluation.metrics import pa_mpjpe
from hand_pose_ros.hand.kinematics import HandParameters, forward_kinematics
from hand_pose_ros.runtime.detect import Detection
from hand_pose_ros.runtime.engine import ENGINES
from hand_pose_ros.runtime.glimpse import WIDER, view_of
from hand_pose_ros.runtime.hand_networks import HandNetworks
from hand_pose_ros.runtime.lift import ModelLift

EVERY = 4
MOST_APART_M = 0.5e-3
MOST_WORSE_MM = 0.2
ANCHOR_M = 0.09
"""Of an adult: what turns anchor lengths into metres."""

pytestmark = pytest.mark.slow
FLIP = np.array((-1.0, 1.0, 1.0))


@pytest.fixture(scope="module")
def samples(shared_data):
    """Every fourth real hand: image, camera, side and joints, and where the hand is."""
    taken = []
    for sample in read_folder(shared_data / "real_hands", require=("keypoints",))[::EVERY]:
        image = read_image(sample.path)
        camera = sample.camera(image.shape[1], image.shape[0])
        view = view_of(camera.project(sample.keypoints), sample.side, camera).wider(WIDER)
        taken.append((image, camera, sample, view))
    return taken


def joints(name, condition, samples) -> np.ndarray:
    """Return the joints (image, 21, 3) of right hands, anchor 1, of detector and model alike."""
    networks = HandNetworks(name)
    lift = ModelLift.from_name(condition, engine=name)
    found = []
    for image, camera, sample, view in samples:
        (hand,) = networks.look_through(image, camera, [view])
        hand = Detection(**{**vars(hand), "side": sample.side})
        (lifted,) = lift([hand], camera, image)
        parts = (lifted.root_rotation, lifted.articulation, lifted.ratios, lifted.offsets)
        placed = forward_kinematics(HandParameters(*(torch.from_numpy(part) for part in parts)))
        found.append(placed.positions.numpy())
    return np.stack(found)


@pytest.fixture(scope="module", params=["keypoints", "image", "fused"])
def condition(request):
    return request.param


@pytest.fixture(scope="module")
def reference(condition, samples):
    return joints("eager", condition, samples)


@pytest.mark.parametrize("name", [name for name in ENGINES if name != "eager"])
def test_every_engine_is_eager_or_as_good(name, condition, reference, samples):
    if ENGINES[name].missing or ENGINES[name].needs_cuda:
        pytest.skip(f"{name} cannot run here")
    found = joints(name, condition, samples)
    if ENGINES[name].is_exact:
        apart = np.linalg.norm(found - reference, axis=-1) * ANCHOR_M
        assert apart.max() < MOST_APART_M
        return
    worse = error_mm(found, samples) - error_mm(reference, samples)
    assert worse < MOST_WORSE_MM


def error_mm(found, samples) -> float:
    """Return PA-MPJPE."""
    true = np.stack(
        [each.keypoints * (FLIP if each.side == "left" else 1.0) for _, _, each, _ in samples]
    )
    return float(np.mean(pa_mpjpe(found, true)))
