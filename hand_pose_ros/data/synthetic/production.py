"""A dataset from the studio: blocks, each made and written by one worker process."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from hand_pose_ros.data.synthetic.body.people import SPLITS
from hand_pose_ros.data.synthetic.config import BLOCK, StudioConfig, as_dict
from hand_pose_ros.data.synthetic.output.writers import BlockWriter, WrittenBlock
from hand_pose_ros.data.synthetic.threads import use_one_thread
from hand_pose_ros.errors import ConfigError

SEQUENCE_FRAMES = 64
FIRST_SEQUENCE = 100_000
"""Blocks from this number on are sequences."""


@dataclass(frozen=True)
class Order:
    """What is to be made.

    Attributes:
        config: what the images show.
        count: single images.
        sequences: sequences beside them, of `config.frames` images, or `SEQUENCE_FRAMES`.
        seed: the same seed gives the same data.
        split: whose hands.
        photographs: a folder of pictures for backgrounds.
    """

    config: StudioConfig
    count: int
    sequences: int = 0
    seed: int = 0
    split: str = "train"
    photographs: Path | None = None

    def __post_init__(self) -> None:
        if self.count < 0 or self.sequences < 0 or not self.count + self.sequences:
            raise ConfigError(
                f"{self.count} images and {self.sequences} sequences were asked for; at least one "
                "of something is needed"
            )
        if self.seed < 0:
            raise ConfigError(f"seed is {self.seed}; it must not be negative")
        if self.split not in SPLITS:
            raise ConfigError(f"split is {self.split!r}; it must be one of {', '.join(SPLITS)}")

    def blocks(self) -> Iterator[tuple[int, int]]:
        """Yield the number of each block and how many images it has."""
        for number, start in enumerate(range(0, self.count, BLOCK)):
            yield number, min(BLOCK, self.count - start)
        for number in range(self.sequences):
            yield FIRST_SEQUENCE + number, self.config.frames or SEQUENCE_FRAMES

    def settings(self) -> dict[str, Any]:
        """Return everything that the data depends on, as JSON has it."""
        return {
            "studio": as_dict(self.config),
            "count": self.count,
            "sequences": self.sequences,
            "seed": self.seed,
            "split": self.split,
            "photographs": None if self.photographs is None else str(self.photographs),
        }


def produce(
    order: Order, writer: BlockWriter, workers: int = 1, *, resume: bool = False
) -> Iterator[WrittenBlock]:
    """Make what was ordered; yield each block when it is on the disk, whole.

    Those that are there already are left as they are. Ended early, it loses the blocks at hand.

    Raises:
        InputError, OutputError: see `BlockWriter.begin` and `write`.
        UnavailableError: nothing can be rendered here.
        ConfigError: there is not one worker.
    """
    if workers < 1:
        raise ConfigError(f"{workers} workers; at least one is needed")
    writer.begin(order.settings(), resume=resume)
    done = writer.done_blocks()
    left = [block for block in order.blocks() if block[0] not in done]
    if not left:
        return
    with ProcessPoolExecutor(
        min(workers, len(left)), get_context("spawn"), _start, (order, writer)
    ) as pool:
        try:
            yield from _as_they_come(pool, left, 2 * workers)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _as_they_come(
    pool: ProcessPoolExecutor, blocks: Iterable[tuple[int, int]], ahead: int
) -> Iterator[WrittenBlock]:
    """Yield results with a few blocks under way, so that an error ends it soon."""
    queue = iter(blocks)
    waiting: set[Future[WrittenBlock]] = {
        pool.submit(_make, *block) for block in itertools.islice(queue, ahead)
    }
    while waiting:
        done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
        for future in done:
            yield future.result()
        waiting |= {pool.submit(_make, *block) for block in itertools.islice(queue, len(done))}


_worker: dict[str, Any] = {}


def _start(order: Order, writer: BlockWriter) -> None:
    """Prepare a worker process: one thread, studios when they are needed."""
    use_one_thread()
    _worker.update(order=order, writer=writer)


def _make(number: int, count: int) -> WrittenBlock:
    from hand_pose_ros.data.synthetic.studio import Studio

    order, writer = _worker["order"], _worker["writer"]
    is_sequence = number >= FIRST_SEQUENCE
    frames = count if is_sequence else 0
    name = "sequences" if is_sequence else "images"
    if name not in _worker:
        config = replace(order.config, frames=frames)
        _worker[name] = Studio(config, order.split, order.photographs)
    samples = itertools.islice(_worker[name].block(order.seed, number), count)
    written: WrittenBlock = writer.write(number, samples)
    return written
