"""The report of recordings side by side, as one page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from hand_pose_ros.evaluation.html import Page, Section
from hand_pose_ros.evaluation.points import Array
from hand_pose_ros.evaluation.recording_plots import answered_plot, curves_plot, who_plot
from hand_pose_ros.evaluation.recording_score import RecordingScore
from hand_pose_ros.evaluation.recording_series import Series
from hand_pose_ros.evaluation.recording_table import recording_table
from hand_pose_ros.evaluation.truth_score import PROTOCOLS

SHOWN = ("absolute", "root_relative", "pa")
"""Protocols whose errors are drawn."""

ERRORS = "Joint error of the hands that were found, mean of those in one image."
AGE = "From the stamp of an image to the recording of its answer."
IMAGES = (
    "An image that got no answer is red. Where nobody knows of the images, they are taken to "
    "come as steadily as the answers."
)
WHO = (
    "A row for each hand that is seen at a time, told apart by where it was an image ago. Left "
    "hands are blue, right ones orange."
)


def recording_page(
    scores: Mapping[str, RecordingScore], facts: Sequence[tuple[str, str]] = ()
) -> str:
    """Return the page.

    Args:
        scores: of each recording, by its name.
        facts: what was done, as pairs of a name and a text.

    Raises:
        UnavailableError: matplotlib or jinja2 is not installed.
    """
    series = {name: score.series for name, score in scores.items()}
    ages = {name: (each.age_s, each.age_ms) for name, each in series.items()}
    who = [who_plot(each, name) for name, each in series.items() if each.segments]
    bands = [answered_plot(series, "images")]
    table = recording_table(scores)
    sections = [
        Section(table.title, tables=[table]),
        Section("Error over time", ERRORS, _errors(scores), wide=True),
        Section("Age over time", AGE, [curves_plot(ages, "age", "age [ms]")], wide=True),
        Section("Answered and dropped images", IMAGES, bands, wide=True),
        Section("Ids and sides", WHO, who, wide=True),
    ]
    shown = [section for section in sections if section.plots or section.tables]
    return Page("Recorded hands", facts, shown).html()


def _errors(scores: Mapping[str, RecordingScore]) -> list[str]:
    known = {name: _by_image(s.series) for name, s in scores.items() if len(s.series.error_s)}
    columns = {protocol: column for column, protocol in enumerate(PROTOCOLS)}
    return [
        curves_plot(
            {name: (times, errors[:, columns[p]]) for name, (times, errors) in known.items()},
            f"{p.replace('_', ' ')}: {PROTOCOLS[p][1]}",
            "error [mm]",
        )
        for p in SHOWN
        if known
    ]


def _by_image(series: Series) -> tuple[Array, Array]:
    """Return times (N,) [s] and mean errors (N, protocol) [mm] of the images with found hands."""
    times, starts = np.unique(series.error_s, return_index=True)
    counts = np.diff(np.append(starts, len(series.error_s)))
    return times, np.add.reduceat(series.errors_mm, starts) / counts[:, None]
