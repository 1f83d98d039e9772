"""HO-3D (Hampali et al. 2020), versions 2 and 3: right hands with objects, images 640 x 480.

    ROOT/train.txt, ROOT/evaluation.txt          SEQUENCE/FRAME of each annotated image
    ROOT/{train,evaluation}/SEQUENCE/rgb/FRAME.{png,jpg}     png in version 2, jpg in 3
    ROOT/{train,evaluation}/SEQUENCE/meta/FRAME.pkl
    ROOT/evaluation_xyz.json, ROOT/evaluation_verts.json     what the challenge kept back

A meta pickle holds `camMat` (K), `objName` and, in train, `handJoints3D`: 21 joints [m] in the
axes of OpenGL (x right, y up, z back, so y and z are negated here) and in MANO's order, the tips
last. In evaluation it holds the wrist alone and `handBoundingBox` (left, top, right, bottom). The
joints of evaluation were published after the challenge, in the same axes and order, one row for
each line of evaluation.txt; where the file is there they are read, and a row whose wrist is not
that of the meta pickle is an error. Where it is not, hands have a box and no keypoints: a wrist
alone would be scored as a hand without error. `evaluation_verts.json` (778 vertices) is read
likewise.

`groups` has the object. Pickles are read with `files.read_pickle`, which executes nothing. The
label of an image is read when the image is asked for; `evaluation_verts.json` takes 110 MB in
version 2 and 190 MB in version 3.

Source: github.com/shreyashampali/ho3d (README, vis_HO3D.py, pred.py, eval.py, utils/vis_utils.py);
order of the evaluation files: issue 4 of github.com/shreyashampali/HOnnotate.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hand_pose_ros.data.folder import read_image
from hand_pose_ros.data.readers.files import field, numbers, read_pickle, require
from hand_pose_ros.data.readers.indexed import Indexed
from hand_pose_ros.data.readers.joints import labelled_hand, places, reordered
from hand_pose_ros.data.readers.json_stream import entries
from hand_pose_ros.data.sample import LabelledHand, LabelledImage
from hand_pose_ros.errors import InputError
from hand_pose_ros.hand.camera import Camera
from hand_pose_ros.hand.skeleton import FINGERS, KEYPOINTS

Array = npt.NDArray[np.float64]

_MANO_FINGERS = ("index", "middle", "little", "ring", "thumb")
_OF = {finger: KEYPOINTS[1 + 4 * place : 5 + 4 * place] for place, finger in enumerate(FINGERS)}
ORDER = (
    "wrist",
    *(joint for finger in _MANO_FINGERS for joint in _OF[finger][:3]),
    *(_OF[finger][3] for finger in FINGERS),
)
"""Joints in the official order: MANO's 16, then the tips from thumb to little finger."""

SIZE = (640, 480)
"""Width and height of every image [px]."""

EXPECTED = {
    ".png": {"train": 66_034, "evaluation": 11_524},
    ".jpg": {"train": 83_325, "evaluation": 20_137},
}
"""Images of versions 2 and 3. Train of 3 is the README's total of 103,462 less evaluation; the
toolkit's `db_size` has 78,297 for it, which does not add up."""

_PLACES = places(ORDER)
_FROM_OPENGL = np.array([1.0, -1.0, -1.0])
_VERTICES = 778
_SAME_WRIST_M = 0.005


def open_split(root: Path, split: str) -> Indexed:
    """Return one split, its images listed.

    Raises:
        InputError: the list or the folder is missing, or a published file does not fit the list.
    """
    require(root, f"{split}.txt", split)
    names = _read_list(root / f"{split}.txt")
    xyz = verts = None
    if split == "evaluation":
        xyz = _read_rows(root / "evaluation_xyz.json", len(names), len(KEYPOINTS))
        verts = _read_rows(root / "evaluation_verts.json", len(names), _VERTICES)
    at = partial(_image, root / split, names, xyz, verts)
    suffix = _image_path(root / split, names[0]).suffix if names else ".png"
    return Indexed("ho3d", root, split, len(names), at, EXPECTED[suffix][split])


