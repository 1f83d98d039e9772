"""The IK-MLP on compiled loops: what `models.heads.InverseKinematicsMLP` reads off points."""

from __future__ import annotations

import torch
from torch import nn

from hand_pose_ros.models.heads import InverseKinematicsMLP
from hand_pose_ros.runtime.compiled.hands import layer_norm
from hand_pose_ros.runtime.compiled.jit import EPSILON, Array, compiled, silu
from hand_pose_ros.runtime.compiled.packing import Packed, aligned, next_part, rows
from hand_pose_ros.runtime.compiled.products import dense


class CompiledReading:
    """What the IK-MLP reads off the points of a fixed number of hands.

    Args:
        network: whose weights are copied.
        hands: at a time.
    """

    def __init__(self, network: InverseKinematicsMLP, hands: int) -> None:
        trunk, heads = network.trunk, (network.head.root, network.head.limited)
        packed = Packed()
        _add(packed, trunk.stem)
        for block in trunk.blocks:
            assert isinstance(block, nn.Sequential)
            norm, first, _, second = block
            assert isinstance(first, nn.Linear)
            assert isinstance(second, nn.Linear)
            _add_norm(packed, norm)
            _add(packed, first)
            _add(packed, second)
        _add_norm(packed, trunk.norm)
        _add(packed, *heads)
        self._blocks, self._weights = len(trunk.blocks), packed.array()
        self._memory = aligned(3 * hands, trunk.stem.out_features)
        self._read = aligned(hands, sum(head.out_features for head in heads))

    def __call__(self, features: Array) -> Array:
        """Return (hand, out), valid until the next call, of (hand, feature)."""
        read_off(features, self._blocks, self._weights, self._memory, self._read)
        return self._read


@compiled
def read_off(features: Array, blocks: int, weights: Array, memory: Array, read: Array) -> None:
    """Write what an MLP says of features.

    Args:
        features: (hand, in).
        blocks: of two products with SiLU between them.
        weights: matrix and bias of the stem; norm, matrix and bias twice of each block; norm,
            matrix and bias of what is read: behind each other.
        memory: (3 * hand, width) written.
        read: (hand, out) written.
    """
    count, width = features.shape[0], memory.shape[1]
    hidden, inner, outer = memory[:count], memory[count : 2 * count], memory[2 * count :]
    start = _dense(features, weights, 0, hidden)
    for _ in range(blocks):
        start = _norm(hidden, weights, start, inner)
        start = _dense(inner, weights, start, outer)
        silu(outer.reshape(outer.size))
        start = _dense(outer, weights, start, inner)
        for row in range(count):
            for c in range(width):
                hidden[row, c] += inner[row, c]
    start = _norm(hidden, weights, start, inner)
    _dense(inner, weights, start, read)


@compiled
def _dense(x: Array, weights: Array, start: int, out: Array) -> int:
    """Write the next layer's answer; return where the one behind it begins."""
    weight, start = next_part(weights, start, x.shape[1], out.shape[1])
    bias, start = next_part(weights, start, 1, out.shape[1])
    dense(x, weight, bias[0], out)
    return start


@compiled
def _norm(x: Array, weights: Array, start: int, out: Array) -> int:
    """Write the next norm's answer; return where the layer behind it begins."""
    norm, start = next_part(weights, start, 2, x.shape[1])
    layer_norm(x, norm[0], norm[1], out)
    return start


def _add(packed: Packed, *layers: nn.Linear) -> None:
    """Pack layers of one input beside each other."""
    packed.add(rows(torch.cat([layer.weight for layer in layers]).T))
    packed.add(rows(torch.cat([layer.bias for layer in layers])))


def _add_norm(packed: Packed, norm: nn.Module) -> None:
    assert isinstance(norm, nn.LayerNorm)
    assert norm.eps == EPSILON
    packed.add(rows(torch.stack((norm.weight, norm.bias))))
