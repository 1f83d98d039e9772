"""The detector's score made a chance: of the peaks with a score of 0.7, seven in ten are hands."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from scipy.optimize import minimize

from hand_pose_ros.data.boxes import LEAST_OVERLAP, box_around, overlap
from hand_pose_ros.data.frames import Frame
from hand_pose_ros.errors import InputError
from hand_pose_ros.models.detector import HandDetector, peaks, read_cells

_FAINT = 0.02
"""Chance below which a peak is not worth counting."""


def peaks_of(detector: HandDetector, frames: Iterable[Frame]) -> tuple[np.ndarray, np.ndarray]:
    """Return the log odds of the peaks in images, and whether each is a hand that is there.

    Peaks where hands do not matter are left out.
    """
    odds, true = [], []
    for frame in frames:
        with torch.inference_mode():
            image = torch.from_numpy(frame.image_rgb).permute(2, 0, 1)[None].float() / 255.0
            cells = read_cells(detector(image)[2])
            chance = torch.sigmoid(cells.score)
            found = peaks(chance) & (chance > _FAINT)
        rows = cells.box[found].double().numpy()
        boxes = np.concatenate((rows[:, :2] - rows[:, 2:] / 2.0, rows[:, 2:]), axis=1)
        hands = box_around(frame.keypoints_px)
        for box, score in zip(boxes, cells.score[found].tolist(), strict=True):
            is_hand = any(overlap(box, hand) >= LEAST_OVERLAP for hand in hands)
            if is_hand or not any(overlap(box, place) > 0.0 for place in frame.ignored):
                odds.append(score)
                true.append(is_hand)
    return np.array(odds), np.array(true, bool)


def calibrate(detector: HandDetector, frames: Iterable[Frame]) -> tuple[float, float]:
    """Scale and shift the detector's log odds until they are those of its hits; return both.

    Raises:
        InputError: there are not both hits and false peaks to tell apart.

    Source: Platt 1999, Probabilistic outputs for support vector machines.
    """
    odds, true = peaks_of(detector, frames)
    if true.all() or not true.any():
        raise InputError(f"of {len(true)} peaks {true.sum()} are hands; both kinds are needed")

    def misfit(parameters: np.ndarray) -> float:
        fitted = np.exp(parameters[0]) * odds + parameters[1]
        return float(np.mean(np.logaddexp(0.0, np.where(true, -fitted, fitted))))

    best = minimize(misfit, np.zeros(2), method="Nelder-Mead").x
    scale, shift = float(np.exp(best[0])), float(best[1])
    read = detector.hands.read
    assert read.bias is not None
    with torch.no_grad():
        read.weight[0] *= scale
        read.bias[0] = read.bias[0] * scale + shift
    return scale, shift
