"""A report as one page that needs nothing else: no script, no other file, no network."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hand_pose_ros import __version__
from hand_pose_ros.errors import UnavailableError
from hand_pose_ros.evaluation.tables import Table

TEMPLATE = Path(__file__).with_name("report.html.j2")


@dataclass(frozen=True)
class Picture:
    """A picture with what it shows.

    Attributes:
        jpeg: its file.
        caption: a line below it.
    """

    jpeg: bytes
    caption: str

    @property
    def url(self) -> str:
        """The picture itself, as an address inside the page."""
        return "data:image/jpeg;base64," + base64.b64encode(self.jpeg).decode()


@dataclass(frozen=True)
class Section:
    """A part of the page; empty lists are left out.

    Attributes:
        title: of the part.
        text: a sentence below it.
        plots: SVG elements.
        tables: below the plots.
        pictures: below the tables.
        wide: whether each plot has a line of its own.
    """

    title: str
    text: str = ""
    plots: Sequence[str] = ()
    tables: Sequence[Table] = ()
    pictures: Sequence[Picture] = ()
    wide: bool = False


@dataclass(frozen=True)
class Page:
    """A report.

    Attributes:
        title: of the page.
        facts: what was done, as pairs of a name and a text.
        sections: in their order.
    """

    title: str
    facts: Sequence[tuple[str, str]] = ()
    sections: Sequence[Section] = field(default_factory=list)

    def html(self) -> str:
        """Return the page.

        Raises:
            UnavailableError: jinja2 is not installed.
        """
        try:
            from jinja2 import Environment, StrictUndefined
        except ImportError as error:
            raise UnavailableError(
                "the report needs jinja2: pip install 'hand_pose_ros[report]'"
            ) from error
        environment = Environment(
            autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
        )
        template = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
        return template.render(page=self, version=__version__)
