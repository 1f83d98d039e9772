"""The verbs replay, predict and bench from their command lines, with a scripted detector."""

from __future__ import annotations

import json
import os
import signal

import cv2
import numpy as np
import pytest
from runtime_stubs import ExactLift, ScriptedDetector, true_hand

from hand_pose_ros.cli import progress
from hand_pose_ros.cli.main import main
from hand_pose_ros.models.lifter import SamplingConfig
from hand_pose_ros.runtime import bench
from hand_pose_ros.runtime.lift import ModelLift
from hand_pose_ros.runtime.still import StillDetector
from hand_pose_ros.runtime.warm_up import calm_start

HAND = true_hand("right")


class OneHand(StillDetector):
    def __init__(self, *_):
        pass

    def detect_one(self, image_rgb, box=None, side=None):
        return HAND.detection


@pytest.fixture(autouse=True)
def stubs(monkeypatch):
    """Put known parts where the verbs load theirs."""
    lift = ExactLift(HAND)
    lift.sampling, lift.engine = SamplingConfig(), "eager"
    monkeypatch.setattr(ModelLift, "from_name", lambda name, engine: lift)
    detector = ScriptedDetector([[HAND.detection]])
    monkeypatch.setattr(progress, "video_detector", lambda hands, engine: detector)
    monkeypatch.setattr(progress, "still_detector", OneHand)
    monkeypatch.setattr(bench, "make_detector", lambda hands, engine: detector)


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for index in range(8):
        image = np.full((480, 640, 3), 10 * index, np.uint8)
        cv2.imwrite(str(folder / f"{index}.png"), image)
    return folder


def test_replay_writes_its_folder_and_prints_a_summary(photos, tmp_path, capsys):
    out = tmp_path / "out"
    assert main(["replay", str(photos), "--out", str(out), "--max-frames", "3"]) == 0
    said = capsys.readouterr().out
    for text in ("frames: 3", "right in 3", "p95", "camera: ASSUMED", "scale_source", str(out)):
        assert text in said
    assert (out / "hands.json").is_file()


def test_an_interrupted_replay_says_so_and_keeps_its_folder(photos, tmp_path, capsys, monkeypatch):
    class Interrupted(ScriptedDetector):
        def detect(self, image_rgb):
            if self.calls == 2:
                raise KeyboardInterrupt
            return super().detect(image_rgb)

    detector = Interrupted([[HAND.detection]])
    monkeypatch.setattr(progress, "video_detector", lambda hands, engine: detector)
    out = tmp_path / "out"
    assert main(["replay", str(photos), "--out", str(out)]) == 130
    said = capsys.readouterr()
    assert "frames: 2" in said.out
    assert "interrupted" in said.err
    assert json.loads((out / "hands.json").read_text())["complete"] is False


@pytest.mark.parametrize(
    ("more", "text"),
    [
        (["--max-hands", "0"], "max_hands is 0"),
        (["--hand-scale", "-1"], "hand_scale is -1.0"),
        (["--max-frames", "0"], "max_frames is 0"),
        (["--fov", "200"], "200"),
        (["--image-topic", "/camera"], "is no bag"),
    ],
)
def test_a_bad_option_is_one_line_and_exit_code_2(photos, tmp_path, capsys, more, text):
    assert main(["replay", str(photos), "--out", str(tmp_path / "out"), *more]) == 2
    said = capsys.readouterr().err
    assert text in said
    assert said.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_predict_writes_the_hands_of_a_folder(photos, tmp_path, capsys):
    out = tmp_path / "hands.json"
    assert main(["predict", str(photos), "--out", str(out)]) == 0
    assert "8 of 8 images with a hand" in capsys.readouterr().out
    images = json.loads(out.read_text())["images"]
    assert len(images) == 8
    assert np.array(images["0.png"]["keypoints"]).shape == (21, 3)


@pytest.mark.parametrize(("more", "corrected"), [([], True), (["--no-correction"], False)])
def test_predict_corrects_landmarks_unless_told(photos, tmp_path, monkeypatch, more, corrected):
    asked = []

    def still_detector(*arguments):
        asked.append(arguments)
        return OneHand()

    monkeypatch.setattr(progress, "still_detector", still_detector)
    assert main(["predict", str(photos), "--out", str(tmp_path / "a.json"), *more]) == 0
    assert asked == [(2, 12, "mediapipe", "auto", corrected)]


def test_predict_says_early_where_it_cannot_write(photos, tmp_path, capsys):
    assert main(["predict", str(photos), "--out", str(tmp_path / "no" / "a.json")]) == 2
    assert "there is no folder" in capsys.readouterr().err


def test_bench_prints_a_table_and_writes_it(photos, tmp_path, capsys):
    out = tmp_path / "bench.json"
    assert main(["bench", "--input", str(photos), "--json", str(out)]) == 0
    said = capsys.readouterr().out
    assert "ours: total" in said
    assert "lifter alone, 8 hypotheses" in said
    told = json.loads(out.read_text())
    assert told["hypotheses"] == 8 and "runs" not in told
    assert set(told["stages_ms"]["total"]) == {"mean", "p50", "p95", "p99"}


def test_bench_puts_engines_and_numbers_of_hands_side_by_side(photos, tmp_path, capsys):
    out = tmp_path / "bench.json"
    words = ["bench", "--input", str(photos), "--json", str(out), "--max-hands", "1", "2"]
    assert main([*words, "--engines", "eager", "torchscript"]) == 0
    told = json.loads(out.read_text())
    assert [run["max_hands"] for run in told["runs"]] == [1, 2, 1, 2]
    assert told["stages_ms"] == told["runs"][0]["stages_ms"]
    assert capsys.readouterr().out.count("ours: total") == 4


def test_a_termination_is_an_interrupt_and_the_handler_comes_back():
    before = signal.getsignal(signal.SIGTERM)
    with progress.terminated_as_interrupted(), pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_calm_start_hides_what_is_written_past_python(capfd):
    with calm_start():
        os.write(2, b"five lines of nothing")
    os.write(2, b"then something")
    assert capfd.readouterr().err == "then something"


def test_a_calm_start_lets_errors_through(capfd):
    with pytest.raises(ZeroDivisionError), calm_start():
        raise ZeroDivisionError
    os.write(2, b"heard")
    assert capfd.readouterr().err == "heard"
