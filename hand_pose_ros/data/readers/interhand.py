"""InterHand2.6M (Moon et al. 2020) as its authors hand it out, at 5 or 30 frames a second.

    ROOT/images/{train,val,test}/CaptureN/SEQUENCE/camCAMERA/imageFRAME.jpg
    ROOT/annotations/{train,val,test}/InterHand2.6M_{train,val,test}_{data,camera,joint_3d}.json

or, in the archive of annotations that keeps apart who labelled (`SUBSETS`),

    ROOT/annotations/{all,human_annot,machine_annot}/InterHand2.6M_{train,val,test}_....json

Splits carry the papers' letters: H is labelled by people, M by machine, no letter is H+M. In the
first layout H is what `aid_human_annot_{train,test}.txt` lists, which the authors published later
(with InterWild; looked for in annotations/ and annotations/SPLIT/), and M is the rest. In the
second each is a folder, and an image of train may be in both. The validation set is M throughout.

Labels: `joint_3d` has 42 joints of a moment in the world [mm], the right hand first, each hand
from the tip of the thumb to its base, so on to the little finger, the wrist last; X_cam = camrot
(X_world - campos); `focal` and `princpt` are a pinhole without distortion. `joint_valid` is 1
where a joint is annotated and inside the image; the others are NaN here. There are no pixels of
their own, nor is it said what is hidden. `bbox` is around all hands; it is kept where there is
one. MANO fits (MANO_NeuralAnnot) are not read: they need MANO's files.

A protocol finds in `groups`: `kind` (single or interacting), `hand_type` (right, left,
interacting) and `hand_type_valid` (1 where handedness may be judged). The authors' evaluation
drops all joints of a hand whose wrist is not valid; relative to it they are NaN anyway.

Images come sorted by recording and camera (in the file's order) and by frame. The large file,
data, is read entry by entry into arrays: an archive of train's size, 1.35 million images and 800
MB, took two slow minutes and 360 MB of memory at its peak.

Source: https://mks0601.github.io/InterHand2.6M/ and github.com/facebookresearch/InterHand2.6M
(README, DATASET, data/InterHand2.6M/dataset.py); layouts: its issues 8 and 68.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from hand_pose_ros.data.folder import read_image
from hand_pose_ros.data.readers.files import require
from hand_pose_ros.data.readers.indexed import Indexed
from hand_pose_ros.data.readers.interhand_files import (
    HAND_TYPES,
    Index,
    read_cameras,
    read_index,
    read_joints,
)
from hand_pose_ros.data.readers.joints import labelled_hand, places, reordered
from hand_pose_ros.data.sample import LabelledHand, LabelledImage
from hand_pose_ros.errors import InputError
from hand_pose_ros.hand.camera import Camera
from hand_pose_ros.hand.skeleton import FINGERS, KEYPOINTS

Array = npt.NDArray[np.float64]

ORDER = (
    *(
        KEYPOINTS[1 + 4 * finger + joint]
        for finger in range(len(FINGERS))
        for joint in (3, 2, 1, 0)
    ),
    "wrist",
)
"""Joints of one hand in the official order: tip to base, the wrist last."""

SUBSETS = {"H": "human_annot", "M": "machine_annot", "": "all"}
"""Folder of the annotations that a letter stands for, in the second layout."""

EXPECTED = {
    "train": 1_361_062,
    "train-H": 528_482,
    "train-M": 909_037,
    "val": 380_125,
    "test": 849_160,
    "test-H": 121_573,
    "test-M": 727_587,
}
"""Images of version 1.0 at 5 frames a second, as the homepage gives them."""

_PLACES = places(ORDER)
_HANDS = {"right": slice(0, 21), "left": slice(21, 42)}


def open_split(root: Path, split: str) -> Indexed:
    """Return one split, its labels indexed.

    Raises:
        InputError: a file is missing or broken; the message names it.
    """
    name, _, letter = split.partition("-")
    folder, chosen = _annotations(root, name, letter)
    require(root, f"images/{name}")
    stem = f"InterHand2.6M_{name}_"
    index = read_index(folder / f"{stem}data.json", chosen)
    cameras = read_cameras(folder / f"{stem}camera.json", index.recordings)
    joints = read_joints(folder / f"{stem}joint_3d.json")
    at = partial(_image, root / "images" / name, index, cameras, joints)
    count = len(index.recording)
    return Indexed("interhand", root, split, count, at, _expected(split, count, chosen))


def _annotations(
    root: Path, name: str, letter: str
) -> tuple[Path, tuple[bool, npt.NDArray[np.int64]] | None]:
    """Return the folder of a split's files and, in the first layout, what to keep of them.

    That is whether the listed annotations are kept or left out, and their numbers.
    """
    folder = root / "annotations" / name
    if not folder.is_dir():
        subset = SUBSETS["M" if name == "val" else letter]
        folder = root / "annotations" / subset
        if not folder.is_dir():
            raise InputError(f"{root} has neither annotations/{name} nor annotations/{subset}")
        return folder, None
    return folder, (letter == "H", _human(root, name)) if letter else None


def _human(root: Path, name: str) -> npt.NDArray[np.int64]:
    listed = f"aid_human_annot_{name}.txt"
    folders = (root / "annotations", root / "annotations" / name)
    paths = [folder / listed for folder in folders if (folder / listed).is_file()]
    if not paths:
        raise InputError(
            f"{root} lacks annotations/{listed}: which images of {name} people labelled"
        )
    try:
        return np.array(paths[0].read_text().split(), np.int64)
    except (OSError, ValueError) as error:
        raise InputError(f"{paths[0]} is no list of numbers: {error}") from error


def _expected(split: str, count: int, chosen: object) -> int | None:
    """Return the published number; None for more, which only 30 frames a second have."""
    published = EXPECTED[split]
    if chosen is not None and split.endswith("-M"):
        published = EXPECTED[split[:-2]] - EXPECTED[f"{split[:-2]}-H"]
    return published if count <= published else None


def _image(
    folder: Path,
    index: Index,
    cameras: list[tuple[Array, Array, Camera]],
    joints: dict[tuple[int, int], Array],
    number: int,
) -> LabelledImage:
    """Return image `number`; cameras are camrot, campos [mm] and camera of each recording."""
    recording = index.recordings[index.recording[number]]
    R_cam_world, t_world_cam, camera = cameras[index.recording[number]]
    frame = int(index.frame[number])
    name = f"{recording.folder}/{index.file[number].decode()}"
    if (recording.capture, frame) not in joints:
        raise InputError(f"joint_3d has no frame {frame} of capture {recording.capture}: {name}")
    world = joints[recording.capture, frame]
    points = (world - t_world_cam) @ R_cam_world.T / 1000.0
    hand_type = HAND_TYPES[index.hand_type[number]]
    groups = {
        "kind": "interacting" if hand_type == "interacting" else "single",
        "hand_type": hand_type,
        "hand_type_valid": str(int(index.hand_type_valid[number])),
    }
    return LabelledImage(
        name=name,
        read=partial(read_image, folder / name),
        camera=camera,
        hands=_hands(points, index.valid(number), hand_type, index.box[number], camera),
        groups=groups,
        sequence=recording.folder,
        frame=frame,
        path=folder / name,
    )


def _hands(
    points: Array,
    valid: npt.NDArray[np.bool_],
    hand_type: str,
    box: npt.NDArray[np.float32],
    camera: Camera,
) -> tuple[LabelledHand, ...]:
    """Return the hands that the type names and any other that has a valid joint."""
    points = np.where(valid[:, None], points, np.nan)
    sides = [
        side
        for side, part in _HANDS.items()
        if hand_type in (side, "interacting") or valid[part].any()
    ]
    alone = len(sides) == 1 and bool((box[2:] > 0).all())
    x, y, width, height = box.tolist()
    return tuple(
        labelled_hand(
            side,
            reordered(points[_HANDS[side]], _PLACES) if valid[_HANDS[side]].any() else None,
            camera,
            box=(x, y, width, height) if alone else None,
        )
        for side in sides
    )
