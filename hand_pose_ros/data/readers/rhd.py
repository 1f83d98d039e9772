"""Rendered Handpose Dataset (Zimmermann and Brox 2017), `RHD_published_v2` as distributed.

    SPLIT/anno_SPLIT.pickle   {number: {"xyz" (42, 3) [m], "uv_vis" (42, 3), "K" (3, 3)}}
    SPLIT/color/00000.png     320 x 320
    SPLIT/mask/00000.png      class of each pixel: 0 background, 1 person, 2-17 left, 18-33 right

Joints 0 to 20 are the left hand, 21 to 41 the right: the wrist, then each finger from thumb to
little from its tip to the palm. `uv_vis` are pixels and whether the joint is seen.

Every image has labels of both hands, though mostly one is seen. The papers score one hand an
image: that with more pixels in the mask, the right one where both have as many. Splits of the
authors' names do so; with `-both` every hand is returned that has a pixel in the mask.

Source: the dataset's README and the authors' reader (github.com/lmb-freiburg/hand3d,
`create_binary_db.py`, `data/BinaryDbReader.py`). Those score a palm centre in place of the wrist,
halfway between wrist and middle MCP.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from hand_pose_ros.data.folder import read_image
from hand_pose_ros.data.readers.files import field, numbers, read_gray, read_pickle, require
from hand_pose_ros.data.readers.indexed import Indexed
from hand_pose_ros.data.readers.joints import labelled_hand, places, reordered
from hand_pose_ros.data.sample import LabelledHand, LabelledImage
from hand_pose_ros.errors import InputError
from hand_pose_ros.hand.camera import Camera
from hand_pose_ros.hand.skeleton import FINGERS, KEYPOINTS

EXPECTED = {"training": 41258, "evaluation": 2728}
"""Number of images of each split."""

SIZE = (320, 320)
"""Width and height of an image [px]."""

BOTH = "-both"

ORDER = (
    "wrist",
    *(
        KEYPOINTS[1 + 4 * finger + joint]
        for finger in range(len(FINGERS))
        for joint in (3, 2, 1, 0)
    ),
)
"""The joints of one hand as the dataset orders them."""

MASK_CLASSES = {"left": (2, 17), "right": (18, 33)}
"""First and last class of a hand in the masks."""

_PLACES = places(ORDER)
_ROWS = {"left": slice(0, 21), "right": slice(21, 42)}


def open_split(root: Path, split: str) -> Indexed:
    """Return the images of `training` or `evaluation`, with one hand or `-both`.

    Raises:
        InputError: a file or folder is missing, or the annotations are broken.
    """
    part = split.removesuffix(BOTH)
    folder = root / part
    require(root, f"{part}/anno_{part}.pickle", f"{part}/color", f"{part}/mask")
    source = folder / f"anno_{part}.pickle"
    labels = read_pickle(source)
    if not isinstance(labels, dict) or not all(isinstance(number, int) for number in labels):
        raise InputError(f"{source} must be a record of labels by the number of their image")
    ids = sorted(labels)

    def at(number: int) -> LabelledImage:
        name = f"{ids[number]:05d}.png"
        label, where = labels[ids[number]], f"{source}[{ids[number]}]"
        return _image(folder, name, label, where, split.endswith(BOTH))

    return Indexed("rhd", root, split, len(ids), at, EXPECTED[part])


def _image(folder: Path, name: str, label: Any, where: str, both: bool) -> LabelledImage:
    K = numbers(field(label, "K", where), (3, 3), f"{where}.K")
    xyz = numbers(field(label, "xyz", where), (42, 3), f"{where}.xyz")
    uv_vis = numbers(field(label, "uv_vis", where), (42, 3), f"{where}.uv_vis")
    try:
        camera = Camera(K, *SIZE)
        hands = tuple(
            _hand(side, xyz[_ROWS[side]], uv_vis[_ROWS[side]], camera)
            for side in _sides_seen(folder / "mask" / name, both)
        )
    except InputError as error:
        raise InputError(f"{where}: {error}") from error
    path = folder / "color" / name
    return LabelledImage(
        f"{folder.name}/{name}", partial(read_image, path), camera, hands, path=path
    )


def _hand(side: str, xyz: Any, uv_vis: Any, camera: Camera) -> LabelledHand:
    return labelled_hand(
        side,
        reordered(xyz, _PLACES),
        camera,
        keypoints_px=reordered(uv_vis[:, :2], _PLACES),
        visible=reordered(uv_vis[:, 2] == 1.0, _PLACES),
    )


def _sides_seen(path: Path, both: bool) -> list[str]:
    """Return the side with most pixels in a mask, or both that have any."""
    mask = read_gray(path)
    pixels = {
        side: int(np.count_nonzero((mask >= low) & (mask <= high)))
        for side, (low, high) in MASK_CLASSES.items()
    }
    if both:
        return [side for side, count in pixels.items() if count]
    return ["left" if pixels["left"] > pixels["right"] else "right"]
