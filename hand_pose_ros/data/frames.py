"""Whole images with several hands, some or none, put together of pictures of the studio.

Each is laid out in cells; a cell shows a part of a picture, large or small, in a mirror or not.
The edges between cells are as little part of a hand as those of things in a room.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt

from hand_pose_ros.data.boxes import box_around
from hand_pose_ros.data.synthetic.sample import SynthSample
from hand_pose_ros.errors import ShapeError

Array = npt.NDArray[np.float64]

_ASPECTS = (16 / 9, 4 / 3, 1.0, 3 / 4)
"""Of the images of cameras; what they lack of a square is black."""
_CELLS, _CELL_SHARES = (1, 2, 3, 4, 6), (0.45, 0.2, 0.1, 0.15, 0.1)
_INSETS = 0.2
"""Share of images with a small picture upon the others."""
_AWAY = 0.15
"""Share of cells that look where no hand is."""
_WHOLE = 0.6
"""Share of a hand's points in view from which it is to be found."""
_LEAST_PX = 8.0
"""Longer side of the box [px] from which it is."""
_TRIES = 8


@dataclass(frozen=True, eq=False)
class Picture:
    """An image and the hands in it.

    Attributes:
        image_rgb: (H, W, 3) uint8.
        keypoints_px: (hand, 21, 2), also where they are outside.
        right: (hand,) bool.
    """

    image_rgb: npt.NDArray[np.uint8]
    keypoints_px: Array
    right: npt.NDArray[np.bool_]

    def __post_init__(self) -> None:
        if self.keypoints_px.shape != (len(self.right), 21, 2):
            raise ShapeError(
                f"keypoints_px has shape {self.keypoints_px.shape}; "
                f"it must be {(len(self.right), 21, 2)}"
            )

    @classmethod
    def of_sample(cls, sample: SynthSample) -> Picture:
        """Return the picture of what the studio made."""
        points = [hand.keypoints_px for hand in sample.hands]
        right = [hand.side == "right" for hand in sample.hands]
        return cls(sample.image_rgb, np.array(points).reshape(-1, 21, 2), np.array(right, bool))


@dataclass(frozen=True, eq=False)
class Frame(Picture):
    """An image whose hands are to be found, and places where hands do not matter.

    Attributes:
        ignored: (place, 4) x, y, width, height [px] of hands that are cut off or too small.
    """

    ignored: Array


def frames(
    pictures: Iterable[Picture], random: np.random.Generator, side: int, kept: int = 1500
) -> Iterator[Frame]:
    """Yield square images (side, side, 3) put together of pictures, in changed light.

    Args:
        pictures: one is drawn for each image; with it ends what is yielded.
        random: of all choices.
        side: of the images [px].
        kept: pictures that wait to be used in several images.
    """
    store: list[Picture] = []
    for picture in pictures:
        if len(store) < kept:
            store.append(picture)
        else:
            store[int(random.integers(kept))] = picture
        # The first images are made of as many pictures as there are by then.
        frame = compose(lambda: store[int(random.integers(len(store)))], random, side)
        yield replace(frame, image_rgb=developed(frame.image_rgb, random))


def compose(draw: Callable[[], Picture], random: np.random.Generator, side: int) -> Frame:
    """Return one image (side, side, 3) of pictures that are drawn."""
    canvas = np.zeros((side, side, 3), np.uint8)
    cells = layout(random, side)
    shown = [_fill(canvas, cell, draw(), random) for cell in cells]
    points = np.concatenate([keypoints for keypoints, _ in shown])
    right = np.concatenate([right for _, right in shown])
    owner = np.repeat(np.arange(len(cells)), [len(right) for _, right in shown])
    seen = in_view(points, owner, cells)
    boxes = box_around(points)
    wanted = (seen >= _WHOLE) & (boxes[:, 2:].max(axis=1, initial=0.0) >= _LEAST_PX)
    return Frame(canvas, points[wanted], right[wanted], boxes[~wanted & (seen > 0.0)])


