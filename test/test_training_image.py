"""The image models train: from a stream or shards, resumed, started, frozen where told."""

import itertools

import pytest
import torch
from test_data_shards import synth_sample, write_shards
from training_samples import TINY

from hand_pose_ros.cli.main import main
from hand_pose_ros.errors import ConfigError, InputError
from hand_pose_ros.models.image import ImageEncoder
from hand_pose_ros.models.landmark_network import LandmarkNetwork
from hand_pose_ros.runtime.weights import load_weights
from hand_pose_ros.training import sources
from hand_pose_ros.training.checkpoint import NOT_OURS, load_checkpoint, read_weights
from hand_pose_ros.training.config import load_config
from hand_pose_ros.training.lifting import LifterTraining
from hand_pose_ros.training.sources import ImageSource, Turns

IMAGES = [
    "steps=2",
    "batch=5",
    "checkpoint_every=1",
    "image.rows=2",
    "image.workers=0",
    'image.presets=["frontal"]',
]


@pytest.fixture(autouse=True)
def little(monkeypatch):
    """A stream that renders nothing, few hands to validate on, a network nobody has trained."""

    def studio_dataset(config, *, transform, seed=0, first_block=0, split="train", part=(0, 1)):
        asked.append((split, first_block))
        return map(transform, map(synth_sample, itertools.count(64 * first_block)))

    asked = []
    monkeypatch.setattr(sources, "studio_dataset", studio_dataset)
    monkeypatch.setattr(sources, "VALIDATION_IMAGES", 2)
    monkeypatch.setattr(sources, "VALIDATION_HANDS", 2)
    torch.manual_seed(3)
    network = LandmarkNetwork()
    monkeypatch.setattr("hand_pose_ros.training.lifting.landmark_network", lambda: network)
    monkeypatch.setattr(
        "hand_pose_ros.runtime.weights.load_hand_networks", lambda: (None, network)
    )
    return network, asked


def tiny(*overrides, model="fused"):
    return load_config(None, [*TINY, *IMAGES, f"model={model}", *overrides])


def test_the_network_that_looks_is_the_installed_one_and_stays_so(tmp_path, little):
    network, _ = little
    training = LifterTraining(tiny("learning_rate=0.1"), tmp_path)
    weights = training.run()
    for model in (training.model, training.ema):
        for name, tensor in model.encoder.look.state_dict().items():
            torch.testing.assert_close(tensor, network.state_dict()[name], msg=name)
    assert not any(name.startswith(NOT_OURS) for name in read_weights(weights)[1])
    encoder, _ = load_weights(weights)
    torch.testing.assert_close(encoder.look.world.weight, network.world.weight)


@pytest.mark.parametrize("model", ["image", "fused"])
def test_the_command_writes_weights_that_load(model, tmp_path, capsys):
    arguments = ["train", "--model", model, "--out", str(tmp_path / "run")]
    for override in (*TINY, *IMAGES):
        arguments += ["--set", override]
    assert main(arguments) == 0
    assert "rendered hands" in capsys.readouterr().out
    encoder, _ = load_weights(tmp_path / "run" / f"{model}.safetensors")
    assert isinstance(encoder, ImageEncoder)
    saved = load_checkpoint(tmp_path / "run" / "checkpoint.pt")
    assert saved["images"] == 4
    torch.testing.assert_close(
        encoder.hidden.weight, saved["ema"]["encoder.hidden.weight"].half().float()
    )
    assert main([*arguments, "--resume", "--set", "steps=3"]) == 0


def test_resuming_goes_on_with_images_that_were_not_seen(tmp_path, little):
    _, asked = little
    training = LifterTraining(tiny("steps=1"), tmp_path)
    training.run()
    training.source.images = 130
    training.save()
    resumed = LifterTraining(tiny(), tmp_path)
    resumed.resume()
    assert resumed.source.images == 130
    resumed.source.draw(resumed.generator)
    assert asked[-1] == ("train", 3)


def test_another_model_is_not_resumed(tmp_path):
    training = LifterTraining(tiny(), tmp_path)
    training.save()
    with pytest.raises(InputError, match="has model fused; the configuration says image"):
        LifterTraining(tiny(model="image"), tmp_path).resume()


def test_a_fused_run_begins_with_a_keypoint_model_and_not_the_other_way(tmp_path):
    first = LifterTraining(load_config(None, [*TINY, "steps=1"]), tmp_path / "keypoints")
    weights = first.run()
    fused = LifterTraining(tiny(f"start={weights}"), tmp_path / "fused")
    stem = "encoder.trunk.stem.weight"
    torch.testing.assert_close(
        fused.model.state_dict()[stem], first.ema.state_dict()[stem].half().float()
    )
    looked = fused.run()
    again = LifterTraining(tiny(f"start={looked}"), tmp_path / "again")
    for name, tensor in fused.ema.state_dict().items():
        if name.startswith(NOT_OURS):
            continue
        torch.testing.assert_close(again.model.state_dict()[name], tensor.half().float())
    with pytest.raises(InputError, match="a model of fused; a keypoint model cannot begin"):
        LifterTraining(load_config(None, [*TINY, f"start={looked}"]), tmp_path)


def test_the_rows_of_a_batch(tmp_path):
    generator = torch.Generator().manual_seed(0)
    fused = ImageSource(tiny("image.own=0.5", "image.rows=4", "batch=10")).draw(generator)
    assert fused.view.patch.shape[0] == 4 and len(fused.view.features) == 10
    assert fused.hands.joints.shape[0] == 10
    assert fused.view.has_keypoints[4:].all()
    image = ImageSource(tiny(model="image")).draw(generator)
    assert len(image.view.features) == 2 and not image.view.has_keypoints.any()


def test_how_many_keypoints_are_read_off_the_image_is_as_told():
    source = ImageSource(tiny("image.own=0.25", "image.rows=5"))
    generator = torch.Generator().manual_seed(0)
    shown = torch.cat([source.draw(generator).view.has_keypoints for _ in range(12)])
    assert 0.6 < shown.float().mean() < 0.9


def test_shards_are_read_over_and_over(tmp_path):
    write_shards(tmp_path, 1, samples=3)
    source = ImageSource(tiny(f"image.shards={tmp_path}"))
    generator = torch.Generator().manual_seed(0)
    wrists = torch.cat([source.draw(generator).hands.wrist[:2] for _ in range(6)])
    assert len({tuple(w.tolist()) for w in wrists}) == 3


def test_turns_take_one_from_each():
    letters, digits = iter("abcdef"), iter("1234")
    assert "".join(itertools.islice(Turns([letters, letters, digits]), 6)) == "ab1cd2"


@pytest.mark.parametrize(
    ("override", "match"),
    [
        ("image.presets=[nowhere]", r"presets are \('nowhere',\); there are train"),
        ("image.rows=0", "rows is 0"),
        ("image.own=2.0", r"own is 2\.0; allowed are 0 to 1"),
        ("image.rows=6", "image.rows is 6; the batch has 5"),
        ("model=stereo", "model 'stereo' cannot be trained"),
    ],
)
def test_bad_configuration_is_refused(override, match):
    with pytest.raises(ConfigError, match=match):
        tiny(override)
