"""A model as files that run without this package, each with a JSON of its inputs and outputs."""

from __future__ import annotations

import io
import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from hand_pose_ros.errors import ConfigError, OutputError
from hand_pose_ros.runtime.engine.cache import checksum, versions
from hand_pose_ros.runtime.engine.export import operators, to_exported_program
from hand_pose_ros.runtime.engine.int8 import rounded_copy
from hand_pose_ros.runtime.engine.onnx import quiet_tracer, to_onnx
from hand_pose_ros.runtime.engine.openvino import openvino_core
from hand_pose_ros.runtime.engine.table import choose_engine
from hand_pose_ros.runtime.lift_network import WholeNetwork

Example = tuple[torch.Tensor, ...]
NOISE = "noise"

TEXTS = {
    "patch": "RGB 0..255 of a virtual camera that looks at the hand, a left one in a mirror",
    "half_width": "half the side of the patch at depth 1",
    "R_view_camera": "camera frame to the frame of the virtual camera",
    "features": "of 2D keypoints in that frame, see models/keypoints.py",
    "rays": "x/z, y/z of the keypoints in the camera frame",
    "depth": "relative depth of the keypoints in the unit of the rays",
    "world": "the detector's own 3D points, any scale",
    NOISE: "standard normal; draws, hypotheses, joints, axes; the same for all rows",
    "root_rotation": "wrist frame to camera frame",
    "articulation": "23 joint angles [rad]",
    "ratios": "20 bone lengths over that from wrist to index MCP",
    "offsets": "15 finger offsets [rad]",
    "std": "spread of each joint over the hypotheses, in anchor lengths",
    "hypotheses": "joints of each hypothesis about the wrist, camera axes, anchor length 1",
    "keypoints": "joints of the hand about the wrist, camera axes, anchor length 1",
}
"""What each input and output is."""


@dataclass(frozen=True)
class Format:
    """One kind of file.

    Attributes:
        summary: what `hand-pose export --help` says of it.
        files: what is written.
        write: makes the content of each file.
        engine: whose packages it needs; none where PyTorch will do.
        any_rows: whether it takes any number of rows, not only that of the example.
    """

    summary: str
    files: tuple[str, ...]
    write: Callable[[WholeNetwork, Example], tuple[bytes, ...]]
    engine: str = ""
    any_rows: bool = False


def export_model(whole: WholeNetwork, name: str, rows: int, folder: Path) -> list[Path]:
    """Write a model in a format, and `model.json` beside it; return what was written.

    Args:
        whole: the model.
        name: a key of `FORMATS`.
        rows: hands at once, where the format fixes that.
        folder: made where it is missing; files of these names are replaced.

    Raises:
        ConfigError: no such format, or no rows.
        UnavailableError: a package or a GPU is missing.
        OutputError: a file cannot be written.
    """
    if name not in FORMATS:
        raise ConfigError(f"engine {name!r} cannot be exported; there are {', '.join(FORMATS)}")
    if not 1 <= rows <= MOST_ROWS:
        raise ConfigError(f"rows is {rows}; allowed are 1 to {MOST_ROWS}")
    entry = FORMATS[name]
    if entry.engine:
        choose_engine(entry.engine)
    example = example_of(whole, max(rows, 2) if entry.any_rows else rows)
    contents = dict(zip(entry.files, entry.write(whole, example), strict=True))
    told = describe(whole, name, example)
    told["files"] = {file: checksum(content) for file, content in contents.items()}
    contents["model.json"] = (json.dumps(told, indent=2) + "\n").encode()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for file, content in contents.items():
            partial = folder / f"{file}.partial"
            partial.write_bytes(content)
            partial.replace(folder / file)
    except OSError as error:
        raise OutputError(f"{folder} cannot be written: {error}") from error
    return [folder / file for file in contents]


def example_of(whole: WholeNetwork, rows: int) -> Example:
    """Return inputs of a model, drawn, and its own start noise."""
    generator = torch.Generator().manual_seed(0)
    seen = []
    for name, axes in whole.inputs.items():
        drawn = torch.rand((rows, *axes), generator=generator)
        if name == "patch":
            drawn = (255.0 * drawn).to(torch.uint8)
        elif name == "R_view_camera":
            drawn = torch.eye(3).expand(rows, 3, 3).contiguous()
        seen.append(drawn)
    noise = torch.randn(whole.noise_shape, generator=generator)
    noise[:1] = whole.network.noise
    return (*seen, noise)


