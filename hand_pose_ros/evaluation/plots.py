"""Plots of a report, as SVG to stand inside a page."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from hand_pose_ros.errors import UnavailableError
from hand_pose_ros.evaluation.points import Array
from hand_pose_ros.hand.skeleton import FINGERS, KEYPOINTS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLORS = ("#2a6fdb", "#e0662f", "#2f9e6e", "#8a5cc2", "#c23b6b", "#7a7f87")
"""Of the estimators, in their order; again from the first where there are more."""

_STYLE = {
    "text.parse_math": False,  # a name with two $ is no formula
    "svg.fonttype": "none",  # text stays text, in the font of the page
    "svg.hashsalt": "hand_pose_ros",  # the same page from the same numbers
    "font.family": "sans-serif",
    "font.size": 10.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#9aa0a8",
    "axes.labelcolor": "#3c4148",
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "text.color": "#22262b",
    "xtick.color": "#5b626b",
    "ytick.color": "#5b626b",
    "axes.grid": True,
    "grid.color": "#e6e8eb",
    "axes.axisbelow": True,
    "legend.frameon": False,
}


def pck_plot(
    thresholds_mm: Array, curves: Mapping[str, Array], title: str, areas: Mapping[str, float]
) -> str:
    """Return the share of joints within each distance, one line an estimator."""
    with figure(5.2, 3.7) as (axes, svg):
        for color, (name, curve) in zip(_colors(), curves.items(), strict=False):
            label = f"{name}  {areas[name]:.3f}"
            axes.plot(thresholds_mm, 100.0 * curve, color=color, linewidth=2.0, label=label)
        axes.set(xlim=(0, thresholds_mm[-1]), ylim=(0, 100), title=title)
        axes.set(xlabel="error threshold [mm]", ylabel="joints within it [%]")
        axes.legend(loc="lower right", title="AUC 0-50")
    return svg[0]


def joint_plot(errors_mm: Mapping[str, Array], title: str) -> str:
    """Return the mean error of each of the 21 joints, finger by finger."""
    groups = [slice(0, 1), *(slice(1 + 4 * finger, 5 + 4 * finger) for finger in range(5))]
    places = np.array([0.0, *(1.6 + 4.7 * f + joint for f in range(5) for joint in range(4))])
    with figure(10.8, 3.5) as (axes, svg):
        for color, (name, errors) in zip(_colors(), errors_mm.items(), strict=False):
            for group in groups:
                axes.plot(places[group], errors[group], "-o", color=color, markersize=4.5)
            axes.plot([], [], "-o", color=color, label=name)
        axes.set_xticks(places, ["wrist", *(name.split("_")[1] for name in KEYPOINTS[1:])])
        axes.tick_params(axis="x", labelsize=9)
        axes.grid(visible=False, axis="x")
        top = axes.get_ylim()[1]
        axes.set(ylim=(0, top * 1.12), ylabel="mean error [mm]", title=title)
        for group, name in zip(groups[1:], FINGERS, strict=True):
            axes.text(places[group].mean(), top * 1.06, name, ha="center")
        axes.legend(loc="upper left", ncols=len(errors_mm), bbox_to_anchor=(0.0, -0.12))
    return svg[0]


def finger_plot(errors_mm: Mapping[str, Mapping[str, float]], title: str) -> str:
    """Return the mean error of each finger as bars."""
    fingers = list(next(iter(errors_mm.values())))
    width = 0.8 / len(errors_mm)
    with figure(10.8, 3.0) as (axes, svg):
        for place, (color, (name, means)) in enumerate(
            zip(_colors(), errors_mm.items(), strict=False)
        ):
            at = np.arange(len(fingers)) + (place + 0.5) * width - 0.4
            heights = [means[finger] for finger in fingers]
            axes.bar(at, heights, 0.9 * width, color=color, label=name)
        axes.set_xticks(range(len(fingers)), fingers)
        axes.grid(visible=False, axis="x")
        axes.set(ylabel="mean error [mm]", title=title)
        axes.legend(loc="upper left", ncols=len(errors_mm), bbox_to_anchor=(0.0, -0.1))
    return svg[0]


def time_plot(curves: Mapping[str, Sequence[tuple[int, float]]], title: str) -> str:
    """Return the error of one hand over the frames of its sequence."""
    with figure(10.8, 2.6) as (axes, svg):
        for color, (name, curve) in zip(_colors(), curves.items(), strict=False):
            frames, errors = _with_gaps(curve)
            axes.plot(frames, errors, color=color, linewidth=1.4, label=name)
        axes.set(xlabel="frame", ylabel="mean error [mm]", title=title)
        axes.set_ylim(bottom=0.0)
        axes.legend(loc="upper right", ncols=len(curves))
    return svg[0]


def _with_gaps(curve: Sequence[tuple[int, float]]) -> tuple[list[float], list[float]]:
    """Return frames and errors with a break where frames are missing."""
    frames: list[float] = []
    errors: list[float] = []
    for frame, error in curve:
        if frames and frame != frames[-1] + 1:
            frames.append(frames[-1])
            errors.append(float("nan"))
        frames.append(float(frame))
        errors.append(error)
    return frames, errors


def _colors() -> Iterator[str]:
    while True:
        yield from COLORS


@contextmanager
def figure(width: float, height: float) -> Iterator[tuple[Axes, list[str]]]:
    """Give axes of a size [inch] and a list that holds the SVG afterwards."""
    try:
        import matplotlib
        from matplotlib.figure import Figure
    except ImportError as error:
        raise UnavailableError(
            "the report needs matplotlib: pip install 'hand_pose_ros[report]'"
        ) from error
    drawn: list[str] = []
    with matplotlib.rc_context(_STYLE):
        figure: Any = Figure(figsize=(width, height), layout="constrained")
        yield figure.add_subplot(), drawn
        stream = io.StringIO()
        figure.savefig(stream, format="svg", metadata={"Date": None})
    drawn.append(_inline(stream.getvalue()))


def _inline(svg: str) -> str:
    """Return an SVG file as an element of a page, as wide as there is room."""
    element = svg[svg.index("<svg") :]
    element = re.sub(r"<metadata>.*?</metadata>", "", element, flags=re.DOTALL)
    for size in ("width", "height"):
        element = re.sub(rf'(<svg[^>]*?) {size}="[^"]*"', r"\1", element, count=1)
    return element
