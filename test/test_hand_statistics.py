"""Statistics give back the ranges that a dataset was made from, and survive a file."""

from __future__ import annotations

import inspect
import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hand_samples import ANCHOR, random_hands

from hand_pose_ros.errors import ConfigError, InputError, ShapeError
from hand_pose_ros.hand import skeleton
from hand_pose_ros.hand.fitting import FitOptions, fit_hand
from hand_pose_ros.hand.kinematics import HandParameters, forward_kinematics
from hand_pose_ros.hand.limits import HandLimits
from hand_pose_ros.hand.statistics import MIN_HANDS, hand_statistics

FLEXIONS = [
    index
    for index, dof in enumerate(skeleton.ARTICULATION)
    if dof.split("_")[1] in ("pip", "dip") and dof.endswith("flexion")
]


def dataset(count: int) -> HandParameters:
    """Return hands of one shape whose joints bend by 20 to 60 degrees, abducted by at most 5."""
    hands = random_hands(count)
    angles = torch.deg2rad(20.0 + 40.0 * torch.rand(count, 23, dtype=torch.float64))
    for index, dof in enumerate(skeleton.ARTICULATION):
        if not dof.endswith("flexion"):
            angles[:, index] = torch.deg2rad(10.0 * (torch.rand(count).double() - 0.5))
    ratios = torch.tensor(skeleton.DEFAULT_RATIOS, dtype=torch.float64)
    offsets = torch.tensor(skeleton.DEFAULT_OFFSETS, dtype=torch.float64)
    return HandParameters(
        hands.root_rotation, angles, ANCHOR * ratios.expand(count, 20), offsets.expand(count, 15)
    )


def test_ranges_and_proportions_come_back() -> None:
    hands = dataset(300)
    measured = hand_statistics(forward_kinematics(hands).positions, percentiles=(1.0, 99.0))
    assert (measured.hands, measured.left_out) == (300, 0)
    assert measured.mean_error < 0.0005
    assert measured.limits.anchor_length == pytest.approx(ANCHOR, rel=0.01)
    for index in FLEXIONS:
        low, high = measured.limits.articulation[index]
        assert math.degrees(low) == pytest.approx(20.0, abs=4.0)
        assert math.degrees(high) == pytest.approx(60.0, abs=4.0)
    for mean, true in zip(measured.limits.default_ratios, skeleton.DEFAULT_RATIOS, strict=True):
        assert mean == pytest.approx(true, rel=0.05)


def test_measured_limits_can_be_fitted_with() -> None:
    points = forward_kinematics(dataset(60)).positions
    limits = hand_statistics(points, percentiles=(0.0, 100.0)).limits
    fit = fit_hand(points, options=FitOptions(limits=limits))
    assert float(fit.residual.mean()) < 0.0005
    low, high = torch.tensor(limits.articulation, dtype=torch.float64).unbind(-1)
    assert ((fit.hand.articulation >= low) & (fit.hand.articulation <= high)).all()


def test_hands_that_do_not_fit_are_left_out_and_counted() -> None:
    points = forward_kinematics(dataset(40)).positions
    points[:5] = points[:5, torch.randperm(21)]
    measured = hand_statistics(points)
    assert (measured.hands, measured.left_out) == (35, 5)


def test_hands_all_alike_have_ranges_that_hold_their_median() -> None:
    points = forward_kinematics(dataset(1)).positions.expand(MIN_HANDS, 21, 3)
    limits = hand_statistics(points).limits
    for (low, high), mean in zip(limits.ratios, limits.default_ratios, strict=True):
        assert low <= mean <= high


def test_too_few_hands_are_refused() -> None:
    with pytest.raises(InputError, match=str(MIN_HANDS)):
        hand_statistics(forward_kinematics(dataset(MIN_HANDS - 1)).positions)


@pytest.mark.parametrize("percentiles", [(99.0, 1.0), (50.0, 50.0), (-1.0, 99.0), (0.0, 101.0)])
def test_percentiles_must_rise(percentiles: tuple[float, float]) -> None:
    with pytest.raises(ConfigError, match="percentiles"):
        hand_statistics(torch.ones(1, 21, 3), percentiles=percentiles)


def test_a_single_hand_is_no_dataset() -> None:
    with pytest.raises(ShapeError, match="points"):
        inspect.unwrap(hand_statistics)(torch.ones(21, 3))


@pytest.mark.parametrize("name", ["limits.json", "limits.yaml", "limits.yml"])
def test_limits_survive_a_file(tmp_path: Path, name: str) -> None:
    limits = HandLimits().widened(0.1, 0.1)
    limits.save(tmp_path / name)
    assert HandLimits.load(tmp_path / name) == limits


def test_the_default_limits_are_the_skeletons() -> None:
    limits = HandLimits()
    assert limits.articulation == skeleton.ARTICULATION_LIMITS
    assert limits.ratios == skeleton.RATIO_LIMITS


def test_widening_keeps_the_anchor_and_the_means() -> None:
    wide = HandLimits().widened(math.radians(10.0), 0.1)
    assert wide.ratios[skeleton.ANCHOR_BONE] == (1.0, 1.0)
    assert wide.default_ratios == skeleton.DEFAULT_RATIOS
    low, high = HandLimits().articulation[0]
    assert wide.articulation[0] == (low - math.radians(10.0), high + math.radians(10.0))


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("articulation", ((1.0, 0.0),) * 23, r"articulation\[0\]"),
        ("articulation", ((0.0, math.inf),) * 23, r"articulation\[0\]"),
        ("default_offsets", (9.0,) * 15, r"default_offsets\[0\]"),
        ("anchor_length", 0.0, "anchor_length"),
        ("anchor_length", math.nan, "anchor_length"),
    ],
)
def test_limits_that_are_none_are_refused(field: str, value: object, said: str) -> None:
    with pytest.raises(InputError, match=said):
        replace(HandLimits(), **{field: value})


def test_limits_of_another_skeleton_are_refused() -> None:
    with pytest.raises(ShapeError, match="ratios has 19"):
        HandLimits(ratios=skeleton.RATIO_LIMITS[:19])


@pytest.mark.parametrize("name", ["limits.json", "limits.yaml"])
@pytest.mark.parametrize("text", ["", "{", "[1, 2]", '{"articulation": []}', "\t: ["])
def test_broken_files_are_named(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=name):
        HandLimits.load(tmp_path / name)


def test_a_file_with_wrong_values_is_named(tmp_path: Path) -> None:
    path = tmp_path / "limits.json"
    HandLimits().save(path)
    content = json.loads(path.read_text())
    for wrong in ({"anchor_length": -1.0}, {"ratios": 3.0}, {"offsets": [["a", "b"]] * 15}):
        path.write_text(json.dumps(content | wrong))
        with pytest.raises(InputError, match=r"limits\.json"):
            HandLimits.load(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nowhere"):
        HandLimits.load(tmp_path / "nowhere.json")
