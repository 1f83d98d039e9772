"""The landmark network in torch gives what the original gives, and is read from nothing else."""

import numpy as np
import pytest
import torch

from hand_pose_ros.errors import InputError, UnavailableError
from hand_pose_ros.models.landmark_network import (
    FEATURES,
    SIDE,
    STRIDE,
    LandmarkNetwork,
    LandmarkTrunk,
    SameConv,
)
from hand_pose_ros.training import pretrained, tflite


@pytest.fixture(scope="module")
def network():
    pytest.importorskip("mediapipe", reason="the weights are read from the mediapipe wheel")
    return pretrained.landmark_network()


@pytest.fixture(scope="module")
def picture():
    from hand_pose_ros.runtime.warm_up import SIZE, drawn_hand

    margin = (SIZE - SIDE) // 2
    return np.ascontiguousarray(drawn_hand()[margin : margin + SIDE, margin : margin + SIDE])


def as_tensor(picture):
    return torch.from_numpy(picture).permute(2, 0, 1).unsqueeze(0) / 255.0


@pytest.mark.parametrize("kernel", [3, 5])
@pytest.mark.parametrize("side", [8, 14])
def test_a_strided_convolution_is_padded_right_and_below(kernel, side):
    """TensorFlow's SAME pads (kernel - 2) // 2 before, the rest after, for stride 2.

    A window of ones counts the pixels of the image under it: the first output has as many rows
    above its centre as that padding leaves.
    """
    convolution = SameConv(1, 1, kernel, 2)
    torch.nn.init.ones_(convolution.weight)
    torch.nn.init.zeros_(convolution.bias)
    counted = convolution(torch.ones(1, 1, side, side))[0, 0]
    before = (kernel - 2) // 2
    assert counted.shape == (side // 2, side // 2)
    assert counted[0, 0] == (kernel - before) ** 2
    after = kernel - 2 - before
    assert counted[-1, -1] == (kernel - after) ** 2


def test_the_last_map_has_a_cell_for_each_stride():
    with torch.inference_mode():
        seen = LandmarkTrunk()(torch.rand(2, 3, 2 * STRIDE, 3 * STRIDE))
    assert seen.shape == (2, FEATURES, 2, 3)


def test_points_are_rows_of_what_is_read_out():
    network, image = LandmarkNetwork().eval(), torch.rand(2, 3, STRIDE, STRIDE)
    with torch.inference_mode():
        landmarks, _, _, world = network(image)
        points, world_points = network.points(network.pool(image))
    torch.testing.assert_close(points[1, 3], landmarks[1, 9:12])
    torch.testing.assert_close(world_points[0, 20], world[0, 60:63])


def test_it_sees_what_mediapipe_sees(network, picture):
    """The same picture through MediaPipe's own graph, which runs the .tflite itself."""
    from hand_pose_ros.runtime.mediapipe_graph import LandmarkGraph

    graph = LandmarkGraph()
    points, world, label, side_score, presence = graph.process(picture)
    graph.close()
    with torch.inference_mode():
        ours = [part.numpy()[0] for part in network(as_tensor(picture))]
    landmarks, our_presence, handedness, our_world = ours
    np.testing.assert_allclose(landmarks.reshape(21, 3)[:, :2] / SIDE, points[:, :2], atol=1e-4)
    assert our_presence[0] == pytest.approx(presence, abs=1e-4)
    named = handedness[0] if label == "Left" else 1.0 - handedness[0]
    assert named == pytest.approx(side_score, abs=1e-4)
    np.testing.assert_allclose(our_world.reshape(21, 3), world, atol=1e-5)


def test_it_gives_what_the_file_gives_when_executed(network, picture):
    interpreter = pytest.importorskip(
        "ai_edge_litert.interpreter", reason="executes the .tflite beside us"
    )
    path = pretrained._package_folder() / pretrained._LANDMARKS
    original = interpreter.Interpreter(str(path), num_threads=1)
    original.allocate_tensors()
    original.set_tensor(
        original.get_input_details()[0]["index"], picture[None].astype(np.float32) / 255.0
    )
    original.invoke()
    with torch.inference_mode():
        ours = network(as_tensor(picture))
    for part, detail in zip(ours, original.get_output_details(), strict=True):
        theirs = original.get_tensor(detail["index"])
        np.testing.assert_allclose(part.numpy(), theirs, atol=1e-3, rtol=1e-4)


def test_it_is_a_graph_that_can_be_exported(network, picture):
    pytest.importorskip("onnx")
    onnxruntime = pytest.importorskip("onnxruntime")
    from hand_pose_ros.runtime.engine import to_onnx

    image = as_tensor(picture).repeat(2, 1, 1, 1)
    session = onnxruntime.InferenceSession(to_onnx(network, (image,)))
    exported = session.run(None, {"input_0": image[:1].numpy()})
    with torch.inference_mode():
        for one, other in zip(exported, network(image[:1]), strict=True):
            np.testing.assert_allclose(one, other.numpy(), atol=1e-3, rtol=1e-4)


def layers_of(network):
    """Return the layers as a file has them: what `load_layers` gives the network again."""
    path = pretrained._package_folder() / pretrained._LANDMARKS
    return list(tflite.read_layers(path))


def test_another_network_is_refused(network):
    layers, places = layers_of(network), pretrained.landmark_places(LandmarkNetwork())
    with pytest.raises(InputError, match=r"has 50 layers; ours has 51"):
        pretrained.load_layers(places, layers[:-1])
    layers[1], layers[2] = layers[2], layers[1]
    with pytest.raises(InputError, match=r"layer 1 is a CONV_2D of shape \(16, 24, 1, 1\)"):
        pretrained.load_layers(places, layers)


def test_a_file_of_another_kind_is_refused(network, tmp_path):
    path = tmp_path / "other.tflite"
    path.write_bytes(b"no network at all")
    with pytest.raises(InputError, match="is not a TensorFlow Lite file"):
        next(tflite.read_layers(path))


def test_a_network_with_other_operators_is_refused(network, monkeypatch):
    path = pretrained._package_folder() / pretrained._LANDMARKS
    monkeypatch.setattr(tflite, "_LAYOUTS", {"CONV_2D": (0, 3, 1, 2)})
    with pytest.raises(InputError, match="operator DEPTHWISE_CONV_2D, which is not understood"):
        list(tflite.read_layers(path))


def test_without_mediapipe_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UnavailableError, match=r"hand_pose_ros\[mediapipe\]"):
        pretrained.landmark_network()


def test_a_wheel_without_the_file_is_refused(monkeypatch, tmp_path):
    monkeypatch.setattr(pretrained, "_package_folder", lambda: tmp_path)
    with pytest.raises(UnavailableError, match="has no modules/hand_landmark"):
        pretrained.landmark_network()
