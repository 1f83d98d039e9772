"""Sums of joint errors that take constant memory, however many hands are added."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from hand_pose_ros.evaluation.metrics import area
from hand_pose_ros.evaluation.points import Array
from hand_pose_ros.evaluation.protocols import AUC_0_50, Grid, Protocol
from hand_pose_ros.hand.skeleton import FINGERS, KEYPOINTS

CURVE = Grid(0.0, 50.0, 101)
"""Where PCK curves are drawn."""

_JOINTS = len(KEYPOINTS)
_LEAST_MM, _MOST_MM, _BIN = 1e-3, 1e4, 0.001
_EDGES = np.exp(np.arange(np.log(_LEAST_MM), np.log(_MOST_MM) + _BIN, _BIN))
"""Edges of the bins that medians are read from: each is a thousandth wider than the one before."""

WRIST = "wrist"
_FINGER_OF = [WRIST, *(name.split("_")[0] for name in KEYPOINTS[1:])]


class Tally:
    """Errors of hands under one protocol.

    As in the evaluation scripts of the datasets, a number is taken for each joint over all hands,
    and then the mean over the joints; with no joint unknown this is the mean over everything.
    Left and right hands are taken together; InterHand2.6M's script has 42 joints, and so gives
    both sides the same weight where there are more hands of one.

    Args:
        protocol: which errors are added.
        medians: whether medians are wanted, which take a megabyte.
    """

    def __init__(self, protocol: Protocol, medians: bool = True) -> None:
        self.hands = 0
        self._counts = np.zeros(_JOINTS, np.int64)
        self._sums = np.zeros(_JOINTS)
        grids = {"auc_20_50": protocol.auc_20_50, "auc_0_50": AUC_0_50, "curve": CURVE}
        self._within = {name: _Within(grid) for name, grid in grids.items()}
        self._bins = np.zeros((_JOINTS, len(_EDGES) + 1), np.int32) if medians else None

    def add(self, errors_mm: Array) -> None:
        """Add joint errors (hand, 21) [mm]; NaN is not known."""
        known = ~np.isnan(errors_mm)
        self.hands += int(known.any(-1).sum())
        self._counts += known.sum(0)
        self._sums += np.where(known, errors_mm, 0.0).sum(0)
        joints = np.nonzero(known)[1]
        values = errors_mm[known]
        for within in self._within.values():
            within.add(joints, values)
        if self._bins is not None:
            places = np.searchsorted(_EDGES, values)
            np.add.at(self._bins, (joints, places), 1)

    @property
    def per_joint(self) -> Array:
        """(21,) mean error of each joint [mm], NaN where it was never known."""
        return np.asarray(_divided(self._sums, self._counts))

    @property
    def per_finger(self) -> dict[str, float]:
        """Mean of the joints of each finger [mm], and the wrist."""
        means = self.per_joint
        return {
            name: _mean(means[[of == name for of in _FINGER_OF]]) for name in (WRIST, *FINGERS)
        }

    @property
    def mpjpe(self) -> float:
        """Mean error [mm]; NaN where nothing was added."""
        return _mean(self.per_joint)

    @property
    def median(self) -> float:
        """Mean over the joints of the median of each [mm], to a thousandth of it."""
        if self._bins is None:
            return float("nan")
        below = np.cumsum(self._bins, axis=1)
        bins = [
            np.searchsorted(row, ((count + 1) // 2, count // 2 + 1))
            for row, count in zip(below, self._counts, strict=True)
            if count
        ]
        middles = np.concatenate(([0.0], np.sqrt(_EDGES[1:] * _EDGES[:-1]), _EDGES[-1:]))
        return _mean(np.array([middles[pair].mean() for pair in bins]))

    @property
    def curve(self) -> Array:
        """Share of joints within each threshold of `CURVE`."""
        return self._within["curve"].shares(self._counts)

    @property
    def auc_20_50(self) -> float:
        """Area under the PCK curve from 20 to 50 mm, on the protocol's grid."""
        return area(self._within["auc_20_50"].shares(self._counts))

    @property
    def auc_0_50(self) -> float:
        """Area under the PCK curve from 0 to 50 mm."""
        return area(self._within["auc_0_50"].shares(self._counts))


class _Within:
    """Counts of each joint's errors up to each threshold."""

    def __init__(self, grid: Grid) -> None:
        self._thresholds = grid.thresholds_mm
        self._steps = len(self._thresholds) + 1
        self._counts = np.zeros((_JOINTS, self._steps), np.int64)

    def add(self, joints: npt.NDArray[np.int64], values: Array) -> None:
        """Count errors [mm], each of one joint."""
        places = np.searchsorted(self._thresholds, values, side="left")
        flat = np.bincount(joints * self._steps + places, minlength=self._counts.size)
        self._counts += flat.reshape(self._counts.shape)

    def shares(self, counts: npt.NDArray[np.int64]) -> Array:
        """Return the share of errors at most each threshold, mean over the joints."""
        within = np.cumsum(self._counts, axis=1)[:, :-1]
        shares = within[counts > 0] / counts[counts > 0, None]
        return shares.mean(0) if len(shares) else np.full(within.shape[1], np.nan)


def _divided(sums: Array, counts: npt.NDArray[np.int64]) -> Array:
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)


def _mean(values: Array) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")
