"""The table of image networks: each name gives one that looks, and says what it has to."""

import sys
from types import ModuleType

import pytest
import torch
from torch import nn

from hand_pose_ros.errors import ConfigError, UnavailableError
from hand_pose_ros.models.encoders import ENCODERS, OwnLook, build_look
from hand_pose_ros.models.image import ImageEncoder
from hand_pose_ros.models.landmark_network import SIDE
from hand_pose_ros.models.small_network import STRIDE, SmallNetwork, SmallSizes, cell_places

TINY = SmallSizes(widths=(8, 8, 8), blocks=(1, 1, 1), pooled=16, merged=16, local=4)


class Thumbnail(nn.Module):
    """Stands in for a network of timm: the pixels of a small image, weighted."""

    num_features = 48

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(48))

    def forward(self, image):
        return nn.functional.adaptive_avg_pool2d(image, 4).flatten(1) * self.weight


@pytest.fixture
def timm(monkeypatch):
    """A timm that knows one network, and writes down what it is asked for."""
    asked = []

    def create_model(name, **options):
        asked.append((name, options))
        return Thumbnail()

    module = ModuleType("timm")
    module.is_model = lambda name: name == "thumbnail"
    module.list_models = lambda: ["thumbnail", "resnet"]
    module.create_model = create_model
    monkeypatch.setitem(sys.modules, "timm", module)
    return asked


@pytest.mark.parametrize("name", [*ENCODERS, "timm:thumbnail"])
def test_every_encoder_makes_vectors_and_reads_points_off_them(name, timm):
    torch.manual_seed(0)
    look = build_look(name).eval()
    images = torch.rand(2, 3, SIDE, SIDE)
    with torch.inference_mode():
        pooled = look.pool(images)
        landmarks, world = look.points(pooled)
    assert pooled.shape == (2, look.features)
    assert landmarks.shape == world.shape == (2, 21, 3)
    assert (pooled[0] - pooled[1]).abs().max() > 1e-4


def test_only_mediapipe_is_kept_as_it_is(timm):
    trained = {name: any(p.requires_grad for p in build_look(name).parameters()) for name in
               ("mediapipe", "small", "timm:thumbnail")}  # fmt: skip
    assert trained == {"mediapipe": False, "small": True, "timm:thumbnail": True}


def test_the_encoder_of_a_lifter_takes_any_of_them(timm):
    for name in (*ENCODERS, "timm:thumbnail"):
        encoder = ImageEncoder(16, 32, 1, name).eval()
        condition = encoder(torch.rand(2, 3, SIDE, SIDE), torch.tensor([0.2, 0.3]))
        assert condition.shape == (2, 16)


def test_a_timm_network_begins_with_noise_and_sees_colours_about_zero(timm):
    look = build_look("timm:thumbnail")
    assert timm == [("thumbnail", {"pretrained": False, "num_classes": 0})]
    torch.testing.assert_close(look.pool(torch.zeros(1, 3, 8, 8)), -torch.ones(1, 48))


def test_landmarks_are_pixels_of_the_view_and_centred_at_its_middle():
    look = OwnLook(SmallNetwork(TINY)).eval()
    nn.init.zeros_(look.heads.out.weight)
    nn.init.zeros_(look.heads.out.bias)
    vector = torch.zeros(1, TINY.features)
    vector[0, TINY.pooled : TINY.pooled + 2] = torch.tensor([-1.0, 0.5])
    landmarks, world = look.points(vector)
    torch.testing.assert_close(landmarks[0, 0], torch.tensor([0.0, 0.75 * SIDE, 0.0]))
    torch.testing.assert_close(landmarks[0, 1], torch.tensor([SIDE / 2.0, SIDE / 2.0, 0.0]))
    assert not world.any()


def test_a_place_is_the_mean_of_its_scores():
    torch.manual_seed(2)
    network = SmallNetwork(TINY).eval()
    with torch.inference_mode():
        vector, log_scores = network(torch.rand(2, 3, 3 * STRIDE, 3 * STRIDE))
    assert vector.shape == (2, network.features) and log_scores.shape == (2, 21, 36)
    scores = log_scores.exp().unflatten(-1, (6, 6))
    torch.testing.assert_close(scores.sum((-1, -2)), torch.ones(2, 21))
    middles = torch.tensor([-5.0, -3.0, -1.0, 1.0, 3.0, 5.0]) / 6.0
    expected = torch.stack((scores.sum(-2) @ middles, scores.sum(-1) @ middles), dim=-1)
    torch.testing.assert_close(network.places(vector), expected)


def test_places_follow_an_image_that_is_shifted_by_whole_cells():
    """Convolutions see the same wherever it is, so scores on a plain ground move with a blob."""
    torch.manual_seed(1)
    network = SmallNetwork(TINY).eval()
    nn.init.normal_(network.scores.weight, std=20.0)
    image = torch.full((2, 3, 16 * STRIDE, 16 * STRIDE), 0.5)
    blob = torch.rand(3, 8, 8)
    for row, at in enumerate((6 * STRIDE, 9 * STRIDE)):
        image[row, :, 7 * STRIDE : 7 * STRIDE + 8, at : at + 8] = blob
    with torch.inference_mode():
        scores = network(image)[1].unflatten(-1, (32, 32))
    moved = scores[0, :, 8:24, 4:20] - scores[1, :, 8:24, 10:26]
    torch.testing.assert_close(moved, moved.mean((-1, -2), keepdim=True).expand_as(moved),
                               atol=1e-3, rtol=1e-3)  # fmt: skip
    assert scores[0].std() > 0.1


def test_cells_are_in_rows_from_the_upper_left():
    expected = [[-0.5, -0.5], [0.5, -0.5], [-0.5, 0.5], [0.5, 0.5]]
    torch.testing.assert_close(cell_places(2), torch.tensor(expected))


@pytest.mark.parametrize("name", ["resnet18", "timm:", "Small", ""])
def test_an_unknown_encoder_is_refused(name):
    with pytest.raises(ConfigError, match=r"is unknown; there are mediapipe, small and timm:NAME"):
        build_look(name)


def test_a_name_that_timm_does_not_know_is_refused_with_those_near(timm):
    with pytest.raises(ConfigError, match=r"no network 'thumb'; the nearest are thumbnail$"):
        build_look("timm:thumb")
    with pytest.raises(ConfigError, match=r"no network 'x'; the nearest are none like it"):
        build_look("timm:x")


def test_without_timm_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(UnavailableError, match=r"pip install 'hand_pose_ros\[timm\]'"):
        build_look("timm:resnet18")


def real_timm():
    """Skip where timm cannot be used."""
    try:
        import timm  # noqa: F401
    except (ImportError, RuntimeError) as error:  # torchvision without its operators
        pytest.skip(f"timm cannot be used here: {error}")


def test_the_real_timm_makes_the_networks_of_the_papers():
    real_timm()
    look = build_look("timm:resnet18").eval()
    assert look.features == 512
    assert look.pool(torch.rand(1, 3, 64, 64)).shape == (1, 512)
    with pytest.raises(ConfigError, match=r"no network 'resnet19'; the nearest are .*resnet18"):
        build_look("timm:resnet19")
