"""Rows of hands and what they add up to: matching, what is kept of a hand, tallies, steps."""

from __future__ import annotations

import numpy as np
import pytest
from evaluation_samples import CAMERA, hand_joints

from hand_pose_ros.data.sample import LabelledHand, LabelledImage
from hand_pose_ros.errors import InputError, ShapeError
from hand_pose_ros.evaluation.protocols import PROTOCOLS
from hand_pose_ros.evaluation.rows import NO_HAND, Guess, rows_of
from hand_pose_ros.evaluation.steps import StepTally
from hand_pose_ros.evaluation.tally import Tally


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
