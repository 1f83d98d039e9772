"""Estimates as plain data for JSON files."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hand_pose_ros.errors import OutputError
from hand_pose_ros.hand.camera import Camera
from hand_pose_ros.runtime.estimate import FrameEstimate, HandEstimate


def frame_as_dict(frame: FrameEstimate) -> dict[str, Any]:
    """Return one frame; units and orders are those of `FrameEstimate`."""
    return {
        "stamp_ns": frame.stamp_ns,
        "frame_id": frame.frame_id,
        "hands": [hand_as_dict(hand) for hand in frame.hands],
        "timings_ms": {stage: round(time, 3) for stage, time in frame.timings_ms.items()},
    }


def hand_as_dict(hand: HandEstimate) -> dict[str, Any]:
    """Return one hand; what is not finite becomes null, which JSON has."""
    return {
        "id": hand.id,
        "side": hand.side,
        "side_score": round(float(hand.side_score), 4),
        "score": round(float(hand.score), 4),
        "keypoints": rounded(hand.keypoints, 5),
        "keypoints_px": rounded(hand.keypoints_px, 2),
        "keypoints_std": rounded(hand.keypoints_std, 5),
        "T_cam_wrist": rounded(hand.T_cam_wrist, 6),
        "angles": rounded(hand.angles, 5),
        "bone_lengths": rounded(hand.bone_lengths, 5),
        "offsets": rounded(hand.offsets, 5),
        "box_px": rounded(hand.box, 1),
        "scale_source": hand.scale_source.name,
    }


def camera_as_dict(camera: Camera) -> dict[str, Any]:
    """Return a camera."""
    return {
        "K": camera.K.tolist(),
        "width": camera.width,
        "height": camera.height,
        "distortion": list(camera.distortion),
        "distortion_model": camera.distortion_model,
        "assumed": camera.assumed,
    }


def rounded(values: npt.NDArray[Any], digits: int) -> Any:
    """Return an array as nested lists of rounded numbers; null where one is not finite."""
    values = np.round(np.asarray(values, np.float64), digits)
    if np.isfinite(values).all():
        return values.tolist()
    known = values.astype(object)
    known[~np.isfinite(values)] = None
    return known.tolist()


def write_json(path: Path, content: Any) -> None:
    """Write a JSON file: it appears whole or not at all.

    Raises:
        OutputError: it cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        with temporary.open("w", encoding="utf-8") as stream:
            json.dump(content, stream, allow_nan=False, separators=(",", ":"))
            stream.write("\n")
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise OutputError(f"writing {path} failed: {error.strerror or error}") from error
