"""Estimates that were made elsewhere, read from a file and scored like our own.

.json  {"images": {NAME: {"keypoints": [[x, y, z] x 21], "side", "score"} | null}} in metres, as
`hand-pose predict` writes it; a list of such hands where an image has several
.npy   (images, 21, 3) or (images, 2, 21, 3) with the left and the right hand, float, in
metres, in the order of the dataset's images; all NaN where there is no hand. It is
read image by image: memory does not grow with it
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hand_pose_ros.data.sample import LabelledImage
from hand_pose_ros.data.synthetic.output.whole_files import read_json
from hand_pose_ros.errors import InputError
from hand_pose_ros.evaluation.points import Array
from hand_pose_ros.evaluation.rows import Guess
from hand_pose_ros.hand.skeleton import KEYPOINTS, PARENTS, SIDES

_HAND = (len(KEYPOINTS), 3)


class PredictionPanel:
    """Estimators whose answers are in files.

    Args:
        files: by the name of the estimator.
        images: how many the dataset has.

    Raises:
        InputError: a file that cannot be read, or is for another number of images.
    """

    needs_pixels = False

    def __init__(self, files: Mapping[str, Path], images: int) -> None:
        self._read = {name: _opened(path, images) for name, path in files.items()}

    def __call__(
        self, number: int, image: LabelledImage, image_rgb: npt.NDArray[np.uint8] | None = None
    ) -> Mapping[str, Sequence[Guess]]:
        """Return what each file says of an image.

        Raises:
            InputError: a file does not mention it, or says something that is no hand.
        """
        return {
            name: _assigned(read.guesses(number, image), image)
            for name, read in self._read.items()
        }


def _opened(path: Path, images: int) -> _Array | _Json:
    if not path.is_file():
        raise InputError(f"predictions {path}: there is no such file")
    if path.suffix == ".npy":
        return _Array(path, images)
    if path.suffix == ".json":
        return _Json(path)
    raise InputError(f"predictions {path}: it must be a .json or a .npy file")


class _Array:
    def __init__(self, path: Path, images: int) -> None:
        self._path = path
        try:
            self._values = np.load(path, mmap_mode="r", allow_pickle=False)
        except (ValueError, EOFError, OSError) as error:
            raise InputError(f"predictions {path} is no array: {error}") from error
        shapes = ((images, *_HAND), (images, len(SIDES), *_HAND))
        if self._values.shape not in shapes or self._values.dtype.kind != "f":
            raise InputError(
                f"predictions {path} is {self._values.dtype} {self._values.shape}; it must be "
                f"floats {shapes[0]} or {shapes[1]}"
            )

    def guesses(self, number: int, image: LabelledImage) -> list[Guess]:
        hands = np.asarray(self._values[number], np.float64)
        sides = SIDES if hands.ndim == 3 else (None,)
        where = f"predictions {self._path}: [{number}], {image.name!r}"
        return [
            _guess(points, side, 1.0, image, where)
            for side, points in zip(sides, hands.reshape(-1, *_HAND), strict=True)
            if not np.isnan(points).all()
        ]


class _Json:
    def __init__(self, path: Path) -> None:
        self._path = path
        images = read_json(path).get("images")
        if not isinstance(images, dict):
            raise InputError(f'predictions {path} must be an object with "images": {{NAME: ...}}')
        self._images: dict[str, Any] = images

    def guesses(self, number: int, image: LabelledImage) -> list[Guess]:
        where = f"predictions {self._path}: images[{image.name!r}]"
        if image.name not in self._images:
            raise InputError(f"{where} is missing; an image without a hand must be there as null")
        said = self._images[image.name]
        hands = [] if said is None else said if isinstance(said, list) else [said]
        return [self._guess(hand, where, image) for hand in hands]

    def _guess(self, hand: Any, where: str, image: LabelledImage) -> Guess:
        if not isinstance(hand, dict):
            raise InputError(f"{where} is {hand!r}; it must be an object or null")
        try:
            points = np.array(hand.get("keypoints"), np.float64)
            score = float(hand.get("score", 1.0))
        except (TypeError, ValueError) as error:
            raise InputError(f"{where} has keypoints or a score that are no numbers") from error
        return _guess(points, hand.get("side"), score, image, where)


def _guess(
    points: Array, side: str | None, score: float, image: LabelledImage, where: str
) -> Guess:
    """Return one hand; one behind the camera has no place before it."""
    if points.shape != _HAND:
        raise InputError(f"{where}: keypoints have shape {points.shape}; it must be {_HAND}")
    if not np.isfinite(points).all():
        raise InputError(
            f"{where}: keypoints have a value that is not finite; they are 21 x 3 numbers"
        )
    for joint, parent in enumerate(PARENTS[1:], start=1):
        if (points[joint] == points[parent]).all():
            raise InputError(
                f"{where}: its {KEYPOINTS[joint]} lies on its {KEYPOINTS[parent]}; where there is "
                "no hand, say so"
            )
    placed = bool((points[:, 2] > 0.0).all())
    pixels = None
    if placed and image.camera is not None:
        pixels = np.asarray(image.camera.project(points), np.float64)
    try:
        return Guess(points, side, False, score, pixels, placed)
    except InputError as error:
        raise InputError(f"{where}: {error}") from error


def _assigned(guesses: list[Guess], image: LabelledImage) -> list[Guess]:
    """Return the hands with the true ones they mean: the only one, else the only one of a side.

    What is left is told apart by its place in the image.
    """
    if len(guesses) == len(image.hands) == 1:
        return [replace(guesses[0], hand=0)]
    sides = [hand.side for hand in image.hands]
    said = [guess.side for guess in guesses]
    return [
        replace(guess, hand=sides.index(guess.side))
        if guess.side and sides.count(guess.side) == said.count(guess.side) == 1
        else guess
        for guess in guesses
    ]
