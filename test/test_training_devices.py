"""Several processes train as one: averaged gradients, one checkpoint, and the way back to it."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace

import pytest
import torch
from training_samples import TINY

from hand_pose_ros.data.synthetic.keypoints import NoiseConfig, sample_hands
from hand_pose_ros.errors import ConfigError, InputError
from hand_pose_ros.models.keypoints import canonical_view
from hand_pose_ros.training.batch import Batch
from hand_pose_ros.training.checkpoint import load_checkpoint
from hand_pose_ros.training.config import load_config
from hand_pose_ros.training.devices import make_fabric, to_device
from hand_pose_ros.training.lifting import LifterTraining
from hand_pose_ros.training.losses import lifter_loss
from hand_pose_ros.training.sources import make_source

HALVES = [*TINY, "accelerator=cpu", "mixed=false", "batch=8", "steps=2", "validate_every=2"]
COMMAND = "import sys; from hand_pose_ros.cli.main import main; sys.exit(main())"


def train(out, *overrides, resume=False):
    """Run `hand-pose train` as a user does: the processes start each other from its command."""
    settings = [part for each in (*HALVES, *overrides) for part in ("--set", each)]
    command = [sys.executable, out / "command.py", "train", "--out", out / "run", *settings]
    out.mkdir(exist_ok=True)
    (out / "command.py").write_text(COMMAND)
    done = subprocess.run(
        [*map(str, command), *(["--resume"] if resume else [])],
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """Return the folder of a run of two processes, and what they printed."""
    out = tmp_path_factory.mktemp("pair")
    return out / "run", train(out, "devices=2").stdout


def by_hand(config, out):
    """Return the weights after steps on the mean of what two processes would have found."""
    training = LifterTraining(config, out)
    config = replace(config, devices=2)
    sources = [make_source(config, (rank, 2)) for rank in range(2)]
    randoms = [torch.Generator().manual_seed(config.seed + rank) for rank in range(2)]
    weights = list(training.model.parameters())
    for _ in range(config.steps):
        both = []
        for source, random in zip(sources, randoms, strict=True):
            batch = source.draw(random)
            loss, _ = lifter_loss(
                training.model, batch.hands, config.loss, random, view=batch.view
            )
            both.append(torch.autograd.grad(loss, weights))
        for weight, first, second in zip(weights, *both, strict=True):
            weight.grad = (first + second) / 2.0
        torch.nn.utils.clip_grad_norm_(weights, config.clip_norm)
        training.optimizer.step()
        training.schedule.step()
    return training.model.state_dict()


def test_two_processes_step_along_the_mean_of_their_gradients(pair):
    found = load_checkpoint(pair[0] / "checkpoint.pt")
    assert found["step"] == 2
    expected = by_hand(load_config(None, HALVES), pair[0])
    for name, tensor in expected.items():
        torch.testing.assert_close(found["model"][name], tensor, atol=1e-6, rtol=1e-4)


def test_only_one_of_two_processes_speaks(pair):
    assert pair[1].count("weights: ") == 1
    assert json.loads((pair[0] / "time.json").read_text())["steps"] == 2


def test_two_processes_go_on_with_the_hands_that_come_next(pair, tmp_path):
    shutil.copytree(pair[0], tmp_path / "run")
    train(tmp_path, "devices=2", "steps=3", resume=True)
    found = load_checkpoint(tmp_path / "run" / "checkpoint.pt")
    assert found["step"] == 3
    config = load_config(None, [*HALVES, "devices=2"])
    for rank, state in enumerate(found["generator"]):
        source = make_source(config, (rank, 2))
        random = torch.Generator().manual_seed(config.seed + rank)
        model = LifterTraining(replace(config, devices=1), tmp_path).model
        for _ in range(3):
            batch = source.draw(random)
            lifter_loss(model, batch.hands, config.loss, random, view=batch.view)
        assert torch.equal(random.get_state(), state)


def test_a_checkpoint_of_two_processes_is_not_for_one(pair):
    training = LifterTraining(load_config(None, HALVES), pair[0])
    with pytest.raises(InputError, match="is of 2 processes; the configuration says devices 1"):
        training.resume()


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("devices=3", "8 hands cannot be shared equally by 3 devices"),
        ("devices=0", "devices is 0"),
        ("accelerator=tpu", "accelerator 'tpu' is unknown; there are auto, cpu, cuda, mps"),
    ],
)
def test_impossible_devices_are_refused(override, message):
    with pytest.raises(ConfigError, match=message):
        load_config(None, [*HALVES, override])


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_missing_gpu_is_said():
    with pytest.raises(ConfigError, match="cannot train with accelerator 'cuda' and 1 devices"):
        make_fabric("cuda", 1)


def test_more_gpus_than_there_are_is_said(monkeypatch):
    monkeypatch.setattr("lightning_fabric.accelerators.cuda.num_cuda_devices", lambda: 1)
    with pytest.raises(ConfigError, match="cannot train with accelerator 'cuda' and 4 devices"):
        make_fabric("cuda", 4)


def test_a_batch_moves_as_a_whole():
    hands = sample_hands(2, torch.Generator().manual_seed(0), NoiseConfig())
    meta = torch.device("meta")
    batch = to_device(Batch(hands, canonical_view(hands.observation)), meta)
    assert batch.hands.hand.articulation.is_meta
    assert batch.view.features.is_meta
    assert batch.looked is None
