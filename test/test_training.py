"""The training loop learns, stops and goes on as if it had not stopped; its files hold."""

import json

import pytest
import torch
from training_samples import TINY

from hand_pose_ros.cli.main import main
from hand_pose_ros.data.synthetic.keypoints import NoiseConfig, sample_hands
from hand_pose_ros.errors import ConfigError, HandPoseError, InputError
from hand_pose_ros.runtime.weights import load_weights
from hand_pose_ros.training.checkpoint import load_checkpoint
from hand_pose_ros.training.config import TrainingConfig, load_config
from hand_pose_ros.training.lifting import LifterTraining
from hand_pose_ros.training.losses import lifter_loss


@pytest.fixture(autouse=True)
def _few_validation_hands(monkeypatch):
    monkeypatch.setattr("hand_pose_ros.training.sources.VALIDATION_HANDS", 8)


def tiny(*overrides):
    return load_config(None, [*TINY, *overrides])


@pytest.mark.parametrize("prediction", ["x0", "noise"])
def test_training_on_one_batch_lowers_every_term(tmp_path, prediction):
    training = LifterTraining(tiny(f"lifter.prediction={prediction}"), tmp_path)
    hands = sample_hands(64, torch.Generator().manual_seed(1), NoiseConfig())
    weights = training.config.loss

    def terms():
        return lifter_loss(training.model, hands, weights, torch.Generator().manual_seed(2))

    before = {name: value.item() for name, value in terms()[1].items()}
    optimizer = torch.optim.Adam(training.model.parameters(), 3e-3)
    for _ in range(60):
        optimizer.zero_grad()
        terms()[0].backward()
        optimizer.step()
    after = {name: value.item() for name, value in terms()[1].items()}
    for name in ("diffusion", "inverse_kinematics", "baseline"):
        assert after[name] < 0.8 * before[name], name


def test_the_ik_mlp_sends_no_gradient_into_the_denoiser(tmp_path):
    training = LifterTraining(tiny("loss.diffusion=0", "loss.baseline=0"), tmp_path)
    hands = sample_hands(8, torch.Generator().manual_seed(1), NoiseConfig())
    loss, _ = lifter_loss(
        training.model, hands, training.config.loss, torch.Generator().manual_seed(2)
    )
    loss.backward()
    lifter = training.model.lifter
    assert all(not p.grad.any() for p in lifter.denoiser.parameters() if p.grad is not None)
    assert any(p.grad.any() for p in lifter.inverse_kinematics.parameters())


def test_an_interrupted_run_ends_where_an_unbroken_one_does(tmp_path):
    whole = LifterTraining(tiny(), tmp_path / "whole")
    whole.run()
    broken = LifterTraining(tiny(), tmp_path / "broken")
    (tmp_path / "broken").mkdir()
    for _ in range(3):
        broken._train_step()
    broken.save()
    resumed = LifterTraining(tiny(), tmp_path / "broken")
    resumed.resume()
    assert resumed.step == 3
    resumed.run()
    for name, tensor in whole.ema.state_dict().items():
        torch.testing.assert_close(resumed.ema.state_dict()[name], tensor, msg=name)


def test_the_command_writes_weights_that_load(tmp_path, capsys):
    arguments = ["train", "--out", str(tmp_path / "run")]
    for override in TINY:
        arguments += ["--set", override]
    assert main(arguments) == 0
    assert "weights:" in capsys.readouterr().out
    encoder, lifter = load_weights(tmp_path / "run" / "keypoints.safetensors")
    assert lifter.config.condition == 16
    saved = load_checkpoint(tmp_path / "run" / "checkpoint.pt")["ema"]
    stem = encoder.trunk.stem.weight
    torch.testing.assert_close(stem, saved["encoder.trunk.stem.weight"].half().float())
    assert list((tmp_path / "run").glob("events.*"))

    assert main(arguments) == 2
    assert "--resume" in capsys.readouterr().err
    assert main([*arguments, "--resume", "--set", "steps=8"]) == 0


