"""The `folder` dataset: a folder of images and, where there are any, annotations beside them.

    DATASET/images/*.jpg, *.png, ...
    DATASET/annotations.json   {"images": {NAME: {"side", "K", "distortion", "distortion_model",
                                                  "keypoints", "box"}}}

Every field of an image may be missing. `K` is the 3x3 intrinsic matrix of that image [px],
`distortion` and `distortion_model` are as in sensor_msgs/CameraInfo, none and `plumb_bob` where
missing; `keypoints` 21 points [m] in the camera optical frame, `box` x, y, w, h [px]. They are
those of one hand; where an image shows more, of the first. Further fields are not read here:
rendered datasets (`data.synthetic.output`) have all hands in `hands`, which `data.readers.folder`
reads, and masks and depth beside the images; `stamp_ns` says when an image was taken, for
`evaluation.folder_truth`. A folder that holds images directly, without annotations, is read too.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hand_pose_ros.errors import InputError
from hand_pose_ros.hand.camera import Camera
from hand_pose_ros.hand.skeleton import KEYPOINTS, SIDES

ANNOTATIONS = "annotations.json"
IMAGES = "images"
SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp")


@dataclass(frozen=True, eq=False)
class FolderSample:
    """One image of a folder and what is known about it.

    Attributes:
        name: the file's name, the key of the annotation.
        path: where the file is.
        side: `left` or `right`; None where unknown.
        K: (3, 3) intrinsic matrix [px]; None where unknown.
        box: x, y, w, h of the hand [px]; None where unknown.
        keypoints: (21, 3) true joints [m], camera optical frame; None where unknown.
        distortion: coefficients, order of sensor_msgs/CameraInfo; empty for none.
        distortion_model: see `Camera`.
    """

    name: str
    path: Path
    side: str | None = None
    K: npt.NDArray[np.float64] | None = None
    box: tuple[float, float, float, float] | None = None
    keypoints: npt.NDArray[np.float64] | None = None
    distortion: tuple[float, ...] = ()
    distortion_model: str = "plumb_bob"

    def camera(self, width: int, height: int) -> Camera:
        """Return the camera of the image, whose size is read with it; a guess where K is None."""
        if self.K is None:
            return Camera.from_field_of_view(width, height)
        return Camera(self.K, width, height, self.distortion, self.distortion_model)


def read_folder(
    folder: str | Path, *, require: Iterable[str] = (), keypoints: bool = True
) -> list[FolderSample]:
    """Return the samples of a dataset folder, in the order of their names.

    Args:
        folder: the dataset.
        require: fields of `FolderSample` that every image must have, such as `keypoints` to
            evaluate; images that lack one are an error.
        keypoints: whether the true joints are read; without, they are None and never looked at.

    Raises:
        InputError: no such folder, no images, an annotated image that is missing, or a broken
            annotation; the message names the file and the field.
    """
    folder = Path(folder)
    samples = [
        as_sample(name, path, annotation, folder / ANNOTATIONS, keypoints)
        for name, path, annotation in list_folder(folder)
    ]
    _check_required(samples, require, folder / ANNOTATIONS)
    return samples


def list_folder(folder: Path) -> list[tuple[str, Path, dict[str, Any]]]:
    """Return name, file and annotation of each image, in the order of their names.

    Raises:
        InputError: no such folder, no images, or an annotated image that is missing.
    """
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder")
    images = folder / IMAGES if (folder / IMAGES).is_dir() else folder
    paths = {
        path.name: path for path in sorted(images.iterdir()) if path.suffix.lower() in SUFFIXES
    }
    annotations = _read_annotations(folder / ANNOTATIONS)
    for name in annotations:
        if name not in paths:
            raise InputError(f"{folder / ANNOTATIONS}: image {name!r} is not in {images}")
    if not paths:
        raise InputError(f"{images} holds no images ({', '.join(SUFFIXES)})")
    return [(name, path, annotations.get(name, {})) for name, path in paths.items()]


def read_image(path: str | Path) -> npt.NDArray[np.uint8]:
    """Return an image file as RGB (H, W, 3).

    Raises:
        InputError: the file is missing or no image.
    """
    import cv2

    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if data else None
    if image is None:
        raise InputError(f"{path} is not an image that can be decoded ({len(data)} bytes)")
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), dtype=np.uint8)


def _read_annotations(path: Path) -> dict[str, dict[str, Any]]:
    if not path.exists():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise InputError(f"{path} is not readable JSON: {error}") from error
    images = content.get("images") if isinstance(content, dict) else None
    if not isinstance(images, dict):
        raise InputError(f'{path} must be an object with "images": {{NAME: {{...}}}}')
    for name, annotation in images.items():
        if not isinstance(annotation, dict):
            raise InputError(f"{path}: images[{name!r}] is {annotation!r}; it must be an object")
    return images


def as_sample(
    name: str, path: Path, annotation: dict[str, Any], source: Path, with_keypoints: bool = True
) -> FolderSample:
    """Return what an annotation says of an image.

    Args:
        name: of the image.
        path: its file.
        annotation: of `source`.
        source: the file of annotations, for messages.
        with_keypoints: whether the true joints are read.

    Raises:
        InputError: a field is broken; the message names it.
    """
    where = f"{source}: images[{name!r}]"
    side = annotation.get("side")
    if side is not None and side not in SIDES:
        raise InputError(f"{where}.side is {side!r}; it must be one of {SIDES}")
    box = _numbers(annotation, "box", (4,), where)
    if box is not None and not (box[2] > 0 and box[3] > 0):
        raise InputError(f"{where}.box is {box.tolist()}; its width and height must be above 0")
    lens = _lens(annotation, where)
    keypoints = None
    if with_keypoints:
        keypoints = _numbers(annotation, "keypoints", (len(KEYPOINTS), 3), where)
    corners = None if box is None else tuple(box.tolist())
    if lens is None:
        return FolderSample(name, path, side, None, corners, keypoints)
    return FolderSample(
        name, path, side, lens.K, corners, keypoints, lens.distortion, lens.distortion_model
    )


def _lens(annotation: dict[str, Any], where: str) -> Camera | None:
    """Return the camera without its size; None where there is no K."""
    K = _numbers(annotation, "K", (3, 3), where)
    distortion = _numbers(annotation, "distortion", None, where)
    coefficients = () if distortion is None else tuple(distortion.tolist())
    if K is None:
        if coefficients:
            raise InputError(f"{where}.distortion is {coefficients} without a K; give both")
        return None
    model = str(annotation.get("distortion_model", "plumb_bob"))
    try:
        return Camera(K, 1, 1, coefficients, model)
    except InputError as error:
        # Its messages name the distortion where it is that.
        field = "" if "distortion" in str(error) else ".K"
        raise InputError(f"{where}{field}: {error}") from error


def _numbers(
    annotation: dict[str, Any], field: str, shape: tuple[int, ...] | None, where: str
) -> npt.NDArray[np.float64] | None:
    value = annotation.get(field)
    if value is None:
        return None
    try:
        numbers = np.array(value, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"{where}.{field} is not an array of numbers: {error}") from error
    if numbers.shape != (shape or (numbers.size,)):
        raise InputError(
            f"{where}.{field} has shape {numbers.shape}; it must be {shape or '(n,)'}"
        )
    if not np.isfinite(numbers).all():
        raise InputError(f"{where}.{field} has values that are not finite")
    return numbers


def _check_required(samples: list[FolderSample], require: Iterable[str], source: Path) -> None:
    for field in require:
        missing = [sample.name for sample in samples if getattr(sample, field) is None]
        if missing:
            raise InputError(
                f"{source}: {len(missing)} of {len(samples)} images have no {field!r}, "
                f"the first {missing[0]!r}"
            )
