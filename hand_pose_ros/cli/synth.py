"""`hand-pose synth`: render a dataset of hands with their truth."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from hand_pose_ros.errors import HandPoseError

if TYPE_CHECKING:
    from hand_pose_ros.data.synthetic.output.writers import BlockWriter
    from hand_pose_ros.data.synthetic.production import Order

FORMATS = ("folder", "shards")
_CHANGES = ("count", "sequences", "seed", "size", "split", "photographs")
"""Options that make other data of a preset."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what a dataset can be told."""
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="the dataset")
    parser.add_argument("--count", type=int, metavar="N", help="images; default: 1000")
    parser.add_argument("--sequences", type=int, metavar="N", help="sequences of 64 images")
    parser.add_argument("--seed", type=int, metavar="S", help="same seed, same data; default: 0")
    parser.add_argument(
        "--preset", default="train", metavar="NAME", help="what they show; 'list' explains them"
    )
    parser.add_argument("--format", choices=FORMATS, default="folder", help="default: folder")
    parser.add_argument("--size", type=int, metavar="PX", help="of the images; default: 256")
    parser.add_argument("--split", metavar="NAME", help="train, validation or test")
    parser.add_argument(
        "--photographs", type=Path, metavar="DIR", help="pictures for half of the backgrounds"
    )
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, metavar="N")
    parser.add_argument("--vertices", action="store_true", help="write the surfaces, too")
    parser.add_argument("--resume", action="store_true", help="go on where it was stopped")


def run(args: argparse.Namespace) -> int:
    """Render, with a progress bar; print what there is then."""
    from hand_pose_ros.cli.progress import terminated_as_interrupted
    from hand_pose_ros.data.synthetic.config import PRESETS
    from hand_pose_ros.data.synthetic.production import produce

    if args.preset == "list":
        for name, entry in PRESETS.items():
            print(f"{name:10s} {entry.summary}")
        return 0
    order, writer = _order(args), _writer(args)
    with terminated_as_interrupted(), _bar(order) as bar:
        for block in produce(order, writer, args.workers, resume=args.resume):
            bar.update(block.images)
    made = writer.finish()
    print(f"{made.images} images in {args.out}; sha256 of their labels: {made.labels_sha256}")
    published = PRESETS[args.preset].labels_sha256
    if published is None or any(getattr(args, name) is not None for name in _CHANGES):
        return 0
    if made.labels_sha256 == published:
        print(f"These are the published labels of the preset {args.preset}.")
        return 0
    raise HandPoseError(
        f"these are not the published labels of the preset {args.preset}, whose sha256 is "
        f"{published}; requirements/lock.txt names the packages that they were made with"
    )


def _order(args: argparse.Namespace) -> Order:
    from dataclasses import replace

    from hand_pose_ros.data.synthetic.config import preset
    from hand_pose_ros.data.synthetic.production import Order

    chosen = preset(args.preset)
    config = chosen.config if args.size is None else replace(chosen.config, size=args.size)
    sequences = chosen.sequences if args.sequences is None else args.sequences
    count = _first(args.count, chosen.count, 0 if args.sequences or config.frames else 1000)
    if config.frames and args.sequences is None:
        sequences = sequences or 10
    return Order(
        config=config,
        count=0 if config.frames else count,
        sequences=sequences,
        seed=_first(args.seed, chosen.seed, 0),
        split=args.split or chosen.split,
        photographs=args.photographs,
    )


def _writer(args: argparse.Namespace) -> BlockWriter:
    from hand_pose_ros.data.synthetic.output.writers import WRITERS

    return WRITERS[args.format](args.out, vertices=args.vertices)


def _bar(order: Order):  # type: ignore[no-untyped-def]
    from tqdm import tqdm

    total = sum(count for _, count in order.blocks())
    return tqdm(total=total, unit="image", disable=None, dynamic_ncols=True)


def _first(*values: int | None) -> int:
    """Return the first value that is there."""
    return next(value for value in values if value is not None)
