"""Protocols by name: which joints are compared, about which root, at which size.

A number is worth nothing without its protocol. Two papers that differ have two entries here, and
every number of a report is printed with the entry that it was taken under.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hand_pose_ros.errors import InputError
from hand_pose_ros.evaluation.alignment import (
    MIDDLE_MCP,
    MIDDLE_PIP,
    RING_MCP,
    WRIST,
    Bone,
    Root,
    Similarity,
    fit_bone,
    fit_root,
    fit_similarity,
)
from hand_pose_ros.evaluation.metrics import AUC_RANGE_MM, AUC_STEPS, distances
from hand_pose_ros.evaluation.points import Array, checked_pair


@dataclass(frozen=True)
class Grid:
    """Thresholds that a PCK curve is taken at, evenly spaced [mm]."""

    low_mm: float
    high_mm: float
    steps: int

    @property
    def thresholds_mm(self) -> Array:
        """(steps,) thresholds."""
        return np.linspace(self.low_mm, self.high_mm, self.steps)


AUC_20_50 = Grid(*AUC_RANGE_MM, AUC_STEPS)
AUC_0_50 = Grid(0.0, 50.0, AUC_STEPS)
"""As in the evaluation scripts of FreiHAND, HO-3D and DexYCB."""

_AUC_HAND3D = Grid(8 * 50.0 / 19, 50.0, 12)
"""The last 12 of 20 thresholds from 0 to 50 mm, from 21.05 on (Zimmermann and Brox 2017)."""


@dataclass(frozen=True)
class Protocol:
    """What is aligned before joints are compared.

    Attributes:
        name: what `--protocol` takes.
        text: one line for tables.
        source: who defines it.
        root: keypoints whose middle is put onto the true one; None for what `similarity` says.
        bone: brought to its true length before; None to keep the estimated size.
        similarity: whether the best scale, rotation and shift are fitted.
        palm: in place of the wrist the centre of the palm is scored, half way from the wrist to
            this keypoint; None to score the wrist.
        visible_only: whether joints that a dataset calls hidden are left out.
        auc_20_50: thresholds of that area.
    """

    name: str
    text: str
    source: str
    root: Root | None = None
    bone: Bone | None = None
    similarity: bool = False
    palm: int | None = None
    visible_only: bool = False
    auc_20_50: Grid = AUC_20_50

    @property
    def in_camera(self) -> bool:
        """Whether the place of the hand before the camera counts."""
        return self.root is None and not self.similarity

    def fit(self, predicted: npt.ArrayLike, true: npt.ArrayLike) -> Similarity:
        """Return what moves predicted joints (*batch, 21, 3) [m] onto the true ones."""
        if self.similarity:
            return fit_similarity(predicted, true)
        if self.in_camera:
            batch = np.shape(true)[:-2]
            return Similarity(np.ones(batch), np.eye(3), np.zeros((*batch, 3)))
        assert self.root is not None
        if self.bone is None:
            return fit_root(predicted, true, self.root)
        return fit_bone(predicted, true, self.root, self.bone)

    def errors(
        self,
        predicted: npt.ArrayLike,
        true: npt.ArrayLike,
        visible: npt.NDArray[np.bool_] | None = None,
    ) -> Array:
        """Return each joint's error (*batch, 21) [mm]; NaN where it is not known or not counted.

        Args:
            predicted: (*batch, 21, 3) [m], camera frame.
            true: likewise.
            visible: (*batch, 21) which joints are seen; None where nobody says.

        Raises:
            ShapeError: the two differ in shape.
            InputError: a value is not finite, or a hand has no size that could be aligned.
        """
        guess, truth = checked_pair(predicted, true)
        if self.palm is not None:
            guess, truth = (_palm_for_wrist(points, self.palm) for points in (guess, truth))
        errors = distances(self.fit(guess, truth).apply(guess), truth)
        if self.visible_only and visible is not None:
            errors = np.where(visible, errors, np.nan)
        return errors


PROTOCOLS = {
    protocol.name: protocol
    for protocol in (
        Protocol(
            "pa",
            "best similarity (Procrustes) alignment, no reflection",
            "Umeyama 1991; Zimmermann et al. 2019 (FreiHAND); DiffHand, section 4.1",
            similarity=True,
        ),
        Protocol(
            "wrist-scaled",
            "wrists aligned, at the true wrist to middle MCP length",
            "HO-3D's evaluation script: scale and translation aligned (Hampali et al. 2020)",
            root=(WRIST,),
            bone=(WRIST, MIDDLE_MCP),
        ),
        Protocol(
            "wrist",
            "wrists aligned (of each hand its own), at the estimated size",
            "InterHand2.6M's evaluation script (Moon et al. 2020); DexYCB: root-relative",
            root=(WRIST,),
        ),
        Protocol(
            "middle-mcp",
            "middle MCPs aligned, at the estimated size",
            "the root of much work on hand meshes, such as Boukhayma et al. 2019",
            root=(MIDDLE_MCP,),
        ),
        Protocol(
            "palm-scaled",
            "palm centres (scored in place of the wrist; half way from it to the middle MCP) "
            "aligned, at the true length of the middle finger's first bone, visible joints",
            "the evaluation scripts of Zimmermann and Brox 2017 and Spurr et al. 2018",
            root=(WRIST,),
            bone=(MIDDLE_MCP, MIDDLE_PIP),
            palm=MIDDLE_MCP,
            visible_only=True,
            auc_20_50=_AUC_HAND3D,
        ),
        Protocol(
            "stb-palm-scaled",
            "as palm-scaled, with the palm centre that STB labels: half way from the wrist to the "
            "ring MCP",
            "the evaluation scripts of Zimmermann and Brox 2017 and Spurr et al. 2018; "
            "Ge et al. 2019 for the wrist",
            root=(WRIST,),
            bone=(MIDDLE_MCP, MIDDLE_PIP),
            palm=RING_MCP,
            visible_only=True,
            auc_20_50=_AUC_HAND3D,
        ),
        Protocol(
            "absolute",
            "camera frame, nothing aligned",
            "DexYCB's evaluation script: absolute (Chao et al. 2021)",
        ),
    )
}
"""The table that `--protocol` picks from."""

OF_FORMAT = {
    "rhd": ("palm-scaled", "wrist", "pa"),
    "stb": ("stb-palm-scaled", "wrist", "pa"),
    "interhand": ("wrist", "pa", "absolute"),
    "freihand": ("pa", "wrist", "absolute"),
    "ho3d": ("wrist-scaled", "pa", "wrist", "absolute"),
    "dexycb": ("wrist", "pa", "absolute"),
}
"""What is reported on a dataset, what its papers report first."""

DEFAULT = ("pa", "wrist-scaled", "wrist", "absolute")
"""What is reported on any other."""


def protocols_of(format: str, names: list[str] | None = None) -> tuple[Protocol, ...]:
    """Return the named protocols, or those of a format; the first is the one to sort by.

    Raises:
        InputError: a name that is not in the table.
    """
    chosen = tuple(dict.fromkeys(names or OF_FORMAT.get(format, DEFAULT)))
    for name in chosen:
        if name not in PROTOCOLS:
            raise InputError(f"protocol is {name!r}; it must be one of {', '.join(PROTOCOLS)}")
    return tuple(PROTOCOLS[name] for name in chosen)


def _palm_for_wrist(points: Array, other_end: int) -> Array:
    palm = points[..., [WRIST, other_end], :].mean(-2)
    return np.concatenate((palm[..., None, :], points[..., 1:, :]), axis=-2)