def layout(random: np.random.Generator, side: int) -> list[tuple[int, int, int, int]]:
    """Return cells x, y, width, height [px]; one covers those before it where they meet."""
    aspect = float(random.choice(_ASPECTS))
    width, height = round(side * min(aspect, 1.0)), round(side / max(aspect, 1.0))
    cells = [((side - width) // 2, (side - height) // 2, width, height)]
    for _ in range(int(random.choice(_CELLS, p=_CELL_SHARES)) - 1):
        largest = max(range(len(cells)), key=lambda i: cells[i][2] * cells[i][3])
        cells += _split(cells.pop(largest), random.uniform(0.35, 0.65))
    if random.random() < _INSETS:
        x, y, width, height = cells[0]
        small = round(min(width, height) * random.uniform(0.3, 0.6))
        left, top = (random.integers(length - small + 1) for length in (width, height))
        cells.append((x + int(left), y + int(top), small, small))
    return cells


def in_view(
    points: Array, owner: npt.NDArray[np.integer], cells: list[tuple[int, int, int, int]]
) -> Array:
    """Return which share of each hand's points (hand, 21, 2) lies in its cell, uncovered."""
    rectangles = np.array(cells, dtype=float)
    low, high = rectangles[:, :2] - 0.5, rectangles[:, :2] + rectangles[:, 2:] - 0.5
    at = points[:, :, None]
    inside = ((at >= low) & (at < high)).all(axis=-1)
    numbers = np.arange(len(cells))
    own = inside & (numbers == owner[:, None, None])
    covered = inside & (numbers > owner[:, None, None])
    return (own.any(axis=-1) & ~covered.any(axis=-1)).mean(axis=-1)


def developed(image: npt.NDArray[np.uint8], random: np.random.Generator) -> npt.NDArray[np.uint8]:
    """Return an image in other light, sometimes blurred, noisy, or without colour."""
    seen = image.astype(np.float32) / 255.0
    seen = seen ** np.float32(np.exp(random.normal(0.0, 0.25)))
    seen *= np.exp(random.normal(0.0, 0.1) + random.normal(0.0, 0.06, 3)).astype(np.float32)
    if random.random() < 0.08:
        seen[:] = seen.mean(axis=-1, keepdims=True)
    if random.random() < 0.2:
        seen = np.asarray(cv2.GaussianBlur(seen, (0, 0), random.uniform(0.3, 1.2)), np.float32)
    if random.random() < 0.3:
        noise = random.normal(0.0, random.uniform(0.0, 0.04), seen.shape)
        seen = seen + noise.astype(np.float32) * (image > 0)
    return np.asarray(np.clip(seen * 255.0, 0.0, 255.0), np.uint8)


def _split(cell: tuple[int, int, int, int], share: float) -> list[tuple[int, int, int, int]]:
    x, y, width, height = cell
    if width >= height:
        first = round(width * share)
        return [(x, y, first, height), (x + first, y, width - first, height)]
    first = round(height * share)
    return [(x, y, width, first), (x, y + first, width, height - first)]


def _fill(
    canvas: npt.NDArray[np.uint8],
    cell: tuple[int, int, int, int],
    picture: Picture,
    random: np.random.Generator,
) -> tuple[Array, npt.NDArray[np.bool_]]:
    """Show a part of a picture in a cell; return the points and sides of its hands there."""
    x, y, width, height = cell
    rows, columns = picture.image_rgb.shape[:2]
    zoom = np.exp(random.uniform(0.0, 0.4)) * max(width / columns, height / rows)
    window = np.minimum(np.ceil(np.array((width, height)) / zoom), (columns, rows)).astype(int)
    left, top = _window(picture, window, np.array((columns, rows)) - window, random)
    part = picture.image_rgb[top : top + window[1], left : left + window[0]]
    shown = np.asarray(cv2.resize(part, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
    points = (picture.keypoints_px - (left, top) + 0.5) * ((width, height) / window) - 0.5
    right = picture.right
    if random.random() < 0.5:
        shown, right = shown[:, ::-1], ~right
        points = points * (-1.0, 1.0) + (width - 1.0, 0.0)
    canvas[y : y + height, x : x + width] = shown
    return points + (x, y), right


def _window(
    picture: Picture,
    window: npt.NDArray[np.integer],
    room: npt.NDArray[np.integer],
    random: np.random.Generator,
) -> tuple[int, int]:
    """Return where a part of a picture begins: mostly such that a hand is in it."""
    places = np.stack([random.integers(room + 1) for _ in range(_TRIES)])
    if len(picture.right):
        points = picture.keypoints_px[None]
        low = places[:, None, None]
        inside = ((points >= low) & (points < low + window)).all(axis=-1).mean(axis=(1, 2))
        best = inside.argmin() if random.random() < _AWAY else (inside >= inside.max()).argmax()
        return int(places[best, 0]), int(places[best, 1])
    return int(places[0, 0]), int(places[0, 1])
