"""The table and the page of recordings: what they show is what was counted."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
import pytest
from recording_samples import FRAME_NS, hand, recording

from hand_pose_ros.evaluation.recording_page import recording_page
from hand_pose_ros.evaluation.recording_plots import (
    COLUMNS,
    answered_plot,
    answered_share,
    curves_plot,
    lanes_of,
    thinned,
    who_plot,
)
from hand_pose_ros.evaluation.recording_score import score_recording
from hand_pose_ros.evaluation.recording_series import Segment, fill_gaps
from hand_pose_ros.evaluation.recording_table import recording_table


def scores(**answered):
    """Return scores of recordings with answers to some of twelve images, against their truth."""
    truth = recording({i: (hand("t"),) for i in range(12)})
    frames = {
        name: {i: (hand(side="left" if i == 3 else "right"),) for i in numbers}
        for name, numbers in answered.items()
    }
    return {name: score_recording(recording(each), truth) for name, each in frames.items()}


def test_the_table_has_a_column_a_recording_and_tells_what_rows_mean():
    table = recording_table(scores(whole=range(12), half=range(0, 12, 2)))
    assert table.columns == ("", "whole", "half")
    rows = {row[0]: row[1:] for row in table.rows}
    assert rows["dropped"] == ("0", "6")
    assert rows["wrong side"] == ("1", "0")
    assert rows["side flips"] == ("2", "0")
    assert rows["age p50 [ms]"] == ("20.0", "20.0")
    assert "latency p50 [ms]" not in rows
    assert "- dropped: images without an answer" in table.note
    lines = [line for line in table.markdown().splitlines() if line.startswith("|")]
    assert len({len(line) for line in lines}) == 1


def test_a_note_is_told_under_the_table():
    other = recording({i: (hand(),) for i in range(40, 44)}, name="elsewhere")
    score = score_recording(recording({0: (hand(),)}), other)
    note = recording_table({"mine": score}).note
    assert "- mine: not one answer belongs to an image of elsewhere" in note


def test_gaps_are_filled_as_a_steady_camera_would():
    stamps = np.array([0, 1, 2, 5, 6, 8, 9], np.int64) * FRAME_NS
    filled, came = fill_gaps(stamps)
    assert np.round(filled / FRAME_NS).tolist() == list(range(10))
    assert filled[came].tolist() == stamps.tolist()
    alone, came = fill_gaps(stamps[:1])
    assert (alone.tolist(), came.tolist()) == ([0], [True])


@pytest.mark.parametrize("known", [True, False])
def test_dropped_images_are_seen_with_and_without_images(known):
    frames = dict.fromkeys((0, 1, 3, 4, 5), ())
    truth = recording(dict.fromkeys(range(6), ())) if known else None
    series = score_recording(recording(frames), truth).series
    assert series.answered.tolist() == [True, True, False, True, True, True]
    np.testing.assert_allclose(series.image_s, np.arange(6) * FRAME_NS * 1e-9)


def test_stretches_end_where_id_or_side_changes():
    sides = ["right", "right", "left", "right"]
    frames = {i: (hand(side=side),) for i, side in enumerate(sides)}
    series = score_recording(recording(frames)).series
    told = [
        (s.hand, s.side, s.start_ns // FRAME_NS, s.end_ns // FRAME_NS) for s in series.segments
    ]
    assert told == [(0, "right", 0, 1), (0, "left", 2, 2), (0, "right", 3, 3)]


def test_hands_at_a_time_have_rows_of_their_own():
    spans = [(0, 0, 5), (1, 2, 9), (0, 6, 7), (2, 8, 9)]
    segments = tuple(Segment(number, "", None, start, end) for number, start, end in spans)
    assert lanes_of(segments) == [0, 1, 0, 0]
    assert lanes_of(()) == []


def test_many_values_are_thinned_to_means_and_few_are_kept():
    times = np.arange(10 * COLUMNS) / 10.0
    where, means = thinned(times, np.repeat(np.arange(COLUMNS), 10).astype(float))
    assert len(where) == len(means) == COLUMNS
    np.testing.assert_allclose(means, np.arange(COLUMNS), atol=0.2)
    few = np.array([0.0, 0.1, 0.2, 2.0, 2.1])
    kept_times, kept = thinned(few, few)
    np.testing.assert_array_equal(kept, [0.0, 0.1, 0.2, np.nan, 2.0, 2.1])
    assert len(kept_times) == 6
    assert [len(part) for part in thinned(few[:1], few[:1])] == [1, 1]


def test_the_share_of_answered_images_keeps_their_mean():
    every_third = {i: () for i in range(3 * COLUMNS) if i % 3 != 2}
    truth = recording(dict.fromkeys(range(3 * COLUMNS), ()))
    share = answered_share(score_recording(recording(every_third), truth).series)
    assert len(share) == COLUMNS
    np.testing.assert_allclose(share, 2.0 / 3.0)


def test_every_plot_is_an_svg_with_its_names():
    pytest.importorskip("matplotlib")
    series = {name: score.series for name, score in scores(a=range(12), b=(0, 5)).items()}
    curves = {name: (each.age_s, each.age_ms) for name, each in series.items()}
    for plot, names in (
        (curves_plot(curves, "age", "age [ms]"), ["age [ms]", "a", "b"]),
        (answered_plot(series, "images"), ["images", "a", "b"]),
        (who_plot(series["a"], "a"), ["0 right"]),
    ):
        ElementTree.fromstring(plot)
        assert set(names) <= set(re.findall(r"<text[^>]*>([^<]*)</text>", plot))


class Tags(HTMLParser):
    """Collects what a page would load, and its headings."""

    def __init__(self):
        super().__init__()
        self.loaded, self.headings, self._heading = [], [], False

    def handle_starttag(self, tag, attributes):
        named = dict(attributes)
        self.loaded += [tag] if tag in {"script", "link", "iframe"} else []
        address = named.get("src") or named.get("xlink:href") or ""
        if tag in {"img", "image"} and not address.startswith("data:"):
            self.loaded.append(address)
        self._heading = tag == "h2"

    def handle_data(self, data):
        if self._heading:
            self.headings.append(data)
            self._heading = False


def test_the_page_needs_nothing_else_and_shows_all_parts():
    pytest.importorskip("matplotlib")
    pytest.importorskip("jinja2")
    tags = Tags()
    page = recording_page(scores(**{"a<b": range(12), "c": (0, 5)}), [("truth", "x & y")])
    tags.feed(page)
    assert tags.loaded == []
    assert tags.headings == [
        "Side by side",
        "Error over time",
        "Age over time",
        "Answered and dropped images",
        "Ids and sides",
    ]
    assert "<th>a&lt;b</th>" in page
    assert "<dd>x &amp; y</dd>" in page


def test_a_page_without_hands_has_no_errors_and_nobody_to_show():
    pytest.importorskip("matplotlib")
    pytest.importorskip("jinja2")
    tags = Tags()
    tags.feed(recording_page({"a": score_recording(recording({0: ()}))}))
    assert tags.headings == ["Side by side", "Age over time", "Answered and dropped images"]
