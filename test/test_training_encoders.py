"""Encoders of our own train with the command that trains all else, and their heads learn."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from test_data_shards import synth_sample
from test_models_encoders import TINY as TINY_NETWORK
from test_models_encoders import real_timm
from test_training_image import IMAGES, little  # noqa: F401
from training_samples import TINY

from hand_pose_ros.cli.main import main
from hand_pose_ros.data.patches import AugmentConfig, PatchTransform, collate
from hand_pose_ros.data.synthetic.keypoints import NoiseConfig
from hand_pose_ros.errors import ConfigError, InputError
from hand_pose_ros.models import encoders
from hand_pose_ros.models.encoders import OwnLook, SmallTrunk
from hand_pose_ros.models.landmark_network import SIDE
from hand_pose_ros.models.small_network import cell_places
from hand_pose_ros.runtime.weights import load_weights
from hand_pose_ros.training import looked
from hand_pose_ros.training.checkpoint import load_checkpoint, read_weights
from hand_pose_ros.training.config import load_config
from hand_pose_ros.training.head_losses import (
    cell_shares,
    head_scores,
    head_terms,
    mirrored,
    nothing,
    score_terms,
    truth_of,
)
from hand_pose_ros.training.lifting import LifterTraining
from hand_pose_ros.training.looked import Backgrounds, looked_at
from hand_pose_ros.training.sources import ImageSource

OWN = ["image.encoder=small", "image.rows=4", "batch=6", "image.empty=0.5", "image.mirrored=0.5"]


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """A smaller small network, and one simple scene as background."""
    monkeypatch.setitem(encoders.ENCODERS, "small", lambda: OwnLook(SmallTrunk(TINY_NETWORK)))
    monkeypatch.setattr(looked, "_SCENES", 1)


def own(*overrides, model="image"):
    return load_config(None, [*TINY, *IMAGES, *OWN, f"model={model}", *overrides])


def views(count=6):
    transform = PatchTransform(NoiseConfig(), AugmentConfig())
    return collate([transform(synth_sample(index)) for index in range(count)])


@pytest.mark.parametrize("model", ["image", "fused"])
def test_the_command_trains_an_encoder_and_ships_all_of_it(model, tmp_path, capsys):
    arguments = ["train", "--model", model, "--out", str(tmp_path / "run")]
    for override in (*TINY, *IMAGES, *OWN):
        arguments += ["--set", override]
    assert main([*arguments, "--set", "loss.contrastive=0.1"]) == 0
    assert "heads: 2D keypoints off by" in capsys.readouterr().out
    path = tmp_path / "run" / f"{model}.safetensors"
    metadata, tensors = read_weights(path)
    assert metadata["look"] == "small"
    assert not any(name.startswith("projection") for name in tensors)
    encoder, _ = load_weights(path)
    saved = load_checkpoint(tmp_path / "run" / "checkpoint.pt")["ema"]
    for name in ("look.trunk.scores.weight", "look.trunk.merge.1.running_mean"):
        torch.testing.assert_close(
            encoder.state_dict()[name], saved[f"encoder.{name}"].half().float()
        )


def test_everything_of_an_encoder_moves_but_nothing_of_mediapipes(tmp_path):
    training = LifterTraining(own("loss.contrastive=1.0", "learning_rate=0.1"), tmp_path)
    before = {name: p.clone() for name, p in training.model.named_parameters()}
    training.run()
    parts = ("encoder.look.trunk", "encoder.look.heads", "encoder.hidden", "projection")
    for part in parts:
        moved = [
            not torch.equal(p, before[name])
            for name, p in training.model.named_parameters()
            if name.startswith(part)
        ]
        assert moved and all(moved), part


def test_the_statistics_of_batches_are_averaged_too(tmp_path):
    training = LifterTraining(own("ema=0.5"), tmp_path)
    training.run()
    name = "encoder.look.trunk.widen.1.running_mean"
    mean, average = (each.state_dict()[name] for each in (training.model, training.ema))
    assert average.any() and not torch.equal(mean, average)
    assert (average - mean).abs().max() < mean.abs().max()


def test_an_interrupted_run_of_an_encoder_goes_on(tmp_path):
    LifterTraining(own("steps=1"), tmp_path).run()
    resumed = LifterTraining(own(), tmp_path)
    resumed.resume()
    assert resumed.step == 1 and resumed.source.images == 4
    resumed.run()
    with pytest.raises(InputError, match=r"image.encoder small; the configuration says mediapipe"):
        LifterTraining(own("image.encoder=mediapipe"), tmp_path).resume()


def test_another_encoders_weights_are_no_start(tmp_path):
    weights = LifterTraining(own("steps=1"), tmp_path / "own").run()
    begun = LifterTraining(own(f"start={weights}"), tmp_path / "again")
    name = "encoder.look.trunk.scores.weight"
    torch.testing.assert_close(begun.model.state_dict()[name], read_weights(weights)[1][name])
    with pytest.raises(InputError, match=r"image.encoder small; the configuration says mediapi"):
        LifterTraining(own(f"start={weights}", "image.encoder=mediapipe"), tmp_path / "other")


def test_a_batch_has_mirrored_and_empty_images_behind_its_own():
    generator = torch.Generator().manual_seed(0)
    batch = ImageSource(own(model="fused")).draw(generator)
    more, truth = batch.looked.more, batch.looked.truth
    assert len(batch.view.patch) == 4 and len(more) == 4 and len(truth.present) == 8
    assert truth.present.tolist() == [1, 1, 1, 1, 1, 1, 0, 0]
    assert truth.left[:6].tolist() == [0, 0, 0, 0, 1, 1]
    torch.testing.assert_close(more[:2], batch.view.patch[:2].flip(-1))
    torch.testing.assert_close(truth.places[4:6, :, 0], -truth.places[:2, :, 0])
    assert batch.looked.affine is None
    contrasted = ImageSource(own("loss.contrastive=0.5")).draw(generator)
    assert len(contrasted.looked.more) == 8 and len(contrasted.looked.affine.shift) == 4
    frozen = ImageSource(own("image.encoder=mediapipe")).draw(generator)
    assert frozen.looked is None


def test_the_truth_of_a_view_is_where_its_rays_are():
    """Without errors of the detector the observation's own rays say the same."""
    still = NoiseConfig(**dict.fromkeys(vars(NoiseConfig()), 0.0))
    transform = PatchTransform(still, AugmentConfig())
    seen = collate([transform(synth_sample(index)) for index in range(4)])
    truth = truth_of(seen)
    rays = seen.hands.placed[..., :2] / seen.hands.placed[..., 2:]
    ahead = torch.cat((rays, torch.ones(4, 21, 1)), -1) @ seen.frame.R_canonical_camera.mT
    places = ahead[..., :2] / ahead[..., 2:] / seen.half_width[:, None, None]
    torch.testing.assert_close(truth.places, places, atol=1e-5, rtol=1e-4)
    assert not truth.depth[:, 0].any() and truth.depth.abs().max() > 0.01
    bones = (truth.world - seen.hands.joints @ seen.frame.R_canonical_camera.mT).abs()
    assert bones.max() < 1e-5
    assert torch.equal(truth.visible.bool(), seen.visible)


