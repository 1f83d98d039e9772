"""Estimates against the true hands that a recording may carry."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment

from hand_pose_ros.errors import InputError
from hand_pose_ros.evaluation.metrics import (
    mpjpe_absolute,
    mpjpe_root,
    mpjpe_scaled,
    pa_mpjpe,
)
from hand_pose_ros.ros import conversions
from hand_pose_ros.ros.bag import BagMessage, BagReader
from hand_pose_ros.ros.messages import MESSAGES
from hand_pose_ros.ros.source.opening import is_bag
from hand_pose_ros.runtime.estimate import HandEstimate

TRUTH_TOPIC = "/truth/hand_poses"
"""Where a recording says how the hands truly were: a HandPoseArray with each image's stamp."""

PROTOCOLS = {
    "root_relative": (mpjpe_root, "wrists at the origin"),
    "scaled": (mpjpe_scaled, "wrists at the origin, at the true size"),
    "pa": (pa_mpjpe, "after the best similarity alignment"),
    "absolute": (mpjpe_absolute, "in the camera frame, nothing aligned"),
}
"""Mean joint errors by name, and what is aligned before."""

REACH = 1.0
"""How far from a true hand its estimate may be: in sizes of its box, mean over the keypoints."""

TruthByStamp = dict[int, tuple[HandEstimate, ...]]


def read_truth(path: str | Path) -> TruthByStamp:
    """Return the true hands of a recording by the image's stamp [ns]; empty where it has none.

    Raises:
        InputError: the bag cannot be read, or its true hands are none.
    """
    path = Path(path)
    if not path.exists() or not is_bag(path):
        return {}
    with BagReader(path) as reader:
        topic = reader.topics.get(TRUTH_TOPIC)
        if topic is None or topic.msgtype != MESSAGES["HandPoseArray"]:
            return {}
        return {stamp_ns: hands for _, stamp_ns, hands in hands_in(reader, TRUTH_TOPIC)}


def hands_in(
    reader: BagReader, topic: str
) -> Iterator[tuple[BagMessage, int, tuple[HandEstimate, ...]]]:
    """Yield each HandPoseArray of a topic as it lies in the bag, its stamp [ns] and its hands.

    Raises:
        InputError: the bag cannot be read, or a hand is none.
    """
    for raw in reader.messages([topic]):
        message = reader.deserialize(raw)
        try:
            hands = conversions.hands_from_message(message)
        except InputError as error:
            raise InputError(f"{reader.path}, {topic}: {error}") from error
        yield raw, conversions.stamp_ns(message), hands


class TruthScore:
    """Collects the errors of estimates against the true hands of the same image."""

    def __init__(self, truth: TruthByStamp) -> None:
        self._truth = truth
        self._errors: dict[str, list[float]] = {name: [] for name in PROTOCOLS}
        self._true = self._found = self._wrong_side = self._extra = 0

    def add(self, stamp_ns: int, hands: tuple[HandEstimate, ...]) -> None:
        """Score the hands of one image; an image that nothing is known of is passed over."""
        if stamp_ns not in self._truth:
            return
        true = self._truth[stamp_ns]
        pairs = _matched(true, hands)
        self._true += len(true)
        self._found += len(pairs)
        self._extra += len(hands) - len(pairs)
        for hand, estimate in pairs:
            self._wrong_side += hand.side != estimate.side
            for name, (metric, _) in PROTOCOLS.items():
                self._errors[name].append(float(metric(estimate.keypoints, hand.keypoints)))

    def as_dict(self) -> dict[str, Any] | None:
        """Return counts and mean errors [mm]; None where no image had a true hand."""
        if not self._true:
            return None
        return {
            "true_hands": self._true,
            "found": self._found,
            "wrong_side": self._wrong_side,
            "hands_without_truth": self._extra,
            "errors_mm": {
                name: float(np.mean(errors)) if errors else None
                for name, errors in self._errors.items()
            },
        }


def _matched(
    true: tuple[HandEstimate, ...], hands: tuple[HandEstimate, ...]
) -> list[tuple[HandEstimate, HandEstimate]]:
    """Return pairs of a true hand and its estimate: those that lie nearest in the image."""
    if not true or not hands:
        return []
    costs = np.array([[_apart(known, hand) for hand in hands] for known in true])
    rows, columns = linear_sum_assignment(np.minimum(costs, 1e3))
    return [
        (true[row], hands[column])
        for row, column in zip(rows, columns, strict=True)
        if costs[row, column] <= REACH
    ]


def _apart(known: HandEstimate, hand: HandEstimate) -> float:
    distance = np.linalg.norm(known.keypoints_px - hand.keypoints_px, axis=-1).mean()
    return float(distance / max(known.box[2:].max(), 1.0))
