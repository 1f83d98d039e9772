"""What image models are measured on as they train: shards, and photographs with true joints."""

import json

import cv2
import numpy as np
import pytest
import torch
from hand_samples import random_hands
from test_data_shards import write_shards
from test_training_image import little, tiny  # noqa: F401  # `little` is a fixture for all tests
from training_samples import TINY

from hand_pose_ros.errors import ConfigError, InputError
from hand_pose_ros.hand import skeleton
from hand_pose_ros.hand.camera import Camera
from hand_pose_ros.hand.kinematics import forward_kinematics
from hand_pose_ros.models.image import VIEW_RADII
from hand_pose_ros.training import validation
from hand_pose_ros.training.config import load_config
from hand_pose_ros.training.lifting import LifterTraining
from hand_pose_ros.training.validation import Views, of_folder

SIZE = 96
CAMERA = Camera(np.array([[90.0, 0, 50.0], [0, 90.0, 44.0], [0, 0, 1.0]]), SIZE, SIZE)


def joints() -> np.ndarray:
    hand = forward_kinematics(random_hands(1)).positions[0].numpy()
    return hand - hand.mean(axis=0) + (0.02, -0.01, 0.5)


@pytest.fixture
def photographs(tmp_path):
    """Return a folder with a picture of a right hand, and the same picture in a mirror."""
    picture = np.random.default_rng(0).integers(0, 255, (SIZE // 8, SIZE // 8, 3), np.uint8)
    picture = cv2.resize(picture, (SIZE, SIZE))
    (tmp_path / "photographs" / "images").mkdir(parents=True)
    rows = {}
    for name, side, image, camera, flip in (
        ("a.png", "right", picture, CAMERA, 1.0),
        ("b.png", "left", picture[:, ::-1], CAMERA.mirrored(), -1.0),
    ):
        cv2.imwrite(str(tmp_path / "photographs" / "images" / name), image)
        points = joints() * (flip, 1.0, 1.0)
        rows[name] = {"side": side, "K": camera.K.tolist(), "keypoints": points.tolist()}
    annotations = tmp_path / "photographs" / "annotations.json"
    annotations.write_text(json.dumps({"images": rows}))
    return tmp_path / "photographs"


def test_a_camera_looks_at_each_photographed_hand(photographs):
    views = of_folder(photographs)
    true = torch.from_numpy(joints() - joints()[0]).float()
    anchor = true[skeleton.BONES.index("index_mcp") + 1].norm()
    torch.testing.assert_close(views.joints[0], true / anchor)
    placed = torch.from_numpy(joints()).float() @ views.view.R_canonical_camera[0].T
    seen = placed[:, :2] / placed[:, 2:]
    radius = (seen - seen.mean(dim=0)).square().sum(-1).mean().sqrt()
    assert views.view.half_width[0] == pytest.approx(VIEW_RADII * radius.item(), rel=1e-4)
    assert not views.view.has_keypoints.any()


def test_a_left_hand_is_the_right_hand_in_the_mirror(photographs):
    views = of_folder(photographs)
    torch.testing.assert_close(views.joints[1], views.joints[0])
    for part in (views.view.half_width, views.view.R_canonical_camera, views.view.features):
        torch.testing.assert_close(part[1], part[0], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(views.view.patch[1], views.view.patch[0], atol=1.5 / 255, rtol=0)
    assert views.view.patch.std() > 0.02


def test_hands_come_in_chunks_in_the_frame_of_their_view(photographs, monkeypatch):
    views = of_folder(photographs)
    (whole,) = views.chunks()
    monkeypatch.setattr(validation, "_AT_ONCE", 1)
    parts = list(views.chunks())
    assert len(parts) == 2
    for place, inputs in enumerate(zip(*(inputs for inputs, _ in parts), strict=True)):
        torch.testing.assert_close(torch.cat(inputs), whole[0][place])
    turned = torch.cat([target for _, target in parts])
    torch.testing.assert_close(turned @ views.view.R_canonical_camera, views.joints)


def test_a_run_is_measured_on_shards_and_photographs(photographs, tmp_path):
    write_shards(tmp_path / "shards", 3)
    training = LifterTraining(
        tiny(
            f"validation.folder={photographs}",
            f"validation.shards={tmp_path / 'shards'}",
            "validation.images=2",
        ),
        tmp_path / "run",
    )
    errors = training.validate()
    methods = ("baseline", "d", "d_star")
    names = [f"{where}{m}" for where in ("", "shards/", "folder/") for m in methods]
    assert list(errors) == names
    assert all(np.isfinite(value) and value > 0.0 for value in errors.values())
    assert len(training._other_views["shards"].joints) == 2
    views = training._other_views["folder"]
    training.__dict__["_other_views"] = {"folder": Views(views.view, views.joints + 10.0)}
    assert training.validate()["folder/d_star"] > errors["folder/d_star"] + 100.0


def test_what_cannot_be_measured_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="not for the model 'keypoints'"):
        load_config(None, [*TINY, "validation.folder=photographs"])
    with pytest.raises(ConfigError, match="validation images is 0"):
        tiny("validation.images=0")
    with pytest.raises(InputError, match="nowhere"):
        LifterTraining(tiny(f"validation.folder={tmp_path / 'nowhere'}"), tmp_path)