def test_resuming_nothing_or_another_network_is_refused(tmp_path):
    training = LifterTraining(tiny(), tmp_path)
    with pytest.raises(InputError, match=r"no checkpoint at .*checkpoint\.pt"):
        training.resume()
    training.checkpoint.write_bytes(b"nonsense")
    with pytest.raises(InputError, match="not a readable checkpoint"):
        training.resume()
    training.save()
    other = LifterTraining(tiny("encoder.width=40"), tmp_path)
    with pytest.raises(InputError, match=r"encoder .*32.*configuration says.*40"):
        other.resume()
    torch.save({"model": {}}, training.checkpoint)
    with pytest.raises(InputError, match=r"lacks .*config"):
        training.resume()


def test_configuration_from_yaml_and_overrides(tmp_path):
    path = tmp_path / "run.yaml"
    path.write_text("steps: 12\nnoise:\n  white: 0.1\n")
    config = load_config(path, ["noise.white=0.2", "lifter.schedule=linear"])
    assert (config.steps, config.noise.white, config.lifter.schedule) == (12, 0.2, "linear")
    assert load_config(None, []) == TrainingConfig()


@pytest.mark.parametrize(
    ("override", "match"),
    [
        ("step=3", "unknown key step; known are steps"),
        ("noise.pink=1", "unknown key noise.pink; known are white"),
        ("steps=many", "steps is 'many'; a int is needed"),
        ("steps=0", "steps is 0; it must be at least 1"),
        ("learning_rate=7.0", "learning_rate is 7.0"),
        ("ema=1.0", "ema is 1.0"),
        ("loss.angles=-1.0", "angles is -1.0"),
        ("encoder.width=0", "encoder width 0"),
        ("noise=3", "noise. is 3; a mapping is needed"),
        ("steps.deep=3", "is 3.*mapping|steps is"),
        ("steps", "not of the form key=value"),
    ],
)
def test_bad_configuration_is_refused(override, match):
    with pytest.raises(ConfigError, match=match):
        load_config(None, [override])


def test_an_unreadable_configuration_is_refused(tmp_path):
    with pytest.raises(InputError, match="cannot read the configuration"):
        load_config(tmp_path / "none.yaml", [])


def test_a_loss_that_is_not_finite_ends_the_run(tmp_path):
    training = LifterTraining(tiny(), tmp_path)
    with torch.no_grad():
        training.model.encoder.out.weight.fill_(float("nan"))
    with pytest.raises(HandPoseError, match="diverged at step 0"):
        training.run()
    endless = LifterTraining(tiny(), tmp_path / "other")
    with torch.no_grad():
        endless.model.lifter.schedule.alpha_bar.fill_(1e38)
    with pytest.raises(HandPoseError, match="diverged at step 0"):
        endless.run()


def test_the_time_of_a_run_is_kept(tmp_path):
    LifterTraining(tiny(), tmp_path).run()
    assert json.loads((tmp_path / "time.json").read_text())["steps"] == 6


def test_a_run_begins_with_the_weights_of_an_earlier_one(tmp_path):
    first = LifterTraining(tiny(), tmp_path / "first")
    weights = first.run()
    again = LifterTraining(tiny(f"start={weights}"), tmp_path / "second")
    for name, tensor in first.ema.state_dict().items():
        for model in (again.model, again.ema):
            torch.testing.assert_close(
                model.state_dict()[name], tensor.half().float(), atol=0, rtol=0
            )
    assert again.step == 0


def test_a_start_of_another_size_or_none_is_refused(tmp_path):
    weights = LifterTraining(tiny("steps=1"), tmp_path / "first").run()
    with pytest.raises(InputError, match=r"has encoder .*; the configuration says"):
        LifterTraining(tiny(f"start={weights}", "encoder.width=48"), tmp_path)
    with pytest.raises(InputError, match="cannot be read as safetensors"):
        LifterTraining(tiny(f"start={tmp_path / 'none'}"), tmp_path)


def test_a_number_may_be_written_with_an_exponent():
    assert tiny("learning_rate=6e-4").learning_rate == 6e-4
    with pytest.raises(ConfigError, match="learning_rate is 'fast'; a float is needed"):
        tiny("learning_rate=fast")
