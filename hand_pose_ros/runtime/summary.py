"""What a run over many images amounts to: counts, latency, jitter, constancy of the hands."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from hand_pose_ros.evaluation.motion import SETTLE_NS, accelerations, angles_outside
from hand_pose_ros.hand import skeleton
from hand_pose_ros.runtime.detect import Detection
from hand_pose_ros.runtime.estimate import FrameEstimate, HandEstimate


@dataclass
class _Track:
    """What is kept of one hand: one entry a frame."""

    sides: Counter[str] = field(default_factory=Counter)
    stamps_ns: list[int] = field(default_factory=list)
    frames: list[int] = field(default_factory=list)
    ours: list[npt.NDArray[np.float64]] = field(default_factory=list)
    detectors: list[npt.NDArray[np.float64]] = field(default_factory=list)
    lengths: list[npt.NDArray[np.float64]] = field(default_factory=list)
    outside: int = 0


class Summary:
    """Takes the result of each frame; `as_dict` says what they amount to."""

    def __init__(self) -> None:
        self._frames = self._with_hand = 0
        self._timings: dict[str, list[float]] = defaultdict(list)
        self._tracks: dict[str, _Track] = {}
        self._scales: Counter[str] = Counter()
        self._assumed_camera = False

    def add(self, frame: FrameEstimate, detections: Sequence[Detection] = ()) -> None:
        """Count one frame.

        Args:
            frame: what was estimated.
            detections: what the detector itself said of it, to compare its own 3D points.
        """
        for stage, time_ms in frame.timings_ms.items():
            self._timings[stage].append(time_ms)
        self._with_hand += bool(frame.hands)
        self._assumed_camera |= frame.camera.assumed
        for hand in frame.hands:
            self._scales[hand.scale_source.name] += 1
            track = self._tracks.setdefault(hand.id, _Track())
            track.sides[hand.side] += 1
            track.stamps_ns.append(frame.stamp_ns)
            track.frames.append(self._frames)
            track.ours.append(hand.keypoints - hand.keypoints[0])
            track.detectors.append(_own_points(hand, detections))
            track.lengths.append(hand.bone_lengths)
            track.outside += angles_outside(hand.angles)
        self._frames += 1

    def as_dict(self) -> dict[str, Any]:
        """Return the summary in plain numbers, ready for JSON."""
        return {
            "frames": self._frames,
            "frames_with_hand": self._with_hand,
            "hands": {key: self._hand(track) for key, track in self._tracks.items()},
            "latency_ms": {
                stage: {"p50": _percentile(times, 50.0), "p95": _percentile(times, 95.0)}
                for stage, times in self._timings.items()
            },
            "jitter_mm_per_s2": self._jitter(),
            "angles_outside_limits": sum(track.outside for track in self._tracks.values()),
            "scale_source": dict(self._scales),
            "camera_assumed": self._assumed_camera,
        }

    def _hand(self, track: _Track) -> dict[str, Any]:
        lengths = np.array(track.lengths)
        settled = np.array(track.stamps_ns) >= track.stamps_ns[0] + SETTLE_NS
        variation = None
        if settled.sum() > 1:
            lengths = lengths[settled]
            variation = float((lengths.std(axis=0) / lengths.mean(axis=0)).max())
        return {
            "frames": len(track.frames),
            "sides": dict(track.sides),
            "first_stamp_ns": track.stamps_ns[0],
            "last_stamp_ns": track.stamps_ns[-1],
            "bone_length_variation": variation,
        }

    def _jitter(self) -> dict[str, float | None]:
        """Return the mean acceleration of wrist-relative points, ours and the detector's own.

        The detector's hands are first scaled to the size of ours (mean distance of the joints from
        the wrist), so that a small hand is not taken for a steady one.
        """
        ours, theirs = [], []
        for track in self._tracks.values():
            mine, other = np.array(track.ours), np.array(track.detectors)
            known = np.isfinite(other).all(axis=(1, 2))
            if known.any():
                other = other * (_size(mine[known]) / _size(other[known]))
            ours.append(accelerations(mine, track.stamps_ns, track.frames))
            theirs.append(accelerations(other, track.stamps_ns, track.frames))
        mine, other = (np.concatenate(parts) if parts else np.zeros(0) for parts in (ours, theirs))
        both = np.isfinite(other)
        return {
            "ours": _mean(mine[both] if both.any() else mine),
            "detector": _mean(other[both]),
        }


def _own_points(hand: HandEstimate, detections: Sequence[Detection]) -> npt.NDArray[np.float64]:
    """Return the detector's own wrist-relative 3D points of a hand; NaN where it has none."""
    for detection in detections:
        if np.array_equal(detection.keypoints_px, hand.keypoints_px):
            return np.asarray(detection.world - detection.world[0])
    return np.full((len(skeleton.KEYPOINTS), 3), np.nan)


def _size(points: npt.NDArray[np.float64]) -> float:
    return float(np.linalg.norm(points, axis=-1).mean())


def _mean(values: npt.NDArray[np.float64]) -> float | None:
    return float(values.mean()) if values.size else None


def _percentile(values: Sequence[float], percent: float) -> float:
    return float(np.percentile(values, percent))
