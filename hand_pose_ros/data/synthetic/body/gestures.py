"""Named gestures, and smooth human movements between them.

Angles are degrees in the tables and radians outside; order and signs are those of `skeleton`.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.spatial.transform import Rotation, Slerp

from hand_pose_ros.errors import InputError
from hand_pose_ros.hand import skeleton

Array = npt.NDArray[np.float64]
Fingers = dict[str, tuple[int, int, int, int]]

# Four fingers: MCP abduction, MCP, PIP and DIP flexion. Abduction of fingers that are side by side
# follows the lines of the metacarpals.
_STRAIGHT = {"index": (-11, 2, 5, 3), "middle": (-1, 2, 6, 3), "ring": (9, 3, 7, 3)}
_STRAIGHT["little"] = (20, 3, 8, 4)
_SPREAD = {"index": (6, -4, 4, 2), "middle": (0, -4, 4, 2), "ring": (-3, -4, 5, 2)}
_SPREAD["little"] = (-2, -4, 6, 3)
_BENT = {"index": (-12, 84, 104, 62), "middle": (-2, 86, 106, 64), "ring": (9, 86, 106, 64)}
_BENT["little"] = (20, 84, 102, 62)
_HELD = {"index": (-13, 78, 100, 56), "middle": (-3, 80, 102, 58), "ring": (9, 80, 102, 58)}
_HELD["little"] = (20, 78, 98, 56)
_RELAXED = {"index": (-7, 18, 24, 12), "middle": (-2, 24, 28, 14), "ring": (6, 28, 32, 16)}
_RELAXED["little"] = (14, 30, 32, 16)
_CLAW = {"index": (-4, 8, 52, 30), "middle": (-1, 10, 54, 30), "ring": (3, 12, 54, 30)}
_CLAW["little"] = (6, 12, 50, 28)
# Thumb: CMC abduction, flexion, rotation; MCP abduction, flexion, rotation; IP flexion. They bring
# the tip of the mean thumb where anatomy has it: of a spread or an adducted thumb 15 to 20 mm in
# front of the plane of the knuckles (it lies on a table with them), of a relaxed one 40 mm; a
# thumb that holds bent fingers lies on their middle phalanges, flesh on flesh.
_THUMBS = {
    "out": (-19, -22, 0, 0, 2, 0, -10),
    "beside": (-34, -8, 0, 0, 24, 0, 20),
    "relaxed": (-19, -14, 0, 0, 28, 0, 32),
    "across": (-7, 8, 10, 0, 52, 0, 56),
    "hold": (-10, 22, 11, 0, 45, 0, 50),
    "hold_ring": (-9, 29, 12, 0, 46, 0, 54),
    "up": (-34, 0, 0, 0, 0, 0, -14),
    "pinch": (12, 14, 16, 0, 50, 0, 50),
    "ring": (2, 8, 14, 0, 58, 0, 62),
    "palm": (-28, 24, 6, 0, 56, 0, 58),
    "claw": (-10, -8, 4, 0, 22, 0, 26),
}


def _hand(thumb: str, **fingers: Fingers) -> tuple[int, ...]:
    rows = (fingers[finger][finger] for finger in skeleton.FINGERS[1:])
    return (*_THUMBS[thumb], *(angle for row in rows for angle in row))


def _all(table: Fingers) -> dict[str, Fingers]:
    return dict.fromkeys(skeleton.FINGERS[1:], table)


def _only(*fingers: str, rest: Fingers = _HELD) -> dict[str, Fingers]:
    """Return some fingers stretched and spread, the others bent."""
    return {**_all(rest), **dict.fromkeys(fingers, _SPREAD)}


_PINCHING = {**_RELAXED, "index": (-18, 68, 46, 18)}
_RING = {**_SPREAD, "index": (-16, 60, 62, 28)}
_GESTURES = {
    "open": _hand("out", **_all(_SPREAD)),
    "flat": _hand("beside", **_all(_STRAIGHT)),
    "relaxed": _hand("relaxed", **_all(_RELAXED)),
    "claw": _hand("claw", **_all(_CLAW)),
    "fist": _hand("across", **_all(_BENT)),
    "pointing": _hand("hold", **{**_all(_HELD), "index": _STRAIGHT}),
    "two": _hand("hold_ring", **_only("index", "middle")),
    "three": _hand("palm", **_only("index", "middle", "ring")),
    "three_with_thumb": _hand("out", **_only("index", "middle")),
    "four": _hand("palm", **_all(_SPREAD)),
    "little": _hand("hold", **_only("little")),
    "horns": _hand("hold", **_only("index", "little")),
    "horns_with_thumb": _hand("out", **_only("index", "little")),
    "two_with_thumb": _hand("out", **_only("index")),
    "shaka": _hand("out", **_only("little")),
    "thumb_up": _hand("up", **_all(_BENT)),
    "pinch": _hand("pinch", **_all(_PINCHING)),
    "ring": _hand("ring", **_all(_RING)),
}
GESTURES = tuple(_GESTURES)


def gesture(name: str) -> Array:
    """Return the 23 angles [rad] of a named gesture, order `skeleton.ARTICULATION`.

    Raises:
        InputError: there is no such gesture.
    """
    if name not in _GESTURES:
        raise InputError(f"no gesture {name!r}; there are {', '.join(GESTURES)}")
    return np.radians(np.array(_GESTURES[name], dtype=float))


@dataclass(frozen=True)
class Keyframe:
    """Where a movement passes: time [s], gesture, wrist in the camera frame.

    Attributes:
        time: [s].
        name: a gesture.
        position: (x, y, z) of the wrist [m].
        turn: (yaw, pitch, roll) [deg] of the hand against one held up with its palm to the camera:
            yaw in the image, pitch towards the camera, roll about the fingers.
    """

    time: float
    name: str
    position: tuple[float, float, float]
    turn: tuple[float, float, float] = (0.0, 0.0, 0.0)


class Movement:
    """A right hand's way through keyframes, each step a minimum-jerk movement.

    The position sways by a few millimetres and the fingers tremble by a degree, as hands do.

    Source: Flash and Hogan 1985, for the minimum-jerk profile.
    """

    def __init__(self, keyframes: list[Keyframe], seed: int = 0) -> None:
        times = [key.time for key in keyframes]
        if len(times) < 2 or any(b <= a for a, b in itertools.pairwise(times)):
            raise InputError(f"keyframe times are {times}; at least two, each after the last")
        self._times = np.array(times)
        self._angles = np.array([gesture(key.name) for key in keyframes])
        self._positions = np.array([key.position for key in keyframes])
        self._slerp = Slerp(
            self._times, Rotation.concatenate([_turned(k.turn) for k in keyframes])
        )
        random = np.random.default_rng(seed)
        self._phases = random.uniform(0.0, 2.0 * math.pi, (3, 26))
        self._rates = random.uniform(0.35, 1.1, (3, 26)) * 2.0 * math.pi

    def at(self, time: float) -> tuple[Array, Array, Array]:
        """Return articulation (23,) [rad], R_cam_wrist (3, 3) and position (3,) [m] at a time."""
        index = int(np.clip(np.searchsorted(self._times, time) - 1, 0, len(self._times) - 2))
        start, end = self._times[index : index + 2]
        share = minimum_jerk((time - start) / (end - start))
        sway = np.sin(self._rates * time + self._phases).mean(0)
        angles = self._angles[index] + share * (self._angles[index + 1] - self._angles[index])
        low, high = np.array(skeleton.ARTICULATION_LIMITS).T
        angles = np.clip(angles + math.radians(2.0) * sway[:23], low, high)
        position = self._positions[index] + share * (
            self._positions[index + 1] - self._positions[index]
        )
        rotation = self._slerp(start + share * (end - start)).as_matrix()
        return angles, rotation, position + 0.004 * sway[23:]


def _turned(turn: tuple[float, float, float]) -> Rotation:
    yaw, pitch, roll = turn
    upright = Rotation.from_matrix([[0.0, 1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    # Roll about the upright fingers first, then pitch, then yaw about the viewing axis.
    view = Rotation.from_euler("ZXY", (yaw, pitch, roll), degrees=True)
    return view * upright


def minimum_jerk(share: float) -> float:
    """Return how far a movement has come (0 to 1) when a share of its time has gone by."""
    share = min(max(share, 0.0), 1.0)
    return share**3 * (10.0 - 15.0 * share + 6.0 * share * share)
