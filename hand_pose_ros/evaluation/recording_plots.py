"""Recordings over time, as plots of a report."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from hand_pose_ros.evaluation.plots import COLORS, figure
from hand_pose_ros.evaluation.points import Array
from hand_pose_ros.evaluation.recording_series import Segment, Series

COLUMNS = 900
"""Points of a curve, columns of a band: more cannot be told apart on a page."""

MOST_SEGMENTS = 3000
"""Stretches of ids and sides that are drawn of a recording."""

LABELLED = 0.02
"""Share of the time from which on a stretch has room for its id."""

_WIDTH = 10.8
_SIDES = {"left": COLORS[0], "right": COLORS[1], None: COLORS[5]}
_DROPPED, _ANSWERED = np.array([0.76, 0.23, 0.24]), np.array([0.72, 0.86, 0.78])


def curves_plot(curves: Mapping[str, tuple[Array, Array]], title: str, label: str) -> str:
    """Return values over time, one line a recording.

    Args:
        curves: times (N,) [s], rising, and values (N,), by the name of the recording.
        title: of the plot.
        label: of its values, with the unit.
    """
    with figure(_WIDTH, 2.8) as (axes, svg):
        for place, (name, (times, values)) in enumerate(curves.items()):
            # What lies below is wider: equal curves are seen to be equal.
            width = min(1.2 + 0.8 * (len(curves) - 1 - place), 4.0)
            color = COLORS[place % len(COLORS)]
            axes.plot(*thinned(times, values), color=color, linewidth=width, label=name)
        axes.set(xlabel="time [s]", ylabel=label, title=title)
        lowest = min((values.min() for _, values in curves.values()), default=0.0)
        axes.set_xlim(left=0.0)
        axes.set_ylim(bottom=lowest if lowest < 0.0 else 0.0)
        axes.legend(loc="upper left", ncols=4, bbox_to_anchor=(0.0, -0.2))
    return svg[0]


def thinned(times: Array, values: Array) -> tuple[Array, Array]:
    """Return means over equal stretches of time (at most `COLUMNS`), NaN where there is nothing.

    Few values are returned as they are, with a NaN in each gap of more than five of their steps.
    """
    if len(times) <= COLUMNS:
        steps = np.diff(times)
        wide = 1 + np.flatnonzero(steps > (5.0 * np.median(steps) if len(steps) else 0.0))
        return np.insert(times, wide, times[wide]), np.insert(values, wide, np.nan)
    edges = np.linspace(times[0], times[-1], COLUMNS + 1)
    column = (np.searchsorted(edges, times, side="right") - 1).clip(0, COLUMNS - 1)
    known = ~np.isnan(values)
    count = np.bincount(column[known], minlength=COLUMNS)
    total = np.bincount(column[known], values[known], minlength=COLUMNS)
    means = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    return (edges[1:] + edges[:-1]) / 2.0, means


def answered_plot(recordings: Mapping[str, Series], title: str) -> str:
    """Return a band a recording: images answered are light, dropped ones dark."""
    longest = max(series.end_s for series in recordings.values()) or 1.0
    with figure(_WIDTH, 0.9 + 0.4 * len(recordings)) as (axes, svg):
        for row, series in enumerate(recordings.values()):
            share = answered_share(series)[:, None]
            band = share * _ANSWERED + (1.0 - share) * _DROPPED
            place = (0.0, series.end_s or longest, row + 0.35, row - 0.35)
            axes.imshow(band[None], extent=place, aspect="auto", interpolation="nearest")
        axes.set(xlim=(0.0, longest), ylim=(len(recordings) - 0.5, -0.5))
        axes.set(xlabel="time [s]", title=title)
        axes.set_yticks(range(len(recordings)), list(recordings))
        axes.grid(visible=False)
    return svg[0]


def answered_share(series: Series) -> Array:
    """Return which share of the images is answered in each of at most `COLUMNS` equal parts.

    An image is never split between two parts.
    """
    parts = np.array_split(series.answered.astype(np.float64), min(len(series.answered), COLUMNS))
    return np.array([part.mean() for part in parts])


def who_plot(series: Series, title: str) -> str:
    """Return when which hand was seen: a row for each at a time, its side as colour, its id."""
    drawn = series.segments[:MOST_SEGMENTS]
    if len(drawn) < len(series.segments):
        title = f"{title}: the first {len(drawn)} of {len(series.segments)} stretches"
    lanes = lanes_of(drawn)
    step = float(np.median(np.diff(series.age_s))) if len(series.age_s) > 1 else 0.0
    with figure(_WIDTH, 1.0 + 0.4 * (max(lanes, default=0) + 1)) as (axes, svg):
        for lane, segment in zip(lanes, drawn, strict=True):
            start, end = series.seconds(segment.start_ns), series.seconds(segment.end_ns)
            width = end - start + step
            axes.barh(lane, width, 0.7, start, color=_SIDES[segment.side], linewidth=0)
            if width > LABELLED * series.end_s:
                text = f"{segment.id} {segment.side or ''}".strip()
                middle = start + width / 2.0
                axes.text(middle, lane, text, ha="center", va="center", color="w", clip_on=True)
        axes.set(xlim=(0.0, series.end_s or 1.0), xlabel="time [s]", title=title)
        axes.set_yticks([])
        axes.invert_yaxis()
    return svg[0]


def lanes_of(segments: tuple[Segment, ...]) -> list[int]:
    """Return a row for each stretch, those of one hand in one row, no two at a time in one."""
    ends: dict[int, int] = {}
    for segment in segments:
        ends[segment.hand] = max(segment.end_ns, ends.get(segment.hand, segment.end_ns))
    lanes: dict[int, int] = {}
    free_from: list[int] = []
    for segment in segments:
        if segment.hand not in lanes:
            free = [lane for lane, end in enumerate(free_from) if end < segment.start_ns]
            lane = free[0] if free else len(free_from)
            free_from[lane : lane + 1] = [ends[segment.hand]]
            lanes[segment.hand] = lane
    return [lanes[segment.hand] for segment in segments]
