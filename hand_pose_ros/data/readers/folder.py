"""The `folder` dataset, see `data.folder`; all hands are read where an image has `hands`."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from hand_pose_ros.data.folder import (
    ANNOTATIONS,
    FolderSample,
    as_sample,
    list_folder,
    read_image,
)
from hand_pose_ros.data.readers.indexed import Indexed
from hand_pose_ros.data.readers.joints import labelled_hand
from hand_pose_ros.data.readers.labels import camera_from, hands_from, place_in_sequence
from hand_pose_ros.data.sample import LabelledHand, LabelledImage
from hand_pose_ros.errors import InputError
from hand_pose_ros.hand.camera import Camera

_OF_A_HAND = ("side", "keypoints", "box")


def open_split(root: Path, split: str) -> Indexed:
    """Return the images of a folder.

    Raises:
        InputError: no images, an annotated image that is missing, or broken JSON.
    """
    images = list_folder(root)
    source = root / ANNOTATIONS

    def at(number: int) -> LabelledImage:
        name, path, annotation = images[number]
        return _image(as_sample(name, path, annotation, source), annotation, source)

    return Indexed("folder", root, split, len(images), at)


def _image(sample: FolderSample, annotation: dict[str, Any], source: Path) -> LabelledImage:
    where = f"{source}: images[{sample.name!r}]"
    camera = camera_from(annotation, where) if "camera" in annotation else _camera(sample)
    if "hands" in annotation:
        hands = hands_from(annotation, where, camera)
    else:
        hands = _only_hand(sample, annotation, camera)
    sequence, frame = place_in_sequence(annotation)
    return LabelledImage(
        sample.name,
        partial(read_image, sample.path),
        camera,
        hands,
        sequence=sequence,
        frame=frame,
        path=sample.path,
    )


def _camera(sample: FolderSample) -> Camera | None:
    """Return the camera; its size is that of the image, which is decoded for it."""
    if sample.K is None:
        return None
    try:
        height, width = read_image(sample.path).shape[:2]
    except InputError:  # said again, and better heard, where the image itself is read
        return None
    return sample.camera(width, height)


def _only_hand(
    sample: FolderSample, annotation: dict[str, Any], camera: Camera | None
) -> tuple[LabelledHand, ...]:
    if not any(name in annotation for name in _OF_A_HAND):
        return ()
    return (labelled_hand(sample.side, sample.keypoints, camera, box=sample.box),)
