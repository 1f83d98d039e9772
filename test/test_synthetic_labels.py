"""Labels of rendered samples: as JSON and back, and their checksum."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import numpy as np
import pytest
import torch
from test_data_shards import CAMERA, synth_hand, synth_sample

from hand_pose_ros.data.synthetic.output.labels import (
    DIGITS,
    labels_checksum,
    sample_as_dict,
    sample_from_dict,
    surface_as_array,
)
from hand_pose_ros.data.synthetic.sample import SynthSample
from hand_pose_ros.errors import InputError
from hand_pose_ros.hand import skeleton
from hand_pose_ros.hand.camera import Camera
from hand_pose_ros.hand.kinematics import HandParameters, forward_kinematics, mirror
from hand_pose_ros.hand.rotations import matrix_from_euler

BOTH = ("left", "right")


# --- labels -----------------------------------------------------------------------------------


def parsed(sample: SynthSample) -> dict[str, Any]:
    return json.loads(json.dumps(sample_as_dict(sample), allow_nan=False))


def back(sample: SynthSample, label: dict[str, Any], surface: Any = None) -> SynthSample:
    return sample_from_dict(label, sample.image_rgb, sample.mask, sample.depth, surface)


def test_labels_come_back_to_their_digits() -> None:
    sample = synth_sample(5, BOTH, sequence=2, time=1.0 / 3.0)
    read = back(sample, parsed(sample))
    assert (read.index, read.sequence, read.name) == (5, 2, sample.name)
    assert read.time == pytest.approx(sample.time, abs=1e-9)
    np.testing.assert_array_equal(read.camera.K, CAMERA.K)
    for name in ("width", "height", "distortion", "distortion_model", "assumed"):
        assert getattr(read.camera, name) == getattr(CAMERA, name)
    assert len(read.hands) == 2
    for came, went in zip(read.hands, sample.hands, strict=True):
        assert (came.side, came.identity) == (went.side, went.identity)
        np.testing.assert_array_equal(came.visible, went.visible)
        assert came.visible.dtype == bool
        for name, digits in DIGITS.items():
            error = np.abs(getattr(came, name) - getattr(went, name)).max()
            assert error <= 0.5001 * 10.0**-digits, name


def test_labels_that_went_once_stay_the_same() -> None:
    sample = synth_sample(5, BOTH)
    assert parsed(back(sample, parsed(sample))) == parsed(sample)


@pytest.mark.parametrize("side", BOTH)
def test_fk_of_stored_angles_gives_the_stored_joints(side: str) -> None:
    worst = 0.0
    for seed in range(20):
        sample = synth_sample(0, hands=(synth_hand(seed, side),))
        (hand,) = back(sample, parsed(sample)).hands
        angles, bones, offsets = (
            torch.from_numpy(each) for each in (hand.angles, hand.bone_lengths, hand.offsets)
        )
        parameters = HandParameters(
            matrix_from_euler(angles[: skeleton.WRIST_DOFS]),
            angles[skeleton.WRIST_DOFS :],
            bones,
            offsets,
        )
        points = forward_kinematics(parameters).positions
        points = mirror(points) if side == "left" else points
        placed = points.numpy() + hand.T_cam_wrist[:3, 3]
        worst = max(worst, float(np.abs(placed - hand.keypoints).max()))
    assert worst < 1e-6  # a hundredth of a millimetre is promised


def test_a_joint_without_a_pixel_is_null() -> None:
    hand = synth_hand(1)
    hand.keypoints_px[3] = np.nan
    sample = synth_sample(0, hands=(hand,))
    label = parsed(sample)
    assert label["hands"][0]["keypoints_px"][3] == [None, None]
    read = back(sample, label).hands[0].keypoints_px
    np.testing.assert_array_equal(np.isnan(read[:, 0]), np.arange(21) == 3)


@pytest.mark.parametrize("field", sorted({*DIGITS} - {"keypoints_px"}))
def test_what_is_not_finite_is_named(field: str) -> None:
    hand = synth_hand(1)
    getattr(hand, field).flat[0] = np.inf
    with pytest.raises(InputError, match=rf"hands\[0\]\.{field} has values that are not finite"):
        sample_as_dict(synth_sample(0, hands=(hand,)))


def test_a_side_that_no_hand_has_is_named() -> None:
    with pytest.raises(InputError, match=r"hands\[0\]\.side is 'upper'.*left"):
        sample_as_dict(synth_sample(0, hands=(synth_hand(1, "upper"),)))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda label: label.pop("camera"), "label has no 'camera'"),
        (lambda label: label.update(camera=3), "label.camera is int; it must be an object"),
        (lambda label: label["camera"].pop("K"), "label.camera has no 'K'"),
        (lambda label: label["camera"].update(K=[[1.0]]), "label.camera: K has shape"),
        (lambda label: label["camera"].update(distortion="x"), "camera.distortion is not an arr"),
        (lambda label: label["camera"].update(distortion_model="x"), "distortion_model is 'x'"),
        (lambda label: label.update(index="1"), "label.index is '1'; it must be a whole"),
        (lambda label: label.update(sequence=True), "label.sequence is True; it must be a whole"),
        (lambda label: label.update(time="late"), "label.time is not an array of numbers"),
        (lambda label: label.update(hands={}), "label.hands is dict; it must be a list"),
        (lambda label: label.update(hands=[3]), r"label.hands\[0\] is int"),
        (lambda label: label["hands"][0].update(side=1), r"hands\[0\].side is 1"),
        (lambda label: label["hands"][0].pop("visible"), r"hands\[0\] has no 'visible'"),
        (lambda label: label["hands"][0].update(box=[1]), r"box has shape \(1,\)"),
        (lambda label: label["hands"][0].update(angles=[[1], 2]), r"hands\[0\].angles is not an"),
    ],
)
def test_a_broken_label_is_named(change: Any, said: str) -> None:
    sample = synth_sample(0)
    label = parsed(sample)
    change(label)
    with pytest.raises(InputError, match=said):
        back(sample, label)


def test_surfaces_come_back_within_a_tenth_of_a_millimetre() -> None:
    sample = synth_sample(3, BOTH)
    surface = surface_as_array(sample)
    assert (surface.dtype, surface.shape) == (np.float16, (2, 30, 3))
    for came, went in zip(back(sample, parsed(sample), surface).hands, sample.hands, strict=True):
        assert came.vertices.dtype == np.float32
        assert np.abs(came.vertices - went.vertices).max() < 1e-4


def test_surfaces_of_different_sizes_are_named() -> None:
    hands = (synth_hand(0, vertices=30), synth_hand(1, vertices=31))
    with pytest.raises(InputError, match=r"\[30, 31\] vertices"):
        surface_as_array(synth_sample(0, hands=hands))


# --- checksum ---------------------------------------------------------------------------------


def nudged(value: Any, by: float) -> Any:
    if isinstance(value, dict):
        return {key: nudged(each, by) for key, each in value.items()}
    if isinstance(value, list):
        return [nudged(each, by) for each in value]
    return value * (1.0 + by) if isinstance(value, float) else value


@pytest.mark.parametrize("by", [1e-13, -1e-13])
def test_the_checksum_does_not_see_last_digits(by: float) -> None:
    """No stored value is a tie: among these some thousand values several would be."""
    labels = [parsed(synth_sample(i, BOTH)) for i in range(60)]
    coordinates = np.array([hand["keypoints"] for each in labels for hand in each["hands"]])
    assert (np.abs(coordinates / 1e-4 % 1.0 - 0.5) < 1e-6).sum() > 3
    assert labels_checksum(labels) == labels_checksum([nudged(each, by) for each in labels])


def test_the_checksum_does_not_see_last_digits_before_they_are_stored() -> None:
    sums = []
    for by in (0.0, 1e-14, -1e-14):
        hands = [synth_hand(seed, BOTH[seed % 2]) for seed in range(40)]
        for hand in hands:
            for field in DIGITS:
                getattr(hand, field)[...] *= 1.0 + by
        sums.append(labels_checksum([parsed(synth_sample(0, hands=tuple(hands)))]))
    assert len(set(sums)) == 1


def test_the_checksum_does_not_see_what_is_measured_in_the_image() -> None:
    label = parsed(synth_sample(1))
    other = json.loads(json.dumps(label))
    other["hands"][0].update(visible=[True] * 21, box=[0, 0, 1, 1])
    other["hands"][0]["angles"][0] += 6.2831853
    assert labels_checksum([label]) == labels_checksum([other])


@pytest.mark.parametrize(
    ("field", "step"),
    [
        ("keypoints", 1e-4),
        ("keypoints_px", 1e-2),
        ("bone_lengths", 1e-4),
        ("offsets", 1e-3),
        ("T_cam_wrist", 1e-3),
        ("angles", 1e-3),
    ],
)
def test_the_checksum_sees_a_whole_step(field: str, step: float) -> None:
    label = parsed(synth_sample(1))
    values = np.array(label["hands"][0][field])
    values.flat[-1 if field != "T_cam_wrist" else 0] += 1.01 * step
    other = json.loads(json.dumps(label))
    other["hands"][0][field] = values.tolist()
    assert labels_checksum([label]) != labels_checksum([other])


def test_the_checksum_sees_order_and_number() -> None:
    first, second = (parsed(synth_sample(i)) for i in range(2))
    sums = [labels_checksum(each) for each in ([], [first], [first, second], [second, first])]
    assert len(set(sums)) == 4


def test_a_checksum_of_a_known_label() -> None:
    """By hand: K of 1, 0 and 0.5 px are 100, 0 and 50 steps of 0.01 px; and there is no hand."""
    camera = Camera(np.array([[1.0, 0.0, 0.5], [0.0, 1.0, 0.5], [0.0, 0.0, 1.0]]), 2, 2)
    empty = np.zeros((2, 2), np.uint8)
    sample = SynthSample(
        7, np.zeros((2, 2, 3), np.uint8), camera, (), empty, empty.astype(np.float32)
    )
    text = (
        '{"K":[[100.0,0.0,50.0],[0.0,100.0,50.0],[0.0,0.0,100.0]],"distortion":[],'
        '"distortion_model":"plumb_bob","hands":[],"index":7,"sequence":null,"size":[2,2],'
        '"time":0.0}\n'
    )

    assert labels_checksum([parsed(sample)]) == hashlib.sha256(text.encode()).hexdigest()


def test_a_checksum_of_something_else_names_the_field() -> None:
    label = parsed(synth_sample(1))
    del label["hands"][0]["offsets"]
    with pytest.raises(InputError, match="label 1 has no 'offsets'"):
        labels_checksum([label])
    with pytest.raises(InputError, match="label None has no 'camera'"):
        labels_checksum([{}])
