"""What is true of an image as plain data for JSON, back from it, and its checksum.

    {"index", "sequence", "time",
     "camera": {"K", "width", "height", "distortion", "distortion_model", "assumed"},
     "hands": [{"side", "identity", "keypoints", "keypoints_px", "visible", "angles",
                "bone_lengths", "offsets", "T_cam_wrist", "box"}]}

Units, orders and frames are those of `SynthSample` and `SynthHand`. Image, mask, depth and
surface are files of their own.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from hand_pose_ros.data.synthetic.sample import SynthHand, SynthSample
from hand_pose_ros.errors import InputError
from hand_pose_ros.hand.camera import Camera
from hand_pose_ros.hand.skeleton import SIDES, WRIST_DOFS

DIGITS = {
    "keypoints": 7,
    "keypoints_px": 4,
    "angles": 8,
    "bone_lengths": 7,
    "offsets": 8,
    "T_cam_wrist": 8,
    "box": 3,
}
"""Decimals that are kept of each array [m, px, rad]. FK of the stored angles and lengths leaves
the stored joints by less than a micrometre."""

TIME_DIGITS = 9

_MAY_BE_UNKNOWN = ("keypoints_px",)  # a point behind the camera has no pixel


def sample_as_dict(sample: SynthSample) -> dict[str, Any]:
    """Return the labels of a sample, rounded to `DIGITS`; K and the distortion stay exact.

    Raises:
        InputError: a value is not finite; only `keypoints_px` may be, and becomes null.
    """
    camera = sample.camera
    return {
        "index": int(sample.index),
        "sequence": None if sample.sequence is None else int(sample.sequence),
        "time": round(float(sample.time), TIME_DIGITS),
        "camera": {
            "K": camera.K.tolist(),
            "width": camera.width,
            "height": camera.height,
            "distortion": list(camera.distortion),
            "distortion_model": camera.distortion_model,
            "assumed": camera.assumed,
        },
        "hands": [_hand_as_dict(hand, number) for number, hand in enumerate(sample.hands)],
    }


def sample_from_dict(
    label: Mapping[str, Any],
    image_rgb: npt.NDArray[np.uint8],
    mask: npt.NDArray[np.uint8],
    depth: npt.NDArray[np.float32],
    surface: npt.NDArray[Any] | None = None,
) -> SynthSample:
    """Return the sample of a label.

    Args:
        label: as `sample_as_dict` makes it; further fields are ignored.
        image_rgb: (H, W, 3).
        mask: (H, W), see `SynthSample`.
        depth: (H, W) [m].
        surface: (hands, V, 3) as `surface_as_array` makes it; without, the hands get no vertices.

    Raises:
        InputError: a field is missing or of another form; the message names it.
    """
    hands = _field(label, "hands", "label")
    if not isinstance(hands, list):
        raise InputError(f"label.hands is {type(hands).__name__}; it must be a list")
    if surface is not None and (surface.ndim != 3 or surface.shape[::2] != (len(hands), 3)):
        raise InputError(f"surface has shape {surface.shape}; it must be ({len(hands)}, V, 3)")
    sequence = _field(label, "sequence", "label")
    return SynthSample(
        index=_whole(label, "index"),
        image_rgb=image_rgb,
        camera=_camera(_field(label, "camera", "label")),
        hands=tuple(
            _hand(hand, None if surface is None else surface[number], f"label.hands[{number}]")
            for number, hand in enumerate(hands)
        ),
        mask=mask,
        depth=depth,
        sequence=None if sequence is None else _whole(label, "sequence"),
        time=float(_numbers(label, "time", "label")),
    )


def surface_as_array(sample: SynthSample) -> npt.NDArray[np.float16]:
    """Return the surfaces (hands, V, 3) [m] from each hand's wrist: float16, within 0.1 mm.

    Counted from the wrist no vertex is farther than 0.25 m, where float16 steps by 0.12 mm;
    counted from the camera it would step by 0.5 mm and more.

    Raises:
        InputError: the hands have different numbers of vertices.
    """
    counts = sorted({len(hand.vertices) for hand in sample.hands})
    if len(counts) > 1:
        raise InputError(f"hands of one image have {counts} vertices; the number must be one")
    surface = np.zeros((len(sample.hands), counts[0] if counts else 0, 3), np.float16)
    for number, hand in enumerate(sample.hands):
        surface[number] = hand.vertices - hand.keypoints[0]
    return surface


def labels_checksum(labels: Iterable[Mapping[str, Any]]) -> str:
    """Return a SHA-256 of labels, in the order given, that the last digits do not change.

    Every value is divided by its step (1e-4 m, 0.01 px, 1e-3 rad, 1e-3 for the entries of a
    rotation, 1e-4 for the distortion, 1e-6 s) and floor(value / step + 0.500005) is hashed: the
    nearest whole number, with the border between two just beside what `DIGITS` lets a label be.

    Left out is what would differ for other reasons than last digits: `visible` and `box`, which
    are measured in the rendered image (two rasterisers differ along edges), and the three wrist
    angles, which jump at half a turn; T_cam_wrist says the same.

    What no rounding excludes: a value closer to the border between two steps than the two
    machines are to one another changes the sum. Where they differ by 1e-12 m that is one
    coordinate in 5e7; with some 130 values a hand, one set of a thousand images in 400, and most
    sets of a million. So an equal sum says that labels are equal within a step each; of a
    different one only a comparison of the labels tells what it means.

    Raises:
        InputError: a label has no such field; the message names it.
    """
    total = hashlib.sha256()
    for label in labels:
        text = json.dumps(_coarse(label), sort_keys=True, separators=(",", ":"))
        total.update(text.encode() + b"\n")
    return total.hexdigest()


def _hand_as_dict(hand: SynthHand, number: int) -> dict[str, Any]:
    if hand.side not in SIDES:
        raise InputError(f"hands[{number}].side is {hand.side!r}; it must be one of {SIDES}")
    return {
        "side": hand.side,
        "identity": int(hand.identity),
        "visible": np.asarray(hand.visible, bool).tolist(),
        **{
            name: _rounded(getattr(hand, name), digits, f"hands[{number}].{name}")
            for name, digits in DIGITS.items()
        },
    }


def _rounded(values: npt.ArrayLike, digits: int, where: str) -> Any:
    array = np.round(np.asarray(values, np.float64), digits)
    if not np.isfinite(array).all() and where.rsplit(".", 1)[-1] not in _MAY_BE_UNKNOWN:
        raise InputError(f"{where} has values that are not finite")
    return _listed(array)


def _hand(label: Any, surface: npt.NDArray[Any] | None, where: str) -> SynthHand:
    side = _field(label, "side", where)
    if side not in SIDES:
        raise InputError(f"{where}.side is {side!r}; it must be one of {SIDES}")
    arrays = {name: _numbers(label, name, where) for name in DIGITS}
    vertices = np.zeros((0, 3), np.float32)
    if surface is not None:
        vertices = (surface.astype(np.float64) + arrays["keypoints"][0]).astype(np.float32)
    visible = _numbers(label, "visible", where).astype(bool)
    identity = _whole(label, "identity", where)
    return SynthHand(identity=identity, side=side, visible=visible, vertices=vertices, **arrays)


def _camera(label: Any) -> Camera:
    where = "label.camera"
    try:
        return Camera(
            _numbers(label, "K", where),
            _whole(label, "width", where),
            _whole(label, "height", where),
            tuple(np.atleast_1d(_numbers(label, "distortion", where)).tolist()),
            str(_field(label, "distortion_model", where)),
            bool(_field(label, "assumed", where)),
        )
    except InputError as error:
        raise type(error)(f"{error}" if where in str(error) else f"{where}: {error}") from error


def _field(label: Any, name: str, where: str) -> Any:
    if not isinstance(label, Mapping):
        raise InputError(f"{where} is {type(label).__name__}; it must be an object")
    if name not in label:
        raise InputError(f"{where} has no {name!r}; it has {sorted(label)}")
    return label[name]


def _whole(label: Any, name: str, where: str = "label") -> int:
    value = _field(label, name, where)
    if not isinstance(value, int) or isinstance(value, bool):
        raise InputError(f"{where}.{name} is {value!r}; it must be a whole number")
    return value


def _numbers(label: Any, name: str, where: str) -> npt.NDArray[np.float64]:
    try:
        return np.array(_field(label, name, where), dtype=np.float64)
    except (TypeError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{where}.{name} is not an array of numbers: {error}") from error


# Half the finest stored digit over its step, so that no stored value lies on a border.
_BORDER = 5e-6
_STEPS = {"keypoints": 1e-4, "keypoints_px": 1e-2, "bone_lengths": 1e-4, "offsets": 1e-3}


def _coarse(label: Mapping[str, Any]) -> dict[str, Any]:
    try:
        camera = label["camera"]
        return {
            "index": label["index"],
            "sequence": label["sequence"],
            "time": _steps(label["time"], 1e-6),
            "size": [camera["width"], camera["height"]],
            "K": _steps(camera["K"], 1e-2),
            "distortion": _steps(camera["distortion"], 1e-4),
            "distortion_model": camera["distortion_model"],
            "hands": [_coarse_hand(hand) for hand in label["hands"]],
        }
    except KeyError as error:
        raise InputError(f"label {label.get('index')} has no {error.args[0]!r}") from error


def _coarse_hand(label: Mapping[str, Any]) -> dict[str, Any]:
    pose = np.array(label["T_cam_wrist"], np.float64)
    return {
        "side": label["side"],
        "identity": label["identity"],
        "articulation": _steps(label["angles"][WRIST_DOFS:], 1e-3),
        "rotation": _steps(pose[:3, :3], 1e-3),
        "translation": _steps(pose[:3, 3], 1e-4),
        **{name: _steps(label[name], step) for name, step in _STEPS.items()},
    }


def _steps(values: Any, step: float) -> Any:
    """Return numbers of steps as nested lists; null where a value is null."""
    return _listed(np.floor(np.array(values, np.float64) / step + 0.5 + _BORDER))


def _listed(values: npt.ArrayLike) -> Any:
    """Return nested lists, null for what is not finite, which JSON has no word for."""
    array = np.asarray(values) + 0.0  # no minus zero
    known = np.asarray(array).astype(object)
    known[~np.isfinite(array)] = None
    return known.tolist()
