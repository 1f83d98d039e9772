"""`hand-pose evaluate` on datasets: tables, files, a page of its own, what is gone on with."""

from __future__ import annotations

import json
import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import ClassVar

import cv2
import numpy as np
import pytest
from dataset_samples import write_freihand, write_rhd, write_stb
from evaluation_samples import CAMERA, hand_joints, wrong_by

from hand_pose_ros.cli.main import main
from hand_pose_ros.data.datasets import open_dataset
from hand_pose_ros.evaluation.metrics import mpjpe_root, pa_mpjpe
from hand_pose_ros.evaluation.protocols import PROTOCOLS
from hand_pose_ros.runtime import panel
from hand_pose_ros.runtime.panel import GIVEN, HandPanel, PanelConfig
from hand_pose_ros.runtime.still import StillDetector

COUNT = 9


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Write a folder dataset of left hands in a sequence, and what two estimators say of it."""
    root = tmp_path / "data"
    (root / "images").mkdir(parents=True)
    true = hand_joints(COUNT)
    images = {}
    for number, joints in enumerate(true):
        name = f"{number}.png"
        cv2.imwrite(str(root / "images" / name), np.full((240, 320, 3), 90 + number, np.uint8))
        images[name] = {"side": "left", "K": CAMERA.K.tolist(), "keypoints": joints.tolist()}
        images[name] |= {"sequence": "one", "index": number}
    (root / "annotations.json").write_text(json.dumps({"images": images}))
    guess = true + np.stack([wrong_by(number, 0) for number in range(COUNT)])
    hands = {
        f"{n}.png": {"keypoints": points.tolist(), "side": "left"}
        for n, points in enumerate(guess)
    }
    (tmp_path / "a.json").write_text(json.dumps({"images": {**hands, "4.png": None}}))
    np.save(tmp_path / "b.npy", guess.astype(np.float64))
    return tmp_path


def guesses() -> tuple[np.ndarray, np.ndarray]:
    true = hand_joints(COUNT)
    return true + np.stack([wrong_by(number, 0) for number in range(COUNT)]), true


def evaluate(folder: Path, *more: str) -> int:
    words = [f"--predictions={name}={folder / name}" for name in ("a.json", "b.npy")]
    return main(["evaluate", str(folder / "data"), *words, *more])


def test_predictions_of_both_kinds_are_scored_and_written(folder, capsys) -> None:
    out = folder / "out"
    assert evaluate(folder, "--out", str(out), "--protocol", "wrist", "pa") == 0
    shown = re.sub(" +", " ", capsys.readouterr().out)
    guess, true = guesses()
    expected = mpjpe_root(guess, true).mean(), pa_mpjpe(guess, true).mean()
    # An array of single hands does not say their side.
    assert f"| b.npy | 9/9 | 0 | - | {expected[0]:.2f} | {expected[1]:.2f} |" in shown
    assert "| a.json | 8/9 | 0 | 100.0% |" in shown
    assert re.search(r"9 images in \d+\.\d s, \d+\.\d a second; peak memory \d+ MB", shown)
    scores = json.loads((out / "scores.json").read_text())
    pa = scores["estimators"]["b.npy"]["protocols"]["pa"]
    assert pa["mpjpe_mm"] == pytest.approx(expected[1], abs=1e-6)
    assert scores["protocols"]["pa"]["source"].startswith("Umeyama")
    assert scores["estimators"]["a.json"]["right_side"] == 1.0
    assert "### wrist" in (out / "scores.md").read_text()


class Links(HTMLParser):
    """Collects what a page would load, and its open elements."""

    def __init__(self) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        for name, value in attrs:
            if name in ("src", "href", "xlink:href") and value and not value.startswith("#"):
                self.loaded.append(value)


def test_the_page_needs_nothing_else(folder) -> None:
    assert evaluate(folder, "--out", str(folder / "out")) == 0
    page = (folder / "out" / "report.html").read_text()
    links = Links()
    links.feed(page)
    assert "script" not in links.tags and "link" not in links.tags
    assert {link.split(",")[0] for link in links.loaded} == {"data:image/jpeg;base64"}
    assert len(links.loaded) == 2 * (6 + 6)  # two estimators, the best and the worst of each
    assert page.count("<svg") == 4 + 2 + 1  # curves, joints, fingers, one sequence
    assert "url(http" not in page and "@import" not in page
    for text in ("worst 1: ", "one, hand 0", "best similarity (Procrustes) alignment", "b.npy"):
        assert text in page


def test_a_second_call_looks_at_nothing_again_and_may_ask_for_other_protocols(
    folder, capsys
) -> None:
    out = str(folder / "out")
    assert evaluate(folder, "--out", out) == 0
    assert evaluate(folder, "--out", out, "--protocol", "middle-mcp", "--workers", "2") == 0
    shown = capsys.readouterr().out
    assert "0 images in" in shown and "9 were there before" in shown
    assert "### middle-mcp" in shown


def test_other_settings_in_the_same_folder_are_refused(folder, capsys) -> None:
    out = str(folder / "out")
    assert evaluate(folder, "--out", out) == 0
    assert evaluate(folder, "--out", out, "--limit", "3") == 2
    assert "holds a run with images 9, this one has 3" in capsys.readouterr().err
    (folder / "a.json").write_text((folder / "a.json").read_text() + "\n")
    assert evaluate(folder, "--out", out) == 2
    assert "holds a run with predictions" in capsys.readouterr().err


def test_processes_make_the_same_scores(folder) -> None:
    for name, more in (("one", ()), ("two", ("--workers", "2"))):
        assert evaluate(folder, "--out", str(folder / name), *more) == 0
    one, two = (json.loads((folder / name / "scores.json").read_text()) for name in ("one", "two"))
    # Sums of other pieces differ in their last digits.
    assert rounded(one["estimators"]) == rounded(two["estimators"])


def rounded(content):
    if isinstance(content, dict):
        return {name: rounded(value) for name, value in content.items()}
    if isinstance(content, list):
        return [rounded(value) for value in content]
    return round(content, 9) if isinstance(content, float) else content


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--protocol", "root"], "protocol is 'root'; it must be one of pa, wrist-scaled"),
        (["--predictions", "x.json"], "--predictions is 'x.json'; it must be NAME=FILE"),
        (["--predictions", "x=none.json"], "there is no such file"),
        (["--predictions", "a.json=b.npy"], "each needs a name of its own"),
        (["--given", "all"], "given is 'all'; it must be one of labelled, box, nothing"),
        (["--workers", "0"], "workers is 0"),
        (["--model", "none"], "none"),
        (["--split", "test"], "split is 'test'; folder has all"),
        (["--rate", "0"], "frame rate is 0.0 Hz"),
        (["--truth", "x.mcap"], "--truth needs --format bag"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(words, message, folder, capsys) -> None:
    assert evaluate(folder, *words) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("c.json", "[]", "must be an object"),
        ("c.json", '{"images": []}', 'must be an object with "images"'),
        ("c.json", '{"images": {}}', "images['0.png'] is missing"),
        ("c.json", '{"images": {"0.png": 3}}', "images['0.png'] is 3"),
        ("c.json", '{"images": {"0.png": {"keypoints": "x"}}}', "are no numbers"),
        ("c.json", '{"images": {"0.png": {"keypoints": [[1, 2]]}}}', "have shape (1, 2)"),
        ("c.npy", "text", "is no array"),
        ("c.txt", "", "must be a .json or a .npy file"),
    ],
)
def test_predictions_that_are_none_are_named(name, content, message, folder, capsys) -> None:
    (folder / name).write_text(content)
    words = ["evaluate", str(folder / "data"), "--predictions", f"c={folder / name}"]
    assert main(words) == 2
    error = capsys.readouterr().err
    assert message in error and name in error


@pytest.mark.parametrize(
    ("joint", "value", "message"),
    [
        (slice(None), 0.0, "its thumb_cmc lies on its wrist; where there is no hand, say so"),
        (10, None, "its middle_pip lies on its middle_mcp"),
        (3, np.nan, "keypoints have a value that is not finite"),
        (3, np.inf, "keypoints have a value that is not finite"),
    ],
)
def test_a_hand_in_an_array_that_is_none_is_named(joint, value, message, folder, capsys) -> None:
    guess, _ = guesses()
    guess[4, joint] = guess[4, 9] if value is None else value
    np.save(folder / "c.npy", guess)
    words = ["evaluate", str(folder / "data"), "--predictions", f"c={folder / 'c.npy'}"]
    assert main(words) == 2
    assert f"c.npy: [4], '4.png': {message}" in capsys.readouterr().err


def test_a_true_hand_without_a_size_is_named_with_its_image(folder, capsys) -> None:
    path = folder / "data" / "annotations.json"
    labels = json.loads(path.read_text())
    labels["images"]["3.png"]["keypoints"][10] = labels["images"]["3.png"]["keypoints"][9]
    path.write_text(json.dumps(labels))
    assert evaluate(folder, "--protocol", "palm-scaled") == 2
    error = capsys.readouterr().err
    assert "3.png cannot be scored under palm-scaled: true hand () has its middle_pip" in error
    assert evaluate(folder, "--protocol", "pa") == 0


def test_a_dataset_without_joints_is_refused(folder, capsys) -> None:
    path = folder / "data" / "annotations.json"
    labels = json.loads(path.read_text())
    for label in labels["images"].values():
        del label["keypoints"]
    path.write_text(json.dumps(labels))
    assert evaluate(folder, "--out", str(folder / "out")) == 2
    assert "data has no hand of which a joint is known: nothing is scored" in (
        capsys.readouterr().err
    )


def test_a_rate_that_is_none_is_refused_before_anything_is_looked_at(folder) -> None:
    assert evaluate(folder, "--rate", "-1", "--out", str(folder / "out")) == 2
    assert not (folder / "out").exists()


def test_minutes_are_those_of_the_recording_also_where_images_are_left_out(folder) -> None:
    """Sides of two of three images: of nine at 9 Hz the three looked at stand for one second."""
    sides = ["left", "left", "left", "right", "left", "left", "left", "left", "left"]
    content = json.loads((folder / "a.json").read_text())
    for (name, said), side in zip(content["images"].items(), sides, strict=True):
        content["images"][name] = {**said, "side": side} if said else None
    (folder / "a.json").write_text(json.dumps(content))
    out = folder / "out"
    assert evaluate(folder, "--rate", "9", "--limit", "3", "--out", str(out)) == 0
    said = json.loads((out / "scores.json").read_text())["estimators"]
    # Left in image 0, right in 3, left in 6: two flips in a second.
    assert said["a.json"]["side_flips_per_min"] == pytest.approx(120.0)
    assert said["b.npy"]["side_flips"] is None is said["b.npy"]["side_flips_per_min"]
    assert re.search(r"b\.npy +\| +3 \| +- \| +- \| +- \|", (out / "scores.md").read_text())


def test_scores_of_bags_are_not_written_over(folder, capsys) -> None:
    out = folder / "out"
    out.mkdir()
    (out / "scores.json").write_text("{}")
    assert evaluate(folder, "--out", str(out)) == 2
    assert "out holds the evaluation of bags; name another folder" in capsys.readouterr().err
    assert [path.name for path in out.iterdir()] == ["scores.json"]


def test_scores_and_tables_are_there_where_the_page_cannot_be_made(folder, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "jinja2", None)
    assert evaluate(folder, "--out", str(folder / "out")) == 1
    assert (folder / "out" / "scores.json").is_file() and (folder / "out" / "scores.md").is_file()


@pytest.mark.parametrize("shape", [(8, 21, 3), (9, 20, 3), (9, 3, 21, 3)])
def test_arrays_of_another_shape_are_refused(shape, folder, capsys) -> None:
    np.save(folder / "c.npy", np.zeros(shape))
    words = ["evaluate", str(folder / "data"), "--predictions", f"c={folder / 'c.npy'}"]
    assert main(words) == 2
    assert "it must be floats (9, 21, 3) or (9, 2, 21, 3)" in capsys.readouterr().err


def test_of_an_array_of_two_hands_the_one_of_the_side_counts(folder) -> None:
    guess, true = guesses()
    both = np.stack((guess, np.full_like(guess, np.nan)), axis=1)
    both[3:, 1] = guess[3:] + 0.3
    np.save(folder / "c.npy", both)
    out = folder / "out"
    words = ["--predictions", f"c={folder / 'c.npy'}", "--out", str(out), "--protocol", "wrist"]
    assert main(["evaluate", str(folder / "data"), *words]) == 0
    scored = json.loads((out / "scores.json").read_text())["estimators"]["c"]
    assert (scored["found"], scored["extra"]) == (9, 6)
    expected = mpjpe_root(guess, true).mean()
    assert scored["protocols"]["wrist"]["mpjpe_mm"] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("format", "write", "blind", "paper"),
    [
        ("rhd", write_rhd, "palm-scaled", "| Gao et al. (a) | 17.40 |"),
        ("stb", write_stb, "stb-palm-scaled", "| Stergioulas et al. (b) | 6.71 | - | 0.997 |"),
        ("freihand", write_freihand, "pa", "| MeshGraphormer (a) | 5.90 |"),
    ],
)
def test_official_files_under_their_protocol_beside_their_papers(
    format, write, blind, paper, tmp_path, capsys
) -> None:
    """Hands at 1.2 times their size, moved by 3 cm: no error where size and place are aligned."""
    root = tmp_path / format
    root.mkdir()
    write(root)
    images = list(open_dataset(root, format).images())
    guess = np.stack([1.2 * image.hands[0].keypoints + 0.03 for image in images])
    np.save(tmp_path / "big.npy", guess)
    out = tmp_path / "out"
    words = ["--predictions", f"big={tmp_path / 'big.npy'}", "--out", str(out)]
    assert main(["evaluate", str(root), "--format", format, *words]) == 0
    assert paper in re.sub(" +", " ", capsys.readouterr().out)
    assert paper in re.sub(" +", " ", (out / "scores.md").read_text())
    scored = json.loads((out / "scores.json").read_text())["estimators"]["big"]["protocols"]
    assert scored[blind]["mpjpe_mm"] == pytest.approx(0.0, abs=1e-6)
    assert scored[blind]["auc_20_50"] == pytest.approx(1.0)
    assert scored["wrist"]["mpjpe_mm"] > 5.0
    assert "MeshGraphormer" in (out / "report.html").read_text() or format != "freihand"


# --- the panel of our models and the peer -----------------------------------------------------


class Told(StillDetector):
    """Stands in for the detector and notes what it is told."""

    calls: ClassVar[list[tuple]]

    def __init__(self, hands, views, *, detector, engine, corrected) -> None:
        self.kind = (hands, views, detector)
        assert corrected == (detector == "own")  # the peer's landmarks stay as they are

    def detect_one(self, image_rgb, box, side):
        Told.calls.append((*self.kind, box, side))

    def detect(self, image_rgb):
        Told.calls.append(self.kind)
        return []


@pytest.mark.parametrize(
    ("given", "boxes", "expected"),
    [
        ("labelled", [None], [(1, 4, "own", None, "left")]),
        ("labelled", [(1.0, 2.0, 3.0, 4.0)], [(1, 4, "own", (1.0, 2.0, 3.0, 4.0), "left")]),
        ("labelled", ["derived"], [(1, 4, "own", None, "left")]),
        ("box", ["derived"], [(1, 4, "own", (5.0, 6.0, 7.0, 8.0), "left")]),
        ("nothing", [(1.0, 2.0, 3.0, 4.0)], [(2, 4, "own")]),
        ("labelled", ["derived", "derived"], [(2, 4, "own")]),
        ("labelled", [], [(2, 4, "own")]),
        (
            "box",
            ["derived", (1.0, 2.0, 3.0, 4.0)],
            [
                (1, 4, "own", (5.0, 6.0, 7.0, 8.0), "left"),
                (1, 4, "own", (1.0, 2.0, 3.0, 4.0), "left"),
            ],
        ),
    ],
)
def test_estimators_are_told_what_was_asked_for(given, boxes, expected, monkeypatch) -> None:
    from hand_pose_ros.data.sample import LabelledHand, LabelledImage

    Told.calls = []
    monkeypatch.setattr(panel, "StillDetector", Told)
    monkeypatch.setattr(panel, "warm_up", lambda detector: None)
    monkeypatch.setattr(panel, "still_lift", lambda name, engine: None)
    joints = hand_joints(1)[0]
    hands = tuple(
        LabelledHand("left", joints, box=(5.0, 6.0, 7.0, 8.0), box_labelled=False)
        if box == "derived"
        else LabelledHand("left", joints, box=box)
        for box in boxes
    )
    image = LabelledImage("a", lambda: None, CAMERA, hands)
    config = PanelConfig(("keypoints",), True, "own", views=4, given=given)
    answers = HandPanel(config)(0, image, np.zeros((240, 320, 3), np.uint8))
    assert answers == {"keypoints": [], "mediapipe": []}
    assert Told.calls[: len(expected)] == expected
    # The peer looks once, with its own networks, and is told the same.
    assert Told.calls[len(expected) :] == [(c[0], 0, "mediapipe", *c[3:]) for c in expected]


def test_everything_that_can_be_given_is_explained(capsys) -> None:
    assert all(GIVEN.values()) and set(GIVEN) == {"labelled", "box", "nothing"}
    with pytest.raises(SystemExit):
        main(["evaluate", "--help"])
    said = "".join(capsys.readouterr().out.split())
    assert f"{','.join(PROTOCOLS)};" in said
