"""What a run amounts to: rows reduced to numbers in constant memory."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from hand_pose_ros.errors import InputError
from hand_pose_ros.evaluation.metrics import root_place_error
from hand_pose_ros.evaluation.points import Array, mean_known
from hand_pose_ros.evaluation.protocols import Protocol
from hand_pose_ros.evaluation.rows import NO_HAND, NO_SIDE, Rows
from hand_pose_ros.evaluation.steps import StepTally
from hand_pose_ros.evaluation.surfaces import ALIGNMENTS, SurfaceScore
from hand_pose_ros.evaluation.tally import Tally
from hand_pose_ros.hand.skeleton import SIDES

EVERYTHING = ""
"""The label of all images together."""

MOST_LABELS = 64
"""Groups of images beyond these are only counted together."""

KEPT = 6
"""How many of the best and of the worst hands are kept."""


_Kept = tuple[float, int, int, Any]
"""What hands are ordered by, the greatest first, and the row of one."""


@dataclass
class EstimatorSummary:
    """What one estimator's answers amount to.

    Attributes:
        name: of the estimator.
        protocols: the errors that are taken; the first is what hands are ordered by.
        hands: true hands with a known joint.
        found: of those, answered.
        extra: hands that were seen and are none that is labelled.
        told: hands found of which the estimator was told the side.
        sided: hands found, of a known side, of which the estimator itself said the side.
        right_side: of those, with the right one.
        tallies: by protocol, then by label of a group of images.
        found_by_all: under the first protocol, of the hands that every estimator found.
        surfaces: sums and counts of `SurfaceScore` under each alignment.
        mrrpe: sum [mm] and number of pairs.
        steps: from frame to frame.
    """

    name: str
    protocols: Sequence[Protocol]
    hands: int = 0
    found: int = 0
    extra: int = 0
    told: int = 0
    sided: int = 0
    right_side: int = 0
    tallies: dict[str, dict[str, Tally]] = field(default_factory=dict)
    found_by_all: Tally = field(init=False)
    surfaces: Array = field(default_factory=lambda: np.zeros((2, len(ALIGNMENTS), 3)))
    mrrpe: tuple[float, int] = (0.0, 0)
    steps: StepTally = field(default_factory=StepTally)
    _best: list[_Kept] = field(default_factory=list)
    _worst: list[_Kept] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.found_by_all = Tally(self.protocols[0], medians=False)

    def add(self, rows: Rows, by_all: npt.NDArray[np.bool_] | None = None) -> None:
        """Add the rows of this estimator; those of one image come together.

        Args:
            rows: of this estimator.
            by_all: (row,) whether every estimator found the hand; None where there is no other.
        """
        by_all = rows["found"] if by_all is None else by_all
        self.extra += int((rows["found"] & (rows["hand"] == NO_HAND)).sum())
        known = ~np.isnan(rows["true"][..., 0]).all(-1)
        labelled = (rows["hand"] != NO_HAND) & known
        found = rows[labelled & rows["found"]]
        self.hands += int(labelled.sum())
        self.found += len(found)
        self.told += int(found["side_given"].sum())
        said = found[~found["side_given"] & (found["side"] != NO_SIDE)]
        said = said[said["true_side"] != NO_SIDE]
        self.sided += len(said)
        self.right_side += int((said["side"] == said["true_side"]).sum())
        for place, protocol in enumerate(self.protocols):
            errors = self._errors(protocol, found)
            if place == 0:
                self._keep(found, np.asarray(mean_known(errors)))
                self.steps.add(found, np.asarray(mean_known(errors)))
                self.found_by_all.add(errors[by_all[labelled & rows["found"]]])
            self._tally(protocol, found, errors)
        self._add_surfaces(found)
        self._add_pairs(found[found["placed"]])

    @property
    def best(self) -> list[tuple[float, Any]]:
        """The hands with the least error under the first protocol [mm], the least first."""
        return [(-key, row) for key, *_, row in sorted(self._best, reverse=True)]

    @property
    def worst(self) -> list[tuple[float, Any]]:
        """Those with the greatest error, the greatest first."""
        return [(key, row) for key, *_, row in sorted(self._worst, reverse=True)]

    def surface(self) -> dict[str, SurfaceScore]:
        """Return the means of the surfaces under each alignment, NaN where there were none."""
        sums, counts = self.surfaces
        means = np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
        return {
            name: SurfaceScore(*map(float, row))
            for name, row in zip(ALIGNMENTS, means, strict=True)
        }

    def _errors(self, protocol: Protocol, found: Rows) -> Array:
        try:
            errors = protocol.errors(found["guess"], found["true"], found["visible"])
        except InputError:
            _name_what_is_refused(protocol, found)
            raise
        if protocol.in_camera:
            errors = np.where(found["placed"][:, None], errors, np.nan)
        return errors

    def _tally(self, protocol: Protocol, found: Rows, errors: Array) -> None:
        tallies = self.tallies.setdefault(protocol.name, {EVERYTHING: Tally(protocol)})
        tallies[EVERYTHING].add(errors)
        for groups in np.unique(found["groups"]) if len(found) else ():
            chosen = found["groups"] == groups
            for label in labels_of(groups.decode()):
                if label not in tallies and len(tallies) > MOST_LABELS:
                    continue
                tally = tallies.setdefault(label, Tally(protocol, medians=False))
                tally.add(errors[chosen])

    def _add_surfaces(self, found: Rows) -> None:
        known = ~np.isnan(found["surface"])
        self.surfaces[0] += np.where(known, found["surface"], 0.0).sum(0)
        self.surfaces[1] += known.sum(0)

    def _add_pairs(self, found: Rows) -> None:
        """Add how far left hands are from the right ones of the same images."""
        left, right = (found[found["true_side"] == SIDES.index(side)] for side in SIDES)
        _, first, second = np.intersect1d(left["image"], right["image"], return_indices=True)
        if len(first):
            a, b = left[first], right[second]
            errors = np.asarray(root_place_error(a["guess"], a["true"], b["guess"], b["true"]))
            errors = errors[~np.isnan(errors)]
            self.mrrpe = (self.mrrpe[0] + float(errors.sum()), self.mrrpe[1] + len(errors))

    def _keep(self, found: Rows, errors: Array) -> None:
        for heap, sign in ((self._best, -1.0), (self._worst, 1.0)):
            order = np.argsort(-sign * errors, kind="stable")[:KEPT]
            for place in order[~np.isnan(errors[order])]:
                row = found[place].copy()
                # No two hands have the same image and number: rows are never compared.
                entry = (sign * float(errors[place]), -int(row["image"]), -int(row["hand"]), row)
                if len(heap) < KEPT:
                    heapq.heappush(heap, entry)
                elif entry > heap[0]:
                    heapq.heapreplace(heap, entry)


@dataclass
class RunSummary:
    """What every estimator of a run amounts to.

    Attributes:
        protocols: the errors that are taken.
        estimators: in the order of their numbers.
        images: images seen.
        labels: of the groups of images, as far as they were counted.
    """

    protocols: Sequence[Protocol]
    estimators: Sequence[EstimatorSummary]
    images: int = 0

    @property
    def labels(self) -> list[str]:
        """Labels of groups of images, sorted; without that of all images."""
        first = self.estimators[0].tallies if self.estimators else {}
        return sorted({label for tallies in first.values() for label in tallies} - {EVERYTHING})


def summarize(
    chunks: Iterable[Rows], names: Sequence[str], protocols: Sequence[Protocol]
) -> RunSummary:
    """Return the summary of rows that come in pieces, each of whole images in their order."""
    summary = RunSummary(protocols, [EstimatorSummary(name, protocols) for name in names])
    for chunk in chunks:
        summary.images += int(chunk["last"].sum())
        by_all = _found_by_all(chunk, len(names))
        for number, estimator in enumerate(summary.estimators):
            chosen = chunk["estimator"] == number
            estimator.add(chunk[chosen], by_all[chosen])
    return summary


def _found_by_all(rows: Rows, estimators: int) -> npt.NDArray[np.bool_]:
    """Return for each row of whole images whether its true hand was found by every estimator."""
    names = rows["image"] << 16 | rows["hand"].astype(np.int64) & 0xFFFF
    hands, which = np.unique(names, return_inverse=True)
    finds = np.bincount(which, rows["found"], len(hands))
    return np.asarray((finds == estimators)[which] & (rows["hand"] != NO_HAND))


def _name_what_is_refused(protocol: Protocol, found: Rows) -> None:
    for row in found:
        try:
            protocol.errors(row["guess"], row["true"], row["visible"])
        except InputError as error:
            name = row["name"].decode(errors="replace")
            raise InputError(
                f"{name} cannot be scored under {protocol.name}: {error}; --protocol takes others"
            ) from error


def labels_of(groups: str) -> list[str]:
    """Return what an image counts for: each of its groups, such as "kind=single"."""
    return groups.split(",") if groups else []
