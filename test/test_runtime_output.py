"""Results: the folder that appears whole, JSON, and the summary's numbers."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from runtime_stubs import CAMERA, FRAME_NS, IMAGE, ExactLift, ScriptedDetector, true_hand

from hand_pose_ros.errors import InputError, OutputError
from hand_pose_ros.runtime.estimator import STAGES, Estimator
from hand_pose_ros.runtime.output import OutputFolder
from hand_pose_ros.runtime.results import camera_as_dict, frame_as_dict, rounded, write_json
from hand_pose_ros.runtime.summary import Summary

MARK = "mark.json"


def write(folder, text):
    (folder.work / MARK).write_text(text)


def test_a_complete_run_appears_whole_and_replaces_an_earlier_one(tmp_path):
    for text in ("first", "second"):
        folder = OutputFolder(tmp_path / "a" / "out", MARK)
        write(folder, text)
        assert folder.finish(complete=True) == tmp_path / "a" / "out"
        assert (tmp_path / "a" / "out" / MARK).read_text() == text
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["out"]


def test_nothing_appears_before_the_end_or_after_a_discard(tmp_path):
    folder = OutputFolder(tmp_path / "out", MARK)
    write(folder, "x")
    assert not (tmp_path / "out").exists()
    folder.discard()
    assert list(tmp_path.iterdir()) == []


def test_an_incomplete_run_takes_the_place_only_if_it_is_free(tmp_path):
    first = OutputFolder(tmp_path / "out", MARK)
    write(first, "partial")
    assert first.finish(complete=False) == tmp_path / "out"
    for text in ("again", "and again"):
        second = OutputFolder(tmp_path / "out", MARK)
        write(second, text)
        assert second.finish(complete=False) == tmp_path / "out.partial"
        assert (tmp_path / "out.partial" / MARK).read_text() == text
    assert (tmp_path / "out" / MARK).read_text() == "partial"


def test_an_empty_folder_may_be_taken(tmp_path):
    (tmp_path / "out").mkdir()
    folder = OutputFolder(tmp_path / "out", MARK)
    write(folder, "x")
    folder.finish(complete=False)
    assert (tmp_path / "out" / MARK).is_file()


def test_a_folder_of_something_else_is_not_touched(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(InputError, match=r"holds other things \(no mark\.json\)"):
        OutputFolder(tmp_path, MARK)
    with pytest.raises(InputError, match="is not a folder"):
        OutputFolder(tmp_path / "thesis.tex", MARK)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_partial_folder_of_something_else_is_not_touched_either(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / MARK).touch()
    (tmp_path / "out.partial").mkdir()
    (tmp_path / "out.partial" / "thesis.tex").touch()
    folder = OutputFolder(tmp_path / "out", MARK)
    write(folder, "x")
    with pytest.raises(OutputError, match=r"the results stay in .*\.new"):
        folder.finish(complete=False)
    assert (folder.work / MARK).is_file()


def test_a_place_where_no_folder_can_be_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot make a folder"):
        OutputFolder(tmp_path / "file" / "out", MARK)


def test_json_appears_whole_or_not_at_all(tmp_path):
    write_json(tmp_path / "a.json", {"b": [1, None]})
    assert json.loads((tmp_path / "a.json").read_text()) == {"b": [1, None]}
    with pytest.raises(OutputError, match=r"writing .*c\.json failed"):
        write_json(tmp_path / "missing" / "c.json", {})
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


def test_numbers_that_json_lacks_become_null():
    values = np.array([[1.23456, np.nan], [np.inf, 2.0]])
    assert rounded(values, 2) == [[1.23, None], [None, 2.0]]


HAND = true_hand("right")


def run(count, hand=HAND, skip=()):
    """Return frames of one still hand; the hand is not seen in those to skip."""
    script = [[] if i in skip else [hand.detection] for i in range(count)]
    estimator = Estimator(None, ScriptedDetector(script), ExactLift(hand))
    return [estimator.estimate(IMAGE, CAMERA, i * FRAME_NS) for i in range(count)]


def summary_of(frames, detections=()):
    summary = Summary()
    for frame in frames:
        summary.add(frame, detections)
    return summary.as_dict()


def test_a_frame_survives_json():
    (frame,) = run(1)
    back = json.loads(json.dumps(frame_as_dict(frame), allow_nan=False))
    (hand,) = back["hands"]
    np.testing.assert_allclose(hand["keypoints"], frame.hands[0].keypoints, atol=1e-5)
    assert hand["scale_source"] == "ASSUMED"
    assert json.loads(json.dumps(camera_as_dict(CAMERA)))["K"] == CAMERA.K.tolist()


def test_the_summary_counts_frames_hands_and_sides():
    summary = summary_of(run(40, skip=(3, 4)))
    assert (summary["frames"], summary["frames_with_hand"]) == (40, 38)
    assert summary["hands"]["0"]["frames"] == 38
    assert summary["hands"]["0"]["sides"] == {"right": 38}
    assert summary["hands"]["0"]["bone_length_variation"] == pytest.approx(0.0, abs=1e-12)
    assert summary["angles_outside_limits"] == 0
    assert summary["scale_source"] == {"ASSUMED": 38}
    assert summary["camera_assumed"] is False
    assert set(summary["latency_ms"]) == {*STAGES, "total"}
    json.dumps(summary, allow_nan=False)


def test_a_summary_of_nothing_has_no_numbers_to_invent():
    summary = summary_of([])
    assert summary["frames"] == 0
    assert summary["jitter_mm_per_s2"] == {"ours": None, "detector": None}
    short = summary_of(run(2))
    assert short["hands"]["0"]["bone_length_variation"] is None


def test_jitter_compares_hands_of_equal_size():
    """The detector's points are those of a hand twice as large: the same jitter all the same."""
    frames = run(20)
    rng = np.random.default_rng(0)
    summary = Summary()
    for frame in frames:
        shaken = frame.hands[0].keypoints + rng.normal(0.0, 0.001, (21, 3))
        hand = replace(frame.hands[0], keypoints=shaken)
        detection = replace(HAND.detection, world=2.0 * shaken)
        summary.add(replace(frame, hands=(hand,)), [detection])
    jitter = summary.as_dict()["jitter_mm_per_s2"]
    assert jitter["ours"] > 0.0
    assert jitter["detector"] == pytest.approx(jitter["ours"])
