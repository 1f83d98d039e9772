"""Estimators run over a dataset in constant memory, by one or several processes, resumably."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from itertools import islice
from multiprocessing import connection
from pathlib import Path
from typing import Any

from hand_pose_ros.data.datasets import Dataset
from hand_pose_ros.data.sample import LabelledImage
from hand_pose_ros.errors import InputError, OutputError
from hand_pose_ros.evaluation.panels import Job, Panel
from hand_pose_ros.evaluation.results import Part, PartWriter, RunFolder
from hand_pose_ros.evaluation.rows import Guess, rows_of

_LOG = logging.getLogger(__name__)

_FLUSH_S = 1.0
_LOOK_S = 0.2


@dataclass(frozen=True)
class Done:
    """How a run went.

    Attributes:
        folder: where its rows are.
        images: how many it has.
        looked_at: how many of those were looked at now; the others were there already.
        seconds: how long that took, with the loading of the estimators.
    """

    folder: RunFolder
    images: int
    looked_at: int
    seconds: float


Progress = Callable[[int, int], None]
"""Called with how many images are done, of how many."""


def run_job(
    job: Job,
    out: Path,
    *,
    limit: int | None = None,
    workers: int = 1,
    progress: Progress = lambda done, count: None,
) -> Done:
    """Look at every image that was not looked at before; return where the rows are.

    Args:
        job: dataset and estimators.
        out: folder of the run. Where it holds a part of the same run, that is gone on with.
        limit: look at so many images only: every k-th, k being the whole part of size / limit.
        workers: processes.
        progress: is told of each image.

    Raises:
        InputError: the dataset or an estimator cannot be used, `out` holds another run, or
            `workers` or `limit` is below 1.
        OutputError: `out` cannot be written, or a process died.
    """
    for name, value in (("workers", workers), ("limit", limit)):
        if value is not None and value < 1:
            raise InputError(f"{name} is {value}; it must be 1 or more")
    dataset = job.dataset()
    size = len(dataset)
    if not size:
        raise InputError("the dataset has no images")
    count = size if limit is None else min(limit, size)
    folder = RunFolder(out, job.settings(), job.names, count, size // count, workers)
    begin = time.monotonic()
    done = [_done(part) for part in folder.parts]
    before = sum(done)
    progress(before, count)
    left = [part for part, there in zip(folder.parts, done, strict=True) if there < part.count]
    if workers == 1 or len(left) <= 1:
        _work_here(job, dataset, left, before, lambda done: progress(done, count))
    else:
        _work_in_processes(job, left, before, workers, lambda done: progress(done, count))
    return Done(folder, count, count - before, time.monotonic() - begin)


def _done(part: Part) -> int:
    if not part.path.exists():
        return 0
    writer = PartWriter(part)
    writer.close()
    return writer.done


def _work_here(
    job: Job, dataset: Dataset, parts: Sequence[Part], done: int, progress: Callable[[int], None]
) -> None:
    if not parts:
        return
    panel = job.panel(len(dataset))
    for part in parts:
        for _ in _images_done(dataset, panel, job.names, part):
            done += 1
            progress(done)


def _work_in_processes(
    job: Job, parts: Sequence[Part], done: int, workers: int, progress: Callable[[int], None]
) -> None:
    context = multiprocessing.get_context("spawn")
    counter, stop = context.Value("q", done), context.Event()
    with ProcessPoolExecutor(workers, context, _share, (counter, stop)) as pool:
        waiting = [pool.submit(_work, job, part) for part in parts]
        try:
            while not all(each.done() for each in waiting):
                time.sleep(_LOOK_S)
                progress(counter.value)
                for each in waiting:
                    if each.done():
                        each.result()
            for each in waiting:
                each.result()
        except BrokenProcessPool as error:
            raise OutputError(
                "a process of the evaluation died; the same command goes on where it was"
            ) from error
        finally:
            stop.set()
            pool.shutdown(wait=True, cancel_futures=True)
    progress(counter.value)


_shared: tuple[Any, Any] | None = None


def _share(counter: Any, stop: Any) -> None:
    """Keep in a process what it shares with the others; Ctrl-C is for the first of them."""
    global _shared
    _shared = counter, stop
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    assert parent is not None
    threading.Thread(target=_end_after, args=(parent.sentinel,), daemon=True).start()


def _end_after(sentinel: int) -> None:
    """End this process when the first one is gone, also where that was killed."""
    connection.wait([sentinel])
    os._exit(1)


def _work(job: Job, part: Part) -> None:
    assert _shared is not None
    counter, stop = _shared
    dataset = job.dataset()
    for _ in _images_done(dataset, job.panel(len(dataset)), job.names, part):
        with counter.get_lock():
            counter.value += 1
        if stop.is_set():
            return


def _images_done(
    dataset: Dataset, panel: Panel, names: Sequence[str], part: Part
) -> Iterator[None]:
    """Look at what is left of a part, and yield after each image."""
    writer = PartWriter(part)
    try:
        first = part.start + writer.done * part.step
        left = part.count - writer.done
        flushed = time.monotonic()
        images = islice(dataset.images(first, part.step), left) if left else iter(())
        for place, image in enumerate(images):
            number = first + place * part.step
            writer.append(rows_of(number, image, _answers(number, image, panel, names)))
            if time.monotonic() - flushed > _FLUSH_S:
                writer.flush()
                flushed = time.monotonic()
            yield
        if writer.done < part.count:
            raise InputError(
                f"the dataset ended before image {part.start + writer.done * part.step}, "
                "although it said that it has more"
            )
    finally:
        writer.close()


def _answers(
    number: int, image: LabelledImage, panel: Panel, names: Sequence[str]
) -> dict[str, Sequence[Guess]]:
    """Return what each estimator says; of an image that cannot be read nothing."""
    pixels = None
    if panel.needs_pixels:
        try:
            pixels = image.read()
        except InputError as error:
            _LOG.warning("%s; it counts as an image in which no hand was found", error)
            return dict.fromkeys(names, ())
    answers = panel(number, image, pixels)
    return {name: answers[name] for name in names}
