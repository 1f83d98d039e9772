"""Recordings side by side: one row a number, one column a recording, and what each row means."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from hand_pose_ros.evaluation.recording_score import RecordingScore
from hand_pose_ros.evaluation.tables import NOTHING, Table
from hand_pose_ros.evaluation.timing import GAP, PERCENTILES
from hand_pose_ros.evaluation.truth_score import PROTOCOLS


@dataclass(frozen=True)
class Row:
    """One number of a `RecordingScore`.

    Attributes:
        label: with the unit.
        keys: where it is in `RecordingScore.as_dict`.
        form: how it is written, as `str.format` has it.
        meaning: one line; empty where the label says it all, or a row above does.
    """

    label: str
    keys: tuple[str, ...]
    form: str = "{}"
    meaning: str = ""

    def cell(self, score: Mapping[str, Any]) -> str | None:
        """Return the number as text; None where it is not known."""
        value: Any = score
        for key in self.keys:
            value = None if value is None else value[key]
        return None if value is None else self.form.format(value)


def _times(name: str, key: str, meaning: str) -> Iterator[Row]:
    for percentile in PERCENTILES:
        yield Row(f"{name} {percentile} [ms]", ("timing", key, percentile), "{:.1f}", meaning)
        meaning = ""


def _errors() -> Iterator[Row]:
    for name, (_, aligned) in PROTOCOLS.items():
        keys = ("accuracy", "errors_mm", name)
        label = name.replace("_", " ")
        meaning = f"mean distance of the 21 joints of found hands, {aligned}"
        yield Row(f"error, {label} [mm]", (*keys, "mean"), "{:.1f}", meaning)
        yield Row(f"error, {label}, p95 [mm]", (*keys, "p95"), "{:.1f}")


def _timing(label: str, key: str, form: str, meaning: str = "") -> Row:
    return Row(label, ("timing", key), form, meaning)


def _accuracy(label: str, key: str, meaning: str = "") -> Row:
    return Row(label, ("accuracy", key), "{}", meaning)


def _identities(label: str, key: str, form: str = "{}", meaning: str = "") -> Row:
    return Row(label, ("identities", key), form, meaning)


ROWS = (
    Row("answers", ("answers",), "{}", "messages, those without a hand included"),
    Row("with a hand", ("with_hand",)),
    _timing("duration [s]", "duration_s", "{:.2f}"),
    _timing("rate [1/s]", "rate_hz", "{:.2f}", "answers a second, from the first to the last"),
    _timing("images", "images", "{}", "that were to be answered"),
    _timing("dropped", "dropped", "{}", "images without an answer"),
    _timing("answers to no image", "unasked", "{}"),
    _timing("repeated answers", "repeated", "{}", "to a stamp that was answered before"),
    _timing("gaps", "gaps", "{}", f"steps between answers of more than {GAP} image periods"),
    _timing("missing in gaps", "missing_in_gaps", "{}", "images that would have been in them"),
    _timing("longest step [s]", "longest_gap_s", "{:.3f}", "from one answer to the next"),
    *_times("age", "age_ms", "from the stamp of the image to the recording of the answer"),
    *_times("latency", "latency_ms", "from the recording of the image to that of the answer"),
    _accuracy("answers with a truth", "frames"),
    _accuracy("true hands", "true_hands", "in the images of these answers"),
    _accuracy("found", "found"),
    _accuracy("missed", "missed"),
    _accuracy("extra", "extra", "answered hands that are none"),
    _accuracy("true hands in dropped images", "unanswered_hands", "not among the missed"),
    _accuracy("wrong side", "wrong_side", "found hands of which the other side was said"),
    _identities(
        "side flips", "side_flips", "{}", "changes of a hand's side; there and back are two"
    ),
    _identities("side flips per minute", "side_flips_per_min", "{:.2f}", "of recording"),
    _identities("id switches", "id_switches", "{}", "changes of a hand's id"),
    _identities("id switches per minute", "id_switches_per_min", "{:.2f}"),
    _identities("ids given to another hand", "id_transfers"),
    _identities(
        "hands are told apart by",
        "by",
        "{}",
        "truth: a true hand is followed; continuity: the nearest hand in the image before is "
        "taken for the same",
    ),
    *_errors(),
    Row(
        "jitter [m/s²]",
        ("jitter",),
        "{:.2f}",
        "mean acceleration of the wrist-relative joints over each three images in a row; to be "
        "compared at equal rates; unknown where no three are left",
    ),
    Row("three images in a row", ("triples",), "{}", "a hand in all of them"),
    Row(
        "bone length variation",
        ("bone_length_variation",),
        "{:.2%}",
        "std/mean of the least constant bone, from a second after the hand came",
    ),
    Row("angles outside limits", ("angles_outside",)),
)
"""All that is told of a recording, in the order of telling."""


def known_rows(scores: Mapping[str, RecordingScore]) -> list[tuple[Row, list[str]]]:
    """Return the rows of which something is known, each with a cell a recording."""
    plain = [score.as_dict() for score in scores.values()]
    rows = [(row, [row.cell(score) for score in plain]) for row in ROWS]
    return [(row, [cell or NOTHING for cell in cells]) for row, cells in rows if any(cells)]


def recording_table(scores: Mapping[str, RecordingScore]) -> Table:
    """Return a table, a column each recording, with the meaning of its rows as a note."""
    rows = known_rows(scores)
    notes = [f"- {row.label}: {row.meaning}" for row, _ in rows if row.meaning]
    notes += [f"- {name}: {note}" for name, score in scores.items() for note in score.notes]
    return Table(
        "Side by side",
        ("", *scores),
        tuple((row.label, *cells) for row, cells in rows),
        note="\n".join(notes),
    )
