"""The hand as data: keypoints, bones, degrees of freedom, offsets, proportions and their limits.

Wrist frame, the same words for both hands: palm down, x to the fingers, y to the left, z up (out
of the back of the hand). For a right hand y points to the thumb. Everything here describes the
right hand; a left hand is its mirror image and has the same angles, see `kinematics.mirror`.

Each node of the tree carries a rotation that turns the bone leading to it (equation 7), written
as Euler angles R = Rz(abduction) Ry(flexion) Rx(rotation). The bone is the x axis of its node. So
flexion, about y, is positive into the palm; abduction, about z, is positive to the thumb's side;
on the thumb itself, whose frame is rolled, abduction is positive out of the palm.

Source: Ivashechkin et al. 2023, sections 2.6 and 3.1.
"""

from __future__ import annotations

import math
from functools import lru_cache

FINGERS = ("thumb", "index", "middle", "ring", "little")
SIDES = ("left", "right")

KEYPOINTS = (
    "wrist",
    *("thumb_cmc", "thumb_mcp", "thumb_ip", "thumb_tip"),
    *("index_mcp", "index_pip", "index_dip", "index_tip"),
    *("middle_mcp", "middle_pip", "middle_dip", "middle_tip"),
    *("ring_mcp", "ring_pip", "ring_dip", "ring_tip"),
    *("little_mcp", "little_pip", "little_dip", "little_tip"),
)
"""The 21 keypoints, in the order of MediaPipe, OpenPose and FreiHAND."""

PARENTS = (-1, 0, 1, 2, 3, 0, 5, 6, 7, 0, 9, 10, 11, 0, 13, 14, 15, 0, 17, 18, 19)
"""Index of the keypoint that each keypoint hangs on; -1 for the root."""

BONES = KEYPOINTS[1:]
"""The 20 bones, each named after the keypoint at its far end; bone i ends in keypoint i + 1."""

ANCHOR_BONE = BONES.index("index_mcp")
"""The bone whose length is the scale of the hand: wrist to index MCP (figure 4)."""

DOFS = (
    *("wrist_yaw", "wrist_pitch", "wrist_roll"),
    *("thumb_cmc_abduction", "thumb_cmc_flexion", "thumb_cmc_rotation"),
    *("thumb_mcp_abduction", "thumb_mcp_flexion", "thumb_mcp_rotation"),
    "thumb_ip_flexion",
    *("index_mcp_abduction", "index_mcp_flexion", "index_pip_flexion", "index_dip_flexion"),
    *("middle_mcp_abduction", "middle_mcp_flexion", "middle_pip_flexion", "middle_dip_flexion"),
    *("ring_mcp_abduction", "ring_mcp_flexion", "ring_pip_flexion", "ring_dip_flexion"),
    *("little_mcp_abduction", "little_mcp_flexion", "little_pip_flexion", "little_dip_flexion"),
)
"""The 26 degrees of freedom (section 3.1); the first three turn the wrist in the camera frame."""

WRIST_DOFS = 3
ARTICULATION = DOFS[WRIST_DOFS:]
"""The 23 limited degrees of freedom below the wrist."""

OFFSETS = tuple(
    f"{finger}_offset_{axis}" for finger in FINGERS for axis in ("yaw", "pitch", "roll")
)
"""The 15 angles that set the five finger bases apart (section 3.1): the shape of the palm."""

MOTION_AXES = {"abduction": 2, "flexion": 1, "rotation": 0}
"""Euler slot of a motion: index of the axis it turns about (x 0, y 1, z 2)."""


def _node_of(dof: str) -> int:
    """Return the keypoint whose incoming bone a degree of freedom turns: the joint's child."""
    joint = dof.rsplit("_", 1)[0]
    return KEYPOINTS.index(joint) + 1


DOF_NODES = tuple(_node_of(dof) for dof in ARTICULATION)
DOF_AXES = tuple(MOTION_AXES[dof.rsplit("_", 1)[1]] for dof in ARTICULATION)

OFFSET_NODES = tuple(
    KEYPOINTS.index(f"{finger}_{'cmc' if finger == 'thumb' else 'mcp'}")
    for finger in FINGERS
    for _ in range(3)
)
OFFSET_AXES = (2, 1, 0) * len(FINGERS)

LEVELS = ((1, 5, 9, 13, 17), (2, 6, 10, 14, 18), (3, 7, 11, 15, 19), (4, 8, 12, 16, 20))
"""Keypoints by depth in the tree: the order in which breadth-first FK visits them."""


def _radians(rows: dict[str, tuple[float, float]], names: tuple[str, ...]) -> tuple:
    return tuple((math.radians(rows[name][0]), math.radians(rows[name][1])) for name in names)


