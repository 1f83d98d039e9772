"""What MediaPipe's hand landmark network learnt, read from the installed wheel.

The wheel carries the network as a TensorFlow Lite file, and beside it the code that parses such
files, generated from their schema. The operators that have weights are walked in their order, each
compared with the convolution that stands there in ours: a file of another network is refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from hand_pose_ros.errors import InputError, UnavailableError
from hand_pose_ros.models.landmark_network import LandmarkNetwork

_MODEL = "modules/hand_landmark/hand_landmark_full.tflite"
_TYPES = {"FLOAT32": np.float32, "FLOAT16": np.float16}


@dataclass(frozen=True, eq=False)
class Layer:
    """One operator that has weights.

    Attributes:
        kind: its name in TensorFlow Lite.
        weight: as torch lays it out.
        bias: one number a channel.
        stride: of a convolution; 1 of anything else.
        is_cut: whether its output is cut to 0..6.
    """

    kind: str
    weight: Tensor
    bias: Tensor
    stride: int
    is_cut: bool


def landmark_network() -> LandmarkNetwork:
    """Return the network with the weights of the installed mediapipe.

    Raises:
        UnavailableError: mediapipe is not installed, or its wheel has no such file.
        InputError: the file holds another network.
    """
    path = _package_folder() / _MODEL
    if not path.is_file():
        raise UnavailableError(f"the installed mediapipe has no {_MODEL}; 0.10.21 has")
    network = LandmarkNetwork()
    load_layers(network, list(read_layers(path)))
    return network.eval()


def load_layers(network: LandmarkNetwork, layers: list[Layer]) -> None:
    """Give a network the weights of layers in the order in which they run.

    Raises:
        InputError: they are not those of such a network; the message names the first.
    """
    trunk = network.trunk
    places: list[nn.Module] = [
        *(m for m in trunk.modules() if isinstance(m, nn.Conv2d)),
        network.handedness,
        network.presence,
        network.landmarks,
        network.world,
    ]
    if len(layers) != len(places):
        raise InputError(f"the network has {len(layers)} layers; ours has {len(places)}")
    for number, (layer, place) in enumerate(zip(layers, places, strict=True)):
        _check(number, layer, place)
        place.weight.data = layer.weight.clone()
        place.bias.data = layer.bias.clone()


def read_layers(path: Path) -> Iterator[Layer]:
    """Yield the convolutions and products of a TensorFlow Lite file, in the order they run in.

    Raises:
        InputError: it is no such file, or an operator is not one that is understood here.
    """
    schema = _schema()
    data = path.read_bytes()
    if data[4:8] != b"TFL3":
        raise InputError(f"{path} is not a TensorFlow Lite file")
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(data, 0))
    graph = model.subgraphs[0]
    names = _names(schema.BuiltinOperator)
    constants: dict[int, npt.NDArray[np.float32]] = {}
    for operator in graph.operators:
        code = model.operatorCodes[operator.opcodeIndex]
        kind = names[max(code.builtinCode, code.deprecatedBuiltinCode)]
        if kind == "DEQUANTIZE":
            source, target = operator.inputs[0], operator.outputs[0]
            constants[target] = _constant(schema, model, graph.tensors[source], path)
        elif kind in _LAYOUTS:
            _, weight, bias = operator.inputs
            yield _layer(schema, kind, operator.builtinOptions, constants[weight], constants[bias])
        elif kind not in ("ADD", "MEAN", "LOGISTIC"):
            raise InputError(f"{path} has the operator {kind}, which is not understood")


_LAYOUTS = {
    "CONV_2D": (0, 3, 1, 2),
    "DEPTHWISE_CONV_2D": (3, 0, 1, 2),
    "FULLY_CONNECTED": (0, 1),
}
"""Axes of a weight in TensorFlow Lite, in torch's order."""


def _layer(
    schema: Any,
    kind: str,
    options: Any,
    weight: npt.NDArray[np.float32],
    bias: npt.NDArray[np.float32],
) -> Layer:
    activation, kinds = options.fusedActivationFunction, schema.ActivationFunctionType
    if activation not in (kinds.NONE, kinds.RELU6):
        raise InputError(f"a {kind} has activation {activation}; none and RELU6 are understood")
    stride = 1
    if kind != "FULLY_CONNECTED":
        stride = options.strideW
        plain = (options.strideH, options.dilationWFactor, options.dilationHFactor)
        if options.padding != schema.Padding.SAME or plain != (stride, 1, 1):
            raise InputError(f"a {kind} is padded, stepped or dilated in a way not understood")
    turned = np.ascontiguousarray(weight.transpose(_LAYOUTS[kind]))
    return Layer(
        kind,
        torch.from_numpy(turned),
        torch.from_numpy(bias.copy()),
        stride,
        activation == kinds.RELU6,
    )


def _check(number: int, layer: Layer, place: nn.Module) -> None:
    stride = place.stride[0] if isinstance(place, nn.Conv2d) else 1
    weight = place.weight
    assert isinstance(weight, Tensor)
    found, wanted = tuple(layer.weight.shape), tuple(weight.shape)
    if (found, layer.stride) != (wanted, stride):
        raise InputError(
            f"layer {number} is a {layer.kind} of shape {found} and stride {layer.stride}; "
            f"ours has {wanted} and {stride}"
        )


def _constant(schema: Any, model: Any, tensor: Any, path: Path) -> npt.NDArray[np.float32]:
    kind = _names(schema.TensorType)[tensor.type]
    data = model.buffers[tensor.buffer].data
    if kind not in _TYPES or data is None:
        raise InputError(f"{path} has weights of type {kind}, which are not understood")
    values = np.asarray(data, np.uint8).view(_TYPES[kind])
    return values.reshape(tensor.shape).astype(np.float32)


def _names(enumeration: type) -> dict[int, str]:
    return {value: name for name, value in vars(enumeration).items() if isinstance(value, int)}


def _schema() -> Any:
    try:
        from mediapipe.tasks.metadata import schema_py_generated
    except ImportError as error:
        raise UnavailableError(_MISSING) from error
    return schema_py_generated


def _package_folder() -> Path:
    from importlib.util import find_spec

    spec = find_spec("mediapipe")
    if spec is None or spec.origin is None:
        raise UnavailableError(_MISSING)
    return Path(spec.origin).parent


_MISSING = (
    "starting from MediaPipe's landmark network needs mediapipe; install it with "
    "`pip install 'hand_pose_ros[mediapipe]'`"
)
