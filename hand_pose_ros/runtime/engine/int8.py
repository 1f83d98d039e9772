"""Networks in 8-bit integers, for CPUs that multiply those four at a time.

Convolutions and large matrix products are rounded: their weights channel by channel, their input
as a whole, to the range that was seen in the sample that ships (`scripts/calibrate_int8.py`).
The last convolution of the landmark network stays: it alone cost 0.14 of 0.16 mm on real hands.
Engines that are shown the rounding do the arithmetic in integers, and read a quarter of the bytes.

Source: Jacob et al. 2018, Quantization and training of neural networks for efficient
integer-arithmetic-only inference.
"""

from __future__ import annotations

import copy
import json
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from hand_pose_ros.errors import InputError
from hand_pose_ros.models.landmark_network import LandmarkNetwork, SameConv
from hand_pose_ros.resources import weights_folder

RANGES_FILE = "int8.json"
"""Ranges of inputs, by `key_of` a network and then by the name of the layer in it."""

LEAST_WEIGHTS = 100_000
"""Weights of a matrix product from which it is rounded: it waits for its weights to be read."""

_LEVELS, _WEIGHT_LEVELS = 255, 127
Range = tuple[float, float]


class Rounded(nn.Module):
    """A layer whose input and weights are rounded to 8 bits.

    Args:
        layer: a convolution or a matrix product.
        span: lowest and highest value of its input, 0 between them.
    """

    steps: Tensor
    zeros: Tensor

    def __init__(self, layer: SameConv | nn.Linear, span: Range) -> None:
        super().__init__()
        low, high = span
        self.layer, self.step = layer, (high - low) / _LEVELS
        self.zero = round(-low / self.step)
        largest = layer.weight.detach().abs().flatten(1).amax(dim=1).clamp_min(1e-8)
        self.register_buffer("steps", largest / _WEIGHT_LEVELS, persistent=False)
        zeros = torch.zeros(len(largest), dtype=torch.int32)
        self.register_buffer("zeros", zeros, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return what the layer makes of its rounded input."""
        layer = self.layer
        rounded = torch.fake_quantize_per_tensor_affine(x, self.step, self.zero, 0, _LEVELS)
        weight = torch.fake_quantize_per_channel_affine(
            layer.weight, self.steps, self.zeros, 0, -_WEIGHT_LEVELS - 1, _WEIGHT_LEVELS
        )
        if isinstance(layer, nn.Linear):
            return functional.linear(rounded, weight, layer.bias)
        if layer.margins is not None:
            rounded = functional.pad(rounded, layer.margins)
        return functional.conv2d(
            rounded, weight, layer.bias, layer.stride, layer.padding, layer.dilation, layer.groups
        )


def rounded_copy(network: nn.Module) -> nn.Module:
    """Return a network with all in it that ships rounded, itself left as it is.

    What has other weights stays as it is: nothing is known of its ranges.

    Raises:
        InputError: the ranges are missing or damaged, or do not fit.
    """
    if not any(key_of(module) for module in network.modules()):
        return network
    ranges = read_ranges(weights_folder() / RANGES_FILE)
    network = copy.deepcopy(network)
    for module in list(network.modules()):
        for name, span in ranges.get(key_of(module), {}).items():
            _round(module, name, span)
    return network


def key_of(module: nn.Module) -> str:
    """Return what the ranges of a network are filed under; empty where there can be none."""
    sha256 = getattr(module, "weights_sha256", "")
    return f"{type(module).__name__} {sha256}" if sha256 else ""


def rounded_layers(network: nn.Module) -> dict[str, SameConv | nn.Linear]:
    """Return the layers of a network that are rounded, by their names in it."""
    if isinstance(network, LandmarkNetwork):
        found = [(name, m) for name, m in network.named_modules() if isinstance(m, SameConv)]
        return dict(found[:-1])
    return {
        name: module
        for name, module in network.named_modules()
        if isinstance(module, nn.Linear)
        and module.weight.numel() >= LEAST_WEIGHTS
        and not name.startswith(("look.", "baseline."))
    }


def read_ranges(path: Path) -> dict[str, dict[str, Range]]:
    """Return the ranges of a file of `scripts/calibrate_int8.py`.

    Raises:
        InputError: it is missing or damaged.
    """
    try:
        return {
            key: {name: (float(low), float(high)) for name, (low, high) in layers.items()}
            for key, layers in json.loads(path.read_text()).items()
        }
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise InputError(f"{path} does not hold the ranges of 8-bit networks: {error}") from error


def _round(network: nn.Module, name: str, span: Range) -> None:
    try:
        layer = network.get_submodule(name)
    except AttributeError as error:
        raise InputError(f"{RANGES_FILE} names {name!r}, which there is not: {error}") from error
    if not isinstance(layer, (SameConv, nn.Linear)) or not span[0] <= 0.0 < span[1]:
        raise InputError(
            f"{RANGES_FILE} has the range {span} of {name!r}, which cannot be rounded"
        )
    parent, _, attribute = name.rpartition(".")
    setattr(network.get_submodule(parent), attribute, Rounded(layer, span))