# Active ranges of motion after the American Academy of Orthopaedic Surgeons (Joint Motion, 1965):
# MCP flexion 0..90 with 45 of hyperextension, PIP 0..100, DIP 0..90, thumb MCP 0..50, thumb IP
# 0..80; the last 5 to 25 degrees beyond them are what hands reach passively, against a table or an
# object. Abduction counts from the line of the metacarpal, so that parallel index and little
# fingers stand at -15 and +25 degrees. The thumb CMC ranges (flexion-extension 53,
# abduction-adduction 42, rotation 17 degrees) are Cooney et al. 1981, widened by the spread over
# people.
_LIMITS_DEG = {
    "thumb_cmc_abduction": (-40.0, 45.0),
    "thumb_cmc_flexion": (-40.0, 50.0),
    "thumb_cmc_rotation": (-35.0, 35.0),
    "thumb_mcp_abduction": (-25.0, 25.0),
    "thumb_mcp_flexion": (-25.0, 75.0),
    "thumb_mcp_rotation": (-20.0, 20.0),
    "thumb_ip_flexion": (-35.0, 95.0),
    "index_mcp_abduction": (-40.0, 25.0),
    "middle_mcp_abduction": (-30.0, 30.0),
    "ring_mcp_abduction": (-20.0, 38.0),
    "little_mcp_abduction": (-20.0, 52.0),
    **{f"{finger}_mcp_flexion": (-40.0, 100.0) for finger in FINGERS[1:]},
    **{f"{finger}_pip_flexion": (-15.0, 120.0) for finger in FINGERS[1:]},
    **{f"{finger}_dip_flexion": (-25.0, 95.0) for finger in FINGERS[1:]},
}
ARTICULATION_LIMITS = _radians(_LIMITS_DEG, ARTICULATION)
"""(min, max) [rad] of each articulation, in the order of `ARTICULATION`."""

# Directions of the metacarpals (and, for the thumb, of wrist to CMC) seen from the wrist. A palm
# 85 mm broad (ANSUR 1988, mean of men and women), less half a finger at each side, puts 62 mm
# between the index and little MCP centres; the transverse arch takes the little finger's side into
# the palm. Rolls let flexed fingers converge on the scaphoid, the outer ones most; the thumb's
# frame is rolled by 60 degrees: its nail faces the radial side.
_OFFSETS_DEG = {
    "thumb": (48.0, 22.0, -60.0),
    "index": (16.5, 1.0, -5.0),
    "middle": (2.5, 0.0, 1.0),
    "ring": (-13.0, 4.0, 7.0),
    "little": (-30.0, 9.0, 15.0),
}
DEFAULT_OFFSETS = tuple(math.radians(angle) for f in FINGERS for angle in _OFFSETS_DEG[f])
"""Finger offsets [rad] of the mean right hand, in the order of `OFFSETS`."""

_OFFSET_SPAN_DEG = {"thumb": (18.0, 18.0, 25.0)}
OFFSET_LIMITS = tuple(
    (
        math.radians(angle - _OFFSET_SPAN_DEG.get(f, (9.0, 12.0, 15.0))[axis]),
        math.radians(angle + _OFFSET_SPAN_DEG.get(f, (9.0, 12.0, 15.0))[axis]),
    )
    for f in FINGERS
    for axis, angle in enumerate(_OFFSETS_DEG[f])
)
"""(min, max) [rad] of each finger offset, in the order of `OFFSETS`."""

DEFAULT_ANCHOR_LENGTH = 0.087
"""Wrist to index MCP of an adult hand [m]: hand length 187 mm (ANSUR 1988, mean of men and women)
over the proportions below."""

# The mean of two sources. Bones after Buryanov and Kotiuk 2010 (Proportions of hand segments, Int.
# J. Morphol. 28(3)), taken from joint centre to joint centre: a centre lies inside the head of the
# proximal bone, 7 mm below its surface at the MCP, 4 at the PIP, 3 at the DIP joints; the wrist is
# the head of the capitate, 20 mm below the metacarpals; tips are 2 mm inside the skin. And joint
# centres placed in the body scan statistics behind our hand surface (MakeHuman, see `hand.mesh`),
# whose thumb and little finger are shorter. Divided by the anchor bone.
_RATIOS = {
    "thumb": (0.395, 0.47, 0.385, 0.31),
    "index": (1.0, 0.49, 0.28, 0.263),
    "middle": (0.955, 0.57, 0.328, 0.27),
    "ring": (0.90, 0.515, 0.318, 0.272),
    "little": (0.87, 0.40, 0.213, 0.222),
}
DEFAULT_RATIOS = tuple(ratio for finger in FINGERS for ratio in _RATIOS[finger])
"""Length of each bone over the anchor bone for the mean hand, in the order of `BONES`."""

RATIO_LIMITS = tuple(
    (1.0, 1.0)
    if bone == ANCHOR_BONE
    else (ratio * (0.82 if ratio > 0.8 else 0.7), ratio * (1.18 if ratio > 0.8 else 1.3))
    for bone, ratio in enumerate(DEFAULT_RATIOS)
)
"""(min, max) of each ratio, in the order of `BONES`; the anchor's is 1 by definition."""


@lru_cache
def joint_names(side: str) -> tuple[str, ...]:
    """Return the 26 names under which `sensor_msgs/JointState` lists the hand of a side."""
    return tuple(f"{side}_{dof}" for dof in DOFS)
