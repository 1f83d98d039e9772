"""`hand-pose models`: what `--model`, `--detector` and `--engine` take."""

from __future__ import annotations

import argparse
from collections.abc import Mapping


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verb takes no options."""


def run(args: argparse.Namespace) -> int:
    """Print the tables of models, detectors and engines."""
    from hand_pose_ros.models.registry import DETECTORS, MODELS
    from hand_pose_ros.runtime.engine import AUTO, ENGINES, choose_engine

    print_table("model", {name: entry.summary for name, entry in MODELS.items()})
    print_table("detector", DETECTORS)
    here = {AUTO: f"the fastest that is installed; here {choose_engine(AUTO)}"}
    print_table("engine", here | {name: entry.summary for name, entry in ENGINES.items()})
    return 0


def print_table(title: str, rows: Mapping[str, str]) -> None:
    """Print names and what they are, aligned."""
    width = max(len(title), *(len(name) for name in rows))
    print(f"{title:<{width}}  what it is")
    for name, summary in rows.items():
        print(f"{name:<{width}}  {summary}")
    print()
