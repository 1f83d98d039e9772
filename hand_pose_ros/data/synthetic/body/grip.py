"""Things that a hand holds: as large as the room between its fingers and its palm."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from hand_pose_ros.data.synthetic.body.posed import PosedHand
from hand_pose_ros.data.synthetic.render.props import Material, Prop
from hand_pose_ros.data.synthetic.render.solids import cylinder, sphere
from hand_pose_ros.hand import skeleton

Array = npt.NDArray[np.float64]

_RADII = (0.008, 0.045)
"""Least and most [m]; what has less room is not held."""
_PALM = [skeleton.KEYPOINTS.index(f"{name}_mcp") for name in ("index", "middle", "ring", "little")]
_TIPS = [skeleton.KEYPOINTS.index(f"{name}_tip") for name in ("thumb", "index", "middle")]


def held_prop(hand: PosedHand, random: np.random.Generator) -> Prop | None:
    """Return a ball or a stick in the hand that touches its skin; None where there is no room."""
    joints = hand.keypoints
    centre = (joints[_PALM].mean(axis=0) + joints[_TIPS].mean(axis=0)) / 2.0
    axis = joints[_PALM[0]] - joints[_PALM[-1]]
    axis /= np.linalg.norm(axis)
    is_ball = random.random() < 0.35
    away = hand.vertices - centre
    if not is_ball:
        away = away - (away @ axis)[:, None] * axis
    room = float(np.linalg.norm(away, axis=1).min())
    if room < _RADII[0]:
        return None
    radius = min(room, _RADII[1])
    mesh = sphere(radius) if is_ball else cylinder(radius, random.uniform(0.06, 0.22))
    return Prop.placed(mesh, _pose(axis, centre), _material(random))


def _pose(axis: Array, centre: Array) -> Array:
    """Return a pose (4, 4) that brings z onto an axis and the origin to a centre."""
    other = np.eye(3)[np.argmin(np.abs(axis))]
    x = np.cross(other, axis)
    x /= np.linalg.norm(x)
    T = np.eye(4)
    T[:3, :3], T[:3, 3] = np.stack((x, np.cross(axis, x), axis), axis=1), centre
    return T


def _material(random: np.random.Generator) -> Material:
    patterns = ("plain", "plain", "stripes", "checker", "noise")
    first, second = random.uniform(0.02, 0.8, (2, 3))
    return Material(
        colour=(float(first[0]), float(first[1]), float(first[2])),
        second=(float(second[0]), float(second[1]), float(second[2])),
        pattern=str(random.choice(patterns)),
        period=float(random.uniform(0.008, 0.05)),
        gloss=float(random.uniform(0.0, 1.5)),
        sharpness=float(random.uniform(5.0, 200.0)),
    )
