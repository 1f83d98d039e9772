"""Rendered sequences through the estimator, with and without the temporal transformer."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch

from hand_pose_ros.data.folder import FolderSample, read_folder, read_image
from hand_pose_ros.evaluation.metrics import (
    acceleration_error,
    joint_errors,
    mpjpe_scaled,
    pa_mpjpe,
    pck_auc,
)
from hand_pose_ros.hand.camera import Camera
from hand_pose_ros.hand.kinematics import HandParameters, forward_kinematics
from hand_pose_ros.models.temporal import TemporalTransformer
from hand_pose_ros.runtime.config import OFF, EstimatorConfig, SmoothingConfig, WindowConfig
from hand_pose_ros.runtime.detect import Detection, MediaPipeDetector
from hand_pose_ros.runtime.estimate import HandEstimate
from hand_pose_ros.runtime.estimator import Estimator
from hand_pose_ros.runtime.lift import Lift, LiftedHand, ModelLift
from hand_pose_ros.runtime.temporal import TemporalRefiner

MARGIN_PX = 64
"""Black pixels around an image: MediaPipe wants to see more than the hand."""
FARTHEST = 0.5
"""Mean distance of an estimate's keypoints from the truth, over the box, to be of that hand."""
LEAST_FRAMES = 16
"""Sequences in which the hand is found less often are left out: there is nothing to smooth."""

WAYS: dict[str, tuple[WindowConfig, bool]] = {
    "D*, lengths averaged": (WindowConfig(), False),
    "One-Euro": (WindowConfig(), True),
    **{f"causal {w}": (WindowConfig("causal", w), False) for w in (4, 8, 16, 27)},
    **{f"centred {w}": (WindowConfig("centred", w), False) for w in (4, 8, 16, 27)},
}
"""By name: what the transformer sees, and whether the filters run."""


@dataclass(frozen=True, eq=False)
class Shot:
    """One image of a sequence: what was detected and lifted, and the true hand."""

    stamp_ns: int
    image: np.ndarray
    camera: Camera
    detections: list[Detection]
    lifted: list[LiftedHand]
    true: np.ndarray
    true_px: np.ndarray


class Replayed:
    """Detector and lift that answer for one shot after the other."""

    def __init__(self, shots: Sequence[Shot], lift: Lift) -> None:
        self._shots, self._next, self._lift = list(shots), 0, lift

    def detect(self, image_rgb: np.ndarray) -> list[Detection]:
        """Return what was detected in the next shot."""
        self._next += 1
        return self._shots[self._next - 1].detections

    def reset(self) -> None:
        """Do nothing."""

    def __call__(
        self, detections: Sequence[Detection], camera: Camera, image_rgb: np.ndarray | None = None
    ) -> list[LiftedHand]:
        """Return the hands that were lifted from these detections of that shot.

        A hand that the tracker knows to be of the other side is lifted anew.
        """
        shot = self._shots[self._next - 1]
        known = {_key(d): h for d, h in zip(shot.detections, shot.lifted, strict=True)}
        return [
            known[_key(each)] if _key(each) in known else self._lift([each], camera)[0]
            for each in detections
        ]


def _key(detection: Detection) -> tuple[str, bytes]:
    return detection.side, detection.keypoints_px.tobytes()


def sequence_rows(folder: Path, transformer: TemporalTransformer) -> list[dict]:
    """Return a row for each way to smooth, over all sequences in which hands are followed."""
    lift = ModelLift.from_name("keypoints")
    sequences = [_shots(samples, lift) for samples in _sequences(folder)]
    found: dict[str, list[dict[int, np.ndarray]]] = {}
    for name, (window, smoothing) in WAYS.items():
        refiner = None if window.mode == OFF else TemporalRefiner(transformer, window)
        config = EstimatorConfig(smoothing=SmoothingConfig(enabled=smoothing), temporal=window)
        found[name] = [_through(shots, lift, config, refiner) for shots in sequences]
    found = {"D*": [_alone(shots, lift) for shots in sequences], **found}
    kept = [i for i, points in enumerate(found["D*"]) if len(points) >= LEAST_FRAMES]
    rows = []
    for name, each in found.items():
        row = _row([each[i] for i in kept], [sequences[i] for i in kept])
        gain = 1.0 - row["mpjpe_mm"] / (rows[0] if rows else row)["mpjpe_mm"]
        rows.append(
            {"method": name, "mpjpe_mm": row.pop("mpjpe_mm"), "gain": f"{gain:+.1%}", **row}
        )
    return rows


