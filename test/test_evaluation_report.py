"""Scores of predictions: what is counted, what is refused, what the table says."""

import numpy as np
import pytest

from hand_pose_ros.errors import InputError
from hand_pose_ros.evaluation.report import PROTOCOLS, markdown_table, score


@pytest.fixture
def true():
    rng = np.random.default_rng(0)
    return {f"{i}.jpg": rng.normal(0.0, 0.05, (21, 3)) + (0.0, 0.0, 0.5) for i in range(4)}


def test_the_truth_has_no_error(true):
    perfect = score(true, true)
    assert (perfect.images, perfect.answered) == (4, 4)
    assert perfect.pa_mpjpe_mm == pytest.approx(0.0, abs=1e-9)
    assert perfect.mpjpe_absolute_mm == pytest.approx(0.0, abs=1e-9)
    assert perfect.pa_auc == pytest.approx(1.0)


def test_each_protocol_forgives_what_it_says(true):
    moved = score({name: points + (0.01, 0.0, 0.0) for name, points in true.items()}, true)
    assert moved.mpjpe_absolute_mm == pytest.approx(10.0)
    assert moved.mpjpe_root_mm == pytest.approx(0.0, abs=1e-9)
    grown = score(
        {name: points[:1] + 1.1 * (points - points[:1]) for name, points in true.items()}, true
    )
    assert grown.mpjpe_root_mm > 3.0
    assert grown.mpjpe_scaled_mm == pytest.approx(0.0, abs=1e-9)
    turn = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    turned = score({name: points @ turn for name, points in true.items()}, true)
    assert turned.mpjpe_scaled_mm > 10.0
    assert turned.pa_mpjpe_mm == pytest.approx(0.0, abs=1e-9)


def test_unanswered_images_are_counted_not_scored(true):
    predicted = {**true, "0.jpg": None}
    assert (score(predicted, true).answered, score(predicted, true).images) == (3, 4)
    nothing = score(dict.fromkeys(true), true)
    assert nothing.answered == 0
    assert np.isnan(nothing.pa_mpjpe_mm)


def test_a_missing_image_is_refused(true):
    with pytest.raises(InputError, match=r"1 of 4 images.*'3.jpg'"):
        score({name: points for name, points in true.items() if name != "3.jpg"}, true)


def test_the_table_names_each_protocol(true):
    text = markdown_table({"ours": score(true, true), "peer": score(true, true)})
    assert "| ours | 4/4 | 0.00 |" in text
    for name, meaning in PROTOCOLS.items():
        assert f"- {name}: {meaning}" in text


def test_an_estimator_without_a_place_has_no_absolute_error(true):
    hanging = score(true, true, placed=False)
    assert hanging.as_dict()["mpjpe_absolute_mm"] is None
    assert "| peer | 4/4 | 0.00 | 0.00 | 0.00 | - | 1.000 |" in markdown_table({"peer": hanging})