def test_heads_that_are_right_cost_next_to_nothing_and_score_best():
    truth = truth_of(views())
    certain = 40.0
    reading = encoders.Reading(
        truth.places,
        truth.depth,
        truth.world,
        certain * (2.0 * truth.visible - 1.0),
        certain * (2.0 * truth.left - 1.0),
        certain * (2.0 * truth.present - 1.0),
    )
    assert all(term.item() < 1e-5 for term in head_terms(reading, truth).values())
    scores = head_scores(reading, truth)
    assert scores == {"keypoints_2d": 0.0, "visibility": 1.0, "side": 1.0, "presence": 1.0}
    assert head_scores(reading, mirrored(truth))["side"] == 0.0
    moved = encoders.Reading(truth.places + 0.02, *list(vars(reading).values())[1:])
    assert head_scores(moved, truth)["keypoints_2d"] == pytest.approx(2.0**0.5, rel=1e-4)


def test_shares_of_cells_have_their_place_as_mean():
    places = 1.6 * torch.rand(5, 21, 2, generator=torch.Generator().manual_seed(0)) - 0.8
    shares = cell_shares(places, 6)
    torch.testing.assert_close(shares.sum(-1), torch.ones(5, 21))
    torch.testing.assert_close(shares @ cell_places(6), places)
    assert int((shares[0, 0] > 0.0).sum()) == 4