def _sequences(folder: Path) -> list[list[tuple[float, FolderSample]]]:
    """Return the samples of each sequence of a dataset with their times [s]."""
    images = json.loads((folder / "annotations.json").read_text())["images"]
    by_number = defaultdict(list)
    for sample in read_folder(folder, require=("side", "K", "keypoints")):
        entry = images[sample.name]
        if entry.get("sequence") is not None:
            by_number[entry["sequence"]].append((entry["time"], sample))
    return [sorted(rows, key=lambda row: row[0]) for _, rows in sorted(by_number.items())]


def _shots(samples: Sequence[tuple[float, FolderSample]], lift: ModelLift) -> list[Shot]:
    detector = MediaPipeDetector()
    shots = []
    for time, sample in samples:
        image = read_image(sample.path)
        camera = sample.camera(image.shape[1], image.shape[0])
        image = cv2.copyMakeBorder(image, *(MARGIN_PX,) * 4, cv2.BORDER_CONSTANT)
        K = camera.K + np.array(((0, 0, MARGIN_PX), (0, 0, MARGIN_PX), (0, 0, 0)))
        padded = Camera(
            K, image.shape[1], image.shape[0], camera.distortion, camera.distortion_model
        )
        detections = detector.detect(image)
        lifted = lift(detections, padded) if detections else []
        true_px = padded.project(sample.keypoints)
        stamp_ns = round(time * 1e9)
        shots.append(Shot(stamp_ns, image, padded, detections, lifted, sample.keypoints, true_px))
    return shots


def _through(
    shots: Sequence[Shot],
    lift: Lift,
    config: EstimatorConfig,
    refiner: TemporalRefiner | None,
) -> dict[int, np.ndarray]:
    """Return the estimated joints (21, 3) [m] of the true hand, by the number of the shot."""
    replayed = Replayed(shots, lift)
    estimator = Estimator(config, replayed, replayed, refiner)
    seen = [estimator.see(shot.image, shot.camera, shot.stamp_ns) for shot in shots]
    points = {}
    for number, (each, shot) in enumerate(zip(seen, shots, strict=True)):
        hand = _nearest(estimator.place(each).hands, shot)
        if hand is not None:
            points[number] = hand.keypoints
    return points


def _alone(shots: Sequence[Shot], lift: Lift) -> dict[int, np.ndarray]:
    """Return what `_through` does, each frame lifted on its own, bone lengths and all."""
    replayed = Replayed(shots, lift)
    estimator = Estimator(EstimatorConfig(), replayed, replayed)
    points = {}
    for number, shot in enumerate(shots):
        seen = estimator.see(shot.image, shot.camera, shot.stamp_ns)
        hands = estimator.place(seen).hands
        hand = _nearest(hands, shot)
        if hand is not None:
            alone = seen.lifted[hands.index(hand)]
            parts = (alone.root_rotation, alone.articulation, alone.ratios, alone.offsets)
            with torch.inference_mode():
                joints = forward_kinematics(HandParameters(*map(torch.from_numpy, parts)))
            points[number] = joints.positions.numpy() * (-1 if hand.side == "left" else 1, 1, 1)
    return points


def _nearest(hands: Sequence[HandEstimate], shot: Shot) -> HandEstimate | None:
    reach = FARTHEST * float(np.ptp(shot.true_px, axis=0).max())
    away = [np.linalg.norm(h.keypoints_px - shot.true_px, axis=1).mean() for h in hands]
    return hands[int(np.argmin(away))] if away and min(away) < reach else None


def _row(found: Sequence[dict[int, np.ndarray]], sequences: Sequence[Sequence[Shot]]) -> dict:
    """Return the errors, wrists aligned at true scale, of the hands that were found."""
    points, true, shaking = [], [], []
    for by_number, shots in zip(found, sequences, strict=True):
        numbers = sorted(by_number)
        mine = np.stack([by_number[n] - by_number[n][0] for n in numbers])
        theirs = np.stack([shots[n].true - shots[n].true[0] for n in numbers])
        palm = [np.linalg.norm(each[:, 9], axis=-1)[:, None, None] for each in (theirs, mine)]
        mine = mine * palm[0] / palm[1]
        points.append(mine)
        true.append(theirs)
        runs = np.split(np.arange(len(numbers)), np.flatnonzero(np.diff(numbers) != 1) + 1)
        shaking += [acceleration_error(mine[run], theirs[run]) for run in runs if len(run) > 2]
    mine, theirs = np.concatenate(points), np.concatenate(true)
    return {
        "mpjpe_mm": float(mpjpe_scaled(mine, theirs).mean()),
        "pa_mpjpe_mm": float(pa_mpjpe(mine, theirs).mean()),
        "auc": pck_auc(joint_errors(mine, theirs)),
        "acceleration_mm": float(np.concatenate(shaking).mean()),
        "frames": len(mine),
    }
