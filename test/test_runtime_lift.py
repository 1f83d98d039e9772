"""The keypoint route: mirrored hands, order, fixed noise, and weights that are checked."""

import dataclasses
import hashlib

import numpy as np
import pytest
import torch

from hand_pose_ros.data.boxes import box_around
from hand_pose_ros.data.synthetic.keypoints import NoiseConfig, sample_hands
from hand_pose_ros.errors import ConfigError, InputError
from hand_pose_ros.evaluation.metrics import pa_mpjpe
from hand_pose_ros.hand.camera import Camera
from hand_pose_ros.models import registry
from hand_pose_ros.models.keypoints import KeypointEncoder
from hand_pose_ros.models.lifter import Lifter, LifterConfig, SamplingConfig
from hand_pose_ros.resources import weights_folder
from hand_pose_ros.runtime.detect import Detection
from hand_pose_ros.runtime.lift import ModelLift, balanced_noise
from hand_pose_ros.runtime.weights import load_model, load_weights

K = np.array([[600.0, 0.0, 320.0], [0.0, 600.0, 240.0], [0.0, 0.0, 1.0]])
CAMERA = Camera(K, 640, 480)


@pytest.fixture
def lift():
    torch.manual_seed(0)
    config = LifterConfig(condition=16, unet_widths=(16, 24), head_width=32, head_blocks=1)
    return ModelLift(KeypointEncoder(16, 32, 1).eval(), Lifter(config).eval())


def detections(count=2, seed=0, noise=None):
    """Return right hands as a detector sees them, and their true joints."""
    silent = NoiseConfig(**dict.fromkeys(vars(NoiseConfig()), 0.0))
    hands = sample_hands(count, torch.Generator().manual_seed(seed), noise or silent)
    found = []
    for rays, depth, world in zip(
        *(
            getattr(hands.observation, name).double().numpy()
            for name in ("rays", "depth", "world")
        ),
        strict=True,
    ):
        pixels = rays * 600.0 + (320.0, 240.0)
        found.append(
            Detection("right", 0.9, 0.8, pixels, depth * 600.0, world, box_around(pixels))
        )
    return found, hands.joints.double().numpy()


def mirrored(detection):
    flip = np.array((-1.0, 1.0))
    pixels = (detection.keypoints_px - (320.0, 240.0)) * flip + (320.0, 240.0)
    world = detection.world * (-1.0, 1.0, 1.0)
    return dataclasses.replace(
        detection, side="left", keypoints_px=pixels, world=world, box=box_around(pixels)
    )


def test_a_left_hand_is_lifted_as_its_mirror_image(lift):
    right, _ = detections(1)
    first, second = lift(right, CAMERA)[0], lift([mirrored(right[0])], CAMERA)[0]
    for field in dataclasses.fields(first):
        np.testing.assert_allclose(
            getattr(first, field.name), getattr(second, field.name), atol=1e-5
        )


def test_each_hand_is_lifted_as_if_alone_and_the_same_every_time(lift):
    found, _ = detections(3)
    together = lift(found, CAMERA)
    for hand, detection in zip(together, found, strict=True):
        alone = lift([detection], CAMERA)[0]
        np.testing.assert_allclose(hand.articulation, alone.articulation, atol=1e-4)
        np.testing.assert_allclose(hand.root_rotation, alone.root_rotation, atol=1e-4)
    assert lift([], CAMERA) == []


def test_noise_that_is_drawn_anew_is_not_frozen_into_a_trace(lift):
    found, _ = detections(1)
    sampling = SamplingConfig(eta=1.0, steps=3)
    noisy = ModelLift(lift.network.encoder, lift.network.lifter, sampling)
    assert noisy.engine == "eager"
    first, second = (noisy(found, CAMERA)[0].articulation for _ in range(2))
    assert np.abs(first - second).max() > 0.0


def test_a_method_without_kinematics_is_refused(lift):
    with pytest.raises(ConfigError, match="'d' has no kinematic hand"):
        ModelLift(lift.network.encoder, lift.network.lifter, SamplingConfig(method="d"))


def test_noise_comes_in_opposite_pairs():
    noise = balanced_noise(8, torch.Generator().manual_seed(0))
    torch.testing.assert_close(noise.sum(0), torch.zeros(21, 3), atol=1e-5, rtol=0)
    assert balanced_noise(3, torch.Generator().manual_seed(0)).shape == (3, 21, 3)


def test_the_shipped_lifter_finds_sampled_hands_again():
    """Exact keypoints of its own distribution: what is left is the ambiguity of one view."""
    found, true = detections(200, seed=123)
    lift = ModelLift.from_name("keypoints", SamplingConfig())
    lifted = lift(found, CAMERA)
    points = np.stack([hand.hypotheses.mean(0) for hand in lifted])
    assert pa_mpjpe(points * 0.087, true * 0.087).mean() < 9.0
    spread = np.mean([hand.std.mean() for hand in lifted])
    assert 0.001 < spread < 0.3


def test_hypotheses_that_share_the_first_step_are_nearly_the_same():
    found, _ = detections(6, seed=8)
    shared, own = (
        ModelLift.from_name(sampling=SamplingConfig(share_first=share))(found, CAMERA)
        for share in (True, False)
    )
    for one, other in zip(shared, own, strict=True):
        apart = np.linalg.norm(one.hypotheses - other.hypotheses, axis=-1)
        assert 0.0 < apart.mean() < 0.25 * one.std.mean()
        assert one.std.mean() > 0.5 * other.std.mean()


def test_an_unknown_model_is_refused():
    with pytest.raises(ConfigError, match=r"'stereo' is unknown; there are keypoints"):
        load_model("stereo")


def test_damaged_or_missing_weights_are_refused(tmp_path, monkeypatch):
    shipped = weights_folder() / registry.MODELS["keypoints"].weights
    monkeypatch.setattr("hand_pose_ros.runtime.weights.weights_folder", lambda: tmp_path)
    with pytest.raises(InputError, match="are missing"):
        load_model("keypoints")
    damaged = bytearray(shipped.read_bytes())
    damaged[-1] ^= 1
    copy = tmp_path / shipped.name
    copy.write_bytes(damaged)
    with pytest.raises(InputError, match=r"checksum .* damaged or another one"):
        load_model("keypoints")
    copy.write_bytes(b"no tensors")
    with pytest.raises(InputError, match="cannot be read as safetensors"):
        load_weights(copy)


def test_weights_of_something_else_are_refused(tmp_path):
    from safetensors.torch import save_file

    path = tmp_path / "other.safetensors"
    save_file({"a": torch.zeros(1)}, path)
    with pytest.raises(InputError, match="is not a model of this project"):
        load_weights(path)


@pytest.mark.parametrize("name", registry.MODELS)
def test_the_table_names_the_file_that_ships(name):
    entry = registry.MODELS[name]
    assert set(entry.averaged_with) <= set(registry.MODELS)
    assert entry.condition in registry.CONDITIONS
    digest = hashlib.sha256((weights_folder() / entry.weights).read_bytes()).hexdigest()
    assert digest == entry.sha256
