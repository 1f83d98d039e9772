"""Hands and camera from labels in this project's own words: rendered data and users' own.

    {"camera": {"K", "width", "height", "distortion", "distortion_model", "assumed"},
     "hands": [{"side", "keypoints", "keypoints_px", "visible", "box"}]}

Of a hand every field may be missing or null; units and orders are those of `LabelledHand`, and a
joint that is not known is null. See `data.synthetic.output.labels` for what writes it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from hand_pose_ros.data.readers.files import Array, field, numbers
from hand_pose_ros.data.readers.joints import labelled_hand
from hand_pose_ros.data.sample import LabelledHand
from hand_pose_ros.errors import InputError
from hand_pose_ros.hand.camera import Camera
from hand_pose_ros.hand.skeleton import KEYPOINTS


def camera_from(label: dict[str, Any], where: str) -> Camera:
    """Return the camera of a label.

    Raises:
        InputError: a field is missing or broken; the message names it.
    """
    where = f"{where}.camera"
    record = field(label, "camera", where.rsplit(".", 1)[0])
    K = numbers(field(record, "K", where), (3, 3), f"{where}.K")
    width, height = (_whole(record, name, where) for name in ("width", "height"))
    distortion = numbers(record.get("distortion", ()), (None,), f"{where}.distortion")
    model = str(record.get("distortion_model", "plumb_bob"))
    try:
        assumed = bool(record.get("assumed", False))
        return Camera(K, width, height, tuple(distortion), model, assumed)
    except InputError as error:
        raise InputError(f"{where}: {error}") from error


def place_in_sequence(label: dict[str, Any]) -> tuple[str | None, int]:
    """Return the sequence of a label, None for a single image, and the number of its frame."""
    sequence, frame = label.get("sequence"), label.get("index")
    return None if sequence is None else str(sequence), frame if isinstance(frame, int) else 0


def hands_from(
    label: dict[str, Any],
    where: str,
    camera: Camera | None = None,
    surface: npt.NDArray[Any] | None = None,
) -> tuple[LabelledHand, ...]:
    """Return the hands of a label.

    Args:
        label: with a list `hands`.
        where: file and image, for messages.
        camera: projects joints whose pixels the label does not give.
        surface: (hands, V, 3) [m] counted from each wrist, see `labels.surface_as_array`.

    Raises:
        InputError: a field is broken; the message names it.
    """
    records = field(label, "hands", where)
    if not isinstance(records, list):
        raise InputError(f"{where}.hands is {type(records).__name__}; it must be a list")
    if surface is not None and (surface.ndim != 3 or surface.shape[::2] != (len(records), 3)):
        raise InputError(
            f"{where}: vertices have shape {surface.shape}; it must be ({len(records)}, V, 3)"
        )
    return tuple(
        _hand(record, f"{where}.hands[{i}]", camera, None if surface is None else surface[i])
        for i, record in enumerate(records)
    )


def _hand(
    record: Any, where: str, camera: Camera | None, surface: npt.NDArray[Any] | None
) -> LabelledHand:
    if not isinstance(record, dict):
        raise InputError(f"{where} is {type(record).__name__}; it must be an object")
    joints = len(KEYPOINTS)
    keypoints = _optional(record, "keypoints", (joints, 3), where)
    visible = _optional(record, "visible", (joints,), where)
    box = _optional(record, "box", (4,), where)
    vertices = None
    if surface is not None and keypoints is not None:
        vertices = surface.astype(np.float64) + keypoints[0]
    try:
        return labelled_hand(
            record.get("side"),
            keypoints,
            camera,
            keypoints_px=_optional(record, "keypoints_px", (joints, 2), where),
            visible=None if visible is None else visible.astype(bool),
            # The box of what is seen has no size where nothing is.
            box=None if box is None or not (box[2:] > 0).all() else tuple(box.tolist()),
            vertices=vertices,
        )
    except InputError as error:
        raise InputError(f"{where}: {error}") from error


def _whole(record: dict[str, Any], name: str, where: str) -> int:
    value = field(record, name, where)
    if not isinstance(value, int) or isinstance(value, bool):
        raise InputError(f"{where}.{name} is {value!r}; it must be a whole number")
    return value


def _optional(
    record: dict[str, Any], name: str, shape: tuple[int, ...], where: str
) -> Array | None:
    value = record.get(name)
    return None if value is None else numbers(value, shape, f"{where}.{name}")
