"""MediaPipe's hand graphs, run one image at a time: palms and landmarks, or landmarks alone.

The `solutions` front of MediaPipe hides how sure the landmark network is that it sees a hand, and
cannot run that network on a region of our choice. The graphs underneath can; its wheel has both.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hand_pose_ros.errors import InputError, UnavailableError

_FRAME_US = 33_333
_TRACKING_GRAPH = "modules/hand_landmark/hand_landmark_tracking_cpu.binarypb"
_LANDMARK_GRAPH = """
input_stream: "IMAGE:image"
input_stream: "ROI:roi"
input_side_packet: "MODEL_COMPLEXITY:model_complexity"
output_stream: "LANDMARKS:landmarks"
output_stream: "WORLD_LANDMARKS:world"
output_stream: "HANDEDNESS:handedness"
node {
  calculator: "HandLandmarkCpu"
  input_stream: "IMAGE:image"
  input_stream: "ROI:roi"
  input_side_packet: "MODEL_COMPLEXITY:model_complexity"
  output_stream: "LANDMARKS:landmarks"
  output_stream: "WORLD_LANDMARKS:world"
  output_stream: "HANDEDNESS:handedness"
}
"""
PRESENCE = "handlandmarkcpu__hand_presence_score"
"""Stream of the landmark network's certainty that its region holds a hand, 0..1."""

_PALM_IMAGE, _SEARCH = "palm_detection_image", "search"


def import_mediapipe() -> Any:
    """Return the mediapipe module.

    Raises:
        UnavailableError: it is not installed.
    """
    os.environ.setdefault("GLOG_minloglevel", "2")
    try:
        import mediapipe
        import mediapipe.python.solutions.hands
    except ImportError as error:
        raise UnavailableError(
            f"MediaPipe's detector needs mediapipe ({error}); install it with "
            "`pip install 'hand_pose_ros[mediapipe]'`, or take the detector 'own'"
        ) from error
    return mediapipe


class Graph:
    """A running MediaPipe graph: feed named packets, get all that each stream gave for them."""

    def __init__(
        self, config: Any, side_packets: Mapping[str, Any], outputs: tuple[str, ...]
    ) -> None:
        mediapipe = import_mediapipe()
        self._side_packets = dict(side_packets)
        self._packets: dict[str, list[Any]] = {name: [] for name in outputs}
        self._time_us = 0
        self._graph = mediapipe.CalculatorGraph(graph_config=config)
        for name in outputs:
            self._graph.observe_output_stream(name, self._keep, False)
        self._graph.start_run(self._side_packets)

    def process(self, inputs: Mapping[str, Any]) -> dict[str, list[Any]]:
        """Return, by output stream, the packets that one set of input packets leads to."""
        for packets in self._packets.values():
            packets.clear()
        self._time_us += _FRAME_US
        for name, packet in inputs.items():
            self._graph.add_packet_to_input_stream(stream=name, packet=packet.at(self._time_us))
        self._graph.wait_until_idle()
        return self._packets

    def reset(self) -> None:
        """Forget the images seen so far."""
        self._graph.close()
        self._time_us = 0
        self._graph.start_run(self._side_packets)

    def close(self) -> None:
        """End the graph's threads; it is of no use afterwards."""
        self._graph.close()

    def _keep(self, stream: str, packet: Any) -> None:
        self._packets[stream].append(packet)


class HandsGraph:
    """Palm detection followed by landmarks, in tracking or still-image mode.

    MediaPipe's own graph looks for palms whenever it follows fewer hands than it may. This one can
    be told not to in single images.
    """

    def __init__(
        self,
        *,
        max_hands: int,
        tracking: bool,
        model_complexity: int,
        min_detection: float,
        min_presence: float,
    ) -> None:
        mediapipe = import_mediapipe()
        self._mediapipe, self._min_presence = mediapipe, min_presence
        path = Path(mediapipe.__file__).parent / _TRACKING_GRAPH
        config = _expanded(mediapipe, binary_graph_path=str(path))
        _set_thresholds(config, min_detection, min_presence)
        _gate_search(config)
        create = mediapipe.packet_creator
        side_packets = {
            "num_hands": create.create_int(max_hands),
            "model_complexity": create.create_int(model_complexity),
            "use_prev_landmarks": create.create_bool(tracking),
        }
        outputs = ("multi_hand_landmarks", "multi_hand_world_landmarks", "multi_handedness")
        self._graph = Graph(config, side_packets, (*outputs, PRESENCE))

    def process(
        self, image_rgb: npt.NDArray[np.uint8], search: bool = True
    ) -> list[tuple[npt.NDArray, npt.NDArray, str, float, float]]:
        """Return a tuple for each hand: points, world points, label, its score, presence.

        Without `search` only the hands of the image before are followed. Points are (21, 3), x and
        y in parts of the image's width and height, z in parts of its width; world points are
        (21, 3) [m].
        """
        image = image_packet(self._mediapipe, image_rgb)
        may_search = self._mediapipe.packet_creator.create_bool(search)
        found = self._graph.process({"image": image, _SEARCH: may_search})
        get = self._mediapipe.packet_getter
        lists = [
            get.get_proto_list(packets[0]) if packets else []
            for name, packets in found.items()
            if name != PRESENCE
        ]
        presence = [get.get_float(packet) for packet in found[PRESENCE]]
        presence = [score for score in presence if score > self._min_presence]
        if len(presence) != len(lists[0]):
            presence = [self._min_presence] * len(lists[0])
        return [
            (_points(image), _points(world), *_label(label), score)
            for image, world, label, score in zip(*lists, presence, strict=True)
        ]

    def reset(self) -> None:
        """Forget the hands that are being followed."""
        self._graph.reset()

    def close(self) -> None:
        """End the graph's threads."""
        self._graph.close()


