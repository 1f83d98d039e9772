"""FreiHAND (Zimmermann et al. 2019), version 2 as distributed.

    training_K.json training_xyz.json        lists of (3, 3) [px] and (21, 3) [m], 32,560 long
    training/rgb/00000000.jpg ...            224 x 224, four times as many
    evaluation_K.json evaluation_xyz.json evaluation_verts.json   3,960 long; verts (778, 3) [m]
    evaluation/rgb/00000000.jpg ...

Each training sample comes in four versions: as shot before a green screen (`gs`), then with
another background, harmonised (`hom`) or recoloured (`sample`, `auto`); image i + 32,560 v is
sample i in version v. `training` is all 130,240, as most papers count; `training-gs` and so on
are one version each. Every hand is a right one; the joints are in our order. The labels of the
evaluation set are a download of their own (FreiHAND_pub_v2_eval). The surfaces of the training
set, 1.6 GB of text, are not read.

Source: the authors' toolbox (github.com/lmb-freiburg/freihand, README and `utils/fh_utils.py`).
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from hand_pose_ros.data.folder import read_image
from hand_pose_ros.data.readers.files import Array, numbers, read_json, require
from hand_pose_ros.data.readers.indexed import Indexed
from hand_pose_ros.data.readers.joints import labelled_hand
from hand_pose_ros.data.readers.json_stream import entries
from hand_pose_ros.data.sample import LabelledImage
from hand_pose_ros.errors import InputError
from hand_pose_ros.hand.camera import Camera

VERSIONS = ("gs", "hom", "sample", "auto")
"""What was done to the background, in the order of the files."""

SAMPLES = {"training": 32560, "evaluation": 3960}
SIZE = (224, 224)
"""Width and height of an image [px]."""

VERTICES = 778
SIDE = "right"


def open_split(root: Path, split: str) -> Indexed:
    """Return the images of `training`, one version of it such as `training-gs`, or `evaluation`.

    Raises:
        InputError: a file is missing or broken, or the lists differ in length.
    """
    part, _, version = split.partition("-")
    require(root, f"{part}_K.json", f"{part}_xyz.json", f"{part}/rgb")
    lists = {name: read_json(root / f"{part}_{name}.json") for name in ("K", "xyz")}
    count = _common_length(root, part, lists)
    versions = _versions(part, version)
    surfaces = _surfaces(root, count) if part == "evaluation" else None

    def at(number: int) -> LabelledImage:
        turn, sample = divmod(number, count)
        path = root / part / "rgb" / f"{sample + SAMPLES[part] * versions[turn]:08d}.jpg"
        where = f"{root / part}_{{}}.json[{sample}]"
        K = numbers(lists["K"][sample], (3, 3), where.format("K"))
        xyz = numbers(lists["xyz"][sample], (21, 3), where.format("xyz"))
        try:
            camera = Camera(K, *SIZE)
            vertices = None if surfaces is None else surfaces[sample]
            hand = labelled_hand(SIDE, xyz, camera, vertices=vertices)
        except InputError as error:
            raise InputError(f"{where.format('K')}: {error}") from error
        groups = {"version": VERSIONS[versions[turn]]} if part == "training" else {}
        name = f"{part}/{path.name}"
        return LabelledImage(name, partial(read_image, path), camera, (hand,), groups, path=path)

    expected = SAMPLES[part] * len(versions)
    return Indexed("freihand", root, split, count * len(versions), at, expected)


def _versions(part: str, version: str) -> tuple[int, ...]:
    if part == "evaluation":
        return (0,)
    return (VERSIONS.index(version),) if version else tuple(range(len(VERSIONS)))


def _common_length(root: Path, part: str, lists: dict[str, object]) -> int:
    lengths = {}
    for name, rows in lists.items():
        if not isinstance(rows, list):
            raise InputError(
                f"{root / part}_{name}.json is {type(rows).__name__}; it must be a list"
            )
        lengths[name] = len(rows)
    if len(set(lengths.values())) != 1:
        raise InputError(f"{root}: the lists of {part} have lengths {lengths}; they must be equal")
    return lengths["K"]


def _surfaces(root: Path, count: int) -> list[Array] | None:
    """Return the surface of each sample of the evaluation set; None where there is no file."""
    path = root / "evaluation_verts.json"
    if not path.exists():
        return None
    surfaces = [
        numbers(surface, (VERTICES, 3), f"{path}[{sample}]")
        for sample, (_, surface) in enumerate(entries(path))
    ]
    if len(surfaces) != count:
        raise InputError(f"{path} has {len(surfaces)} surfaces; it must have {count}")
    return surfaces
