"""Rounding to 8 bits: near the network it is of, and only of what its ranges are of."""

import json

import numpy as np
import pytest
import torch

from hand_pose_ros.errors import InputError
from hand_pose_ros.models.landmark_network import LandmarkNetwork, SameConv
from hand_pose_ros.resources import weights_folder
from hand_pose_ros.runtime.engine import int8
from hand_pose_ros.runtime.engine.int8 import (
    RANGES_FILE,
    Rounded,
    key_of,
    read_ranges,
    rounded_copy,
    rounded_layers,
)
from hand_pose_ros.runtime.lift_network import LookNetwork
from hand_pose_ros.runtime.warm_up import drawn_hand
from hand_pose_ros.runtime.weights import load_hand_networks, load_model


@pytest.fixture(scope="module")
def landmarks():
    return load_hand_networks()[1]


def test_a_rounded_hand_is_nearly_the_same(landmarks):
    look = LookNetwork(landmarks).eval()
    rounded = rounded_copy(look)
    patch = torch.from_numpy(drawn_hand()[None, 16:240, 16:240].copy())
    with torch.no_grad():
        expected, got = look(patch), rounded(patch)
    apart = np.abs((expected[0] - got[0]).reshape(21, 3)[:, :2].numpy())
    assert 0.0 < apart.mean() < 2.0  # pixels of 224
    assert abs(float(expected[1] - got[1])) < 0.05
    assert not any(isinstance(module, Rounded) for module in look.modules())


def test_every_convolution_but_the_last_is_rounded(landmarks):
    rounded = rounded_copy(landmarks)
    whole = sum(isinstance(module, SameConv) for module in landmarks.modules())
    assert sum(isinstance(module, Rounded) for module in rounded.modules()) == whole - 1
    assert isinstance(rounded.trunk.each, SameConv)


@pytest.mark.parametrize("name", ["keypoints", "image"])
def test_the_ranges_that_ship_are_of_the_layers_there_are(name, landmarks):
    ranges = read_ranges(weights_folder() / RANGES_FILE)
    for network in (*load_model(name), landmarks):
        assert set(ranges[key_of(network)]) == set(rounded_layers(network))


def test_other_weights_stay_as_they_are():
    network = LandmarkNetwork()
    assert key_of(network) == ""
    assert rounded_copy(network) is network


def test_rounding_keeps_what_lies_on_the_grid():
    layer = torch.nn.Linear(4, 3)
    layer.weight.data = torch.randint(-127, 128, (3, 4)).float()
    layer.weight.data[:, 0] = 127.0
    x = torch.randint(0, 256, (5, 4)).float()
    torch.testing.assert_close(Rounded(layer, (0.0, 255.0))(x), layer(x))


@pytest.mark.parametrize("content", ["", "[1]", '{"a": {"b": [1]}}', '{"a": {"b": ["x", 1]}}'])
def test_damaged_ranges_are_refused(tmp_path, content):
    (tmp_path / RANGES_FILE).write_text(content)
    with pytest.raises(InputError, match="does not hold the ranges"):
        read_ranges(tmp_path / RANGES_FILE)
    with pytest.raises(InputError, match="does not hold the ranges"):
        read_ranges(tmp_path / "missing.json")


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ({"nowhere": [0, 1]}, "which there is not"),
        ({"trunk": [0, 1]}, "cannot be rounded"),
        ({"trunk.stem": [1, 2]}, "cannot be rounded"),
    ],
)
def test_ranges_that_do_not_fit_are_refused(landmarks, tmp_path, monkeypatch, layers, message):
    (tmp_path / RANGES_FILE).write_text(json.dumps({key_of(landmarks): layers}))
    monkeypatch.setattr(int8, "weights_folder", lambda: tmp_path)
    with pytest.raises(InputError, match=message):
        rounded_copy(landmarks)