def test_scores_are_best_where_the_keypoints_are_and_those_outside_do_not_count():
    truth = truth_of(views(2))
    outside = truth.places.clone()
    outside[:, 3] = 1.7
    truth = dataclasses.replace(truth, places=outside)
    shares = cell_shares(truth.places, 8)
    best = score_terms(truth.places, (shares + 1e-6).log(), truth)
    flat = score_terms(0.0 * truth.places, torch.full((2, 21, 64), 1.0 / 64.0).log(), truth)
    assert best["places"] == 0.0 and best["scores"] < flat["scores"]
    moved = truth.places.clone()
    moved[:, 3] += 5.0
    assert score_terms(moved, (shares + 1e-6).log(), truth)["places"] == 0.0


def test_an_image_without_a_hand_teaches_only_that():
    empty = nothing(3, truth_of(views(2)))
    generator = torch.Generator().manual_seed(0)
    shapes = (3, 21, 2), (3, 21), (3, 21, 3), (3, 21), (3,), (3,)
    parts = [torch.randn(shape, generator=generator) for shape in shapes]
    terms = head_terms(encoders.Reading(*parts), empty)
    terms |= score_terms(parts[0], torch.randn(3, 21, 9).log_softmax(-1), empty)
    assert {name for name, term in terms.items() if term.item() != 0.0} == {"presence"}


def test_the_lift_asks_nothing_of_hands_in_a_mirror():
    truth = mirrored(truth_of(views(2)))
    shapes = (2, 21, 2), (2, 21), (2, 21, 3), (2, 21), (2,), (2,)
    reading = encoders.Reading(*(torch.zeros(shape) for shape in shapes))
    depth = truth.depth.abs().mean()
    torch.testing.assert_close(head_terms(reading, truth)["space"], depth)


def test_a_few_steps_on_one_batch_lower_every_head(tmp_path):
    torch.manual_seed(0)
    look = OwnLook(SmallTrunk(TINY_NETWORK))
    seen, generator = views(), torch.Generator().manual_seed(1)
    empty = torch.rand(3, 3, SIDE, SIDE)
    batch = looked_at(seen, seen.patch / 255.0, empty, 3, None, generator)
    images = torch.cat((seen.patch / 255.0, batch.more))
    optimizer = torch.optim.Adam(look.parameters(), 1e-2)
    history = []
    for _ in range(25):
        pooled, log_scores = look.trunk(images)
        terms = head_terms(look.read(pooled), batch.truth)
        terms |= score_terms(look.trunk.places(pooled), log_scores, batch.truth)
        history.append({name: term.item() for name, term in terms.items()})
        optimizer.zero_grad()
        sum(terms.values()).backward()
        optimizer.step()
    for name, first in history[0].items():
        assert history[-1][name] < 0.9 * first, (name, first, history[-1][name])


def test_backgrounds_follow_their_generator():
    pool = Backgrounds(AugmentConfig(), 1)
    first, again = (pool.draw(2, torch.Generator().manual_seed(4)) for _ in range(2))
    assert torch.equal(first, again) and first.shape == (2, 3, SIDE, SIDE)
    assert not torch.equal(first, pool.draw(2, torch.Generator().manual_seed(5)))
    assert len(pool.draw(0, torch.Generator())) == 0
    assert np.ptp(first.numpy()) > 20


@pytest.mark.parametrize(
    ("override", "match"),
    [
        ("image.encoder=resnet18", "encoder 'resnet18' is unknown; there are mediapipe"),
        ("image.empty=1.5", r"empty is 1\.5; allowed are 0 to 1"),
        ("image.mirrored=-1.0", r"mirrored is -1\.0"),
        ("loss.contrastive=-1.0", r"contrastive is -1\.0"),
        ("contrastive.kind=moco", "kind 'moco' is not one of"),
    ],
)
def test_bad_configuration_is_refused(override, match):
    with pytest.raises(ConfigError, match=match):
        own(override)


def test_the_real_timm_trains(tmp_path):
    real_timm()
    training = LifterTraining(own("steps=1", "image.encoder=timm:resnet18"), tmp_path)
    encoder, _ = load_weights(training.run())
    name = "look.trunk.network.layer4.1.bn2.running_var"
    trained = training.ema.state_dict()[f"encoder.{name}"]
    torch.testing.assert_close(encoder.state_dict()[name], trained.half().float())


def test_the_experiment_that_ships_is_one():
    path = Path(__file__).resolve().parent.parent / "config" / "train" / "image_small.yaml"
    config = load_config(path, ["steps=5"])
    assert config.image.encoder == "small" and config.steps == 5
    assert config.image.trains_encoder
