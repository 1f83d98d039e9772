"""ROS parameters from config blocks: each option of a block is a parameter that documents itself.

`ros2 param describe` shows meaning and range, a value out of range is refused with the reason that
the block gives, and what makes no sense to change in a running node is read-only.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from rcl_interfaces.msg import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
)
from rclpy.node import Node

from hand_pose_ros.errors import ConfigError
from hand_pose_ros.hand.camera import ASSUMED_FIELD_OF_VIEW_DEG
from hand_pose_ros.runtime.config import (
    CAUSAL,
    CENTRED,
    OFF,
    CheckedBlock,
    EstimatorConfig,
    choice,
    option,
)

RAW, COMPRESSED = "raw", "compressed"
BEST_EFFORT, RELIABLE = "best_effort", "reliable"
AUTO, YES, NO = "auto", "yes", "no"
Block = TypeVar("Block")


@dataclass(frozen=True)
class InputConfig(CheckedBlock):
    """What the node listens to, and how."""

    image_transport: str = choice(
        RAW,
        "raw: sensor_msgs/Image on 'image'; compressed: on 'image/compressed'",
        (RAW, COMPRESSED),
    )
    reliability: str = choice(
        BEST_EFFORT,
        "QoS of the camera's topics; best_effort matches every publisher",
        (BEST_EFFORT, RELIABLE),
    )
    queue_size: int = option(
        1,
        "images that may wait; 1: the newest wins, as a robot wants it; more: for recordings, "
        "where every image counts",
        1,
        1000,
        read_only=True,
    )
    use_depth: bool = option(
        False, "take distances from a registered depth image on 'depth'", 0, 1, read_only=True
    )
    use_boxes: bool = option(
        False,
        "look for hands in the boxes of a vision_msgs/Detection2DArray on 'boxes' only",
        0,
        1,
        read_only=True,
    )
    rectified: str = choice(
        AUTO,
        "whether the images are rectified, with intrinsics P of the CameraInfo and no distortion; "
        "auto: where the name of their topic has 'rect' in it",
        (AUTO, YES, NO),
    )
    companion_slop_s: float = option(
        0.01, "most that stamps of depth or boxes may differ from the image's [s]", 0.0, 1.0
    )
    horizontal_fov_deg: float = option(
        ASSUMED_FIELD_OF_VIEW_DEG,
        "field of view assumed while there is no CameraInfo [degrees]; distances are rough then",
        1.0,
        179.0,
    )
    silence_s: float = option(
        2.0, "time without an image after which the node says why it may be [s]", 0.1, 3600.0
    )

    @property
    def is_compressed(self) -> bool:
        """Whether 'image/compressed' is listened to."""
        return self.image_transport == COMPRESSED


@dataclass(frozen=True)
class OutputConfig(CheckedBlock):
    """What the node publishes beside the hands."""

    tf: bool = option(True, "publish the TF frame of each wrist", 0, 1)
    tf_fingers: bool = option(False, "publish the TF frames of the finger bones, too", 0, 1)
    tf_urdf: bool = option(
        False, "publish the TF frames of the base links of the URDF hands, too", 0, 1
    )
    tf_prefix: str = choice(
        "",
        "goes before the names of the hands' TF frames, which several cameras must not share; "
        "the launch file makes it of the namespace",
    )
    tf_of_unknown_scale: bool = option(
        False, "publish TF of hands whose distance nobody knows (scale_source UNKNOWN)", 0, 1
    )
    mesh: bool = option(True, "put the surface of the hands into the markers", 0, 1)


@dataclass(frozen=True)
class NodeConfig(CheckedBlock):
    """All parameters of the node."""

    autostart: bool = option(
        True, "configure and activate the node when it starts", 0, 1, read_only=True
    )
    model: str = choice("keypoints", "network that lifts the hands; see `hand-pose models`")
    engine: str = choice("auto", "how it is executed; see `hand-pose models`")
    input: InputConfig = field(default_factory=InputConfig)
    output: OutputConfig = field(default_factory=OutputConfig)
    estimator: EstimatorConfig = field(default_factory=EstimatorConfig)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.estimator.temporal.mode == CENTRED:
            raise ConfigError(
                f"estimator.temporal.mode is {CENTRED!r}, which waits for later images; "
                f"of live ones it is {OFF!r} or {CAUSAL!r}"
            )


def declare(node: Node, defaults: NodeConfig) -> NodeConfig:
    """Declare a parameter for every option and return what launch files and such made of them.

    Raises:
        ConfigError: a value that is out of its range or of another type.
    """
    for name, entry, default in _options(defaults):
        try:
            node.declare_parameter(name, default, _descriptor(entry, default))
        except Exception as error:  # rclpy has several for this, without a common base
            raise ConfigError(f"parameter {name}: {error}") from error
    names = [name for name, _, _ in _options(defaults)]
    return changed(defaults, {p.name: p.value for p in node.get_parameters(names)})


def changed(config: NodeConfig, values: Mapping[str, Any]) -> NodeConfig:
    """Return the config with other values of some parameters.

    Raises:
        ConfigError: a value that its option does not allow.
    """
    result = _changed(config, values, "")
    assert isinstance(result, NodeConfig)
    return result


def _options(block: Any, prefix: str = "") -> Iterable[tuple[str, dataclasses.Field[Any], Any]]:
    """Yield parameter name, field and value of every option in nested blocks."""
    for entry in dataclasses.fields(block):
        value = getattr(block, entry.name)
        if dataclasses.is_dataclass(value):
            yield from _options(value, f"{prefix}{entry.name}.")
        else:
            yield prefix + entry.name, entry, value


def _changed(block: Any, values: Mapping[str, Any], prefix: str) -> Any:
    arguments = {}
    for entry in dataclasses.fields(block):
        value, name = getattr(block, entry.name), prefix + entry.name
        if dataclasses.is_dataclass(value):
            arguments[entry.name] = _changed(value, values, f"{name}.")
        else:
            arguments[entry.name] = values.get(name, value)
    return type(block)(**arguments)


def _descriptor(entry: dataclasses.Field[Any], default: Any) -> ParameterDescriptor:
    metadata = entry.metadata
    descriptor = ParameterDescriptor(
        description=metadata["description"], read_only=metadata["read_only"]
    )
    if metadata.get("choices"):
        descriptor.additional_constraints = f"one of {', '.join(metadata['choices'])}"
    elif isinstance(default, float):
        low, high = float(metadata["low"]), float(metadata["high"])
        descriptor.floating_point_range = [FloatingPointRange(from_value=low, to_value=high)]
    elif isinstance(default, int) and not isinstance(default, bool):
        bounds = IntegerRange(from_value=metadata["low"], to_value=metadata["high"], step=1)
        descriptor.integer_range = [bounds]
    return descriptor
