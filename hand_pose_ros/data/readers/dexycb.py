"""DexYCB (Chao et al. 2021): one hand that takes an object, eight cameras, images 640 x 480.

    ROOT/SUBJECT/SEQUENCE/meta.yml                          num_frames, mano_sides, ...
    ROOT/SUBJECT/SEQUENCE/SERIAL/color_FRAME.jpg
    ROOT/SUBJECT/SEQUENCE/SERIAL/labels_FRAME.npz           joint_3d, joint_2d, pose_m, ...
    ROOT/calibration/intrinsics/SERIAL_640x480.yml          color: fx, fy, ppx, ppy

Setups: s0 keeps every fifth of a subject's 100 sequences apart, s1 subjects, s2 cameras, s3
objects; each has train, val and test. `joint_3d` (1, 21, 3) is in the camera's optical frame [m],
`joint_2d` (1, 21, 2) in pixels, both in our order (the toolkit calls the thumb's joints mcp, pip,
dip, tip). Left hands are left as they are.

An image whose hand is not seen or not annotated has joints of -1 and a `pose_m` of 0. It is left
out and counted (`Indexed.skipped`), as the toolkit's evaluation of hands does. So every label file
is opened when the dataset is, by several threads (0.6 ms of a core each, a minute for s0_test); it
is opened again when its image is asked for, and what is broken in it is said then.

`groups` has the subject, the camera and the side. Each camera's view of a sequence is a sequence.

Source: github.com/NVlabs/dex-ycb-toolkit (README, dex_ycb_toolkit/dex_ycb.py, hpe_eval.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from hand_pose_ros.data.folder import read_image
from hand_pose_ros.data.readers.files import field, numbers, read_npz, read_yaml, require
from hand_pose_ros.data.readers.indexed import Indexed
from hand_pose_ros.data.readers.joints import labelled_hand
from hand_pose_ros.data.sample import LabelledHand, LabelledImage
from hand_pose_ros.errors import InputError
from hand_pose_ros.hand.camera import Camera
from hand_pose_ros.hand.skeleton import KEYPOINTS, SIDES

Array = npt.NDArray[np.float64]

SUBJECTS = (
    *("20200709-subject-01", "20200813-subject-02", "20200820-subject-03", "20200903-subject-04"),
    *("20200908-subject-05", "20200918-subject-06", "20200928-subject-07", "20201002-subject-08"),
    *("20201015-subject-09", "20201022-subject-10"),
)
SERIALS = (
    *("836212060125", "839512060362", "840412060917", "841412060263"),
    *("932122060857", "932122060861", "932122061900", "932122062010"),
)
SEQUENCES = 100
"""Of each subject: five for each of 20 objects."""

SIZE = (640, 480)
"""Width and height of every image [px]."""

PUBLISHED = {"s0_train": 465_504, "s1_train": 407_088}
"""Images with those that are left out: what the toolkit prints, as its README and users report."""

_ALL = tuple(range(SEQUENCES))
_EVERYONE = tuple(range(len(SUBJECTS)))
_EVERYWHERE = tuple(range(len(SERIALS)))
_FIFTH = tuple(i for i in _ALL if i % 5 == 4)
_OTHERS = tuple(i for i in _ALL if i % 5 != 4)


def _with_objects(*objects: int) -> tuple[int, ...]:
    return tuple(i for i in _ALL if i // 5 in objects)


SPLITS: dict[str, tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]] = {
    "s0_train": (_EVERYONE, _EVERYWHERE, _OTHERS),
    "s0_val": ((0, 1), _EVERYWHERE, _FIFTH),
    "s0_test": (tuple(range(2, 10)), _EVERYWHERE, _FIFTH),
    "s1_train": ((0, 1, 2, 3, 4, 5, 9), _EVERYWHERE, _ALL),
    "s1_val": ((6,), _EVERYWHERE, _ALL),
    "s1_test": ((7, 8), _EVERYWHERE, _ALL),
    "s2_train": (_EVERYONE, tuple(range(6)), _ALL),
    "s2_val": (_EVERYONE, (6,), _ALL),
    "s2_test": (_EVERYONE, (7,), _ALL),
    "s3_train": (
        _EVERYONE,
        _EVERYWHERE,
        _with_objects(*(i for i in range(20) if i not in (3, 7, 11, 15, 19))),
    ),
    "s3_val": (_EVERYONE, _EVERYWHERE, _with_objects(3, 19)),
    "s3_test": (_EVERYONE, _EVERYWHERE, _with_objects(7, 11, 15)),
}
"""Subjects, cameras and sequences (places in the sorted folders of a subject) of each split."""

_LABELS = ("joint_3d", "joint_2d", "pose_m")
_THREADS = 8


@dataclass(frozen=True)
class _Sequence:
    folder: str
    side: str
    frames: int


def open_split(root: Path, split: str) -> Indexed:
    """Return one split without its invalid images; opens every label file.

    Raises:
        InputError: a sequence, a meta.yml or a camera is missing or broken; the message names it.
    """
    subjects, serials, places = SPLITS[split]
    require(root, "calibration", *(SUBJECTS[subject] for subject in subjects))
    cameras = {serial: _read_camera(root, SERIALS[serial]) for serial in serials}
    sequences = [each for i in subjects for each in _sequences(root, SUBJECTS[i], places)]
    views = [(place, serial) for place in range(len(sequences)) for serial in serials]
    with ThreadPoolExecutor(_THREADS) as pool:
        valid = list(pool.map(partial(_valid_frames, root, sequences), views))
    rows = np.array(
        [(*view, frame) for view, frames in zip(views, valid, strict=True) for frame in frames],
        np.int32,
    ).reshape(-1, 3)
    skipped = len(serials) * sum(sequence.frames for sequence in sequences) - len(rows)
    published = PUBLISHED.get(split)
    return Indexed(
        format="dexycb",
        root=root,
        split=split,
        count=len(rows),
        at=partial(_image, root, sequences, cameras, rows),
        expected=None if published is None else published - skipped,
        skipped=skipped,
    )


def _sequences(root: Path, subject: str, places: tuple[int, ...]) -> Iterator[_Sequence]:
    folders = sorted(path.name for path in (root / subject).iterdir() if path.is_dir())
    if len(folders) != SEQUENCES:
        raise InputError(
            f"{root / subject} has {len(folders)} sequences; splits are places among {SEQUENCES}"
        )
    for place in places:
        folder = f"{subject}/{folders[place]}"
        path = root / folder / "meta.yml"
        meta = read_yaml(path)
        frames = field(meta, "num_frames", str(path))
        if not isinstance(frames, int) or frames < 0:
            raise InputError(f"{path}: num_frames is {frames!r}; it must be a whole number")
        sides = field(meta, "mano_sides", str(path))
        if not isinstance(sides, list) or len(sides) != 1 or sides[0] not in SIDES:
            raise InputError(f"{path}: mano_sides is {sides!r}; it must be one of {SIDES}")
        yield _Sequence(folder, sides[0], frames)


def _read_camera(root: Path, serial: str) -> Camera:
    width, height = SIZE
    path = root / "calibration" / "intrinsics" / f"{serial}_{width}x{height}.yml"
    color = field(read_yaml(path), "color", str(path))
    names = ("fx", "fy", "ppx", "ppy")
    values = [field(color, name, f"{path}: color") for name in names]
    fx, fy, cx, cy = numbers(values, (4,), f"{path}: color").tolist()
    try:
        return Camera(np.array([[fx, 0.0, cx], [0.0, fy, cy], [0.0, 0.0, 1.0]]), width, height)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def _valid_frames(root: Path, sequences: list[_Sequence], view: tuple[int, int]) -> list[int]:
    """Return the frames that one camera's view of a sequence has a hand in."""
    sequence, folder = sequences[view[0]], _view_folder(sequences, *view)
    return [
        frame for frame in range(sequence.frames) if _is_valid(root / folder / _label_file(frame))
    ]


