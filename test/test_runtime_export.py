"""A model exports as one program, whose operators are known, and says the same as the model."""

import json

import numpy as np
import pytest
import torch

from hand_pose_ros.cli.main import main
from hand_pose_ros.errors import ConfigError
from hand_pose_ros.models.lifter import SamplingConfig
from hand_pose_ros.runtime.engine.artefacts import FORMATS, NOISE, example_of, export_model
from hand_pose_ros.runtime.engine.export import operators, to_exported_program
from hand_pose_ros.runtime.engine.int8 import rounded_copy
from hand_pose_ros.runtime.engine.openvino import openvino_core
from hand_pose_ros.runtime.lift import whole_network

CONVERTED = {
    *("_assert_tensor_metadata.default", "_to_copy.default", "add.Tensor", "addmm.default"),
    *("alias.default", "arange.start_step", "argmax.default", "bmm.default", "cat.default"),
    *("clamp.default", "clone.default", "constant_pad_nd.default", "convolution.default"),
    *("cos.default", "diagonal.default", "div.Tensor", "eq.Tensor", "exp.default"),
    *("expand.default", "full.default", "full_like.default", "gather.default"),
    *("hardtanh.default", "index.Tensor", "index_select.default", "linalg_vector_norm.default"),
    *("log.default", "mean.dim", "mul.Tensor", "native_group_norm.default"),
    *("native_layer_norm.default", "neg.default", "permute.default", "pow.Tensor_Scalar"),
    *(
        "reciprocal.default",
        "rsqrt.default",
        "remainder.Scalar",
        "select.int",
        "sigmoid.default",
        "sin.default",
        "slice.Tensor",
    ),
    *("split_with_sizes.default", "sqrt.default", "squeeze.dims", "sub.Tensor"),
    *("sum.dim_IntList", "unsqueeze.default", "var.correction", "view.default"),
}
"""Operators that torch-tensorrt 2.13 converts, decomposes or takes away: docs/performance.md."""


@pytest.fixture(scope="module", params=["keypoints", "image", "fused"])
def whole(request):
    return whole_network(request.param)


@pytest.mark.slow
def test_the_whole_exports_and_every_operator_is_known_to_tensorrt(whole):
    example = example_of(whole, 2)
    program = to_exported_program(whole, example)
    with torch.no_grad():
        expected = whole(*example)
        got = program.module()(*example)
    for one, other in zip(got, expected, strict=True):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=0)
    found = {name.removeprefix("aten.") for name in operators(program)}
    assert found - CONVERTED - {"<built-in function getitem>"} == set()


def test_noise_is_an_input_and_another_noise_another_hand(whole):
    *seen, noise = example_of(whole, 2)
    torch.testing.assert_close(noise[0], whole.network.noise)
    with torch.no_grad():
        one, other = whole(*seen, noise), whole(*seen, -2.0 * noise)
    assert (one[5] - other[5]).abs().max() > 1e-4  # hypotheses


def test_noise_on_the_way_is_an_input_too():
    whole = whole_network("keypoints", SamplingConfig(steps=3, eta=1.0, hypotheses=4))
    assert whole.noise_shape == (3, 4, 21, 3)
    *seen, noise = example_of(whole, 2)
    later = noise.clone()
    later[2] += 1.0
    with torch.no_grad():
        first, again, other = whole(*seen, noise), whole(*seen, noise), whole(*seen, later)
    torch.testing.assert_close(first[5], again[5], atol=0, rtol=0)
    assert (first[5] - other[5]).abs().max() > 1e-4


def test_the_joints_are_those_of_the_pose(whole):
    """FK inside of the program is FK outside of it."""
    from hand_pose_ros.hand.kinematics import HandParameters, forward_kinematics

    with torch.no_grad():
        root, articulation, ratios, offsets, *_, keypoints = whole(*example_of(whole, 3))
        joints = forward_kinematics(HandParameters(root, articulation, ratios, offsets))
    torch.testing.assert_close(joints.positions, keypoints, atol=1e-5, rtol=0)


def test_an_onnx_file_says_what_the_model_says(whole, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    path, told = export_model(whole, "onnx", 1, tmp_path / "new")
    told = json.loads(told.read_text())
    assert told["rows"] == "any" and list(told["files"]) == ["model.onnx"]
    assert [each["name"] for each in told["inputs"]] == [*whole.inputs, NOISE]
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    example = example_of(whole, 3)
    names = [each["name"] for each in told["inputs"]]
    inputs = {n: tensor.numpy() for n, tensor in zip(names, example, strict=True)}
    with torch.no_grad():
        expected = whole(*example)
    for got, wanted in zip(session.run(list(whole.outputs), inputs), expected, strict=True):
        np.testing.assert_allclose(got, wanted.numpy(), atol=1e-4)
    np.testing.assert_allclose(told["noise"][0], whole.network.noise.numpy(), atol=1e-6)


@pytest.mark.parametrize("name", [name for name in FORMATS if name not in ("onnx", "tensorrt")])
def test_every_format_is_written_and_runs(name, tmp_path):
    whole = whole_network("keypoints")
    if name.startswith("openvino"):
        pytest.importorskip("openvino")
    paths = export_model(whole, name, 2, tmp_path)
    assert [path.name for path in paths] == [*FORMATS[name].files, "model.json"]
    assert not list(tmp_path.glob("*.partial"))
    example = example_of(whole, 2)
    with torch.no_grad():
        expected = whole(*example)[-1].numpy()
    if name == "torchscript":
        got = torch.jit.load(paths[0])(*example)[-1].numpy()
    elif name == "torch-export":
        got = torch.export.load(paths[0]).module()(*example)[-1].detach().numpy()
        assert "aten.convolution.default" in paths[1].read_text()
    else:
        compiled = openvino_core().compile_model(paths[0], "CPU")
        got = compiled([tensor.numpy() for tensor in example])["keypoints"]
    tolerance = 1e-4
    if name.endswith("int8"):  # inputs drawn by chance lie outside the ranges that it is made for
        expected, tolerance = rounded_copy(whole)(*example)[-1].detach().numpy(), 0.02
        assert np.abs(got - expected).max() < 0.1 * np.abs(whole(*example)[-1].numpy() - got).max()
    np.testing.assert_allclose(got, expected, atol=tolerance)


@pytest.mark.parametrize(
    ("name", "rows", "message"),
    [("nonsense", 1, "there are onnx, torchscript"), ("onnx", 0, "rows is 0; allowed are 1 to 8")],
)
def test_what_cannot_be_exported_is_refused(name, rows, message, tmp_path):
    with pytest.raises(ConfigError, match=message):
        export_model(whole_network("keypoints"), name, rows, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_verb_names_what_it_wrote(tmp_path, capsys):
    assert main(["export", "--engine", "torchscript", "--out", str(tmp_path)]) == 0
    assert f"{tmp_path / 'model.pt'}: " in capsys.readouterr().out
    (tmp_path / "file").touch()
    assert main(["export", "--engine", "torchscript", "--out", str(tmp_path / "file")]) == 1
    assert "cannot be written" in capsys.readouterr().err
    assert main(["export", "--engine", "nonsense", "--out", str(tmp_path)]) == 2
