"""The table of image networks: by name, each with the same few methods.

Each has `features`, the length of the vector that `pool` makes of the image of a hand, and
`points`, which reads keypoints off that vector. Ours and those of timm are trained from nothing
with heads of ours; MediaPipe's comes with its own.
"""

from __future__ import annotations

from collections.abc import Callable
from difflib import get_close_matches
from typing import Any, TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from hand_pose_ros.errors import ConfigError, UnavailableError
from hand_pose_ros.models.image_heads import ImageHeads, Reading
from hand_pose_ros.models.landmark_network import SIDE, LandmarkNetwork
from hand_pose_ros.models.small_network import SmallNetwork

MEDIAPIPE = "mediapipe"
SMALL = 64
"""Side of the image that our small network is shown [px]."""

TIMM = "timm:"
"""What the names begin with of the networks that timm knows."""


class OwnLook(nn.Module):
    """An image network that is trained here, and the heads that read its vector.

    Args:
        trunk: from an image to the vector; see `SmallNetwork` and `TimmTrunk`.
    """

    def __init__(self, trunk: SmallNetwork | TimmTrunk) -> None:
        super().__init__()
        self.trunk = trunk
        self.heads = ImageHeads(trunk.features)

    @property
    def features(self) -> int:
        """Length of the vector."""
        return self.trunk.features

    def pool(self, image: Float[Tensor, "batch 3 y x"]) -> Float[Tensor, "batch feature"]:
        """Return the vector of each image."""
        vector: Tensor = self.trunk(image)[0]
        return vector

    def read(self, pooled: Float[Tensor, "batch feature"]) -> Reading:
        """Return what the heads say."""
        return self.heads(pooled, self.trunk.places(pooled))

    def points(
        self, pooled: Float[Tensor, "batch feature"]
    ) -> tuple[Float[Tensor, "batch 21 3"], Float[Tensor, "batch 21 3"]]:
        """Return landmarks and world landmarks in the manner of `LandmarkNetwork.points`."""
        reading = self.read(pooled)
        landmarks = torch.cat((reading.places + 1.0, reading.depth.unsqueeze(-1)), dim=-1)
        return landmarks * (SIDE / 2.0), reading.world


class SmallTrunk(SmallNetwork):
    """Our network, shown the image as small as it was trained on."""

    def forward(
        self, image: Float[Tensor, "batch 3 y x"]
    ) -> tuple[Float[Tensor, "batch feature"], Float[Tensor, "batch point cell"]]:
        """Return the vector, and the logarithm of the scores of each keypoint."""
        halved = functional.avg_pool2d(image, 2)
        return super().forward(functional.interpolate(halved, (SMALL, SMALL), mode="bilinear"))


class TimmTrunk(nn.Module):
    """A network of timm, which begins with noise: no weights are loaded.

    Args:
        name: what timm calls it.

    Raises:
        UnavailableError: timm is not installed.
        ConfigError: timm knows no such network.

    Source: Wightman 2019, PyTorch image models.
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        timm = _timm()
        if not timm.is_model(name):
            near = ", ".join(get_close_matches(name, timm.list_models(), 5)) or "none like it"
            raise ConfigError(f"timm has no network {name!r}; the nearest are {near}")
        self.network = timm.create_model(name, pretrained=False, num_classes=0)
        self.features = int(self.network.num_features)

    def forward(self, image: Float[Tensor, "batch 3 y x"]) -> tuple[Tensor, None]:
        """Return the pooled features; there are no scores of keypoints."""
        pooled: Tensor = self.network(2.0 * image - 1.0)
        return pooled, None

    def places(self, pooled: Tensor) -> None:
        """Return None: the heads find the keypoints alone."""


Look: TypeAlias = OwnLook | LandmarkNetwork

ENCODERS: dict[str, Callable[[], Look]] = {
    MEDIAPIPE: lambda: LandmarkNetwork().requires_grad_(False),
    "small": lambda: OwnLook(SmallTrunk()),
}
"""Encoders by name; beside them `timm:NAME` is any that timm has."""


def check_encoder(name: str) -> None:
    """Refuse a name that is in no table.

    Raises:
        ConfigError: it is neither one of `ENCODERS` nor begins with `timm:`.
    """
    if name not in ENCODERS and not (name.startswith(TIMM) and len(name) > len(TIMM)):
        raise ConfigError(
            f"encoder {name!r} is unknown; there are {', '.join(ENCODERS)} and timm:NAME, "
            "such as timm:resnet18"
        )


def build_look(name: str) -> Look:
    """Return a fresh image network; all are trained but MediaPipe's.

    Raises:
        ConfigError: no such encoder.
        UnavailableError: it is one of timm, which is not installed.
    """
    check_encoder(name)
    if name.startswith(TIMM):
        return OwnLook(TimmTrunk(name.removeprefix(TIMM)))
    return ENCODERS[name]()


def _timm() -> Any:
    try:
        import timm
    except ImportError as error:
        raise UnavailableError(
            f"encoders of timm need timm: pip install 'hand_pose_ros[timm]' ({error})"
        ) from error
    return timm
