"""The landmark network in 8-bit integers, for CPUs that multiply those four at a time.

Every convolution but the last depthwise one is rounded: its weights channel by channel, its input
as a whole, to the range that was seen in the sample that ships (`scripts/calibrate_int8.py`). The
last one stays: it alone cost 0.14 of 0.16 mm on real hands. Engines that are shown the rounding
do the arithmetic in integers.

Source: Jacob et al. 2018, Quantization and training of neural networks for efficient
integer-arithmetic-only inference.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from hand_pose_ros.errors import InputError
from hand_pose_ros.models.landmark_network import LandmarkNetwork, SameConv
from hand_pose_ros.models.registry import HANDS_SHA256
from hand_pose_ros.resources import weights_folder

RANGES_FILE = "hands_int8.json"
"""Ranges of the inputs of all convolutions, in the order of `convolutions`."""

_LEVELS, _WEIGHT_LEVELS = 255, 127


class RoundedConv(nn.Module):
    """A convolution whose input and weights are rounded to 8 bits.

    Args:
        conv: it.
        low, high: range of its input, 0 in it.
    """

    steps: Tensor
    zeros: Tensor

    def __init__(self, conv: SameConv, low: float, high: float) -> None:
        super().__init__()
        self.conv, self.step = conv, (high - low) / _LEVELS
        self.zero = round(-low / self.step)
        largest = conv.weight.detach().abs().amax(dim=(1, 2, 3)).clamp_min(1e-8)
        self.register_buffer("steps", largest / _WEIGHT_LEVELS, persistent=False)
        zeros = torch.zeros(len(largest), dtype=torch.int32)
        self.register_buffer("zeros", zeros, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return the convolved image."""
        conv = self.conv
        rounded = torch.fake_quantize_per_tensor_affine(x, self.step, self.zero, 0, _LEVELS)
        weight = torch.fake_quantize_per_channel_affine(
            conv.weight, self.steps, self.zeros, 0, -_WEIGHT_LEVELS - 1, _WEIGHT_LEVELS
        )
        if conv.margins is not None:
            rounded = functional.pad(rounded, conv.margins)
        return functional.conv2d(
            rounded, weight, conv.bias, conv.stride, conv.padding, conv.dilation, conv.groups
        )


def rounded_copy(network: nn.Module) -> nn.Module:
    """Return a network with the shipped landmark network in it rounded, itself left as it is.

    Another one, of other weights, stays as it is: nothing is known of its ranges.

    Raises:
        InputError: the ranges are missing, or of other weights.
    """
    if not any(_is_shipped(module) for module in network.modules()):
        return network
    network = copy.deepcopy(network)
    for module in network.modules():
        if isinstance(module, LandmarkNetwork) and _is_shipped(module):
            _round(module, read_ranges(weights_folder() / RANGES_FILE))
    return network


def _is_shipped(module: nn.Module) -> bool:
    return isinstance(module, LandmarkNetwork) and module.weights_sha256 == HANDS_SHA256


def convolutions(network: LandmarkNetwork) -> list[tuple[str, SameConv]]:
    """Return name and module of all convolutions, in their order."""
    return [(name, m) for name, m in network.named_modules() if isinstance(m, SameConv)]


def read_ranges(path: Path) -> list[tuple[float, float]]:
    """Return the ranges of a file of `scripts/calibrate_int8.py`.

    Raises:
        InputError: missing, damaged, or of other weights.
    """
    try:
        told = json.loads(path.read_text())
        ranges = [(float(low), float(high)) for low, high in told["ranges"]]
        weights = told["weights_sha256"]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise InputError(f"{path} does not hold the ranges of 8-bit networks: {error}") from error
    if weights != HANDS_SHA256:
        raise InputError(
            f"{path} is of weights {str(weights)[:12]}, those that ship are {HANDS_SHA256[:12]}"
        )
    return ranges


def _round(network: LandmarkNetwork, ranges: Sequence[tuple[float, float]]) -> None:
    found = convolutions(network)
    if len(found) != len(ranges):
        raise InputError(f"{RANGES_FILE} has {len(ranges)} ranges; {len(found)} are needed")
    for (name, conv), (low, high) in list(zip(found, ranges, strict=True))[:-1]:
        parent, _, attribute = name.rpartition(".")
        setattr(network.get_submodule(parent), attribute, RoundedConv(conv, low, high))