def _read_list(path: Path) -> list[str]:
    try:
        names = path.read_text(encoding="utf-8").split()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read: {error}") from error
    for name in names:
        sequence, _, frame = name.partition("/")
        if not (sequence and frame.isdecimal()):
            raise InputError(f"{path}: {name!r} is not SEQUENCE/FRAME")
    return names


def _read_rows(path: Path, count: int, points: int) -> npt.NDArray[np.float32] | None:
    """Return what is published of each image (count, points, 3) [m]; None where it is missing."""
    if not path.is_file():
        return None
    rows = np.empty((count, points, 3), np.float32)
    read = 0
    for _, row in entries(path):
        if read < count:
            rows[read] = numbers(row, (points, 3), f"{path}: [{read}]")
        read += 1
    if read != count:
        raise InputError(f"{path} has {read} rows; evaluation.txt has {count} lines")
    return rows


def _image_path(folder: Path, name: str) -> Path:
    sequence, _, frame = name.partition("/")
    jpeg = folder / sequence / "rgb" / f"{frame}.jpg"
    png = jpeg.with_suffix(".png")
    return png if png.is_file() or not jpeg.is_file() else jpeg


def _image(
    folder: Path,
    names: list[str],
    xyz: npt.NDArray[np.float32] | None,
    verts: npt.NDArray[np.float32] | None,
    number: int,
) -> LabelledImage:
    name = names[number]
    sequence, _, frame = name.partition("/")
    path = folder / sequence / "meta" / f"{frame}.pkl"
    meta = read_pickle(path)
    joints = _joints(meta, path)
    if xyz is not None:
        joints = _checked(xyz[number].astype(np.float64), joints, f"{name} of evaluation_xyz.json")
    vertices = None if verts is None else verts[number].astype(np.float64)
    camera = _camera(meta, path)
    image_path = _image_path(folder, name)
    return LabelledImage(
        name=name,
        read=partial(read_image, image_path),
        camera=camera,
        hands=(_hand(joints, vertices, camera, _box(meta, path)),),
        groups={"object": str(meta["objName"])} if meta.get("objName") else {},
        sequence=sequence,
        frame=int(frame),
        path=image_path,
    )


def _hand(
    joints: Array | None,
    vertices: Array | None,
    camera: Camera | None,
    box: tuple[float, float, float, float] | None,
) -> LabelledHand:
    """Return the hand; joints and vertices are still in their own axes and order."""
    keypoints = None
    if joints is not None and len(joints) == len(ORDER):
        keypoints = reordered(joints * _FROM_OPENGL, _PLACES)
    if vertices is not None:
        vertices = vertices * _FROM_OPENGL
    return labelled_hand("right", keypoints, camera, box=box, vertices=vertices)


def _joints(meta: Any, path: Path) -> Array | None:
    """Return the joints of a meta pickle: (21, 3), the wrist (1, 3), or None."""
    value = field(meta, "handJoints3D", str(path))
    if value is None:
        return None
    where = f"{path}: handJoints3D"
    one = np.ndim(value) == 1
    return numbers(value, (3,), where)[None] if one else numbers(value, (len(ORDER), 3), where)


def _checked(row: Array, of_meta: Array | None, where: str) -> Array:
    """Return the published joints if their wrist is that of the meta pickle."""
    if of_meta is not None:
        apart = float(np.linalg.norm(row[0] - of_meta[0]))
        if not apart < _SAME_WRIST_M:
            raise InputError(
                f"{where} has its wrist {apart * 1000.0:.1f} mm from that of the meta pickle; the "
                "file belongs to other images or has other axes"
            )
    return row


def _camera(meta: Any, path: Path) -> Camera | None:
    value = field(meta, "camMat", str(path))
    if value is None:
        return None
    K = numbers(value, (3, 3), f"{path}: camMat")
    try:
        return Camera(K, *SIZE)
    except InputError as error:
        raise InputError(f"{path}: camMat: {error}") from error


def _box(meta: Any, path: Path) -> tuple[float, float, float, float] | None:
    value = meta.get("handBoundingBox")
    if value is None:
        return None
    left, top, right, bottom = numbers(value, (4,), f"{path}: handBoundingBox").tolist()
    return (left, top, right - left, bottom - top) if right > left and bottom > top else None
