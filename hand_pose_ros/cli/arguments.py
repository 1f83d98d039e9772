"""Options that several verbs share, each worded once."""

from __future__ import annotations

import argparse

from hand_pose_ros.models.registry import DETECTORS
from hand_pose_ros.runtime.config import CAUSAL, CENTRED, OFF, WindowConfig


def add_model(parser: argparse.ArgumentParser) -> None:
    """Add `--model`, and `--engine` that executes it."""
    parser.add_argument(
        "--model", default="keypoints", metavar="NAME", help="see `hand-pose models`"
    )
    add_engine(parser)


def add_models(parser: argparse.ArgumentParser) -> None:
    """Add `--model` for one or several; None where nobody names one."""
    parser.add_argument(
        "--model",
        action="extend",
        nargs="+",
        metavar="NAME",
        help="one or several, see `hand-pose models` (default: keypoints)",
    )


def add_engine(parser: argparse.ArgumentParser) -> None:
    """Add `--engine`: what executes the networks."""
    parser.add_argument(
        "--engine", default="auto", metavar="NAME", help="see `hand-pose models`; default: auto"
    )


def add_detector(parser: argparse.ArgumentParser) -> None:
    """Add `--detector`: what finds the hands."""
    parser.add_argument(
        "--detector",
        choices=DETECTORS,
        default=next(iter(DETECTORS)),
        help="what finds the hands, see `hand-pose models`; default: %(default)s",
    )


def add_views(parser: argparse.ArgumentParser) -> None:
    """Add `--views`: how often a still image is looked at."""
    parser.add_argument(
        "--views", type=int, default=12, metavar="N", help="0, 1, 2, 4, 6 or 12; default: 12"
    )


def add_correction(parser: argparse.ArgumentParser) -> None:
    """Add `--no-correction`: landmarks as the landmark network says."""
    parser.add_argument(
        "--no-correction",
        dest="corrected",
        action="store_false",
        help="leave the landmarks of still images where the landmark network puts them; those of "
        "`--views 0` and of bags always stay there",
    )


def add_hand_scale(parser: argparse.ArgumentParser) -> None:
    """Add `--hand-scale`."""
    parser.add_argument(
        "--hand-scale",
        type=float,
        default=0.0,
        metavar="M",
        help="measured length from wrist to index knuckle; without it that of an average adult",
    )


def add_temporal(parser: argparse.ArgumentParser) -> None:
    """Add `--temporal` and `--window`."""
    parser.add_argument(
        "--temporal",
        choices=(OFF, CAUSAL, CENTRED),
        default=OFF,
        help="see each hand beside its other frames: none (the default), causal: those before it, "
        "or centred: those after it, too",
    )
    parser.add_argument(
        "--window",
        type=int,
        default=WindowConfig().window,
        metavar="N",
        help="how far it sees, in slots of 1/30 s, 2 to 27 (default: %(default)s)",
    )
