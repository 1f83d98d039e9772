"""Laws of scoring recorded hands: association, identities, timing, steadiness."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from recording_samples import FRAME_NS, LATE_NS, hand, recording

from hand_pose_ros.errors import InputError, ShapeError
from hand_pose_ros.evaluation.association import NONE, associate, partners_of, period_ns
from hand_pose_ros.evaluation.hand_matching import Continuity, match_recorded
from hand_pose_ros.evaluation.identity import IdentityCount, Presence
from hand_pose_ros.evaluation.motion import Motion, accelerations, angles_outside
from hand_pose_ros.evaluation.recording import RecordedFrame, RecordedHand, Recording, Times
from hand_pose_ros.evaluation.recording_score import score_recording
from hand_pose_ros.evaluation.timing import time_answers
from hand_pose_ros.evaluation.truth_score import TruthScore
from hand_pose_ros.hand import skeleton

PERIOD_NS = float(FRAME_NS)
STAMPS = st.lists(st.integers(0, 60), max_size=12)


def ns(values):
    return np.array(values, np.int64)


# --- association ------------------------------------------------------------------------------


@given(STAMPS, STAMPS, st.integers(0, 8))
def test_partners_are_mutual_within_reach_and_none_is_left_over(first, second, slop):
    first, second = ns(first), ns(second)
    partners = associate(first, second, slop)
    known = np.flatnonzero(partners != NONE)
    assert len(set(partners[known])) == len(known)
    assert (np.abs(first[known] - second[partners[known]]) <= slop).all()
    free = set(first) - set(first[known])
    rest = set(second) - set(second[partners[known]])
    assert all(abs(int(a) - int(b)) > slop for a in free for b in rest)


@given(STAMPS, STAMPS, st.integers(0, 8))
def test_it_does_not_matter_which_is_first(first, second, slop):
    first, second = ns(first), ns(second)
    there, back = associate(first, second, slop), associate(second, first, slop)
    pairs = {(first[i], second[j]) for i, j in enumerate(there) if j != NONE}
    assert pairs == {(first[j], second[i]) for i, j in enumerate(back) if j != NONE}
    np.testing.assert_array_equal(
        partners_of(there, len(second)) != NONE, np.isin(np.arange(len(second)), there)
    )


def test_the_nearest_is_taken_before_the_first():
    """Golden: 9 is nearer to 10 than 7 is; 7 has only what is left."""
    assert associate(ns([7, 9, 30]), ns([10, 4, 50]), 5).tolist() == [1, 0, NONE]
    assert associate(ns([7, 9, 30]), ns([10, 4, 50]), 0).tolist() == [NONE] * 3
    with pytest.raises(InputError, match="slop is -1e-09 s"):
        associate(ns([1]), ns([1]), -1)


def test_the_period_is_known_though_every_third_image_is_missing():
    stamps = ns([i * FRAME_NS for i in range(30) if i % 3 != 2])
    assert period_ns(stamps) == pytest.approx(FRAME_NS)
    assert period_ns(ns([5])) is None


# --- recordings -------------------------------------------------------------------------------


def test_frames_come_in_order_of_their_stamps_however_recorded():
    mixed = recording(dict.fromkeys((2, 0, 1, 4, 3), ()))
    assert [frame.stamp_ns // FRAME_NS for _, frame in mixed.in_order()] == [0, 1, 2, 3, 4]
    assert [index for index, _ in mixed.in_order()] == [1, 2, 0, 4, 3]


def test_a_recording_that_changes_while_it_is_read_is_an_error():
    times = Times(ns([1, 2]), ns([1, 2]))
    for stamps in ((1, 3), (1,), (1, 2, 3)):
        frames = [RecordedFrame(stamp_ns, ()) for stamp_ns in stamps]
        other = Recording("bag", times, lambda frames=frames: iter(frames))
        with pytest.raises(InputError, match="bag has changed while it was read"):
            list(other.in_order())
    with pytest.raises(InputError, match="a has no answers"):
        score_recording(recording({}))


def test_broken_hands_and_times_are_refused():
    with pytest.raises(InputError, match="side is 'up'"):
        hand(side="up")
    good = hand()
    with pytest.raises(ShapeError, match=r"angles has shape \(3,\), not \(26,\)"):
        RecordedHand("", None, good.keypoints, good.keypoints_px, np.zeros(3))
    with pytest.raises(ShapeError, match=r"stamps have shape \(1,\)"):
        Times(ns([1]), ns([1, 2]))


# --- who is who -------------------------------------------------------------------------------


def test_hands_are_matched_as_seen_however_wrong_their_distance():
    near, far = hand(at=(-0.2, 0.0, 0.5)), hand(at=(0.2, 0.0, 0.5))
    deeper = RecordedHand("x", "left", far.keypoints * 1.4, far.keypoints_px, far.angles)
    assert match_recorded([near, far], [deeper, near]) == [(0, 1), (1, 0)]
    assert match_recorded([near], [deeper]) == []
    assert match_recorded([near], []) == []


def test_continuity_follows_a_hand_and_forgets_it():
    follow = Continuity(PERIOD_NS)
    path = [hand(id=str(i), at=(0.02 * i, 0.0, 0.5)) for i in range(4)]
    assert [follow.add(i * FRAME_NS, [each]) for i, each in enumerate(path)] == [[0]] * 4
    other = hand(at=(-0.4, 0.0, 0.5))
    assert follow.add(4 * FRAME_NS, [other, path[-1]]) == [1, 0]
    assert follow.add(9 * FRAME_NS, [path[-1]]) == [2]


def test_switches_flips_and_transfers_are_counted_apart():
    """Golden: two hands swap their ids, and one has another side for one image."""
    count = IdentityCount()
    for ids, sides in (("01", "lr"), ("10", "lr"), ("10", "rr"), ("10", "lr")):
        for who, (name, side) in enumerate(zip(ids, sides, strict=True)):
            told = {"l": "left", "r": "right"}[side]
            count.add(who, hand(id=name, side=told), who)
    assert (count.id_switches, count.id_transfers, count.side_flips) == (2, 2, 2)
    count.add(0, hand(id="", side=None), 0)
    assert (count.id_switches, count.id_transfers, count.side_flips) == (2, 2, 2)


def test_a_true_hand_that_was_away_may_come_back_under_another_id():
    presence = Presence()
    assert presence.add(0, "7") == presence.add(400_000_000, "7") == ("7", 0)
    assert presence.add(1_000_000_000, "7") == ("7", 1)


@pytest.mark.parametrize("known", [True, False])
def test_an_id_that_changes_is_seen_with_and_without_a_truth(known):
    answers = recording({i: (hand(id="a" if i < 5 else "b"),) for i in range(10)})
    truth = recording({i: (hand(id="t"),) for i in range(10)}) if known else None
    found = score_recording(answers, truth).identities
    assert (found.by, found.id_switches) == ("truth" if known else "continuity", 1)
    assert found.id_switches_per_min == pytest.approx(60.0 / (10 * FRAME_NS * 1e-9))
    assert found.id_transfers == (0 if known else None)


def test_an_id_that_goes_to_another_hand_is_a_transfer():
    left, right = (-0.2, 0.0, 0.5), (0.2, 0.0, 0.5)
    answers = recording({i: (hand("a", at=left if i < 5 else right),) for i in range(10)})
    true = {i: (hand("l", at=left) if i < 5 else hand("r", at=right),) for i in range(10)}
    found = score_recording(answers, recording(true)).identities
    assert (found.id_switches, found.id_transfers) == (0, 1)


def test_with_a_truth_without_ids_hands_are_followed_from_image_to_image():
    answers = recording({i: (hand(id="ab"[i > 5]),) for i in range(10)})
    found = score_recording(answers, recording({i: (hand(id=""),) for i in (0, 9)})).identities
    assert (found.by, found.id_switches, found.id_transfers) == ("continuity", 1, None)


def test_hands_that_are_labelled_now_and_then_are_followed_all_the_same():
    answers = recording({i: (hand(id="ab"[i > 50]),) for i in range(100)})
    truth = recording({i: (hand(id="t"),) for i in range(0, 100, 30)})
    found = score_recording(answers, truth).identities
    assert (found.by, found.id_switches) == ("truth", 1)


# --- numbers ----------------------------------------------------------------------------------


def test_timing_of_a_recording_with_a_hole():
    """Golden: 10 images, 3 answers lost in one hole, one answered twice, one to no image."""
    images = ns(range(10)) * FRAME_NS
    answered = [0, 1, 2, 6, 7, 7, 8, 9, 40]
    stamps = ns(answered) * FRAME_NS
    late = stamps + np.arange(9) * 1_000_000
    timing = time_answers(Times(stamps, late), Times(images, images), 0)
    assert (timing.images, timing.dropped, timing.unasked, timing.repeated) == (10, 3, 1, 1)
    assert (timing.gaps, timing.missing_in_gaps) == (2, 3 + 30)
    assert timing.longest_gap_s == pytest.approx(31 * FRAME_NS * 1e-9)
    assert timing.duration_s == pytest.approx(10 * FRAME_NS * 1e-9)
    assert timing.rate_hz == pytest.approx(7 / (40 * FRAME_NS * 1e-9))
    assert timing.age_ms == pytest.approx({"p50": 4.0, "p95": 7.6, "p99": 7.92, "max": 8.0})
    assert timing.latency_ms is None
    received = images + 500_000
    together = time_answers(Times(stamps, late), Times(images, received), 0, together=True)
    assert together.latency_ms["max"] == pytest.approx(7.0 - 0.5)


def test_one_answer_has_no_rate_and_no_gap():
    timing = time_answers(Times(ns([5]), ns([7])), None, 0)
    assert (timing.duration_s, timing.period_s, timing.rate_hz) == (0.0, None, None)
    assert (timing.gaps, timing.longest_gap_s, timing.dropped) == (0, None, None)
    found = score_recording(recording({3: (hand(),)})).identities
    assert (found.side_flips, found.side_flips_per_min) == (0, None)


@pytest.mark.parametrize("slop_ns", [0, 3_000_000])
def test_a_truth_with_another_clock_needs_a_slop(slop_ns):
    answers = recording({i: (hand(),) for i in range(6)})
    true = recording({i: (hand(),) for i in range(6)})
    shifted = Recording(
        "t",
        Times(true.times.stamps_ns + 2_000_000, true.times.recorded_ns),
        lambda: (RecordedFrame(f.stamp_ns + 2_000_000, f.hands) for f in true.read()),
    )
    scored = score_recording(answers, shifted, slop_ns=slop_ns)
    assert scored.accuracy.frames == (6 if slop_ns else 0)
    assert scored.timing.dropped == (0 if slop_ns else 6)
    told = "not one answer belongs to an image of t"
    assert (told in scored.notes) == (slop_ns == 0)


def test_found_missed_extra_and_hands_without_a_place():
    nowhere = np.full((21, 3), np.nan)
    pixels = np.random.default_rng(0).uniform(0.0, 100.0, (21, 2))
    seen = RecordedHand("0", "right", nowhere, pixels, np.zeros(26))
    true = RecordedHand("1", "right", hand().keypoints, pixels, np.zeros(26))
    away = RecordedHand("2", "left", hand().keypoints, pixels + 1000.0, np.zeros(26))
    score = TruthScore()
    assert score.add((true, away), (seen,)) == [(0, 0)]
    assert score.add((true,), (true, away)) == [(0, 0)]
    assert score.as_dict() == {
        "true_hands": 3,
        "found": 2,
        "wrong_side": 0,
        "hands_without_truth": 1,
        "errors_mm": {
            name: pytest.approx(0.0, abs=1e-9)
            for name in ("root_relative", "scaled", "pa", "absolute")
        },
    }


def test_the_score_pairs_hands_by_place_and_knows_wrong_sides():
    right, left = hand("0", "right", (-0.2, 0.0, 0.5)), hand("1", "left", (0.2, 0.0, 0.5))
    shifted = RecordedHand("7", "right", left.keypoints + (0.01, 0, 0), *arrays(left))
    score = TruthScore()
    score.add((right, left), (shifted,))
    counted = score.as_dict()
    assert (counted["true_hands"], counted["found"], counted["wrong_side"]) == (2, 1, 1)
    assert counted["errors_mm"]["absolute"] == pytest.approx(10.0)
    assert counted["errors_mm"]["root_relative"] == pytest.approx(0.0, abs=1e-9)
    assert TruthScore().as_dict() is None


def arrays(each):
    return each.keypoints_px, each.angles


def test_a_joint_that_the_truth_does_not_know_takes_no_part():
    true = hand().keypoints.copy()
    true[20] = np.nan
    score = TruthScore()
    known = RecordedHand("", "right", true, *arrays(hand()))
    score.add((known,), (hand(at=(0.0, 0.0, 0.51)),))
    assert score.as_dict()["errors_mm"]["absolute"] == pytest.approx(10.0)
    bare = np.full((21, 3), np.nan)
    bare[:2] = true[:2]  # too little to turn it by, no middle finger to scale it by
    score = TruthScore()
    score.add((RecordedHand("", "right", bare, *arrays(hand())),), (hand(),))
    errors = score.as_dict()["errors_mm"]
    assert errors["absolute"] == pytest.approx(0.0)
    assert (errors["pa"], errors["scaled"]) == (None, None)


def test_acceleration_of_a_parabola():
    """Golden: x = t^2 has the acceleration 2 m/s^2, at any spacing of the times."""
    times = np.array([0.0, 0.1, 0.25, 0.3, 0.5])
    points = np.zeros((5, 21, 3))
    points[:, :, 0] = (times**2)[:, None]
    stamps = (times * 1e9).astype(int).tolist()
    np.testing.assert_allclose(accelerations(points, stamps, range(5)), [2000.0] * 3)
    assert accelerations(points, stamps, [0, 1, 2, 9, 10]).tolist() == pytest.approx([2000.0])
    assert accelerations(points[:2], stamps[:2], range(2)).size == 0


def test_jitter_is_the_acceleration_of_joints_about_the_wrist():
    """Golden: the middle finger's tip alone moves by t^2: 2 m/s^2 over 21 joints."""
    motion = Motion(PERIOD_NS)
    for i in range(10):
        points = hand().keypoints + (0.1 * i, 0.0, 0.0)  # a hand that moves as a whole is calm
        points[12, 2] += (i * FRAME_NS * 1e-9) ** 2
        motion.add(i * FRAME_NS, 0, RecordedHand("0", "right", points, *arrays(hand())))
    assert motion.jitter == pytest.approx(2.0 / 21.0)


