"""Weights out of TensorFlow Lite files, such as those in the mediapipe wheel.

The wheel carries the code that parses such files, generated from their schema. The operators that
have weights are walked in the order in which they run.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from hand_pose_ros.errors import InputError, UnavailableError

_TYPES = {"FLOAT32": np.float32, "FLOAT16": np.float16}
MISSING = (
    "starting from MediaPipe's networks needs mediapipe; install it with "
    "`pip install 'hand_pose_ros[mediapipe]'`"
)


@dataclass(frozen=True, eq=False)
class Layer:
    """One operator that has weights.

    Attributes:
        kind: its name in TensorFlow Lite.
        weight: as torch lays it out.
        bias: one number a channel; None where it has none.
        stride: of a convolution; 1 of anything else.
        is_cut: whether its output is cut to 0..6.
    """

    kind: str
    weight: Tensor
    bias: Tensor | None
    stride: int
    is_cut: bool


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
        elif kind == "PRELU":
            slopes = torch.from_numpy(constants[operator.inputs[1]].reshape(-1))
            yield Layer(kind, slopes, None, 1, False)
        elif kind in _LAYOUTS:
            _, weight, bias = operator.inputs
            yield _layer(schema, kind, operator.builtinOptions, constants[weight], constants[bias])
        elif kind not in _WITHOUT_WEIGHTS:
            raise InputError(f"{path} has the operator {kind}, which is not understood")


_WITHOUT_WEIGHTS = (
    "ADD",
    "CONCATENATION",
    "LOGISTIC",
    "MAX_POOL_2D",
    "MEAN",
    "PAD",
    "RESHAPE",
    "RESIZE_BILINEAR",
)
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
        padded = options.padding == schema.Padding.SAME or weight.shape[1:3] == (1, 1)
        if not padded or plain != (stride, 1, 1):
            raise InputError(f"a {kind} is padded, stepped or dilated in a way not understood")
    turned = np.ascontiguousarray(weight.transpose(_LAYOUTS[kind]))
    return Layer(
        kind,
        torch.from_numpy(turned),
        torch.from_numpy(bias.copy()),
        stride,
        activation == kinds.RELU6,
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
        raise UnavailableError(MISSING) from error
    return schema_py_generated
