"""The tables of a report, as data: each printed as Markdown and shown in the HTML page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hand_pose_ros.errors import InputError
from hand_pose_ros.evaluation.protocols import Protocol
from hand_pose_ros.evaluation.published import PublishedTable, published_for
from hand_pose_ros.evaluation.rows import group_labels
from hand_pose_ros.evaluation.summary import EVERYTHING, EstimatorSummary, RunSummary
from hand_pose_ros.evaluation.surfaces import ALIGNMENTS
from hand_pose_ros.evaluation.tally import Tally

NOTHING = "-"


@dataclass(frozen=True)
class About:
    """What was evaluated.

    Attributes:
        dataset: as the user named it.
        format: of the dataset.
        split: of the dataset.
        how: what the estimators were told, in a sentence.
        rate_hz: frames a second of its sequences, of those that were looked at; None where nobody
            said.

    Raises:
        InputError: the rate is not above 0.
    """

    dataset: str
    format: str
    split: str
    how: str = ""
    rate_hz: float | None = None

    def __post_init__(self) -> None:
        if self.rate_hz is not None and not self.rate_hz > 0.0:
            raise InputError(f"frame rate is {self.rate_hz} Hz; it must be above 0")


@dataclass(frozen=True)
class Table:
    """Rows of texts under a title.

    Attributes:
        title: of the table.
        columns: their names, that of the row's name first.
        rows: cells, as many as columns.
        published: how many of the last rows are those of papers.
        note: what has to be known to read it.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    published: int = 0
    note: str = ""

    def markdown(self) -> str:
        """Return it as Markdown."""
        texts = [[cell.replace("|", r"\|") for cell in row] for row in (self.columns, *self.rows)]
        first, *widths = (max(map(len, column)) for column in zip(*texts, strict=True))
        rule = ["-" * max(first, 3), *("-" * max(width - 1, 2) + ":" for width in widths)]
        texts.insert(1, rule)
        lines = [f"### {self.title}", ""]
        for name, *cells in texts:
            padded = [cell.rjust(width) for cell, width in zip(cells, widths, strict=True)]
            lines.append("| " + " | ".join([name.ljust(first), *padded]) + " |")
        return "\n".join([*lines, "", self.note] if self.note else lines)


def tables_of(summary: RunSummary, about: About) -> list[Table]:
    """Return every table that this run has something for."""
    tables = [_overview(summary)]
    for protocol in summary.protocols:
        tables += _comparisons(summary, protocol, about)
    tables.append(_fingers(summary))
    if summary.labels:
        tables.append(_groups(summary))
    tables += [*_surfaces(summary), *_sequences(summary, about)]
    return tables


def number(value: float, digits: int = 2) -> str:
    """Return a number, or a dash where there is none."""
    return NOTHING if value != value else f"{value:.{digits}f}"


def _overview(summary: RunSummary) -> Table:
    first = summary.protocols[0].name
    columns = ["estimator", "found", "extra", "right side"]
    columns += [protocol.name for protocol in summary.protocols]
    columns.append("AUC 0-50")
    several = len(summary.estimators) > 1
    columns += ["found by all"] if several else []
    rows = []
    for each in summary.estimators:
        side = "given" if each.told else NOTHING
        if each.sided:
            side = f"{each.right_side / each.sided:.1%}"
        cells = [each.name, f"{each.found}/{each.hands}", str(each.extra), side]
        cells += [number(_tally(each, protocol).mpjpe) for protocol in summary.protocols]
        cells.append(number(_tally(each, summary.protocols[0]).auc_0_50, 3))
        cells += [number(each.found_by_all.mpjpe)] if several else []
        rows.append(tuple(cells))
    note = "Of the hands found; extra are those that nobody labelled. "
    note += f"The area is that under {first}."
    if several:
        hands = summary.estimators[0].found_by_all.hands
        note += (
            f"\nFound by all: {hands} hands, their error under {first} to compare estimators by."
        )
    note += "".join(f"\n{protocol.name}: {protocol.text}." for protocol in summary.protocols)
    return Table("Mean joint error [mm]", tuple(columns), tuple(rows), note=note)


def _comparisons(summary: RunSummary, protocol: Protocol, about: About) -> list[Table]:
    """Return one table for all images, and one for each group that a paper speaks of."""
    published = published_for(about.format, about.split, protocol.name)
    tables = {EVERYTHING: [each for each in published if not each.group]}
    for each in published:
        if each.group:
            tables.setdefault(group_labels(each.group), []).append(each)
    return [_comparison(summary, protocol, label, papers) for label, papers in tables.items()]


