"""The `folder` dataset as the truth of a recording: its images are found by their stamps.

When an image was taken is told, in this order, by

- `stamp_ns` in its annotation: an integer, the stamp of the image in nanoseconds;
- its name: `SECONDS.NANOSECONDS.png` or `SECONDS_NANOSECONDS.png` with nine digits behind, or
  nanoseconds alone, 16 digits or more: `1700000000123456789.png`;
- else its place: the images by name are those of the recording by stamp, and as many.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from hand_pose_ros.data.datasets import open_dataset
from hand_pose_ros.data.folder import ANNOTATIONS, list_folder
from hand_pose_ros.data.sample import LabelledHand
from hand_pose_ros.errors import InputError
from hand_pose_ros.evaluation.recording import (
    NS_PER_S,
    RecordedFrame,
    RecordedHand,
    Recording,
    Times,
)
from hand_pose_ros.hand.skeleton import DOFS, KEYPOINTS

STAMP = "stamp_ns"
"""Field of an annotation."""

_SPLIT_NAME = re.compile(r"(\d+)[._](\d{9})")
_WHOLE_NAME = re.compile(r"\d{16,}")
_LATEST = np.iinfo(np.int64).max


def open_folder_truth(folder: Path, images: Times | None = None) -> Recording:
    """Return the labels of a folder as recorded hands.

    An image without joints is left out: nothing is known of it. One with an empty list `hands` is
    one without a hand.

    Args:
        folder: the dataset.
        images: those of the recording, for folders whose images have no stamps.

    Raises:
        InputError: the folder cannot be read, has no joints, or its images no stamps.
    """
    annotations = {name: annotation for name, _, annotation in list_folder(folder)}
    stamps = dict(zip(annotations, _stamps(folder, annotations, images), strict=True))
    labelled = [name for name, a in annotations.items() if "hands" in a or "keypoints" in a]
    if not labelled:
        raise InputError(f"{folder / ANNOTATIONS} has no image with keypoints")
    times = np.array([stamps[name] for name in labelled], np.int64)
    dataset, wanted = open_dataset(folder, "folder"), frozenset(labelled)

    def read() -> Iterator[RecordedFrame]:
        for image in dataset.images():
            if image.name in wanted:
                hands = tuple(_hand(hand) for hand in image.hands if hand.keypoints is not None)
                yield RecordedFrame(stamps[image.name], hands)

    return Recording(str(folder), Times(times, times), read)


def _stamps(
    folder: Path, annotations: Mapping[str, dict[str, Any]], images: Times | None
) -> list[int]:
    """Return the stamp of each image [ns]."""
    found = {name: _stamp_ns(name, each, folder) for name, each in annotations.items()}
    known = [stamp for stamp in found.values() if stamp is not None]
    if len(known) == len(found):
        return known
    if known:
        name = next(name for name, stamp in found.items() if stamp is None)
        raise InputError(
            f"{folder}: {len(known)} of {len(found)} images have a stamp, {name!r} has none; "
            f"give all of them {STAMP!r} in {ANNOTATIONS}, or none"
        )
    places = [] if images is None else np.unique(images.stamps_ns).tolist()
    if len(places) != len(found):
        raise InputError(
            f"{folder} has {len(found)} images without stamps and the recording {len(places)}: "
            f"they cannot be paired in order; give each its {STAMP!r} in {ANNOTATIONS}"
        )
    return places


def _stamp_ns(name: str, annotation: dict[str, Any], folder: Path) -> int | None:
    """Return what an annotation or a name says [ns]; None where neither says anything."""
    stamp = annotation.get(STAMP)
    stem = Path(name).stem
    if stamp is None and _WHOLE_NAME.fullmatch(stem):
        stamp = int(stem)
    elif stamp is None and (parts := _SPLIT_NAME.fullmatch(stem)):
        stamp = int(parts[1]) * NS_PER_S + int(parts[2])
    if stamp is None:
        return None
    if not isinstance(stamp, int) or isinstance(stamp, bool) or not 0 <= stamp <= _LATEST:
        raise InputError(
            f"{folder / ANNOTATIONS}: images[{name!r}].{STAMP} is {stamp!r}; it must be an "
            "integer, the nanoseconds of the image's stamp"
        )
    return stamp


def _hand(hand: LabelledHand) -> RecordedHand:
    unknown_px = np.full((len(KEYPOINTS), 2), np.nan)
    return RecordedHand(
        "",
        hand.side,
        np.asarray(hand.keypoints, np.float64),
        unknown_px if hand.keypoints_px is None else np.asarray(hand.keypoints_px, np.float64),
        np.full(len(DOFS), np.nan),
    )
