"""The frame buffer and the refiner: slots of time, masks, engines, and the estimator with them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from runtime_stubs import CAMERA, FRAME_NS, IMAGE, ExactLift, ScriptedDetector, true_hand

from hand_pose_ros.errors import ConfigError, InputError
from hand_pose_ros.models.temporal import TemporalConfig, TemporalTransformer
from hand_pose_ros.runtime.config import EstimatorConfig, SmoothingConfig, WindowConfig
from hand_pose_ros.runtime.engine import ENGINES
from hand_pose_ros.runtime.estimator import Estimator
from hand_pose_ros.runtime.look import view_of
from hand_pose_ros.runtime.temporal import FrameBuffer, TemporalRefiner, make_refiner
from hand_pose_ros.runtime.weights import load_temporal, load_temporal_weights

TINY = TemporalConfig(width=16, heads=2, layers=1, feedforward=16, window=9)
SLOT_NS = 1e9 / 30.0
VIEW = np.array((0.0, 0.0, 1.0))


def network():
    torch.manual_seed(0)
    transformer = TemporalTransformer(TINY)
    torch.nn.init.normal_(transformer.correction.weight, std=0.1)
    return transformer


def refiner_of(mode="causal", window=5, engine="eager"):
    return TemporalRefiner(network(), WindowConfig(mode, window), engine)


def lifted(number):
    """Return one of several hands."""
    return true_hand(flexion=0.1 + 0.05 * number, turn=(1.4 + 0.02 * number, 0.3, 0.2)).lifted


def buffer_of(stamps_ns, side="right"):
    buffer = FrameBuffer()
    for number, stamp_ns in enumerate(stamps_ns):
        buffer.push(int(stamp_ns), lifted(number), VIEW, side)
    return buffer


def seen_of(slots):
    return slots.arrays[-1].astype(int).tolist()


def test_frames_lie_in_the_slots_of_their_stamps():
    stamps = [round(slot * SLOT_NS) for slot in (0, 1, 3, 4)]
    slots = buffer_of(stamps).around(stamps[-1], 4, 0, SLOT_NS)
    assert (seen_of(slots), slots.index) == ([1, 1, 0, 1, 1], 4)
    np.testing.assert_allclose(slots.arrays[-2], [0, 1, 2, 3, 4], atol=1e-6)
    np.testing.assert_allclose(slots.arrays[1][3], lifted(2).articulation, atol=1e-6)
    assert not slots.arrays[1][2].any()


def test_the_first_seen_frame_stands_first():
    """A hand that has just come fills the window from its start, as in training."""
    stamps = [round(slot * SLOT_NS) for slot in (10, 11)]
    slots = buffer_of(stamps).around(stamps[-1], 4, 0, SLOT_NS)
    assert (seen_of(slots), slots.index) == ([1, 1, 0, 0, 0], 1)


def test_frames_beside_their_slot_say_so():
    stamps = [0, round(1.3 * SLOT_NS), round(2.0 * SLOT_NS)]
    slots = buffer_of(stamps).around(stamps[-1], 4, 0, SLOT_NS)
    np.testing.assert_allclose(slots.arrays[-2][:3], [0.0, 1.3, 2.0], atol=1e-6)


@pytest.mark.parametrize(
    ("rate_hz", "expected"), [(60.0, [1, 1, 1, 1, 1]), (15.0, [1, 0, 1, 0, 1])]
)
def test_other_rates_fill_all_slots_or_some(rate_hz, expected):
    stamps = [round(i * 1e9 / rate_hz) for i in range(20)]
    assert seen_of(buffer_of(stamps).around(stamps[-1], 4, 0, SLOT_NS)) == expected


def test_of_two_frames_in_a_slot_the_nearer_counts():
    stamps = [0, round(0.6 * SLOT_NS), round(1.05 * SLOT_NS), round(2.0 * SLOT_NS)]
    slots = buffer_of(stamps).around(stamps[-1], 2, 0, SLOT_NS)
    np.testing.assert_allclose(slots.arrays[1][1], lifted(2).articulation, atol=1e-6)


def test_centred_slots_reach_both_ways_and_old_frames_go():
    stamps = [round(slot * SLOT_NS) for slot in range(12)]
    buffer = buffer_of(stamps)
    slots = buffer.around(stamps[6], 2, 2, SLOT_NS)
    assert (seen_of(slots), slots.index) == ([1] * 5, 2)
    np.testing.assert_allclose(slots.arrays[1][2], lifted(6).articulation, atol=1e-6)
    assert len(buffer._frames) == 9
    with pytest.raises(InputError, match=f"no frame of stamp_ns {stamps[0]}"):
        buffer.around(stamps[0], 2, 2, SLOT_NS)


def test_a_hand_that_changes_its_side_is_seen_beside_frames_of_its_side():
    stamps = [round(slot * SLOT_NS) for slot in range(4)]
    buffer = buffer_of(stamps[:2])
    buffer.push(stamps[2], lifted(2), VIEW, "left")
    buffer.push(stamps[3], lifted(3), VIEW, "left")
    assert sum(seen_of(buffer.around(stamps[1], 2, 2, SLOT_NS))) == 2
    assert sum(seen_of(buffer.around(stamps[3], 4, 0, SLOT_NS))) == 2


def test_stamps_do_not_fall():
    with pytest.raises(InputError, match="it must not be before 5"):
        buffer_of([5, 4])


def test_of_two_frames_of_one_time_the_second_counts():
    slots = buffer_of([0, 0]).around(0, 2, 0, SLOT_NS)
    assert sum(seen_of(slots)) == 1
    np.testing.assert_allclose(slots.arrays[1][0], lifted(1).articulation, atol=1e-6)


@pytest.mark.parametrize("mode", ["causal", "centred"])
@pytest.mark.parametrize("engine", [name for name in ENGINES if name != "eager"])
def test_all_engines_give_the_same_hands(engine, mode):
    if ENGINES[engine].missing:
        pytest.skip(f"{engine} is not installed")
    stamps = [round(slot * SLOT_NS) for slot in (0, 1, 2, 4, 5)]
    answers = [
        refiner_of(mode, engine=name)([buffer_of(stamps), buffer_of(stamps[2:])], stamps[3])
        for name in ("eager", engine)
    ]
    for one, other in zip(*answers, strict=True):
        for name in ("root_rotation", "articulation", "offsets"):
            np.testing.assert_allclose(getattr(one, name), getattr(other, name), atol=1e-5)


def test_later_frames_count_for_the_centred_variant_only():
    stamps = [round(slot * SLOT_NS) for slot in range(6)]
    for mode, same in (("causal", True), ("centred", False)):
        refiner = refiner_of(mode)
        early = refiner([buffer_of(stamps[:4])], stamps[3])[0]
        late = refiner([buffer_of(stamps)], stamps[3])[0]
        assert np.array_equal(early.articulation, late.articulation) == same


def test_lengths_and_spread_stay_those_of_the_frame():
    stamps = [0, round(SLOT_NS)]
    (hand,) = refiner_of()([buffer_of(stamps)], stamps[-1])
    np.testing.assert_array_equal(hand.ratios, lifted(1).ratios)
    np.testing.assert_array_equal(hand.std, lifted(1).std)
    assert refiner_of()([], 0) == []


@pytest.mark.parametrize(("mode", "window"), [("none", 5), ("causal", 10), ("centred", 2)])
def test_a_refiner_that_cannot_run_is_refused(mode, window):
    with pytest.raises(ConfigError, match=f"window is {window}"):
        refiner_of(mode, window)


@pytest.mark.parametrize(
    ("values", "message"),
    [({"mode": "both"}, "one of none, causal, centred"), ({"window": 1}, "2..")],
)
def test_settings_out_of_range_are_refused(values, message):
    with pytest.raises(ConfigError, match=message):
        WindowConfig(**values)


def test_a_left_hand_is_seen_in_a_mirror():
    left, right = true_hand("left", place=(-0.1, 0.02, 0.5)), true_hand(place=(0.1, 0.02, 0.5))
    np.testing.assert_allclose(
        view_of(left.detection, CAMERA), view_of(right.detection, CAMERA), atol=1e-3
    )
    assert view_of(right.detection, CAMERA)[0] > 0.1


HAND = true_hand()


def estimator_of(mode, window=5, script=None, smoothing=False):
    config = EstimatorConfig(
        temporal=WindowConfig(mode, window), smoothing=SmoothingConfig(enabled=smoothing)
    )
    detector = ScriptedDetector(script or [[HAND.detection]])
    return Estimator(config, detector, ExactLift(HAND), refiner_of(mode, window))


def test_a_causal_estimator_answers_every_image_at_once():
    estimator = estimator_of("causal")
    frames = [estimator.estimate(IMAGE, CAMERA, i * FRAME_NS) for i in range(6)]
    assert [frame.stamp_ns for frame in frames] == [i * FRAME_NS for i in range(6)]
    assert all(len(frame.hands) == 1 for frame in frames)
    lengths = np.stack([frame.hands[0].bone_lengths for frame in frames])
    np.testing.assert_allclose(lengths, lengths[:1].repeat(6, axis=0))


def test_a_centred_estimator_answers_late_with_the_stamps_of_the_images():
    estimator = estimator_of("centred")
    ready, waiting = [], []
    for i in range(6):
        waiting.append(estimator.see(IMAGE, CAMERA, i * FRAME_NS))
        while waiting and estimator.is_ready(waiting[0]):
            ready.append((i, estimator.place(waiting.pop(0))))
    assert [(i, frame.stamp_ns) for i, frame in ready] == [
        (i, (i - 3) * FRAME_NS) for i in range(3, 6)
    ]
    late = [estimator.place(seen).stamp_ns for seen in waiting]
    assert late == [3 * FRAME_NS, 4 * FRAME_NS, 5 * FRAME_NS]


def test_a_centred_estimator_cannot_answer_at_once():
    with pytest.raises(ConfigError, match="waits for later images"):
        estimator_of("centred").estimate(IMAGE, CAMERA, 0)


def test_a_jump_in_time_begins_anew_and_leaves_nobody_waiting():
    estimator = estimator_of("centred")
    seen = estimator.see(IMAGE, CAMERA, 10 * FRAME_NS)
    assert not estimator.is_ready(seen)
    estimator.see(IMAGE, CAMERA, 0)
    assert estimator.is_ready(seen)
    assert estimator.place(seen).stamp_ns == 10 * FRAME_NS


def test_a_new_hand_begins_with_an_empty_buffer():
    gone = [[HAND.detection]] * 3 + [[]] * 40 + [[HAND.detection]]
    estimator = estimator_of("causal", script=gone)
    for i in range(43):
        estimator.estimate(IMAGE, CAMERA, i * FRAME_NS)
    again = estimator.see(IMAGE, CAMERA, 43 * FRAME_NS)
    assert [len(state.frames._frames) for state in again.states] == [1]
    assert again.tracked[0].id == "1"


def test_a_hand_unseen_for_some_images_leaves_masked_slots():
    script = [[HAND.detection]] * 3 + [[]] * 2 + [[HAND.detection]]
    estimator = estimator_of("causal", window=9, script=script)
    for i in range(5):
        estimator.estimate(IMAGE, CAMERA, i * FRAME_NS)
    seen = estimator.see(IMAGE, CAMERA, 5 * FRAME_NS)
    slots = seen.states[0].frames.around(5 * FRAME_NS, 8, 0, SLOT_NS)
    assert seen_of(slots) == [1, 1, 1, 0, 0, 1, 0, 0, 0]


def test_the_mode_cannot_change_while_it_runs():
    estimator = estimator_of("causal")
    with pytest.raises(ConfigError, match="transformer cannot change"):
        estimator.configure(replace(estimator.config, temporal=WindowConfig("none")))


def test_weights_of_another_kind_are_refused(tmp_path):
    from safetensors.torch import save_file

    save_file({"x": torch.zeros(1)}, tmp_path / "x.safetensors", metadata={"model": "keypoints"})
    with pytest.raises(InputError, match="is not a temporal transformer"):
        load_temporal_weights(tmp_path / "x.safetensors")


def test_off_needs_no_network():
    assert make_refiner(WindowConfig("none")) is None


def test_the_shipped_transformer_calms_a_hand_that_shakes():
    transformer = load_temporal()
    assert transformer.config == TemporalConfig()
    refiner = TemporalRefiner(transformer, WindowConfig("causal"))
    shaken = np.random.default_rng(0).normal(scale=0.05, size=(20, 23))
    buffer, hand, calm = FrameBuffer(), lifted(0), []
    for slot, error in enumerate(shaken):
        stamp_ns = round(slot * SLOT_NS)
        moved = replace(hand, articulation=hand.articulation + error)
        buffer.push(stamp_ns, moved, VIEW, "right")
        calm.append(refiner([buffer], stamp_ns)[0].articulation)
    assert np.diff(calm[8:], axis=0).std() < 0.4 * np.diff(shaken[8:], axis=0).std()
