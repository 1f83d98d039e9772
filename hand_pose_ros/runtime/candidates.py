"""Where our detector's network says that hands may be, ready for the landmark network to look."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt
import torch

from hand_pose_ros.data.boxes import overlap
from hand_pose_ros.models.detector import peaks, read_cells
from hand_pose_ros.models.palm_network import POINTS, SIDE, anchors
from hand_pose_ros.runtime.region import Region

Array = npt.NDArray[np.float64]

_MOST = 100
"""Boxes that are looked at, the surest; where any score will do there are hundreds."""
_SAME = 0.3
"""Intersection over union from which two candidates are one (MediaPipe's)."""

_PALM_MARGIN, _PALM_SHIFT = 2.6, 0.5
"""Side of the region over that of a palm, and how far its middle lies towards the fingers, in
palms (MediaPipe's)."""

_HAND_MARGIN = 1.4
"""Side of the region over the longer side of a hand's box."""

_MAX_LOG_ODDS = 100.0
_WRIST, _KNUCKLE = 0, 2
"""Points of a palm that say how it is turned."""


@dataclass(frozen=True, eq=False)
class Candidate:
    """A place where a hand may be.

    Attributes:
        score: how sure that is, 0..1.
        box: (4,) x, y, width, height [px], of the palm or of the hand.
        region: where the landmark network should look.
    """

    score: float
    box: Array
    region: Region

    def holds(self, other: Candidate) -> bool:
        """Whether the middle of the other's box lies in this one's."""
        inside = other.box[:2] + other.box[2:] / 2.0 - self.box[:2]
        return bool((inside >= 0.0).all() and (inside <= self.box[2:]).all())


def letterboxed(
    image_rgb: npt.NDArray[np.uint8], side: int = SIDE
) -> tuple[npt.NDArray[np.uint8], Array]:
    """Return an image shrunk into the middle of a black square, and the 2x3 matrix to there."""
    height, width = image_rgb.shape[:2]
    scale = side / max(height, width)
    size = (max(round(width * scale), 1), max(round(height * scale), 1))
    shrunk = cv2.resize(
        image_rgb, size, interpolation=cv2.INTER_AREA if scale < 1.0 else cv2.INTER_LINEAR
    )
    left, top = (side - size[0]) // 2, (side - size[1]) // 2
    square = np.zeros((side, side, 3), np.uint8)
    square[top : top + size[1], left : left + size[0]] = shrunk
    x, y = size[0] / width, size[1] / height
    # Middles of pixels: (u + 0.5) scale - 0.5.
    to_square = np.array(((x, 0.0, left + 0.5 * x - 0.5), (0.0, y, top + 0.5 * y - 0.5)))
    return square, to_square


def palm_candidates(
    scores: npt.NDArray[np.float32], numbers: npt.NDArray[np.float32], least: float
) -> list[Candidate]:
    """Return the palms of one image, the surest first.

    Args:
        scores: (palm,) of `PalmNetwork`.
        numbers: (palm, 18) likewise.
        least: score below which there is none.
    """
    bound = np.clip(scores.astype(np.float64), -_MAX_LOG_ODDS, _MAX_LOG_ODDS)
    chances = 1.0 / (1.0 + np.exp(-bound))
    kept = chances >= least
    middles = anchors().numpy()[kept] - 0.5
    rows = numbers[kept].astype(np.float64)
    centre, size = middles + rows[:, :2], rows[:, 2:4]
    points = middles[:, None] + rows[:, 4:].reshape(len(rows), POINTS, 2)
    boxes = np.concatenate((centre - size / 2.0, size), axis=1)
    blended = [
        (score, np.average(boxes[same], axis=0, weights=w), np.average(points[same], 0, w))
        for score, same, w in _groups(chances[kept], boxes)
    ]
    return [
        Candidate(score, box, _palm_region(box, at[_WRIST], at[_KNUCKLE]))
        for score, box, at in blended
    ]


def hand_candidates(maps: npt.NDArray[np.float32], least: float) -> list[Candidate]:
    """Return the hands of one image, the surest first; arguments as `palm_candidates`.

    Args:
        maps: (number, y, x) of `HandBranch`.
        least: score below which there is none.
    """
    cells = read_cells(torch.from_numpy(maps)[None])
    chance = torch.sigmoid(cells.score)
    kept = peaks(chance) & (chance >= least)
    box, wrist, knuckle = (
        part[kept].double().numpy() for part in (cells.box, cells.wrist, cells.knuckle)
    )
    score = chance[kept].double().numpy()
    boxes = np.concatenate((box[:, :2] - box[:, 2:] / 2.0, box[:, 2:]), axis=1)
    found = []
    for best, same, _ in _groups(score, boxes):
        row = same[0]
        up = knuckle[row] - wrist[row]
        x, y = box[row, :2]
        side = float(box[row, 2:].max()) * _HAND_MARGIN
        found.append(Candidate(best, boxes[row], Region(x, y, side, math.atan2(up[0], -up[1]))))
    return found


def in_image(candidate: Candidate, to_square: Array) -> Candidate:
    """Return a candidate of a letterboxed image in the image that it was made of."""
    scale = np.array((to_square[0, 0], to_square[1, 1]))
    x, y, width, height = candidate.box
    region = candidate.region
    low = ((x, y) - to_square[:, 2]) / scale
    middle = ((region.x, region.y) - to_square[:, 2]) / scale
    return Candidate(
        candidate.score,
        np.concatenate((low, (width, height) / scale)),
        replace(
            region, x=float(middle[0]), y=float(middle[1]), side=region.side / float(scale.min())
        ),
    )


def _groups(scores: Array, boxes: Array) -> list[tuple[float, npt.NDArray[np.integer], Array]]:
    """Return score, rows and their weights of boxes that are one, the surest first."""
    left, groups = np.argsort(-scores, kind="stable")[:_MOST], []
    while len(left):
        best = left[0]
        overlaps = np.array([overlap(boxes[best], boxes[row]) for row in left])
        # A box without an area is one with itself, too.
        is_same = (overlaps > _SAME) | (left == best)
        same = left[is_same]
        groups.append((float(scores[best]), same, scores[same]))
        left = left[~is_same]
    return groups


def _palm_region(box: Array, wrist: Array, knuckle: Array) -> Region:
    up = knuckle - wrist
    turn = math.atan2(up[0], -up[1])
    x, y = box[:2] + box[2:] / 2.0
    shift = _PALM_SHIFT * box[3]
    side = float(max(box[2:].max(), 1.0)) * _PALM_MARGIN
    return Region(float(x + math.sin(turn) * shift), float(y - math.cos(turn) * shift), side, turn)
