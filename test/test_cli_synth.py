"""The verb that renders a dataset: what it writes, that it resumes, what it refuses."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from hand_pose_ros.cli.main import main
from hand_pose_ros.data.folder import read_folder
from hand_pose_ros.data.shards import read_shards
from hand_pose_ros.data.synthetic.config import BLOCK, PRESETS, StudioConfig
from hand_pose_ros.data.synthetic.production import FIRST_SEQUENCE, Order
from hand_pose_ros.data.synthetic.render.renderer import HandRenderer
from hand_pose_ros.errors import ConfigError, UnavailableError


@pytest.fixture(scope="module", autouse=True)
def _renderer():
    try:
        HandRenderer(32, 32).close()
    except UnavailableError as error:
        pytest.skip(f"no renderer here: {error}")


def synth(out: Path, *more: str) -> int:
    return main(["synth", "--out", str(out), "--size", "64", "--workers", "1", *more])


@pytest.mark.slow
def test_a_folder_is_written_and_gone_on_with(tmp_path, capsys):
    out = tmp_path / "data"
    assert synth(out, "--count", "70", "--seed", "4") == 0
    said = capsys.readouterr().out
    assert "70 images in" in said
    first = read_folder(out, require=("side", "K", "keypoints"))
    assert len(first) == 70
    (out / "annotations" / "block-000001.json").unlink()
    assert synth(out, "--count", "70", "--seed", "4") == 2
    assert "resume it or choose another folder" in capsys.readouterr().err
    assert synth(out, "--count", "70", "--seed", "5", "--resume") == 2
    assert "settings.seed was 4 and is now 5" in capsys.readouterr().err
    assert synth(out, "--count", "70", "--seed", "4", "--resume") == 0
    assert capsys.readouterr().out == said
    labels = json.loads((out / "annotations.json").read_text())["images"]
    assert len(labels) == 70


@pytest.mark.slow
def test_shards_hold_images_and_sequences(tmp_path, capsys):
    out = tmp_path / "data"
    more = ("--count", "3", "--sequences", "1", "--format", "shards", "--preset", "frontal")
    assert synth(out, *more) == 0
    assert f"{3 + 64} images" in capsys.readouterr().out
    samples = list(read_shards(out))
    assert sum(sample.sequence is None for sample in samples) == 3
    assert {sample.image_rgb.shape for sample in samples} == {(64, 64, 3)}


@pytest.mark.slow
def test_labels_are_compared_with_the_published_ones(tmp_path, capsys, monkeypatch):
    tiny = replace(PRESETS["frontal"], config=StudioConfig(size=64), count=2, seed=1)
    monkeypatch.setitem(PRESETS, "frontal", replace(tiny, labels_sha256="0" * 64))
    command = ["synth", "--preset", "frontal", "--workers", "1", "--out"]
    assert main([*command, str(tmp_path / "first")]) == 1
    said = capsys.readouterr()
    assert f"whose sha256 is {'0' * 64}" in said.err
    found = said.out.split()[-1]
    monkeypatch.setitem(PRESETS, "frontal", replace(tiny, labels_sha256=found))
    assert main([*command, str(tmp_path / "second")]) == 0
    assert "published labels of the preset frontal" in capsys.readouterr().out
    assert main([*command, str(tmp_path / "third"), "--seed", "2"]) == 0
    assert "published" not in capsys.readouterr().out


def test_an_order_is_made_of_blocks():
    order = Order(StudioConfig(), BLOCK + 1, sequences=2)
    assert list(order.blocks()) == [
        (0, BLOCK),
        (1, 1),
        (FIRST_SEQUENCE, 64),
        (FIRST_SEQUENCE + 1, 64),
    ]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"count": 0}, "at least one of something"),
        ({"count": -1}, "-1 images"),
        ({"count": 1, "seed": -2}, "seed is -2"),
        ({"count": 1, "split": "exam"}, "split is 'exam'"),
    ],
)
def test_orders_that_cannot_be_are_refused(arguments, reason):
    with pytest.raises(ConfigError, match=reason):
        Order(StudioConfig(), **arguments)


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        (("--preset", "fancy"), "preset 'fancy' is unknown; there are train"),
        (("--count", "1", "--workers", "0"), "0 workers"),
        (("--count", "1", "--split", "exam"), "split is 'exam'"),
    ],
)
def test_the_verb_says_what_is_wrong(tmp_path, capsys, more, reason):
    assert synth(tmp_path / "data", *more) in (1, 2)
    assert reason in capsys.readouterr().err


def test_presets_explain_themselves(tmp_path, capsys):
    assert synth(tmp_path, "--preset", "list") == 0
    assert "SynthHands-test" in capsys.readouterr().out
