"""The label files of InterHand2.6M in arrays; what stands in them is said in `interhand`."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from hand_pose_ros.data.readers.files import field as entry
from hand_pose_ros.data.readers.files import numbers, read_json
from hand_pose_ros.data.readers.json_stream import entries
from hand_pose_ros.errors import InputError
from hand_pose_ros.hand.camera import Camera

Array = npt.NDArray[np.float64]

JOINTS = 42
HAND_TYPES = ("right", "left", "interacting")


class Recording(NamedTuple):
    """What the images of one sequence and camera have in common.

    Attributes:
        folder: of the images, below that of the split.
        capture: number of the capture.
        camera: name of the camera.
        width: of the images [px].
        height: of the images [px].
    """

    folder: str
    capture: int
    camera: str
    width: int
    height: int


@dataclass(frozen=True, eq=False)
class Index:
    """What is known of each annotated image, one row each.

    Attributes:
        recordings: that the images are from.
        recording: (n,) number of the image's recording.
        frame: (n,) number of the frame in its capture.
        file: (n,) name of the file, bytes in ASCII.
        hand_type: (n,) place in `HAND_TYPES`.
        hand_type_valid: (n,) whether handedness may be judged.
        box: (n, 4) x, y, width, height of all hands [px].
        joint_valid: (n, 6) the 42 joints' bits.
    """

    recordings: list[Recording]
    recording: npt.NDArray[np.int32]
    frame: npt.NDArray[np.int32]
    file: npt.NDArray[Any]
    hand_type: npt.NDArray[np.uint8]
    hand_type_valid: npt.NDArray[np.uint8]
    box: npt.NDArray[np.float32]
    joint_valid: npt.NDArray[np.uint8]

    def valid(self, number: int) -> npt.NDArray[np.bool_]:
        """Return (42,) which joints of an image are annotated and inside it."""
        return np.unpackbits(self.joint_valid[number], count=JOINTS).astype(bool)


@dataclass(eq=False)
class _Images:
    """The columns of data.json's `images` as they grow."""

    recordings: dict[Recording, int] = field(default_factory=dict)
    id: array[int] = field(default_factory=lambda: array("q"))
    recording: array[int] = field(default_factory=lambda: array("i"))
    frame: array[int] = field(default_factory=lambda: array("i"))
    file: list[bytes] = field(default_factory=list)

    def add(self, image: Any, where: str) -> None:
        folder, _, file = str(entry(image, "file_name", where)).rpartition("/")
        capture, width, height, frame, number = (
            int(entry(image, name, where))
            for name in ("capture", "width", "height", "frame_idx", "id")
        )
        camera = str(entry(image, "camera", where))
        recording = Recording(folder, capture, camera, width, height)
        self.recording.append(self.recordings.setdefault(recording, len(self.recordings)))
        self.id.append(number)
        self.frame.append(frame)
        self.file.append(file.encode("ascii"))


@dataclass(eq=False)
class _Annotations:
    """The columns of data.json's `annotations` as they grow."""

    id: array[int] = field(default_factory=lambda: array("q"))
    image_id: array[int] = field(default_factory=lambda: array("q"))
    hand_type: bytearray = field(default_factory=bytearray)
    hand_type_valid: bytearray = field(default_factory=bytearray)
    box: array[float] = field(default_factory=lambda: array("f"))
    joint_valid: bytearray = field(default_factory=bytearray)

    def add(self, annotation: Any, where: str) -> None:
        hand_type = entry(annotation, "hand_type", where)
        if hand_type not in HAND_TYPES:
            raise InputError(f"{where}.hand_type is {hand_type!r}; it is one of {HAND_TYPES}")
        valid = np.array(entry(annotation, "joint_valid", where)).reshape(-1)
        if len(valid) != JOINTS:
            raise InputError(f"{where}.joint_valid has {len(valid)} values; it must have {JOINTS}")
        box = numbers(entry(annotation, "bbox", where), (4,), f"{where}.bbox")
        self.id.append(int(entry(annotation, "id", where)))
        self.image_id.append(int(entry(annotation, "image_id", where)))
        self.hand_type.append(HAND_TYPES.index(hand_type))
        self.hand_type_valid.append(bool(entry(annotation, "hand_type_valid", where)))
        self.box.extend(box.tolist())
        self.joint_valid.extend(np.packbits(valid > 0).tobytes())


