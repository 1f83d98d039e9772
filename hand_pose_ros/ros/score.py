"""Estimators' bags scored side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from hand_pose_ros.errors import InputError
from hand_pose_ros.evaluation.recording import RecordedFrame, Recording, Times
from hand_pose_ros.evaluation.recording_score import RecordingScore, score_recording
from hand_pose_ros.ros.bag import BagReader
from hand_pose_ros.ros.hands_topic import (
    choose_hands_topic,
    hands_topics,
    has_images,
    open_hands,
    open_images,
)
from hand_pose_ros.ros.source.opening import BAG_SUFFIXES, bag_at, is_bag
from hand_pose_ros.ros.truth import open_truth

Progress = Callable[[Iterable[RecordedFrame], int | None], Iterable[RecordedFrame]]
"""Wraps frames, of which there are so many, with something that shows how far it has come."""

SLOP_S = 0.001
"""How far stamps that belong together may be apart by default [s]: rounding, not another image."""


@dataclass(frozen=True)
class ScoreOptions:
    """What bags are scored against.

    Attributes:
        truth: a bag or a `folder` dataset with the true hands; None for none.
        truth_topic: which HandPoseArray of that bag.
        source: a bag with the images that were to be answered; without it those of the scored bag
            itself, those of the truth's bag, or the images that have a truth.
        image_topic: which images of it.
        slop_s: how far stamps that belong together may be apart [s].

    Raises:
        InputError: an option that needs another.
    """

    truth: Path | None = None
    truth_topic: str | None = None
    source: Path | None = None
    image_topic: str | None = None
    slop_s: float = SLOP_S

    def __post_init__(self) -> None:
        if not 0.0 <= self.slop_s < float("inf"):
            raise InputError(f"slop is {self.slop_s} s; it must be 0 or more")
        for name, needed in (("truth_topic", "truth"), ("image_topic", "source")):
            if getattr(self, name) is not None and getattr(self, needed) is None:
                raise InputError(f"{name} is {getattr(self, name)} without a {needed}")
        for name in ("truth", "source"):
            if (path := getattr(self, name)) is not None:
                object.__setattr__(self, name, bag_at(path))


def score_bags(
    paths: Sequence[Path],
    options: ScoreOptions | None = None,
    topics: Sequence[str] = (),
    progress: Progress = lambda frames, count: frames,
) -> dict[str, RecordingScore]:
    """Return the score of each estimator, by a short name that tells them apart.

    Args:
        paths: the bags, or folders that `hand-pose replay` wrote.
        options: what they are scored against.
        topics: which HandPoseArray topics; of a bag those that it has. Without them its only one
            that is no truth.
        progress: wraps the answers of each bag, of which there are so many.

    Raises:
        InputError: a bag or the truth cannot be read, or a bag has none of the topics.
    """
    options = options or ScoreOptions()
    chosen = [(path, topic) for path in paths for topic in _topics(bag_at(path), topics)]
    names = short_names(chosen)
    return {
        name: score_bag(path, options, topic, progress)
        for name, (path, topic) in zip(names, chosen, strict=True)
    }


def score_bag(
    path: Path,
    options: ScoreOptions | None = None,
    topic: str | None = None,
    progress: Progress = lambda frames, count: frames,
) -> RecordingScore:
    """Score the hands of one bag; see `score_bags`."""
    options, path = options or ScoreOptions(), bag_at(path)
    (topic,) = _topics(path, () if topic is None else (topic,))
    recording = _shown(open_hands(path, topic), progress)
    images, together = _images(path, options)
    truth = _truth(recording, images, options)
    slop_ns = round(options.slop_s * 1e9)
    return score_recording(recording, truth, images, slop_ns, together=together)


def short_names(chosen: Sequence[tuple[Path, str]]) -> list[str]:
    """Return names of bags and topics: the last parts of the paths that tell them apart."""
    paths = [_without_suffix(path.resolve()).parts for path, _ in chosen]
    topics: dict[tuple[str, ...], list[str]] = {}
    for parts, (_, topic) in zip(paths, chosen, strict=True):
        topics.setdefault(parts, []).append(topic)
    count = next(n for n in range(1, 1000) if len({p[-n:] for p in paths}) == len(topics))
    names = []
    for parts, (_, topic) in zip(paths, chosen, strict=True):
        name = "/".join(parts[-count:])
        names.append(f"{name} {topic}" if len(topics[parts]) > 1 else name)
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise InputError(f"{twice} is named twice")
    return names


def _shown(recording: Recording, progress: Progress) -> Recording:
    count = len(recording.times.stamps_ns)
    return replace(recording, read=lambda: iter(progress(recording.read(), count)))


def _without_suffix(path: Path) -> Path:
    return path.with_suffix("") if path.suffix in BAG_SUFFIXES else path


def _topics(path: Path, names: Sequence[str]) -> list[str]:
    with BagReader(path) as reader:
        if not names:
            return [choose_hands_topic(reader, None)]
        there = [name for name in names if hands_topics(reader).get(name)]
        return there or [choose_hands_topic(reader, names[0])]


def _images(path: Path, options: ScoreOptions) -> tuple[Times | None, bool]:
    """Return the images to be answered, and whether they were recorded with the answers."""
    if options.source is not None:
        together = options.source.resolve() == path.resolve()
        return open_images(options.source, options.image_topic), together
    if has_images(path):
        return open_images(path), True
    truth = options.truth
    if truth is not None and truth.exists() and is_bag(truth) and has_images(truth):
        return open_images(truth), False
    return None, False


def _truth(recording: Recording, images: Times | None, options: ScoreOptions) -> Recording | None:
    if options.truth is None:
        return None
    return open_truth(options.truth, images or recording.times, options.truth_topic)
