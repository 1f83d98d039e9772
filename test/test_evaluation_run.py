"""Runs over a dataset: what is written, gone on with, refused, and what it amounts to."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from evaluation_samples import (
    CAMERA,
    MemoryDataset,
    SlowJob,
    StubJob,
    StubPanel,
    hand_joints,
    wrong_by,
)

from hand_pose_ros.data.sample import LabelledHand, LabelledImage
from hand_pose_ros.errors import InputError, OutputError, ShapeError
from hand_pose_ros.evaluation.metrics import (
    acceleration_error,
    joint_errors,
    mpjpe_root,
    pa_mpjpe,
    pck_auc,
    root_place_error,
)
from hand_pose_ros.evaluation.protocols import PROTOCOLS, protocols_of
from hand_pose_ros.evaluation.results import PartWriter, RunFolder, read_rows
from hand_pose_ros.evaluation.rows import NO_HAND, ROW, Guess, rows_of
from hand_pose_ros.evaluation.run import run_job
from hand_pose_ros.evaluation.steps import StepTally
from hand_pose_ros.evaluation.summary import KEPT, summarize
from hand_pose_ros.evaluation.tally import Tally


def rows_in(folder: RunFolder) -> np.ndarray:
    return np.concatenate(list(folder.chunks()))


def truths_and_guesses(count: int = 40) -> tuple[np.ndarray, np.ndarray]:
    """Return all true hands and what `near` says of them, without any of the code under test."""
    true, guess = [], []
    for number, image in enumerate(MemoryDataset(count).images()):
        for place, hand in enumerate(image.hands):
            true.append(hand.keypoints)
            guess.append(hand.keypoints + wrong_by(number, place))
    return np.array(guess), np.array(true)


def test_what_a_run_amounts_to_equals_the_metrics_of_all_its_hands(tmp_path) -> None:
    done = run_job(StubJob(), tmp_path)
    protocols = protocols_of("folder", ["wrist", "pa", "absolute"])
    near, shy, dreamy = summarize(
        done.folder.chunks(), done.folder.estimators, protocols
    ).estimators
    guess, true = truths_and_guesses()
    assert (near.found, near.hands, near.extra) == (len(true), len(true), 0)
    assert shy.found < shy.hands == len(true) and shy.extra == 0
    assert (dreamy.found, dreamy.extra) == (len(true), 40)
    wrist, pa = near.tallies["wrist"][""], near.tallies["pa"][""]
    assert wrist.mpjpe == pytest.approx(mpjpe_root(guess, true).mean(), abs=1e-9)
    assert pa.mpjpe == pytest.approx(pa_mpjpe(guess, true).mean(), abs=1e-9)
    errors = joint_errors(guess, true)
    absolute = near.tallies["absolute"][""]
    assert absolute.auc_20_50 == pytest.approx(pck_auc(errors), abs=1e-9)
    assert absolute.auc_0_50 == pytest.approx(pck_auc(errors, 0.0, 50.0), abs=1e-9)
    np.testing.assert_allclose(absolute.per_joint, errors.mean(0), atol=1e-9)
    assert absolute.per_finger["index"] == pytest.approx(errors[:, 5:9].mean(), abs=1e-9)
    assert absolute.median == pytest.approx(np.median(errors, axis=0).mean(), rel=2e-3)
    assert (near.sided, near.right_side) == (len(true), len(true))


def test_hands_that_all_found_are_scored_apart(tmp_path) -> None:
    """`shy` finds every other hand; of those alone all three have the same errors."""
    done = run_job(StubJob(), tmp_path)
    protocols = protocols_of("x", ["wrist"])
    near, shy, dreamy = summarize(
        done.folder.chunks(), done.folder.estimators, protocols
    ).estimators
    assert shy.found < near.found and dreamy.extra
    for each in (near, shy, dreamy):
        assert each.found_by_all.hands == shy.found
        assert each.found_by_all.mpjpe == pytest.approx(shy.tallies["wrist"][""].mpjpe)
    assert near.tallies["wrist"][""].mpjpe != pytest.approx(shy.tallies["wrist"][""].mpjpe)


def test_groups_and_pairs(tmp_path) -> None:
    done = run_job(StubJob(), tmp_path)
    (near, *_) = summarize(
        done.folder.chunks(), done.folder.estimators, protocols_of("x")
    ).estimators
    pairs = [image for image in MemoryDataset().images() if len(image.hands) == 2]
    tallies = near.tallies["pa"]
    assert set(tallies) == {"", "kind=pair", "kind=single"}
    assert tallies["kind=pair"].hands == 2 * len(pairs)
    errors = []
    for number, image in enumerate(MemoryDataset().images()):
        if len(image.hands) == 2:
            left, right = (hand.keypoints for hand in image.hands)
            guesses = left + wrong_by(number, 0), right + wrong_by(number, 1)
            errors.append(root_place_error(guesses[0], left, guesses[1], right))
    assert near.mrrpe[1] == len(errors)
    assert near.mrrpe[0] / near.mrrpe[1] == pytest.approx(np.mean(errors))


def test_sequences(tmp_path) -> None:
    done = run_job(StubJob(sequences=True), tmp_path)
    (near, *_) = summarize(
        done.folder.chunks(), done.folder.estimators, protocols_of("x")
    ).estimators
    true: dict[int, np.ndarray] = {}
    guess: dict[int, np.ndarray] = {}
    for number, image in enumerate(MemoryDataset().images()):
        if image.hands:
            points = image.hands[0].keypoints
            error = points + wrong_by(number, 0)
            true[number], guess[number] = points - points[0], error - error[0]
    expected = [
        acceleration_error(*(np.stack([of[n + i] for i in range(3)]) for of in (guess, true)))[0]
        for n in true
        if n // 20 == (n + 2) // 20 and n + 1 in true and n + 2 in true
    ]
    # Second hands are never there in three frames in a row.
    assert near.steps.acceleration[1] == len(expected)
    assert near.steps.acceleration[0] == pytest.approx(sum(expected))
    assert near.steps.side_flips == 0
    assert len(near.steps.curves) == 4 and near.steps.frames == near.found
    assert near.steps.flips_per_minute(30.0) == 0.0


def test_side_flips_pass_over_frames_without_an_answer_and_sides_that_were_given() -> None:
    joints = hand_joints(1)[0]
    steps, told = StepTally(), StepTally()
    sides = ["left", None, "left", "right", None, "left"]
    for frame, side in enumerate(sides):
        image = image_of(LabelledHand("left", joints), sequence="s", frame=frame)
        said = [Guess(joints, side, hand=0)] if side else []
        rows = rows_of(frame, image, {"a": said})
        steps.add(rows[rows["found"]], np.zeros(len(said)))
        given = rows_of(frame, image, {"a": [Guess(joints, side, True, hand=0)] if side else []})
        told.add(given[given["found"]], np.zeros(len(said)))
    assert (steps.side_flips, told.side_flips, steps.frames) == (2, 0, 4)
    # Four frames at 30 Hz: 2 flips in 4/1800 of a minute.
    assert steps.flips_per_minute(30.0) == pytest.approx(900.0)
    assert steps.acceleration == (0.0, 0)


def test_of_too_many_hands_the_one_longest_away_is_forgotten(monkeypatch) -> None:
    monkeypatch.setattr("hand_pose_ros.evaluation.steps.FOLLOWED", 2)
    joints = hand_joints(1)[0]
    steps = StepTally()
    for sequence, side in (("a", "left"), ("b", "left"), ("c", "left"), ("a", "right")):
        image = image_of(LabelledHand("left", joints), sequence=sequence)
        steps.add(rows_of(0, image, {"x": [Guess(joints, side, hand=0)]}), np.zeros(1))
    assert steps.side_flips == 0  # "a" was forgotten before it came back


def test_the_best_and_the_worst_are_kept_in_order(tmp_path) -> None:
    done = run_job(StubJob(), tmp_path)
    (near, *_) = summarize(
        done.folder.chunks(), done.folder.estimators, protocols_of("x")
    ).estimators
    guess, true = truths_and_guesses()
    errors = np.sort(pa_mpjpe(guess, true))
    np.testing.assert_allclose([error for error, _ in near.best], errors[:KEPT])
    np.testing.assert_allclose([error for error, _ in near.worst], errors[::-1][:KEPT])
    assert near.worst[0][1]["name"].decode().endswith(".png")


@pytest.mark.parametrize("cut", [0, 1, ROW.itemsize - 1, ROW.itemsize, 3 * ROW.itemsize + 7])
def test_a_killed_run_goes_on_to_the_same_rows(cut, tmp_path) -> None:
    whole = run_job(StubJob(), tmp_path / "whole").folder
    with pytest.raises(InputError, match="cannot look at image 25"):
        run_job(StubJob(dies_at=25), tmp_path / "killed")
    path = tmp_path / "killed" / "rows" / "000.rows"
    content = path.read_bytes()
    path.write_bytes(content[: len(content) - cut])
    seen: list[tuple[int, int]] = []
    done = run_job(StubJob(), tmp_path / "killed", progress=lambda *state: seen.append(state))
    assert 15 <= done.looked_at <= 18 and seen[0] == (40 - done.looked_at, 40)
    assert seen[-1] == (40, 40)
    assert rows_in(done.folder).tobytes() == rows_in(whole).tobytes()
    assert run_job(StubJob(), tmp_path / "killed").looked_at == 0


def test_several_processes_write_the_same_rows(tmp_path) -> None:
    alone = run_job(StubJob(), tmp_path / "one").folder
    done = run_job(StubJob(), tmp_path / "three", workers=3)
    assert len(done.folder.parts) == 3
    assert rows_in(done.folder).tobytes() == rows_in(alone).tobytes()


def test_processes_end_with_the_first_one_and_leave_whole_images(tmp_path) -> None:
    code = (
        "from evaluation_samples import SlowJob\n"
        "from hand_pose_ros.evaluation.run import run_job\n"
        "from pathlib import Path\n"
        "import sys\n"
        "if __name__ == '__main__':\n"
        "    run_job(SlowJob(), Path(sys.argv[1]), workers=2)\n"
    )
    script = tmp_path / "first.py"
    script.write_text(code)
    paths = os.pathsep.join((str(Path(__file__).parent), str(Path(__file__).parents[1])))
    first = subprocess.Popen(
        [sys.executable, str(script), str(tmp_path / "out")],
        env={**os.environ, "PYTHONPATH": paths},
    )
    parts = [tmp_path / "out" / "rows" / f"{number:03d}.rows" for number in range(2)]
    try:
        _until(lambda: all(part.exists() and part.stat().st_size for part in parts))
    finally:
        first.kill()
        first.wait()

    def unlocked() -> bool:
        with suppress(InputError):
            folder = RunFolder(tmp_path / "out", SlowJob().settings(), SlowJob().names, 40)
            for part in folder.parts:
                PartWriter(part).close()
            return True
        return False

    _until(unlocked)
    done = run_job(StubJob(), tmp_path / "out")
    assert 0 < done.looked_at < 40
    alone = run_job(StubJob(), tmp_path / "one").folder
    assert rows_in(done.folder).tobytes() == rows_in(alone).tobytes()


def _until(predicate, seconds: float = 90.0) -> None:
    end = time.monotonic() + seconds
    while not predicate():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_an_error_in_a_process_arrives_and_the_rest_is_gone_on_with(tmp_path) -> None:
    with pytest.raises(InputError, match="cannot look at image 30"):
        run_job(StubJob(dies_at=30), tmp_path, workers=2)
    done = run_job(StubJob(), tmp_path, workers=2)
    assert 0 < done.looked_at < 40
    alone = run_job(StubJob(), tmp_path / "one").folder
    assert rows_in(done.folder).tobytes() == rows_in(alone).tobytes()


def test_a_limit_is_spread_over_the_dataset(tmp_path) -> None:
    done = run_job(StubJob(), tmp_path, limit=12)
    assert sorted(set(rows_in(done.folder)["image"])) == list(range(0, 36, 3))
    assert (
        len(np.unique(rows_in(run_job(StubJob(), tmp_path / "b", limit=99).folder)["image"])) == 40
    )


def test_another_run_in_the_same_folder_is_refused(tmp_path) -> None:
    run_job(StubJob(), tmp_path)
    with pytest.raises(InputError, match=r"holds a run with colour None, this one has blue; name"):
        run_job(StubJob(more={"colour": "blue"}), tmp_path)
    with pytest.raises(InputError, match="holds a run with images 40, this one has 10"):
        run_job(StubJob(), tmp_path, limit=10)
    with pytest.raises(InputError, match="estimators"):
        run_job(StubJob(names=("near",)), tmp_path)


def test_exact_answers_of_two_hands_in_an_image_are_kept_in_order() -> None:
    """Hands with the same error, as where the truth itself is scored, go by image and number."""
    chunks = []
    for number, image in enumerate(MemoryDataset(12).images()):
        exact = [Guess(hand.keypoints, hand=place) for place, hand in enumerate(image.hands)]
        chunks.append(rows_of(number, image, {"a": exact}))
    (exactly,) = summarize(chunks, ["a"], protocols_of("x", ["absolute"])).estimators
    named = [(error, int(row["image"]), int(row["hand"])) for error, row in exactly.best]
    assert named == [(0.0, 0, 0), (0.0, 0, 1), (0.0, 1, 0), (0.0, 2, 0), (0.0, 3, 0), (0.0, 3, 1)]
    assert [int(row["image"]) for _, row in exactly.worst] == [0, 0, 1, 2, 3, 3]


@pytest.mark.parametrize("text", ["{", "[]", '{"bounds": [0, 9]}', '{"bounds": []}'])
def test_a_broken_run_file_is_named(text, tmp_path) -> None:
    run_job(StubJob(), tmp_path)
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(InputError, match=r"run\.json"):
        run_job(StubJob(), tmp_path)


def test_a_broken_list_of_parts_is_named(tmp_path) -> None:
    run_job(StubJob(), tmp_path)
    content = json.loads((tmp_path / "run.json").read_text())
    (tmp_path / "run.json").write_text(json.dumps({**content, "bounds": [0, 9]}))
    with pytest.raises(InputError, match=r"not that of a run: its parts are \[0, 9\]"):
        run_job(StubJob(), tmp_path)


def test_rows_of_nobody_and_rows_of_others_are_refused(tmp_path) -> None:
    done = run_job(StubJob(), tmp_path)
    path = done.folder.parts[0].path
    rows = rows_in(done.folder)
    rows["image"] += 1
    path.write_bytes(rows.tobytes())
    with pytest.raises(InputError, match=r"000\.rows does not hold the rows of this run"):
        run_job(StubJob(), tmp_path)
    assert path.read_bytes() == rows.tobytes()
    (tmp_path / "run.json").unlink()
    with pytest.raises(InputError, match=r"holds rows of a run and no run\.json"):
        run_job(StubJob(), tmp_path)


def test_a_full_disk_is_named_and_what_is_whole_is_gone_on_with(tmp_path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20 * ROW.itemsize + 7, before[1]))
    try:
        with pytest.raises(OutputError, match=r"writing .*000\.rows failed: File too large"):
            run_job(StubJob(), tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert 0 < run_job(StubJob(), tmp_path).looked_at < 40


def test_two_writers_of_one_part_are_refused(tmp_path) -> None:
    part = run_job(StubJob(), tmp_path).folder.parts[0]
    writer = PartWriter(part)
    with pytest.raises(InputError, match="another evaluation is writing to"):
        run_job(StubJob(), tmp_path)
    writer.close()
    assert run_job(StubJob(), tmp_path).looked_at == 0


@pytest.mark.parametrize(("name", "value"), [("workers", 0), ("limit", 0), ("limit", -3)])
def test_counts_below_one_are_refused(name, value, tmp_path) -> None:
    with pytest.raises(InputError, match=f"{name} is {value}"):
        run_job(StubJob(), tmp_path, **{name: value})


def test_a_dataset_without_images_or_with_fewer_than_it_said_is_refused(tmp_path) -> None:
    with pytest.raises(InputError, match="no images"):
        run_job(StubJob(count=0), tmp_path / "a")

    class Short(StubJob):
        def dataset(self):
            dataset = MemoryDataset(self.count)
            dataset.images = lambda start, step: iter([MemoryDataset(9).image(0)])
            return dataset

    with pytest.raises(InputError, match="ended before image 1"):
        run_job(Short(), tmp_path / "b")


def test_an_image_that_cannot_be_read_counts_as_one_without_answers(tmp_path, caplog) -> None:
    class Broken(StubJob):
        def dataset(self):
            return MemoryDataset(self.count, unreadable=frozenset({4}))

        def panel(self, images):
            return StubPanel(needs_pixels=True)

    done = run_job(Broken(count=12), tmp_path)
    assert "image 4 is broken" in caplog.text
    rows = rows_in(done.folder)
    assert not rows[rows["image"] == 4]["found"].any()
    assert len(np.unique(rows["image"])) == 12


def test_rows_are_read_in_pieces_of_whole_images(tmp_path) -> None:
    part = run_job(StubJob(), tmp_path).folder.parts[0]
    pieces = list(read_rows(part.path, rows=7))
    assert len(pieces) > 5 and all(piece["last"][-1] for piece in pieces)
    assert np.concatenate(pieces).tobytes() == part.path.read_bytes()


# --- rows -------------------------------------------------------------------------------------


def image_of(*hands: LabelledHand, **more) -> LabelledImage:
    return LabelledImage("a.png", lambda: None, CAMERA, hands, **more)


def test_hands_that_were_asked_for_are_not_matched_by_place() -> None:
    joints = hand_joints(2)
    image = image_of(LabelledHand("left", joints[0]), LabelledHand("right", joints[1]))
    far = Guess(joints[0] + 9.0, hand=1)
    rows = rows_of(
        3, image, {"a": [far, Guess(joints[0], keypoints_px=CAMERA.project(joints[0]))]}
    )
    assert rows["hand"].tolist() == [0, 1] and rows["found"].all()
    np.testing.assert_allclose(rows["guess"][1], joints[0] + 9.0)
    assert rows["last"].tolist() == [False, True]


def test_a_guess_without_a_place_in_the_image_is_nobodys() -> None:
    joints = hand_joints(1)[0]
    rows = rows_of(0, image_of(LabelledHand("left", joints)), {"a": [Guess(joints)]})
    assert rows["hand"].tolist() == [0, NO_HAND] and rows["found"].tolist() == [False, True]


def test_what_is_true_of_a_hand_is_in_its_row() -> None:
    joints = hand_joints(1)[0]
    joints[7] = np.nan
    visible = np.arange(21) > 4
    hand = LabelledHand("left", joints, visible=visible, vertices=np.zeros((5, 3)))
    groups = {"b": "2", "a": "x"}
    (row,) = rows_of(8, image_of(hand, groups=groups, sequence="s", frame=4), {"a": []})
    assert row["groups"] == b"a=x,b=2" and (row["sequence"], row["frame"]) == (b"s", 4)
    assert np.isnan(row["true"][7]).all() and row["visible"].tolist() == visible.tolist()
    assert not row["found"] and np.isnan(row["guess"]).all()
    (alone,) = rows_of(8, image_of(LabelledHand(None)), {"a": []})
    assert np.isnan(alone["true"]).all() and alone["true_side"] == -1
    (empty,) = rows_of(8, image_of(), {"a": []})
    assert empty["hand"] == NO_HAND and empty["last"] and not empty["found"]


def test_surfaces_are_scored_where_both_are_there() -> None:
    joints = hand_joints(1)[0]
    hand = LabelledHand("left", joints, vertices=joints + 0.001)
    guess = Guess(joints + 0.01, hand=0, vertices=joints + 0.011)
    (row,) = rows_of(0, image_of(hand), {"a": [guess]})
    assert row["surface"][:, 0] == pytest.approx([np.sqrt(3) * 10.0, 0.0, 0.0], abs=1e-6)
    (bare,) = rows_of(0, image_of(hand), {"a": [Guess(joints, hand=0)]})
    assert np.isnan(bare["surface"]).all()


def test_long_names_stay_apart() -> None:
    names = ["x" * 200 + end for end in "ab"]
    images = [LabelledImage(name, lambda: None, CAMERA, ()) for name in names]
    rows = [rows_of(0, image, {"a": []})[0]["name"] for image in images]
    assert rows[0] != rows[1] and all(len(name) == 128 for name in rows)


def test_guesses_that_are_none_are_refused() -> None:
    joints = hand_joints(1)[0]
    with pytest.raises(InputError, match="side is 'up'"):
        Guess(joints, "up")
    with pytest.raises(ShapeError, match=r"\(20, 3\)"):
        Guess(joints[:20])
    with pytest.raises(InputError, match="not finite"):
        Guess(joints * np.nan)


# --- tallies ----------------------------------------------------------------------------------


def test_a_tally_of_pieces_is_that_of_the_whole_and_of_nothing_is_nothing() -> None:
    errors = np.random.default_rng(0).gamma(3.0, 8.0, (60, 21))
    errors[:7, 3] = np.nan
    whole, pieces = Tally(PROTOCOLS["pa"]), Tally(PROTOCOLS["pa"])
    whole.add(errors)
    for piece in np.array_split(errors, 7):
        pieces.add(piece)
    for name in ("mpjpe", "median", "auc_20_50", "auc_0_50"):
        assert getattr(pieces, name) == pytest.approx(getattr(whole, name), abs=1e-12)
    assert whole.mpjpe == pytest.approx(np.nanmean(errors, axis=0).mean())
    assert whole.median == pytest.approx(np.nanmedian(errors, axis=0).mean(), rel=1e-3)
    nothing = Tally(PROTOCOLS["pa"])
    assert all(np.isnan(x) for x in (nothing.mpjpe, nothing.median, nothing.auc_0_50))
    assert np.isnan(nothing.curve).all() and np.isnan(nothing.per_finger["thumb"])
