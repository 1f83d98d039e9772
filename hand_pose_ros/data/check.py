"""A user's copy of a dataset looked through before hours are spent on it.

Labels of all images, pixels of a sample of them: is everything there, can it be read, and are the
hands such as hands are? Problems are told one by one, each with its file or image and the reason.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from hand_pose_ros.data.datasets import Dataset
from hand_pose_ros.data.plausible import CurlCount, hand_problems, joints_inside
from hand_pose_ros.data.sample import LabelledImage
from hand_pose_ros.errors import InputError

DECODED = 200
"""Images that are decoded, evenly spread, where not all are."""

Labelled = LabelledImage | InputError
"""An image, or what is wrong with its label."""


@dataclass(frozen=True)
class Problem:
    """Something wrong with a dataset.

    Attributes:
        where: the file or the image.
        reason: what is wrong with it.
    """

    where: str
    reason: str

    def __str__(self) -> str:
        """Return one line."""
        return f"{self.where}: {self.reason}" if self.where else self.reason


@dataclass
class Check:
    """What a look through a dataset has found.

    Attributes:
        images: how many have a label that can be read.
        decoded: how many images were decoded.
        hands: how many are labelled.
        known: how many of their joints have a place in space.
        inside: how many of those lie inside their image.
        problems: how many there are.
    """

    images: int = 0
    decoded: int = 0
    hands: int = 0
    known: int = 0
    inside: int = 0
    problems: int = 0
    curls: dict[str, CurlCount] = field(default_factory=dict)


def check_dataset(
    dataset: Dataset,
    tell: Callable[[Problem], None],
    *,
    decode_all: bool = False,
    progress: Callable[[Iterable[Labelled], int], Iterable[Labelled]] | None = None,
) -> Check:
    """Look through a dataset.

    Args:
        dataset: any.
        tell: is called with each problem when it is found.
        decode_all: whether every image is decoded; `DECODED` of them if not.
        progress: wraps the images and their number, such as a progress bar does.

    Returns:
        What was found, the problems counted.
    """
    found = Check()
    every = 1 if decode_all else max(1, len(dataset) // DECODED)
    images: Iterable[Labelled] = _labelled(dataset)
    if progress is not None:
        images = progress(images, len(dataset))
    for problem in _problems(dataset, images, every, found):
        found.problems += 1
        tell(problem)
    return found


def _problems(dataset: Dataset, images: Iterable, every: int, found: Check) -> Iterator[Problem]:
    if dataset.expected not in (None, len(dataset)):
        reason = f"{len(dataset)} images; {dataset.format} {dataset.split} has {dataset.expected}"
        yield Problem(str(dataset.root), reason)
    for number, image in enumerate(images):
        if isinstance(image, InputError):
            yield Problem("", str(image))
            continue
        found.images += 1
        yield from _of_labels(image, found)
        yield from _of_pixels(image, number % every == 0, found)
    for side, curl in found.curls.items():
        if curl.is_backwards:
            yield Problem(f"{side} hands", str(curl))


def _labelled(dataset: Dataset) -> Iterator[Labelled]:
    """Yield every image; after a label that cannot be used the next one goes on."""
    number = 0
    while number < len(dataset):
        try:
            for image in dataset.images(number):
                number += 1
                yield image
            return
        except InputError as error:
            number += 1
            yield error


def _of_labels(image: LabelledImage, found: Check) -> Iterator[Problem]:
    for place, hand in enumerate(image.hands):
        where = image.name if len(image.hands) == 1 else f"{image.name}, hand {place}"
        found.hands += 1
        found.known += int(hand.known.sum())
        found.inside += int((joints_inside(hand, image.camera) & hand.known).sum())
        if hand.side is not None:
            found.curls.setdefault(hand.side, CurlCount()).add(hand)
        for reason in hand_problems(hand, image.camera):
            yield Problem(where, reason)


def _of_pixels(image: LabelledImage, decode: bool, found: Check) -> Iterator[Problem]:
    if not decode:
        if image.path is not None and not image.path.is_file():
            yield Problem(str(image.path), "is missing")
        return
    found.decoded += 1
    try:
        height, width = image.read().shape[:2]
    except InputError as error:
        yield Problem("", str(error))
        return
    camera = image.camera
    if camera is not None and (camera.width, camera.height) != (width, height):
        reason = f"is {width} x {height}; its camera has {camera.width} x {camera.height}"
        yield Problem(str(image.path or image.name), reason)
