"""What a hand does while it is filmed: sampled poses, and human movements between them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy.spatial.transform import Rotation, Slerp

from hand_pose_ros.data.synthetic.body.bent import bend
from hand_pose_ros.data.synthetic.body.gestures import minimum_jerk
from hand_pose_ros.data.synthetic.body.posed import PosedHand
from hand_pose_ros.data.synthetic.config import StudioConfig
from hand_pose_ros.data.synthetic.staging import sample_poses

Array = npt.NDArray[np.float64]

_STEP_S = (0.35, 1.2)
"""How long one movement takes."""
_REST = 0.25
"""Share of steps in which a hand stays as it is."""
_TURN_DEG = 30.0
_WAY = (0.06, 0.06, 0.04)
"""Standard deviation of the wrist's way in one step [m]."""
_LONGEST, _CLEAR = 0.23, 0.1
"""From the wrist to the tip of the longest finger of large hands, and how near to the camera
either may come [m]; other joints come a little nearer."""


@dataclass(frozen=True, eq=False)
class Act:
    """One hand over time.

    Attributes:
        hand: the hand at the time 0.
        times: (N,) [s] of the keyframes, from 0 on; one alone is a hand that stands still.
        articulations: (N, 23) [rad].
        rotations: (N, 3, 3) wrist frame to camera, as `PosedHand.rotation`.
        positions: (N, 3) [m], as `PosedHand.position`.
    """

    hand: PosedHand
    times: Array
    articulations: Array
    rotations: Array
    positions: Array

    def at(self, time: float) -> PosedHand:
        """Return the hand at a time [s]; between keyframes it moves with minimum jerk."""
        if len(self.times) == 1:
            return self.hand
        index = int(np.clip(np.searchsorted(self.times, time) - 1, 0, len(self.times) - 2))
        start, end = self.times[index : index + 2]
        share = minimum_jerk((time - start) / (end - start))
        turn = Slerp([0.0, 1.0], Rotation.from_matrix(self.rotations[index : index + 2]))
        (bent,) = bend([self.hand.person], _between(self.articulations, index, share)[None])
        return replace(
            self.hand,
            bent=bent,
            rotation=turn(share).as_matrix(),
            position=_between(self.positions, index, share),
        )


def sample_act(hand: PosedHand, config: StudioConfig, random: np.random.Generator) -> Act:
    """Return what a hand does from now on; in a single image it does nothing."""
    times = [0.0]
    while config.frames and times[-1] < config.frames / config.rate_hz:
        times.append(times[-1] + random.uniform(*_STEP_S))
    keys = [(hand.bent.articulation, hand.rotation, hand.position)]
    poses = sample_poses(len(times), config, random) if len(times) > 1 else []
    for pose in poses[1:]:
        still = random.random() < _REST
        keys.append(keys[-1] if still else (pose.articulation, *_next(hand, random)))
    articulations, rotations, positions = (np.stack(parts) for parts in zip(*keys, strict=True))
    return Act(hand, np.array(times), articulations, rotations, positions)


def _next(home: PosedHand, random: np.random.Generator) -> tuple[Array, Array]:
    """Return where a hand goes: turned and moved a little about its home."""
    turn = Rotation.from_rotvec(np.radians(_TURN_DEG) * random.normal(size=3)).as_matrix()
    way = random.normal(scale=_WAY) * home.position[2] / 0.6
    rotation, position = turn @ home.rotation, home.position + way
    # Fingers that could reach the camera go away from it instead.
    nearest = min(float(position[2]), float((position + _LONGEST * rotation[:, 0])[2]))
    return rotation, position + (0.0, 0.0, max(_CLEAR - nearest, 0.0))


def _between(keys: Array, index: int, share: float) -> Array:
    return np.asarray(keys[index] + share * (keys[index + 1] - keys[index]))
