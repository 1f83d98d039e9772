"""The IK-MLP on compiled loops: points to valid hands, as `models.heads.InverseKinematicsMLP`."""

from __future__ import annotations

import numpy as np
from torch import nn

from hand_pose_ros.models.heads import InverseKinematicsMLP
from hand_pose_ros.runtime.compiled.hands import (
    ANGLES,
    BONES,
    OFFSETS,
    activated,
    hands_of,
    layer_norm,
    seen_from_palm,
)
from hand_pose_ros.runtime.compiled.jit import EPSILON, Array
from hand_pose_ros.runtime.compiled.packing import dense, rows
from hand_pose_ros.runtime.compiled.products import product

Hands = tuple[Array, Array, Array, Array]
"""Root rotations, articulation, bone lengths and offsets, a row for each hand."""


class CompiledInverseKinematics:
    """An IK-MLP for a fixed number of hands: all of its memory is made here."""

    def __init__(self, network: InverseKinematicsMLP, count: int) -> None:
        trunk, head = network.trunk, network.head
        self._stem = dense(trunk.stem)
        self._blocks = [_block(block) for block in trunk.blocks]
        self._norm = (rows(trunk.norm.weight), rows(trunk.norm.bias))
        parts = dense(head.root), dense(head.limited)
        self._head = tuple(np.concatenate(part, axis=-1) for part in zip(*parts, strict=True))
        self._limits = rows(head.limits)
        width = len(self._stem[1])
        self._palms = np.empty((count, 3, 3), np.float32)
        self._features = np.empty((count, len(self._stem[0])), np.float32)
        self._read = np.empty((count, len(self._head[1])), np.float32)
        self._hidden, self._inner, self._outer = np.empty((3, count, width), np.float32)

    def __call__(self, points: Array) -> Hands:
        """Return one hand of anchor length 1 for each set of points (hand, 21, 3)."""
        hidden, inner, outer = self._hidden, self._inner, self._outer
        seen_from_palm(points, self._palms, self._features)
        product(self._features, *self._stem, hidden)
        for weight, shift, first, first_bias, second, second_bias in self._blocks:
            layer_norm(hidden, weight, shift, inner)
            product(inner, first, first_bias, outer)
            activated(outer)
            product(outer, second, second_bias, inner)
            hidden += inner
        layer_norm(hidden, *self._norm, inner)
        count = len(points)
        hands = (
            np.empty((count, 3, 3), np.float32),
            np.empty((count, ANGLES), np.float32),
            np.empty((count, BONES), np.float32),
            np.empty((count, OFFSETS), np.float32),
        )
        product(inner, *self._head, self._read)
        hands_of(self._read, self._palms, self._limits, *hands)
        return hands


def _block(block: nn.Module) -> tuple[Array, ...]:
    """Return weight and shift of the norm, then weight and bias of both products."""
    assert isinstance(block, nn.Sequential)
    norm, first, _, second = block
    assert isinstance(norm, nn.LayerNorm)
    assert norm.eps == EPSILON
    assert isinstance(first, nn.Linear)
    assert isinstance(second, nn.Linear)
    return rows(norm.weight), rows(norm.bias), *dense(first), *dense(second)