def _comparison(
    summary: RunSummary, protocol: Protocol, label: str, papers: Sequence[PublishedTable]
) -> Table:
    columns: tuple[str, ...] = ("method", "mean [mm]", "median [mm]", "AUC 20-50", "AUC 0-50")
    columns = (*columns, "vertices [mm]")
    rows: list[tuple[str, ...]] = []
    for each in summary.estimators:
        tally = each.tallies.get(protocol.name, {}).get(label) or Tally(protocol)
        surface = each.surface().get(protocol.name)
        vertices = surface.mpvpe_mm if surface and not label else float("nan")
        cells = [each.name, number(tally.mpjpe), number(tally.median)]
        cells += [number(tally.auc_20_50, 3), number(tally.auc_0_50, 3), number(vertices)]
        rows.append(tuple(cells))
    ours = len(rows)
    for letter, table in zip("abcdefgh", papers, strict=False):
        for method, values in table.values():
            known = {name: value for name, value in values.items() if value is not None}
            cells = [f"{method} ({letter})", _published(known, "mpjpe"), NOTHING]
            cells += [_published(known, "auc_20_50", 3), NOTHING, _published(known, "mpvpe")]
            rows.append(tuple(cells))
    note = [f"{protocol.name}: {protocol.text}. After {protocol.source}."]
    note.append("The median is that of each joint, mean over the joints.")
    note += [
        f"({letter}) {table.source}." for letter, table in zip("abcdefgh", papers, strict=False)
    ]
    title = f"{protocol.name}{f', {label}' if label else ''}"
    if all(row[-1] == NOTHING for row in rows):  # nobody has a surface
        columns, rows = columns[:-1], [row[:-1] for row in rows]
    return Table(title, columns, tuple(rows), len(rows) - ours, "\n".join(note))


def _published(known: Mapping[str, float], name: str, digits: int = 2) -> str:
    return number(known.get(name, float("nan")), digits)


def _fingers(summary: RunSummary) -> Table:
    protocol = summary.protocols[0]
    rows = []
    for each in summary.estimators:
        means = _tally(each, protocol).per_finger
        rows.append((each.name, *(number(value) for value in means.values())))
    title = f"Mean error of each finger [mm], {protocol.name}"
    return Table(title, ("estimator", *means), tuple(rows))


def _groups(summary: RunSummary) -> Table:
    protocol = summary.protocols[0]
    rows = []
    for label in summary.labels:
        tallies = [each.tallies[protocol.name].get(label) for each in summary.estimators]
        cells = [number(tally.mpjpe) if tally else NOTHING for tally in tallies]
        hands = max((tally.hands for tally in tallies if tally), default=0)
        rows.append((label, str(hands), *cells))
    names = [each.name for each in summary.estimators]
    title = f"Mean error by kind of image [mm], {protocol.name}"
    return Table(title, ("images", "hands", *names), tuple(rows))


def _surfaces(summary: RunSummary) -> list[Table]:
    if not any(each.surfaces[1].any() for each in summary.estimators):
        return []
    rows = []
    for each in summary.estimators:
        for alignment, score in each.surface().items():
            cells = (number(score.mpvpe_mm), number(score.f_5, 3), number(score.f_15, 3))
            rows.append((f"{each.name}, {alignment}", *cells))
    note = f"Aligned as {', '.join(ALIGNMENTS)} say; a mean where both have the same vertices."
    columns = ("surface", "vertices [mm]", "F@5", "F@15")
    return [Table("Surfaces", columns, tuple(rows), note=note)]


def _sequences(summary: RunSummary, about: About) -> list[Table]:
    pairs = any(each.mrrpe[1] for each in summary.estimators)
    steps = any(each.steps.frames for each in summary.estimators)
    tables = []
    if pairs:
        rows = [(e.name, str(e.mrrpe[1]), number(_mean(e.mrrpe))) for e in summary.estimators]
        columns: tuple[str, ...] = ("estimator", "pairs", "MRRPE [mm]")
        note = "MRRPE: how far the left wrist is off, seen from the right one (Moon et al. 2020)."
        tables.append(Table("Pairs of hands", columns, tuple(rows), note=note))
    if steps:
        moves = [(each.name, *_steps(each, about.rate_hz)) for each in summary.estimators]
        columns = (
            "estimator",
            "hands",
            "acceleration error [mm/frame²]",
            "side flips",
            "a minute",
        )
        note = "Acceleration with wrists at the origin, of three frames that follow one another.\n"
        note += "Side flips are changes of the side that an estimator itself said of a hand."
        tables.append(Table("From frame to frame", columns, tuple(moves), note=note))
    return tables


def _steps(each: EstimatorSummary, rate_hz: float | None) -> tuple[str, ...]:
    flips = float("nan") if rate_hz is None else each.steps.flips_per_minute(rate_hz)
    error = number(_mean(each.steps.acceleration))
    count = str(each.steps.side_flips) if each.steps.sided else NOTHING
    return str(each.steps.frames), error, count, number(flips)


def _mean(total: tuple[float, int]) -> float:
    return total[0] / total[1] if total[1] else float("nan")


def _tally(each: EstimatorSummary, protocol: Protocol) -> Tally:
    return each.tallies.get(protocol.name, {}).get(EVERYTHING) or Tally(protocol)
