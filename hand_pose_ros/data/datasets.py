"""The datasets that can be read, by name.

A format is an entry of `FORMATS` and a module of `data.readers` of the same name, which is loaded
when the format is asked for. The module offers one function,

    open_split(root: Path, split: str) -> Dataset

that is called with a folder (or, for `shards`, a file) that exists and one of the format's own
splits. It reads or indexes the labels and returns a dataset, most simply `readers.indexed.Indexed`
around a function from a number to a `LabelledImage`. What is missing or broken in the files is an
`InputError` with file and reason: at once where the whole dataset hangs on it, from `images` where
it is the label of one image, from `LabelledImage.read` where it is the pixels.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from hand_pose_ros.data.sample import LabelledImage
from hand_pose_ros.errors import InputError


@runtime_checkable
class Dataset(Protocol):
    """A dataset on disk: its labels are indexed when it is opened, its images read one by one.

    Attributes:
        format: its name in the table of formats.
        root: where it lies.
        split: which part of it, as its authors name the parts.
        expected: number of images its authors published in this split; None where nobody did.
    """

    format: str
    root: Path
    split: str
    expected: int | None

    def __len__(self) -> int:
        """Return the number of images."""
        ...

    def images(self, start: int = 0, step: int = 1) -> Iterator[LabelledImage]:
        """Yield images start, start + step, ... in an order that never changes."""
        ...


@dataclass(frozen=True)
class Format:
    """One way in which a dataset lies on disk.

    Attributes:
        text: one line of help.
        splits: its parts by their authors' names, the default first.
    """

    text: str
    splits: tuple[str, ...] = ("all",)

    @property
    def default_split(self) -> str:
        """The split that is read where none is named."""
        return self.splits[0]


FORMATS: dict[str, Format] = {
    "folder": Format("images and annotations.json: your own data, rendered folders"),
    "shards": Format("WebDataset shards of `hand-pose synth`"),
    "rhd": Format(
        "Rendered Handpose Dataset, version 2; one hand an image as the papers do, or both",
        ("evaluation", "evaluation-both", "training", "training-both"),
    ),
    "stb": Format(
        "Stereo Hand Pose Tracking Benchmark; SK: RealSense, BB: left image of the stereo pair",
        ("SK-test", "SK-train", "BB-test", "BB-train", "BB-stereo-test", "BB-stereo-train"),
    ),
    "freihand": Format(
        "FreiHAND, version 2; of its training set all or one version",
        (
            "evaluation",
            "training",
            "training-gs",
            "training-hom",
            "training-sample",
            "training-auto",
        ),
    ),
    "interhand": Format(
        "InterHand2.6M, version 1.0; H: labelled by people, M: by machine, neither: both",
        ("test", "test-H", "test-M", "val", "train", "train-H", "train-M"),
    ),
    "ho3d": Format("HO-3D, version 2 or 3", ("evaluation", "train")),
    "dexycb": Format(
        "DexYCB; s0: all seen, s1: new people, s2: new cameras, s3: new objects",
        tuple(f"s{setup}_{part}" for setup in range(4) for part in ("test", "val", "train")),
    ),
}
"""The formats that `open_dataset` reads."""


def open_dataset(root: str | Path, format: str, split: str | None = None) -> Dataset:
    """Return a dataset on disk, its labels indexed.

    Args:
        root: where it lies.
        format: an entry of `FORMATS`.
        split: one of the format's; the first of them where None.

    Raises:
        InputError: an unknown format or split, nothing at `root`, or labels that are missing or
            broken; the message says what is there or allowed.
    """
    if format not in FORMATS:
        raise InputError(f"format is {format!r}; it must be one of {', '.join(FORMATS)}")
    splits = FORMATS[format].splits
    if split is None:
        split = splits[0]
    if split not in splits:
        raise InputError(f"split is {split!r}; {format} has {', '.join(splits)}")
    root = Path(root)
    if not root.exists():
        raise InputError(f"{root} does not exist; it must be a dataset of format {format}")
    if not root.is_dir() and format != "shards":
        raise InputError(f"{root} is a file; it must be the folder of a {format} dataset")
    reader = importlib.import_module(f"hand_pose_ros.data.readers.{format}")
    dataset: Dataset = reader.open_split(root, split)
    return dataset
