"""`hand-pose evaluate DATASET`: estimators and predictions on labelled images of any format."""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hand_pose_ros.data.datasets import Dataset
    from hand_pose_ros.evaluation.panels import Panel
    from hand_pose_ros.evaluation.run import Done
    from hand_pose_ros.evaluation.summary import RunSummary
    from hand_pose_ros.evaluation.tables import About, Table
    from hand_pose_ros.runtime.panel import PanelConfig

OPTIONS = ("protocol", "predictions", "given", "workers", "limit", "rate")
"""Arguments that only datasets have; all are None where nobody gives them."""

SCORES, TABLES, REPORT = "scores.json", "scores.md", "report.html"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the evaluation of a dataset can be told."""
    group = parser.add_argument_group("datasets")
    group.add_argument(
        "--protocol",
        action="extend",
        nargs="+",
        metavar="NAME",
        help="pa, wrist-scaled, wrist, middle-mcp, palm-scaled, stb-palm-scaled, absolute; hands "
        "are ordered by the first (default: those of the dataset's papers)",
    )
    group.add_argument(
        "--predictions",
        action="append",
        metavar="NAME=FILE",
        help="score estimates made elsewhere: .json as `hand-pose predict` writes it, or .npy "
        "(images, 21, 3) in metres; without --model no model is run",
    )
    group.add_argument(
        "--given",
        metavar="WHAT",
        help="what is told of each hand: labelled (side, and box where the dataset has one; the "
        "default), box (one around the true joints where it has none), nothing",
    )
    group.add_argument("--workers", type=int, metavar="N", help="processes (default: 1)")
    group.add_argument("--limit", type=int, metavar="N", help="so many images, every k-th")
    group.add_argument(
        "--rate", type=float, metavar="HZ", help="of sequences, for side flips a minute"
    )


@dataclass(frozen=True)
class DatasetJob:
    """What a process of an evaluation does; see `evaluation.panels.Job`."""

    path: Path
    format: str
    split: str
    config: PanelConfig
    predictions: tuple[tuple[str, Path], ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Models, then the peer, then files."""
        from hand_pose_ros.runtime.panel import PEER

        peer = (PEER,) if self.config.peer else ()
        return (*self.config.models, *peer, *(name for name, _ in self.predictions))

    def settings(self) -> dict[str, Any]:
        """Return what the answers depend on."""
        return {
            "dataset": str(self.path.resolve()),
            "format": self.format,
            "split": self.split,
            "predictions": {name: _state(path) for name, path in self.predictions},
            **asdict(self.config),
        }

    def dataset(self) -> Dataset:
        """Open the dataset."""
        from hand_pose_ros.data.datasets import open_dataset

        return open_dataset(self.path, self.format, self.split)

    def panel(self, images: int) -> Panel:
        """Load the estimators and open the files."""
        from hand_pose_ros.cli.progress import use_threads
        from hand_pose_ros.evaluation.panels import Panels
        from hand_pose_ros.evaluation.predictions import PredictionPanel

        panels: list[Panel] = []
        if self.config.models or self.config.peer:
            from hand_pose_ros.runtime.panel import HandPanel

            use_threads()
            panels.append(HandPanel(self.config))
        if self.predictions:
            panels.append(PredictionPanel(dict(self.predictions), images))
        return Panels(*panels)


def run(args: argparse.Namespace, path: Path, format: str) -> int:
    """Look at every image, then print and write what it amounts to."""
    from hand_pose_ros.cli.progress import terminated_as_interrupted
    from hand_pose_ros.errors import InputError
    from hand_pose_ros.evaluation.protocols import protocols_of
    from hand_pose_ros.evaluation.run import run_job
    from hand_pose_ros.evaluation.summary import summarize
    from hand_pose_ros.evaluation.tables import About, tables_of

    protocols = protocols_of(format, args.protocol)
    job = _job(args, path, format)
    about = About(str(path), format, job.split, _told(job), args.rate)
    with _folder(args.out) as out, terminated_as_interrupted():
        with _progress() as progress:
            done = run_job(
                job,
                out,
                limit=args.limit,
                workers=1 if args.workers is None else args.workers,
                progress=progress,
            )
        if args.rate is not None:
            about = replace(about, rate_hz=args.rate / done.folder.step)
        summary = summarize(done.folder.chunks(), job.names, protocols)
        if not any(each.hands for each in summary.estimators):
            raise InputError(f"{path} has no hand of which a joint is known: nothing is scored")
        tables = tables_of(summary, about)
        print("\n\n".join(table.markdown() for table in tables[: 1 + len(protocols)]))
        if args.out is not None:
            _write(args.out, job.dataset(), summary, about, tables, _cost(done))
            print(f"\nwritten to {args.out}")
    print(f"\n{_cost(done)}")
    return 0


