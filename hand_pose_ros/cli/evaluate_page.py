"""The HTML report of an evaluated dataset: tables, plots, the best and the worst images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from hand_pose_ros.data.datasets import Dataset
from hand_pose_ros.data.sample import LabelledImage
from hand_pose_ros.errors import InputError
from hand_pose_ros.evaluation.html import Page, Picture, Section
from hand_pose_ros.evaluation.plots import finger_plot, joint_plot, pck_plot, time_plot
from hand_pose_ros.evaluation.rows import true_pixels
from hand_pose_ros.evaluation.summary import EVERYTHING, EstimatorSummary, RunSummary
from hand_pose_ros.evaluation.tables import About, Table
from hand_pose_ros.evaluation.tally import CURVE, Tally
from hand_pose_ros.hand.camera import Camera
from hand_pose_ros.runtime.compared import compared

_QUALITY = 88


def page_of(
    dataset: Dataset, summary: RunSummary, about: About, tables: Sequence[Table], cost: str
) -> str:
    """Return the page.

    Raises:
        UnavailableError: matplotlib or jinja2 is not installed.
    """
    first = summary.protocols[0]
    overview, *others = tables
    comparisons = [table for table in others if table.title.split(",")[0] in _names(summary)]
    rest = [table for table in others if table not in comparisons]
    tallies = {
        p.name: {e.name: e.tallies.get(p.name, {}).get(EVERYTHING) for e in summary.estimators}
        for p in summary.protocols
    }
    known = {
        name: {e: t for e, t in each.items() if t is not None and t.hands}
        for name, each in tallies.items()
    }
    sections = [
        Section(overview.title, tables=[overview]),
        Section("Share of joints within a distance", plots=_curves(known)),
        Section(
            f"Joints and fingers, {first.name}", first.text, _joints(known[first.name]), wide=True
        ),
        Section("Protocols and what papers published", tables=comparisons),
        Section("More", tables=rest),
        Section("Error over time", first.text, _times(summary), wide=True),
    ]
    sections += [_pictures(dataset, each, first.name) for each in summary.estimators]
    shown = [s for s in sections if s.plots or s.tables or s.pictures]
    facts = [("Dataset", about.dataset), ("Format", f"{about.format}, split {about.split}")]
    facts += [("Images", str(summary.images)), ("Estimators", about.how), ("Cost", cost)]
    title = f"{Path(about.dataset).resolve().name}: joint errors of {_listed(summary)}"
    return Page(title, [fact for fact in facts if fact[1]], shown).html()


def _listed(summary: RunSummary) -> str:
    *first, last = [each.name for each in summary.estimators]
    return f"{', '.join(first)} and {last}" if first else last


def _names(summary: RunSummary) -> set[str]:
    return {protocol.name for protocol in summary.protocols}


def _curves(known: dict[str, dict[str, Tally]]) -> list[str]:
    return [
        pck_plot(
            CURVE.thresholds_mm,
            {name: tally.curve for name, tally in tallies.items()},
            protocol,
            {name: tally.auc_0_50 for name, tally in tallies.items()},
        )
        for protocol, tallies in known.items()
        if tallies
    ]


def _joints(tallies: dict[str, Tally]) -> list[str]:
    if not tallies:
        return []
    return [
        joint_plot({name: tally.per_joint for name, tally in tallies.items()}, "each joint"),
        finger_plot({name: tally.per_finger for name, tally in tallies.items()}, "each finger"),
    ]


def _times(summary: RunSummary) -> list[str]:
    curves: dict[tuple[bytes, int], dict[str, Any]] = {}
    for each in summary.estimators:
        for key, curve in each.steps.curves.items():
            if len(curve) > 1:
                curves.setdefault(key, {})[each.name] = curve
    return [
        time_plot(of, f"{sequence.decode(errors='replace')}, hand {hand}")
        for (sequence, hand), of in curves.items()
    ]


def _pictures(dataset: Dataset, each: EstimatorSummary, protocol: str) -> Section:
    pictures = []
    for word, kept in (("worst", each.worst), ("best", each.best)):
        for place, (error, row) in enumerate(kept, start=1):
            picture = _picture(dataset, row)
            if picture is not None:
                name = row["name"].decode(errors="replace")
                pictures.append(Picture(picture, f"{word} {place}: {error:.2f} mm, {name}"))
    text = (
        f"Ordered by the mean joint error under {protocol}. The truth is white, the estimate "
        "coloured: in the image, and from the side, the camera to the left, laid onto the truth."
    )
    return Section(f"{each.name}: worst and best images", text, pictures=pictures)


def _picture(dataset: Dataset, row: Any) -> bytes | None:
    """Return one hand as a JPEG; None where its image cannot be read any more."""
    try:
        image: LabelledImage = next(dataset.images(int(row["image"]), max(len(dataset), 1)))
        pixels = image.read()
    except InputError:
        return None
    height, width = pixels.shape[:2]
    camera = image.camera or Camera.from_field_of_view(width, height)
    seen = row["pixels"].astype(np.float64)
    guess_px = camera.project(row["guess"]) if row["placed"] else seen
    true_px = true_pixels(image, image.hands[int(row["hand"])])
    picture = compared(pixels, true_px, np.asarray(guess_px), row["true"], row["guess"])
    done, jpeg = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    return jpeg.tobytes() if done else None