def describe(whole: WholeNetwork, name: str, example: Example) -> dict[str, Any]:
    """Return what `model.json` says but for the files."""
    with torch.no_grad():
        results = whole(*example)
    any_rows = FORMATS[name].any_rows
    inputs = zip((*whole.inputs, NOISE), example, strict=True)
    outputs = zip(whole.outputs, results, strict=True)
    return {
        "engine": name,
        "rows": "any" if any_rows else len(example[0]),
        "sampling": vars(whole.network.sampling),
        "inputs": [_tensor(*each, any_rows) for each in inputs],
        "outputs": [_tensor(*each, any_rows) for each in outputs],
        "noise": example[-1].tolist(),
        "versions": versions("onnx", "openvino", "torch-tensorrt", "tensorrt"),
    }


def _tensor(name: str, tensor: torch.Tensor, any_rows: bool) -> dict[str, Any]:
    shape: list[int | str] = list(tensor.shape)
    if any_rows and name != NOISE:
        shape[0] = "row"
    dtype = str(tensor.dtype).removeprefix("torch.")
    return {"name": name, "shape": shape, "dtype": dtype, "what": TEXTS[name]}


def _onnx(whole: WholeNetwork, example: Example) -> tuple[bytes]:
    inputs = (*whole.inputs, NOISE)
    return (to_onnx(whole, example, inputs, whole.outputs, fixed=(NOISE,)),)


def _torchscript(whole: WholeNetwork, example: Example) -> tuple[bytes]:
    with torch.inference_mode(), quiet_tracer():
        traced = torch.jit.trace(whole, example, check_trace=False)
    buffer = io.BytesIO()
    torch.jit.save(traced, buffer)
    return (buffer.getvalue(),)


def _torch_export(whole: WholeNetwork, example: Example) -> tuple[bytes, bytes]:
    program = to_exported_program(whole, example)
    buffer = io.BytesIO()
    torch.export.save(program, buffer)
    listed = "".join(f"{count:5d} {name}\n" for name, count in operators(program).most_common())
    return buffer.getvalue(), listed.encode()


def _openvino(whole: WholeNetwork, example: Example) -> tuple[bytes, bytes]:
    import openvino

    (content,) = _onnx(whole, example)
    model = openvino_core().read_model(io.BytesIO(content))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.xml")
        openvino.save_model(model, path, compress_to_fp16=False)
        return path.read_bytes(), path.with_suffix(".bin").read_bytes()


def _openvino_int8(whole: WholeNetwork, example: Example) -> tuple[bytes, bytes]:
    rounded: Any = rounded_copy(whole)
    return _openvino(rounded, example)


def _tensorrt(whole: WholeNetwork, example: Example) -> tuple[bytes]:
    from hand_pose_ros.runtime.engine.tensorrt import compile_tensorrt

    on_gpu = whole.to("cuda")
    return (compile_tensorrt(on_gpu, tuple(tensor.to("cuda") for tensor in example)),)


MOST_ROWS = 8
_MODEL = ("model.xml", "model.bin")
FORMATS = {
    "onnx": Format("an ONNX model", ("model.onnx",), _onnx, "onnxruntime", any_rows=True),
    "torchscript": Format("a traced PyTorch program", ("model.pt",), _torchscript),
    "torch-export": Format(
        "a program of torch.export, and the list of its operators",
        ("model.pt2", "operators.txt"),
        _torch_export,
    ),
    "openvino": Format("a model of OpenVINO", _MODEL, _openvino, "openvino", any_rows=True),
    "openvino-int8": Format(
        "the same with the landmark network in 8 bits",
        _MODEL,
        _openvino_int8,
        "openvino-int8",
        any_rows=True,
    ),
    "tensorrt": Format("a TensorRT engine for this GPU", ("model.ep",), _tensorrt, "tensorrt"),
}