def _job(args: argparse.Namespace, path: Path, format: str) -> DatasetJob:
    from hand_pose_ros.data.datasets import FORMATS
    from hand_pose_ros.errors import InputError
    from hand_pose_ros.models.registry import model_entry
    from hand_pose_ros.runtime.panel import GIVEN, PanelConfig

    files = tuple(_named_file(text) for text in args.predictions or ())
    models = tuple(dict.fromkeys(args.model or (() if files else ("keypoints",))))
    for name in models:
        model_entry(name)
    config = PanelConfig(
        models,
        args.peer is not None,
        args.detector,
        args.engine,
        args.views,
        args.given or next(iter(GIVEN)),
        args.corrected,
    )
    split = args.split or FORMATS[format].default_split
    job = DatasetJob(path, format, split, config, files)
    if len(set(job.names)) < len(job.names):
        raise InputError(f"estimators are {', '.join(job.names)}; each needs a name of its own")
    return job


def _named_file(text: str) -> tuple[str, Path]:
    from hand_pose_ros.errors import InputError

    name, separator, path = text.partition("=")
    if not (name and separator and path):
        raise InputError(f"--predictions is {text!r}; it must be NAME=FILE")
    return name, Path(path)


def _state(path: Path) -> list[Any]:
    """Return what tells a file from another one that takes its place."""
    status = path.stat() if path.exists() else None
    return [str(path.resolve()), *((status.st_size, status.st_mtime_ns) if status else ())]


def _told(job: DatasetJob) -> str:
    from hand_pose_ros.runtime.panel import GIVEN

    ours = job.names[: len(job.names) - len(job.predictions)]
    return f"{', '.join(ours)} were told of each hand: {GIVEN[job.config.given]}." if ours else ""


@contextmanager
def _folder(out: Path | None) -> Iterator[Path]:
    """Give the folder of the run, one that goes again where none is named."""
    if out is not None:
        yield out
        return
    with tempfile.TemporaryDirectory(prefix="hand-pose-evaluate-") as folder:
        yield Path(folder)


@contextmanager
def _progress() -> Iterator[Callable[[int, int], None]]:
    from tqdm import tqdm

    with tqdm(unit="image", disable=None, dynamic_ncols=True) as bar:

        def progress(done: int, count: int) -> None:
            if bar.total is None:
                bar.reset(count)
                bar.initial = done
            bar.update(done - bar.n)

        yield progress


def _write(
    out: Path,
    dataset: Dataset,
    summary: RunSummary,
    about: About,
    tables: list[Table],
    cost: str,
) -> None:
    from hand_pose_ros.cli.evaluate_page import page_of
    from hand_pose_ros.data.synthetic.output.whole_files import write_json, write_text
    from hand_pose_ros.evaluation.scores import scores_as_dict

    write_json(out / SCORES, scores_as_dict(summary, about))
    text = "\n\n".join(table.markdown() for table in tables)
    title = f"# {about.format} {about.split}: {summary.images} images of {about.dataset}"
    write_text(out / TABLES, f"{title}\n\n{about.how}\n\n{text}\n")
    write_text(out / REPORT, page_of(dataset, summary, about, tables, cost))


def _cost(done: Done) -> str:
    """Return how long it took and how much memory at most."""
    per_mb = 1024.0 if sys.platform != "darwin" else 1024.0**2
    own, others = (
        resource.getrusage(who).ru_maxrss / per_mb
        for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    rate = f", {done.looked_at / done.seconds:.1f} a second" if done.looked_at else ""
    before = done.images - done.looked_at
    there = f"; {before} were there before" if before else ""
    processes = f", of other processes {others:.0f} MB each" if others else ""
    return (
        f"{done.looked_at} images in {done.seconds:.1f} s{rate}{there}; "
        f"peak memory {own:.0f} MB{processes}"
    )
