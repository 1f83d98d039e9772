"""Every engine gives eager PyTorch's numbers, for any number of hands; a bad choice is refused."""

import dataclasses

import numpy as np
import pytest
import torch
from test_runtime_lift import CAMERA, detections

from hand_pose_ros.errors import ConfigError, UnavailableError
from hand_pose_ros.models.lifter import SamplingConfig
from hand_pose_ros.runtime.engine import (
    AUTO,
    ENGINES,
    choose_engine,
    compile_network,
    table,
    to_onnx,
)
from hand_pose_ros.runtime.engine.program import in_profiles, split_rows
from hand_pose_ros.runtime.lift import ModelLift

EXACT = [name for name, each in ENGINES.items() if each.is_exact and name != "eager"]
"""The others are measured on real hands in test_runtime_parity.py."""


@pytest.fixture(params=EXACT)
def name(request):
    engine = ENGINES[request.param]
    if engine.needs_cuda or engine.missing:
        pytest.skip(f"needs {' and '.join(engine.missing) or 'a CUDA device'}")
    return request.param


@pytest.fixture(scope="module")
def eager():
    return ModelLift.from_name(engine="eager")


def test_the_shipped_lifter_gives_the_same_hands(eager, name):
    fast = ModelLift.from_name(engine=name)
    assert fast.engine == name
    for count in (1, 2, 5):
        found, _ = detections(count, seed=4)
        for one, other in zip(fast(found, CAMERA), eager(found, CAMERA), strict=True):
            for field in dataclasses.fields(one):
                np.testing.assert_allclose(
                    getattr(one, field.name), getattr(other, field.name), atol=1e-5
                )


def test_several_steps_and_a_large_batch_take_the_other_ways_through_the_network(eager, name):
    sampling = SamplingConfig(steps=5, hypotheses=80)
    fast, slow = (ModelLift.from_name(sampling=sampling, engine=e) for e in (name, "eager"))
    found, _ = detections(1)
    (one,), (other,) = fast(found, CAMERA), slow(found, CAMERA)
    np.testing.assert_allclose(one.hypotheses, other.hypotheses, atol=1e-4)
    np.testing.assert_allclose(one.std, other.std, atol=1e-4)


def test_the_baseline_runs_on_every_engine(name):
    lift = ModelLift.from_name(sampling=SamplingConfig(method="baseline"), engine=name)
    slow = ModelLift.from_name(sampling=SamplingConfig(method="baseline"), engine="eager")
    found, _ = detections(3)
    for one, other in zip(lift(found, CAMERA), slow(found, CAMERA), strict=True):
        np.testing.assert_allclose(one.articulation, other.articulation, atol=1e-5)


def test_an_onnx_model_is_whole_and_takes_any_number_of_rows():
    onnx = pytest.importorskip("onnx")
    network = ModelLift.from_name(engine="eager").network
    example = tuple(torch.rand(2, 21, *axes) for axes in ((2,), (), (3,)))
    model = onnx.load_from_string(to_onnx(network, example))
    onnx.checker.check_model(model, full_check=True)
    for value in (*model.graph.input, *model.graph.output):
        assert value.type.tensor_type.shape.dim[0].dim_param == "row"
    assert {node.domain for node in model.graph.node} == {""}


def test_auto_takes_the_first_that_runs_here_and_says_once_what_would_be_faster(
    monkeypatch, caplog
):
    assert choose_engine(AUTO) in ENGINES
    assert choose_engine(AUTO, draws_noise=True) == "eager"
    table._warn_of_missing.cache_clear()
    monkeypatch.setattr(table, "find_spec", lambda module: None)
    with caplog.at_level("INFO"):
        assert choose_engine(AUTO) == choose_engine(AUTO) == "torchscript"
    warnings = [record for record in caplog.records if record.levelname == "WARNING"]
    assert len(warnings) == 1
    assert "hand_pose_ros[openvino]" in warnings[0].message
    assert "hand_pose_ros[onnx]" in warnings[0].message
    assert any("the first that runs here" in record.message for record in caplog.records)


def test_auto_leaves_rounding_to_those_who_ask_for_it(monkeypatch):
    monkeypatch.setattr(table, "find_spec", lambda module: "there")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert choose_engine(AUTO) == "onnxruntime"
    assert choose_engine("openvino-int8") == "openvino-int8"


@pytest.mark.parametrize(("fails", "expected"), [((), "tensorrt"), (("tensorrt",), "cudagraphs")])
def test_auto_tries_a_gpu_before_it_relies_on_it(monkeypatch, caplog, fails, expected):
    monkeypatch.setattr(table, "find_spec", lambda module: "there")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)

    def compile_or_fail(name, network, example):
        assert isinstance(network(*example), tuple)
        if name in fails:
            raise RuntimeError("no such driver")

    monkeypatch.setattr(table, "compile_network", compile_or_fail)
    table._failure.cache_clear()
    assert choose_engine(AUTO) == choose_engine(AUTO) == expected
    warned = [r.message for r in caplog.records if r.levelname == "WARNING"]
    assert warned == [
        f"engine {name} is installed but fails (no such driver); the next is taken"
        for name in fails
    ]
    table._failure.cache_clear()


def test_an_engine_that_is_not_installed_says_what_to_install(monkeypatch):
    monkeypatch.setattr(table, "find_spec", lambda module: None)
    expected = r"'onnxruntime' needs onnx and onnxruntime; .*hand_pose_ros\[onnx\]"
    with pytest.raises(UnavailableError, match=expected):
        choose_engine("onnxruntime")


def test_an_engine_without_its_gpu_says_so(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UnavailableError, match="'tensorrt' needs a CUDA device"):
        choose_engine("tensorrt")


def test_an_unknown_engine_is_refused():
    with pytest.raises(ConfigError, match=r"'nonsense' is unknown; there are auto, tensorrt"):
        choose_engine("nonsense")


def test_rows_are_split_into_profiles_and_joined_again():
    asked = []

    def program(rows):
        def run(x):
            asked.append(rows)
            assert len(x) == rows
            return (2.0 * x,)

        return run

    whole = in_profiles({rows: program(rows) for rows in (1, 2, 4)})
    x = np.arange(7.0)
    np.testing.assert_array_equal(whole(x)[0], 2.0 * x)
    assert asked == split_rows(7, (1, 2, 4)) == [4, 2, 1]


def test_an_engine_that_would_repeat_noise_is_refused():
    with pytest.raises(ConfigError, match=r"'torchscript' cannot draw noise.*'eager'"):
        ModelLift.from_name(sampling=SamplingConfig(sampler="ddpm"), engine="torchscript")


def test_a_program_takes_and_returns_arrays(name):
    class Twice(torch.nn.Module):
        def forward(self, x):
            return 2.0 * x, x.sum(dim=-1)

    program = compile_network(name, Twice().eval(), (torch.rand(2, 3),))
    double, total = program(np.array([[1.0, 2.0, 3.0]], np.float32))
    np.testing.assert_array_equal(double, [[2.0, 4.0, 6.0]])
    np.testing.assert_array_equal(total, [6.0])
