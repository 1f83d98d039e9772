"""The training of the temporal transformer: pools, windows, losses, and a run that goes on."""

from __future__ import annotations

import pytest
import torch

from hand_pose_ros.cli.main import main
from hand_pose_ros.errors import ConfigError, InputError
from hand_pose_ros.hand.kinematics import HandParameters
from hand_pose_ros.models.temporal import TemporalTransformer
from hand_pose_ros.runtime.weights import load_temporal_weights
from hand_pose_ros.training.config import TrainingConfig, load_config
from hand_pose_ros.training.lifting import build_model
from hand_pose_ros.training.temporal import TemporalTraining
from hand_pose_ros.training.temporal_loss import temporal_loss
from hand_pose_ros.training.tracks import TrackLifter, draw_windows

TINY = (
    *("model=temporal", "steps=2", "batch=4", "validate_every=2", "checkpoint_every=1"),
    *("threads=1", "mixed=false", "warmup=1"),
    *("tracks.pool=4", "tracks.fresh=1", "tracks.validation=2", "tracks.sampled.frames=8"),
    *("tracks.network.window=6", "tracks.network.width=16", "tracks.network.heads=2"),
    *("tracks.network.layers=1", "tracks.network.feedforward=16"),
)


def tiny(*more):
    return load_config(None, [*TINY, *more])


@pytest.fixture(scope="module")
def tracks():
    """Tracks as an untrained lifter lifts them."""
    torch.manual_seed(0)
    config = tiny()
    lifter = TrackLifter(build_model(TrainingConfig()))
    generator = torch.Generator().manual_seed(0)
    return lifter.sample(5, generator, config.noise, config.tracks.sampled)


def test_lifted_tracks_belong_to_their_truth(tracks):
    assert len(tracks) == 5
    for mine, theirs in zip(
        vars(tracks.window.hand).values(), vars(tracks.true).values(), strict=True
    ):
        assert mine.shape == theirs.shape
    torch.testing.assert_close(tracks.window.view.norm(dim=-1), torch.ones(5, 8))
    assert tracks.window.seen.all()


def test_frames_that_are_taken_keep_their_times(tracks):
    taken = tracks.take(torch.tensor([3, 1]), torch.tensor([[2, 3, 4], [0, 1, 2]]))
    torch.testing.assert_close(taken.window.view[0], tracks.window.view[3, 2:5])
    torch.testing.assert_close(taken.true.articulation[1], tracks.true.articulation[1, :3])
    assert (taken.window.times - torch.arange(3)).abs().max() < 0.45


def test_tracks_are_replaced_where_told(tracks):
    copied = tracks.take(torch.arange(5), torch.arange(8).expand(5, 8))
    others = copied.take(torch.tensor([4, 4]), torch.arange(8).expand(2, 8))
    copied.put(torch.tensor([0, 2]), others)
    torch.testing.assert_close(copied.window.view[0], tracks.window.view[4])
    torch.testing.assert_close(copied.true.offsets[2], tracks.true.offsets[4])
    torch.testing.assert_close(copied.window.view[1], tracks.window.view[1])


def test_windows_hide_some_slots_and_begin_with_a_frame(tracks):
    generator = torch.Generator().manual_seed(0)
    windows = draw_windows(tracks, 600, 6, 0.5, generator).window
    assert windows.seen[:, 0].all()
    assert windows.seen.all(dim=1).float().mean() > 0.15
    shown = windows.seen.float().mean().item()
    assert 0.6 < shown < 0.9
    index = torch.arange(6.0).expand(600, -1)
    torch.testing.assert_close(windows.times[~windows.seen], index[~windows.seen])


class Knows(TemporalTransformer):
    """Gives a known hand."""

    def __init__(self, hand):
        super().__init__(tiny().tracks.network)
        self.hand = hand

    def forward(self, window, causal=True):
        return self.hand


def test_the_truth_has_no_loss_and_a_turned_hand_has_one(tracks):
    weights = tiny().tracks.loss
    total, terms = temporal_loss(Knows(tracks.true), tracks, weights, causal=True)
    assert set(terms) == {"joints", "angles", "velocity", "acceleration"}
    assert total.item() == pytest.approx(0.0, abs=1e-6)
    true = tracks.true
    bent = HandParameters(
        true.root_rotation, true.articulation + 0.1, true.bone_lengths, true.offsets
    )
    total, terms = temporal_loss(Knows(bent), tracks, weights, causal=True)
    assert terms["angles"].item() == pytest.approx(0.1, rel=1e-4)
    assert total > terms["joints"] > 0.01


def test_slots_before_the_first_and_after_the_last_frame_do_not_count(tracks):
    seen = torch.tensor([[0, 0, 1, 0, 1, 1, 0, 0]] * 5).bool()
    hidden = tracks.hiding(seen)
    articulation = tracks.true.articulation.clone()
    articulation[:, [0, 1, 6, 7]] += 0.3
    true = tracks.true
    wrong = HandParameters(true.root_rotation, articulation, true.bone_lengths, true.offsets)
    total, _ = temporal_loss(Knows(wrong), hidden, tiny().tracks.loss, causal=True)
    assert total.item() == pytest.approx(0.0, abs=1e-6)


def test_a_run_goes_on_and_leaves_weights_that_load(tmp_path):
    config = tmp_path / "run.yaml"
    config.write_text("model: temporal\n")
    rest = [part for key in TINY[1:] for part in ("--set", key)]
    assert main(["train", "--config", str(config), "--out", str(tmp_path / "a"), *rest]) == 0
    weights = tmp_path / "a" / "temporal.safetensors"
    transformer = load_temporal_weights(weights)
    assert transformer.config == tiny().tracks.network
    resumed = TemporalTraining(tiny("steps=3"), tmp_path / "a")
    resumed.resume()
    assert resumed.step == 2
    before = {name: value.clone() for name, value in resumed.model.state_dict().items()}
    resumed.run()
    assert resumed.step == 3
    assert any((before[name] != value).any() for name, value in resumed.model.state_dict().items())
    transformer = load_temporal_weights(weights)
    again = TemporalTraining(tiny(f"start={weights}"), tmp_path / "b")
    for name, value in again.model.state_dict().items():
        torch.testing.assert_close(value, transformer.state_dict()[name])


def test_a_run_of_other_sizes_does_not_go_on(tmp_path):
    TemporalTraining(tiny("steps=1"), tmp_path).run()
    with pytest.raises(InputError, match="the configuration says"):
        TemporalTraining(tiny("tracks.network.width=32"), tmp_path).resume()


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("tracks.pool=0", "pool is 0"),
        ("tracks.hidden=1.0", "hidden is 1.0"),
        ("tracks.sampled.frames=5", "the window has 6"),
        ("tracks.sampled.slot_s=0.1", "slot_s of the tracks is 0.1"),
        ("tracks.loss.joints=-1", "loss weight joints is -1"),
    ],
)
def test_settings_that_do_not_fit_are_refused(override, message):
    with pytest.raises(ConfigError, match=message):
        tiny(override)