def test_jitter_is_unknown_where_no_three_images_are_left():
    motion = Motion(PERIOD_NS)
    for i in (0, 1, 3, 4, 6, 7):
        motion.add(i * FRAME_NS, 0, hand(at=(0.0, 0.0, 0.5 + 0.1 * (i % 2))))
    assert motion.jitter is None


def test_bones_that_change_after_the_first_second_are_told():
    """Golden: lengths of 1.1 and 0.9 times the mean by turns: std/mean is 0.1."""
    motion, steady = Motion(PERIOD_NS), Motion(PERIOD_NS)
    for i in range(90):
        factor = 1.0 if i * FRAME_NS < 1_000_000_000 else 1.1 - 0.2 * (i % 2)
        grown = RecordedHand("0", "right", hand().keypoints * factor, *arrays(hand()))
        motion.add(i * FRAME_NS, 0, grown)
        steady.add(i * FRAME_NS, 0, hand(at=(0.01 * i, 0.0, 0.5)))
    assert motion.bone_length_variation == pytest.approx(0.1, abs=1e-3)
    assert steady.bone_length_variation == pytest.approx(0.0, abs=1e-9)
    steady.add(90 * FRAME_NS + 10_000_000_000, 1, hand())
    assert steady.bone_length_variation == pytest.approx(0.0, abs=1e-9)
    assert Motion(PERIOD_NS).bone_length_variation is None


def test_angles_outside_their_limits_are_counted():
    angles = np.zeros(len(skeleton.DOFS))
    inside = angles_outside(angles)
    angles[5], angles[9] = 9.0, np.nan
    assert angles_outside(angles) == inside + 2
    motion = Motion(None)
    unknown = RecordedHand("", None, hand().keypoints, hand().keypoints_px, np.full(26, np.nan))
    motion.add(0, 0, unknown)
    assert motion.angles_outside is None
    motion.add(0, 1, RecordedHand("", None, hand().keypoints, hand().keypoints_px, angles))
    assert motion.angles_outside == inside + 2


def test_frames_of_reference_that_differ_are_told():
    frames = {"a": "left_camera", "b": "right_camera"}
    one, two = (
        Recording(
            name,
            Times(ns([0]), ns([LATE_NS])),
            lambda frame=frame: iter([RecordedFrame(0, (hand(),), frame)]),
        )
        for name, frame in frames.items()
    )
    (note,) = score_recording(one, two).notes
    assert "'left_camera', the truth in 'right_camera'" in note
    assert score_recording(one, one).notes == ()
