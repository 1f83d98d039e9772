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
    MemoryDataset,
    SlowJob,
    StubJob,
    StubPanel,
    wrong_by,
)

from hand_pose_ros.errors import InputError, OutputError
from hand_pose_ros.evaluation.metrics import (
    acceleration_error,
    joint_errors,
    mpjpe_root,
    pa_mpjpe,
    pck_auc,
    root_place_error,
)
from hand_pose_ros.evaluation.protocols import protocols_of
from hand_pose_ros.evaluation.results import PartWriter, RunFolder, read_rows
from hand_pose_ros.evaluation.rows import ROW, Guess, rows_of
from hand_pose_ros.evaluation.run import run_job
from hand_pose_ros.evaluation.summary import KEPT, summarize


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
