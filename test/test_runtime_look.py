"""Models that see the image: mirrored hands, order, every engine, and what they refuse."""

import dataclasses

import cv2
import numpy as np
import pytest
import torch
from test_runtime_lift import CAMERA, detections, mirrored

from hand_pose_ros.errors import ConfigError, InputError
from hand_pose_ros.hand.camera import Camera
from hand_pose_ros.models.image import ImageEncoder
from hand_pose_ros.models.keypoints import canonical_frame
from hand_pose_ros.models.landmark_network import SIDE
from hand_pose_ros.models.lifter import Lifter, LifterConfig
from hand_pose_ros.runtime.engine import ENGINES
from hand_pose_ros.runtime.lift import GLANCES, ModelLift
from hand_pose_ros.runtime.look import look, observe

RANDOM = np.random.default_rng(0)
IMAGE = cv2.resize(RANDOM.integers(0, 256, (12, 16, 3), np.uint8), (640, 480))


def networks():
    torch.manual_seed(0)
    config = LifterConfig(condition=16, unet_widths=(16, 24), head_width=32, head_blocks=1)
    encoder = ImageEncoder(16, 32, 1)
    return encoder.eval(), Lifter(config).eval()


@pytest.fixture(scope="module", params=["image", "fused"])
def lift(request):
    return ModelLift(*networks(), engine="eager", condition=request.param)


def assert_equal(one, other, atol=1e-4):
    for field in dataclasses.fields(one):
        np.testing.assert_allclose(
            getattr(one, field.name), getattr(other, field.name), atol=atol, err_msg=field.name
        )


def test_a_left_hand_is_lifted_as_its_mirror_image(lift):
    (right,), _ = detections(1)
    flipped = np.zeros_like(IMAGE)
    flipped[:, 1:] = IMAGE[:, :0:-1]  # about x = 320
    assert_equal(lift([right], CAMERA, IMAGE)[0], lift([mirrored(right)], CAMERA, flipped)[0])


def test_each_hand_is_lifted_as_if_alone_and_the_same_every_time(lift):
    found, _ = detections(3)
    together = lift(found, CAMERA, IMAGE)
    for hand, detection in zip(together, found, strict=True):
        assert_equal(hand, lift([detection], CAMERA, IMAGE)[0])
    assert lift([], CAMERA, IMAGE) == []


def test_the_image_matters_and_is_needed(lift):
    found, _ = detections(1)
    seen, dark = (lift(found, CAMERA, image)[0] for image in (IMAGE, np.zeros_like(IMAGE)))
    assert np.abs(seen.hypotheses - dark.hypotheses).max() > 1e-4
    with pytest.raises(InputError, match="needs the image"):
        lift(found, CAMERA)


def test_keypoints_matter_to_both_but_their_depth_only_to_one(lift):
    (found,), _ = detections(1)
    other = dataclasses.replace(found, depth_px=found.depth_px * 0.5 + 3.0 * np.arange(21))
    one, two = lift([found], CAMERA, IMAGE)[0], lift([other], CAMERA, IMAGE)[0]
    changed = np.abs(one.hypotheses - two.hypotheses).max()
    assert (changed > 1e-4) == (lift.condition == "fused")
    moved = dataclasses.replace(found, keypoints_px=found.keypoints_px + (40.0, 0.0))
    away = lift([moved], CAMERA, IMAGE)[0]
    assert np.abs(one.hypotheses - away.hypotheses).max() > 1e-4


@pytest.mark.parametrize("engine", [name for name in ENGINES if name != "eager"])
def test_every_engine_gives_the_same_hands(lift, engine):
    if ENGINES[engine].missing or ENGINES[engine].needs_cuda:
        pytest.skip(f"{engine} cannot run here")
    fast = ModelLift(*networks(), engine=engine, condition=lift.condition)
    for count in (1, 3):
        found, _ = detections(count, seed=4)
        pairs = zip(fast(found, CAMERA, IMAGE), lift(found, CAMERA, IMAGE), strict=True)
        for one, other in pairs:
            assert_equal(one, other)


def test_the_view_is_turned_with_the_hand():
    """A camera rolled about its axis shows the network the same view."""
    camera = Camera(
        np.array([[600.0, 0.0, 239.5], [0.0, 600.0, 239.5], [0.0, 0.0, 1.0]]), 480, 480
    )
    (found,), _ = detections(1)
    found = dataclasses.replace(
        found, keypoints_px=found.keypoints_px - found.keypoints_px.mean(axis=0) + 240.0
    )
    x, y = found.keypoints_px.T
    rolled = dataclasses.replace(found, keypoints_px=np.stack((479.0 - y, x), axis=-1))
    square = np.ascontiguousarray(IMAGE[:, :480])
    views = []
    for detection, image in ((found, square), (rolled, np.rot90(square, -1).copy())):
        frame = canonical_frame(observe([detection], camera).rays)
        patches, widths = look([detection], camera, image, frame)
        assert patches.shape == (1, SIDE, SIDE, 3) and patches.dtype == np.uint8
        views.append((patches, widths))
    np.testing.assert_allclose(views[0][1], views[1][1], rtol=1e-4)
    assert np.abs(views[0][0].astype(int) - views[1][0]).mean() < 0.005 * 255.0


def test_glances_look_at_the_same_hand_differently(lift):
    found, _ = detections(2)
    straight = lift(found, CAMERA, IMAGE)
    several = [glance(found, CAMERA, IMAGE) for glance in lift.glances()]
    assert len(several) == len(GLANCES)
    for hands in several:
        assert np.abs(hands[0].hypotheses - straight[0].hypotheses).max() > 1e-4
    for one, other in zip(lift(found, CAMERA, IMAGE), straight, strict=True):
        assert_equal(one, other)  # the lift itself looks as before


def test_a_keypoint_model_says_the_same_at_every_glance():
    found, _ = detections(1)
    lift = ModelLift.from_name(engine="eager")
    first, *others = (glance(found, CAMERA)[0] for glance in lift.glances())
    for other in others:
        assert_equal(first, other, atol=0.0)


def test_an_unknown_condition_is_refused():
    with pytest.raises(ConfigError, match="condition 'depth' is unknown; there are keypoints"):
        ModelLift(*networks(), condition="depth")
