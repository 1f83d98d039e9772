"""How the benchmarks print their rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def table(rows: Sequence[dict[str, Any]], decimals: int = 2) -> str:
    """Return the rows as Markdown; areas under curves have three decimals or more."""
    columns = list(rows[0])
    lines = ["| " + " | ".join(columns) + " |", "|---" * len(columns) + "|"]
    for row in rows:
        cells = (_cell(name, row[name], decimals) for name in columns)
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _cell(name: str, value: Any, decimals: int) -> str:
    if not isinstance(value, float):
        return str(value)
    return f"{value:.{max(decimals, 3) if name.endswith('auc') else decimals}f}"
