"""What is kept of one image: for each estimator a row a true hand, and one for what was made up.

Rows have a fixed width, so that a file of them can be cut, counted and read in pieces. They hold
the true and the estimated joints themselves: any protocol can be taken from them afterwards.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from hand_pose_ros.data.sample import LabelledHand, LabelledImage
from hand_pose_ros.errors import InputError, ShapeError
from hand_pose_ros.evaluation.matching import match_hands
from hand_pose_ros.evaluation.points import Array
from hand_pose_ros.evaluation.surfaces import ALIGNMENTS, score_surface
from hand_pose_ros.hand.skeleton import KEYPOINTS, SIDES

_JOINTS = len(KEYPOINTS)

ROW = np.dtype(
    [
        ("image", "<i8"),  # number in the dataset
        ("last", "?"),  # whether nothing more comes of this image
        ("estimator", "<i2"),
        ("hand", "<i2"),  # number of the true hand in its image; NO_HAND for an estimate of none
        ("found", "?"),  # whether there is an estimate
        ("placed", "?"),  # whether it has a place in the camera frame
        ("side", "i1"),  # estimated: index into SIDES, or NO_SIDE
        ("side_given", "?"),  # whether the estimator was told
        ("true_side", "i1"),
        ("score", "<f4"),
        ("frame", "<i8"),
        ("name", "S128"),
        ("sequence", "S96"),
        ("groups", "S96"),
        ("visible", "?", (_JOINTS,)),
        ("true", "<f8", (_JOINTS, 3)),  # [m], NaN where not known
        ("guess", "<f8", (_JOINTS, 3)),  # [m], NaN where not found
        ("pixels", "<f4", (_JOINTS, 2)),  # of the estimate [px], NaN where not known
        ("surface", "<f8", (len(ALIGNMENTS), 3)),  # SurfaceScore under each alignment
    ]
)
Rows = npt.NDArray[Any]
"""(row,) of `ROW`."""

NO_HAND = -1
NO_SIDE = -1


@dataclass(frozen=True, eq=False)
class Guess:
    """One hand as an estimator sees it.

    Attributes:
        keypoints: (21, 3) joints [m], camera frame if `placed`.
        side: "left" or "right"; None where it does not say.
        side_given: whether it was told the side.
        score: how sure it is, 0..1.
        keypoints_px: (21, 2) joints [px]; None where there are none.
        placed: whether the joints have a place in the camera frame.
        hand: number of the true hand that it was asked for; None where it looked itself.
        vertices: (V, 3) surface [m] in the frame of `keypoints`; None without one.

    Raises:
        ShapeError: an array has another shape.
        InputError: a side that no hand has, or a joint that is not finite.
    """

    keypoints: Array
    side: str | None = None
    side_given: bool = False
    score: float = 1.0
    keypoints_px: Array | None = None
    placed: bool = True
    hand: int | None = None
    vertices: Array | None = None

    def __post_init__(self) -> None:
        if self.side is not None and self.side not in SIDES:
            raise InputError(f"side is {self.side!r}; it must be one of {SIDES}")
        if self.keypoints.shape != (_JOINTS, 3):
            raise ShapeError(f"keypoints have shape {self.keypoints.shape}; it must be (21, 3)")
        if not np.isfinite(self.keypoints).all():
            raise InputError("keypoints of an estimate have a value that is not finite")


def rows_of(number: int, image: LabelledImage, answers: Mapping[str, Sequence[Guess]]) -> Rows:
    """Return the rows of one image, at least one.

    Args:
        number: of the image in its dataset.
        image: what is true of it.
        answers: what each estimator says; their order is that of `estimator`.
    """
    rows: list[Rows] = []
    for estimator, guesses in enumerate(answers.values()):
        pairs = dict(_pairs(image, guesses))
        for hand in range(len(image.hands)):
            guess = guesses[pairs[hand]] if hand in pairs else None
            rows.append(_row(number, image, estimator, hand, guess))
        taken = set(pairs.values())
        extra = [guess for place, guess in enumerate(guesses) if place not in taken]
        rows += [_row(number, image, estimator, NO_HAND, guess) for guess in extra]
        if not image.hands and not extra:
            rows.append(_row(number, image, estimator, NO_HAND, None))
    rows[-1]["last"] = True
    return np.concatenate(rows)


def group_labels(groups: Mapping[str, str]) -> str:
    """Return what an image is of as one text, such as "annotation=human,kind=single"."""
    return ",".join(f"{name}={groups[name]}" for name in sorted(groups))


def true_pixels(image: LabelledImage, hand: LabelledHand) -> Array:
    """Return where a true hand is in its image (21, 2) [px], NaN where nobody knows."""
    if hand.keypoints_px is not None:
        return hand.keypoints_px
    if hand.keypoints is None or image.camera is None:
        return np.full((_JOINTS, 2), np.nan)
    return np.asarray(image.camera.project(hand.keypoints), np.float64)


def _pairs(image: LabelledImage, guesses: Sequence[Guess]) -> list[tuple[int, int]]:
    """Return (true hand, guess): those that were asked for, of the rest those that are near."""
    asked = [(g.hand, place) for place, g in enumerate(guesses) if g.hand is not None]
    taken = {hand for hand, _ in asked}
    hands = [hand for hand in range(len(image.hands)) if hand not in taken]
    loose = [place for place, guess in enumerate(guesses) if guess.hand is None]
    nowhere = np.full((_JOINTS, 2), np.nan)
    seen = [nowhere if (px := guesses[place].keypoints_px) is None else px for place in loose]
    near = match_hands([true_pixels(image, image.hands[hand]) for hand in hands], seen)
    return asked + [(hands[row], loose[column]) for row, column in near]


def _row(
    number: int, image: LabelledImage, estimator: int, hand: int, guess: Guess | None
) -> Rows:
    row = np.zeros(1, ROW)
    for name, value in (
        ("image", number),
        ("estimator", estimator),
        ("hand", hand),
        ("frame", image.frame),
        ("name", _fitted(image.name, "name")),
        ("sequence", _fitted(image.sequence or "", "sequence")),
        ("groups", _fitted(group_labels(image.groups), "groups")),
        ("side", NO_SIDE),
        ("true_side", NO_SIDE),
        ("visible", True),
        ("true", np.nan),
        ("guess", np.nan),
        ("pixels", np.nan),
        ("surface", np.nan),
    ):
        row[name] = value
    if hand != NO_HAND:
        _set_truth(row, image.hands[hand])
    if guess is not None:
        _set_guess(row, guess)
        if hand != NO_HAND:
            _set_surface(row, guess, image.hands[hand])
    return row


def _set_truth(row: Rows, hand: LabelledHand) -> None:
    if hand.side is not None:
        row["true_side"] = SIDES.index(hand.side)
    if hand.keypoints is not None:
        row["true"] = np.where(hand.known[:, None], hand.keypoints, np.nan)
    if hand.visible is not None:
        row["visible"] = hand.visible


def _set_guess(row: Rows, guess: Guess) -> None:
    row["found"], row["placed"] = True, guess.placed
    row["guess"], row["score"] = guess.keypoints, guess.score
    row["side_given"] = guess.side_given
    if guess.side is not None:
        row["side"] = SIDES.index(guess.side)
    if guess.keypoints_px is not None:
        row["pixels"] = guess.keypoints_px


def _set_surface(row: Rows, guess: Guess, hand: LabelledHand) -> None:
    if guess.vertices is None or hand.vertices is None or not hand.known.any():
        return
    assert hand.keypoints is not None
    scores = score_surface(guess.vertices, hand.vertices, guess.keypoints, hand.keypoints)
    row["surface"] = [tuple(scores[name]) for name in ALIGNMENTS]


def _fitted(text: str, field: str) -> bytes:
    """Return a text that fits into its field; a longer one ends in a hash of the whole."""
    data, size = text.encode(), ROW[field].itemsize
    if len(data) <= size:
        return data
    digest = hashlib.blake2b(data, digest_size=8).hexdigest().encode()
    return data[: size - len(digest) - 1].decode(errors="ignore").encode() + b"~" + digest
