"""What papers have published, to stand beside our numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import yaml

FILE = Path(__file__).with_name("published.yaml")


@dataclass(frozen=True)
class PublishedTable:
    """One table of one paper, as far as it speaks of one dataset under one protocol.

    Attributes:
        paper: citation.
        table: its number in the paper.
        format: the dataset, as `data.datasets.FORMATS` calls it.
        split: the part of it.
        protocol: entry of `protocols.PROTOCOLS`.
        columns: metrics, as our reports call them.
        rows: a number for each column by method; None where the paper has none.
        stated: whether the paper says how it aligned; otherwise `protocol` is that of the works
            that it compares itself with.
        group: what `LabelledImage.groups` says of the images; empty for all of them.
        note: what else there is to know.
    """

    paper: str
    table: int
    format: str
    split: str
    protocol: str
    columns: tuple[str, ...]
    rows: Mapping[str, tuple[float | None, ...]]
    stated: bool = True
    group: Mapping[str, str] = field(default_factory=dict)
    note: str = ""

    @property
    def source(self) -> str:
        """Where the numbers stand, and under which protocol they were taken."""
        said = self.protocol if self.stated else f"{self.protocol} assumed, the paper does not say"
        of = ", ".join(f"{name} {value}" for name, value in self.group.items())
        parts = (said, of, self.note)
        return f"{self.paper}, table {self.table} ({'; '.join(part for part in parts if part)})"

    def values(self) -> Iterator[tuple[str, dict[str, float | None]]]:
        """Yield each method with its number for each column."""
        for method, numbers in self.rows.items():
            yield method, dict(zip(self.columns, numbers, strict=True))


@cache
def published_tables() -> tuple[PublishedTable, ...]:
    """Return every table, in the order of the file."""
    content = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    tables = []
    for entry in content["tables"]:
        rows = {name: tuple(numbers) for name, numbers in entry["rows"].items()}
        tables.append(
            PublishedTable(
                **{
                    **entry,
                    "paper": content["papers"][entry["paper"]],
                    "columns": tuple(entry["columns"]),
                    "rows": rows,
                }
            )
        )
    return tuple(tables)


def published_for(format: str, split: str, protocol: str) -> tuple[PublishedTable, ...]:
    """Return the tables that speak of a dataset's split under a protocol."""
    return tuple(
        table
        for table in published_tables()
        if (table.format, table.split, table.protocol) == (format, split, protocol)
    )