class LandmarkGraph:
    """The landmark network alone, on a square image that an upright hand fills by half."""

    def __init__(self, model_complexity: int = 1) -> None:
        self._mediapipe = mediapipe = import_mediapipe()
        from mediapipe.framework.formats import rect_pb2

        config = _expanded(mediapipe, graph_config=_LANDMARK_GRAPH)
        _set_thresholds(config, None, -1.0)
        complexity = mediapipe.packet_creator.create_int(model_complexity)
        outputs = ("landmarks", "world", "handedness", PRESENCE)
        self._graph = Graph(config, {"model_complexity": complexity}, outputs)
        self._whole = rect_pb2.NormalizedRect(
            x_center=0.5, y_center=0.5, width=1.0, height=1.0, rotation=0.0
        )

    def process(
        self, patch_rgb: npt.NDArray[np.uint8]
    ) -> tuple[npt.NDArray, npt.NDArray, str, float, float]:
        """Return points, world points, label, its score and presence, as `HandsGraph.process`."""
        if patch_rgb.shape[0] != patch_rgb.shape[1]:
            raise InputError(f"patch is {patch_rgb.shape}; it must be square")
        found = self._graph.process(
            {
                "image": image_packet(self._mediapipe, patch_rgb),
                "roi": self._mediapipe.packet_creator.create_proto(self._whole),
            }
        )
        get = self._mediapipe.packet_getter
        points, world = (_points(get.get_proto(found[k][0])) for k in ("landmarks", "world"))
        label, score = _label(get.get_proto(found["handedness"][0]))
        return points, world, label, score, get.get_float(found[PRESENCE][0])

    def close(self) -> None:
        """End the graph's threads."""
        self._graph.close()


def image_packet(mediapipe: Any, image_rgb: npt.NDArray[Any]) -> Any:
    """Return the packet of an RGB image (H, W, 3) uint8."""
    check_image(image_rgb)
    return mediapipe.packet_creator.create_image_frame(
        image_format=mediapipe.ImageFormat.SRGB, data=np.ascontiguousarray(image_rgb)
    )


def check_image(image_rgb: npt.NDArray[Any]) -> None:
    """Raise an InputError unless this is an RGB image (H, W, 3) uint8 with pixels in it."""
    if image_rgb.ndim != 3 or image_rgb.shape[2] != 3 or image_rgb.dtype != np.uint8:
        raise InputError(
            f"image has shape {image_rgb.shape} and type {image_rgb.dtype}; "
            "it must be (height, width, 3) uint8"
        )
    if image_rgb.size == 0:
        raise InputError(f"image has shape {image_rgb.shape}; it is empty")


def _expanded(mediapipe: Any, **source: str) -> Any:
    """Return the configuration of a graph with its subgraphs written out."""
    from mediapipe.framework import calculator_pb2

    resources = Path(mediapipe.__file__).parent.parent
    mediapipe.resource_util.set_resource_dir(str(resources))
    validated = mediapipe.ValidatedGraphConfig()
    validated.initialize(**source)
    config = calculator_pb2.CalculatorGraphConfig()
    config.ParseFromString(validated.binary_config)
    return config


def _set_thresholds(config: Any, min_detection: float | None, min_presence: float) -> None:
    from mediapipe.calculators.tensor import tensors_to_detections_calculator_pb2 as detections
    from mediapipe.calculators.util import thresholding_calculator_pb2 as thresholding

    for node in config.node:
        if node.calculator == "ThresholdingCalculator":
            options = thresholding.ThresholdingCalculatorOptions.ext
            node.options.Extensions[options].threshold = min_presence
        elif node.calculator == "TensorsToDetectionsCalculator":
            scores = detections.TensorsToDetectionsCalculatorOptions.ext
            node.options.Extensions[scores].min_score_thresh = min_detection


def _gate_search(config: Any) -> None:
    """Let the image through to the palm detector only where the stream of `search` allows it."""
    gate = next(node for node in config.node if _PALM_IMAGE in node.output_stream)
    gate.output_stream[:] = [f"wanted_{_PALM_IMAGE}"]
    config.input_stream.append(_SEARCH)
    allowed = config.node.add(calculator="GateCalculator")
    allowed.input_stream.extend([f"wanted_{_PALM_IMAGE}", f"ALLOW:{_SEARCH}"])
    allowed.output_stream.append(_PALM_IMAGE)


def _points(landmarks: Any) -> npt.NDArray[np.float64]:
    return np.array([(point.x, point.y, point.z) for point in landmarks.landmark])


def _label(classification: Any) -> tuple[str, float]:
    best = classification.classification[0]
    return best.label, best.score