def read_index(path: Path, chosen: tuple[bool, npt.NDArray[np.int64]] | None = None) -> Index:
    """Return the images of data.json, sorted by recording and frame.

    Args:
        path: InterHand2.6M_SPLIT_data.json.
        chosen: (True, annotations to keep) or (False, annotations to leave out), by their numbers.

    Raises:
        InputError: the file is missing or broken, or an annotation's image is not in it.
    """
    images, annotations = _Images(), _Annotations()
    lists: dict[str, _Images | _Annotations] = {"images": images, "annotations": annotations}
    for key, value in entries(path):
        if key in lists:
            column = lists[key]
            where = f"{path}: {key}[{len(column.id)}]"
            try:
                column.add(value, where)
            except (TypeError, ValueError, OverflowError) as error:
                if isinstance(error, InputError):
                    raise
                raise InputError(f"{where} cannot be used: {error}") from error
    rows = _rows(images, annotations, path)
    kept = np.arange(len(rows))
    if chosen is not None:
        keep, listed = chosen
        kept = kept[np.isin(np.array(annotations.id), listed) == keep]
    recording, frame = np.array(images.recording)[rows], np.array(images.frame)[rows]
    kept = kept[np.lexsort((frame[kept], recording[kept]))]
    flags = np.frombuffer(annotations.hand_type_valid, np.uint8)
    bits = np.frombuffer(annotations.joint_valid, np.uint8).reshape(len(rows), -1)
    return Index(
        recordings=list(images.recordings),
        recording=recording[kept],
        frame=frame[kept],
        file=np.array(images.file, np.bytes_)[rows[kept]],
        hand_type=np.frombuffer(annotations.hand_type, np.uint8)[kept],
        hand_type_valid=flags[kept],
        box=np.array(annotations.box, np.float32).reshape(-1, 4)[kept],
        joint_valid=bits[kept],
    )


def _rows(images: _Images, annotations: _Annotations, path: Path) -> npt.NDArray[np.int64]:
    """Return the row of each annotation's image."""
    if not images.id or not annotations.id:
        raise InputError(f"{path} has no list of images or none of annotations")
    ids, wanted = np.array(images.id), np.array(annotations.image_id)
    order = np.argsort(ids, kind="stable")
    found = order[np.searchsorted(ids, wanted, sorter=order).clip(max=len(ids) - 1)]
    if (ids[found] != wanted).any():
        absent = int(np.flatnonzero(ids[found] != wanted)[0])
        raise InputError(f"{path}: annotations[{absent}] is of image {wanted[absent]}, not in it")
    return found


def read_cameras(path: Path, recordings: list[Recording]) -> list[tuple[Array, Array, Camera]]:
    """Return R_cam_world, the camera's place in the world [mm] and the camera of each recording.

    Raises:
        InputError: the file is missing or broken or lacks one of them.
    """
    content = read_json(path)
    # Few cameras took very many recordings.
    cameras = {recording[1:]: recording for recording in recordings}
    read = {key: _camera(content, recording, path) for key, recording in cameras.items()}
    return [read[recording[1:]] for recording in recordings]


def _camera(content: Any, recording: Recording, path: Path) -> tuple[Array, Array, Camera]:
    capture = entry(content, str(recording.capture), str(path))

    def value(name: str, shape: tuple[int, ...]) -> Array:
        where = f"{path}: {recording.capture}.{name}"
        found = entry(entry(capture, name, where), recording.camera, where)
        return numbers(found, shape, f"{where}.{recording.camera}")

    K = np.eye(3)
    K[[0, 1], [0, 1]], K[:2, 2] = value("focal", (2,)), value("princpt", (2,))
    R_cam_world, t_world_cam = value("camrot", (3, 3)), value("campos", (3,))
    try:
        return R_cam_world, t_world_cam, Camera(K, recording.width, recording.height)
    except InputError as error:
        where = f"{path}: capture {recording.capture}, camera {recording.camera}"
        raise InputError(f"{where}: {error}") from error


def read_joints(path: Path) -> dict[tuple[int, int], Array]:
    """Return the joints (42, 3) in the world [mm] of each capture and frame.

    Raises:
        InputError: the file is missing or broken, or joints have another shape.
    """
    joints = {}
    for capture, frames in entries(path):
        if not isinstance(frames, dict):
            raise InputError(f"{path}: {capture!r} holds no frames but {type(frames).__name__}")
        for frame, moment in frames.items():
            where = f"{path}: {capture}.{frame}"
            world = numbers(entry(moment, "world_coord", where), (JOINTS, 3), where)
            joints[_whole(capture, where), _whole(frame, where)] = world
    return joints


def _whole(text: str, where: str) -> int:
    try:
        return int(text)
    except ValueError as error:
        raise InputError(f"{where} is no number of a capture and a frame") from error
