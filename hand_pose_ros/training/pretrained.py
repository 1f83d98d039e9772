"""What MediaPipe's hand networks learnt, read from the installed wheel.

Each layer of a file is compared with the one that stands there in ours: a file of another network
is refused.
"""

from __future__ import annotations

from pathlib import Path

from torch import Tensor, nn

from hand_pose_ros.errors import InputError, UnavailableError
from hand_pose_ros.models.landmark_network import LandmarkNetwork
from hand_pose_ros.models.palm_network import PalmNetwork
from hand_pose_ros.training.tflite import MISSING, Layer, read_layers

_LANDMARKS = "modules/hand_landmark/hand_landmark_full.tflite"
_PALMS = "modules/palm_detection/palm_detection_full.tflite"


def landmark_network() -> LandmarkNetwork:
    """Return the network with the weights of the installed mediapipe.

    Raises:
        UnavailableError: mediapipe is not installed, or its wheel has no such file.
        InputError: the file holds another network.
    """
    network = LandmarkNetwork()
    load_layers(landmark_places(network), list(read_layers(_installed(_LANDMARKS))))
    return network.eval()


def palm_network() -> PalmNetwork:
    """Return the network with the weights of the installed mediapipe; errors as above."""
    network = PalmNetwork()
    load_layers(palm_places(network), list(read_layers(_installed(_PALMS))))
    return network.eval()


def landmark_places(network: LandmarkNetwork) -> list[nn.Module]:
    """Return the modules with weights in the order in which the original runs them."""
    convolutions = [m for m in network.trunk.modules() if isinstance(m, nn.Conv2d)]
    readouts = [network.handedness, network.presence, network.landmarks, network.world]
    return [*convolutions, *readouts]


def palm_places(network: PalmNetwork) -> list[nn.Module]:
    """Return the modules with weights in the order in which the original runs them."""
    trunk = network.trunk
    fine, middle = network.readouts
    parts = (trunk.stem, trunk.cut, trunk.stages, trunk.up_middle, middle, trunk.up_fine, fine)
    return [m for part in parts for m in part.modules() if isinstance(m, nn.Conv2d | nn.PReLU)]


def load_layers(places: list[nn.Module], layers: list[Layer]) -> None:
    """Give modules the weights of layers.

    Raises:
        InputError: they are not those of such a network; the message names the first.
    """
    if len(layers) != len(places):
        raise InputError(f"the network has {len(layers)} layers; ours has {len(places)}")
    for number, (layer, place) in enumerate(zip(layers, places, strict=True)):
        _check(number, layer, place)
        place.weight.data = layer.weight.clone()
        if layer.bias is not None:
            place.bias.data = layer.bias.clone()


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


def _installed(name: str) -> Path:
    path = _package_folder() / name
    if not path.is_file():
        raise UnavailableError(f"the installed mediapipe has no {name}; 0.10.21 has")
    return path


def _package_folder() -> Path:
    from importlib.util import find_spec

    spec = find_spec("mediapipe")
    if spec is None or spec.origin is None:
        raise UnavailableError(MISSING)
    return Path(spec.origin).parent
