"""The kinematic hand whose joints sit at given landmarks of the rest mesh."""

from __future__ import annotations

import numpy as np
import torch
from scipy.optimize import least_squares

from hand_pose_ros.hand import skeleton
from hand_pose_ros.hand.kinematics import HandParameters, forward_kinematics
from hand_pose_ros.hand.rotations import matrix_from_euler

_SIZES = (3, len(skeleton.ARTICULATION), len(skeleton.OFFSETS), len(skeleton.BONES))
_TIPS = [4, 8, 12, 16, 20]
# One standard deviation of each term: where a joint may be off, a nail turned, an angle from its
# default. The twists that points cannot see are held by the nails and stay near zero.
_POINT_SIGMA, _NAIL_SIGMA = 0.0003, 0.06
_ARTICULATION_SIGMA, _TWIST_SIGMA, _OFFSET_SIGMA, _ROLL_SIGMA = 2.0, 0.15, 0.15, 0.25


def fit_rest_hand(joints: np.ndarray, nails: np.ndarray) -> tuple[HandParameters, np.ndarray]:
    """Return the hand (float64, wrist as origin) and the residual (21,) [m] of its joints.

    Args:
        joints: (21, 3) landmarks [m].
        nails: (5, 3) outward nail normals, thumb to little finger.
    """
    wanted = torch.as_tensor(joints - joints[0], dtype=torch.float64)
    wanted_nails = torch.as_tensor(nails, dtype=torch.float64)

    def residuals(vector: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            hand = _unpack(torch.as_tensor(vector))
            placed = forward_kinematics(hand)
            backs = placed.rotations[_TIPS, :, 2]
            terms = (
                (placed.positions - wanted) / _POINT_SIGMA,
                (backs - wanted_nails) / _NAIL_SIGMA,
                hand.articulation / _articulation_sigmas(),
                (hand.offsets - torch.tensor(skeleton.DEFAULT_OFFSETS)) / _offset_sigmas(),
            )
            return torch.cat([term.flatten() for term in terms]).numpy()

    lengths = (wanted[1:] - wanted[list(skeleton.PARENTS[1:])]).norm(dim=-1)
    start = np.concatenate(
        (np.zeros(3 + _SIZES[1]), np.array(skeleton.DEFAULT_OFFSETS), lengths.numpy())
    )
    solution = least_squares(residuals, start, method="trf", x_scale="jac", max_nfev=400)
    hand = _unpack(torch.as_tensor(solution.x))
    error = (forward_kinematics(hand).positions - wanted).norm(dim=-1)
    return hand, error.numpy()


def _unpack(vector: torch.Tensor) -> HandParameters:
    root, articulation, offsets, lengths = vector.split(_SIZES)
    return HandParameters(matrix_from_euler(root), articulation, lengths, offsets)


def _articulation_sigmas() -> torch.Tensor:
    return torch.tensor(
        [
            _TWIST_SIGMA if name.endswith("rotation") else _ARTICULATION_SIGMA
            for name in skeleton.ARTICULATION
        ],
        dtype=torch.float64,
    )


def _offset_sigmas() -> torch.Tensor:
    return torch.tensor([_offset_sigma(name) for name in skeleton.OFFSETS], dtype=torch.float64)


def _offset_sigma(name: str) -> float:
    if name.endswith("roll"):
        return _ROLL_SIGMA
    # The four metacarpals say where the wrist frame points; the thumb is left free.
    return 5.0 if name.startswith("thumb") else _OFFSET_SIGMA