def _view_folder(sequences: list[_Sequence], place: int, serial: int) -> str:
    return f"{sequences[place].folder}/{SERIALS[serial]}"


def _label_file(frame: int) -> str:
    return f"labels_{frame:06d}.npz"


def _is_valid(path: Path) -> bool:
    """Return whether an image is kept: a broken label's is, to be named when it is asked for."""
    try:
        label = read_npz(path, *_LABELS)
    except InputError:
        return True
    unseen = (label["joint_3d"] == -1).all() or (label["joint_2d"] == -1).all()
    return not (unseen or (label["pose_m"] == 0).all())


def _image(
    root: Path,
    sequences: list[_Sequence],
    cameras: dict[int, Camera],
    rows: npt.NDArray[np.int32],
    number: int,
) -> LabelledImage:
    place, serial, frame = rows[number].tolist()
    sequence = sequences[place]
    folder = _view_folder(sequences, place, serial)
    name = f"{folder}/color_{frame:06d}.jpg"
    path = root / folder / _label_file(frame)
    return LabelledImage(
        name=name,
        read=partial(read_image, root / name),
        camera=cameras[serial],
        hands=(_hand(path, sequence.side, cameras[serial]),),
        groups={
            "subject": sequence.folder.split("/")[0],
            "camera": SERIALS[serial],
            "side": sequence.side,
        },
        sequence=folder,
        frame=frame,
        path=root / name,
    )


def _hand(path: Path, side: str, camera: Camera) -> LabelledHand:
    label, joints = read_npz(path, "joint_3d", "joint_2d"), len(KEYPOINTS)
    keypoints = numbers(label["joint_3d"], (1, joints, 3), f"{path}: joint_3d")[0]
    keypoints_px = numbers(label["joint_2d"], (1, joints, 2), f"{path}: joint_2d")[0]
    keypoints[(keypoints == -1).all(axis=-1)] = np.nan
    keypoints_px[(keypoints_px == -1).all(axis=-1)] = np.nan
    return labelled_hand(side, keypoints, camera, keypoints_px=keypoints_px)
