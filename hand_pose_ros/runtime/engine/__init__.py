"""How a network is executed: eagerly, traced, compiled, by ONNX Runtime, OpenVINO or TensorRT.

Every engine turns a network and example inputs into a program that takes and returns numpy arrays:
of the shapes and types of the example but for the first axis, which may have any length. All give
the same numbers, up to rounding; `eager` is the reference. What takes long to make is kept on
disk, see `cache`.
"""

from hand_pose_ros.runtime.engine.onnx import to_onnx
from hand_pose_ros.runtime.engine.program import Program
from hand_pose_ros.runtime.engine.table import (
    AUTO,
    ENGINES,
    PREFERRED,
    Engine,
    choose_engine,
    compile_network,
)

__all__ = [
    "AUTO",
    "ENGINES",
    "PREFERRED",
    "Engine",
    "Program",
    "choose_engine",
    "compile_network",
    "to_onnx",
]
