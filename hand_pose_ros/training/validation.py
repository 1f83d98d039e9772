"""What an image model is measured on as it trains: rendered hands, photographs, or both."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from hand_pose_ros.data.folder import FolderSample, read_folder, read_image
from hand_pose_ros.data.patches import AugmentConfig, PatchTransform, collate
from hand_pose_ros.data.shards import read_shards
from hand_pose_ros.data.synthetic.keypoints import NoiseConfig
from hand_pose_ros.errors import InputError
from hand_pose_ros.hand import skeleton
from hand_pose_ros.hand.virtual_camera import VirtualCamera
from hand_pose_ros.models.image import VIEW_RADII, ImageView
from hand_pose_ros.models.keypoints import (
    CanonicalView,
    KeypointObservation,
    canonical_frame,
    canonical_view,
)
from hand_pose_ros.models.landmark_network import SIDE
from hand_pose_ros.training.config import ValidationConfig
from hand_pose_ros.training.sources import VALIDATION_SEED, as_input, seen_batch

PLAIN = AugmentConfig(**dict.fromkeys(vars(AugmentConfig()), 0.0))
"""Views as they are asked for."""

_SHUFFLED = 1024
_AT_ONCE = 128
_ANCHOR = skeleton.BONES.index("index_mcp") + 1


@dataclass(frozen=True)
class Views:
    """Right hands as an encoder sees them.

    Attributes:
        view: what it sees; where it sees images, of all of them.
        joints: (batch, 21, 3) true, camera axes, wrist at the origin, anchor bone = 1.
    """

    view: CanonicalView | ImageView
    joints: Tensor

    def chunks(self) -> Iterator[tuple[tuple[Tensor, ...], Tensor]]:
        """Yield the encoder's inputs and the joints in the frame of the view, some at a time."""
        turned = self.joints @ self.view.R_canonical_camera.transpose(-1, -2)
        inputs = zip(*(part.split(_AT_ONCE) for part in self.view.inputs), strict=True)
        yield from zip(inputs, turned.split(_AT_ONCE), strict=True)


def other_views(config: ValidationConfig, shows_keypoints: bool) -> dict[str, Views]:
    """Return what a configuration asks for, by the name of its entry.

    Args:
        config: says where it is.
        shows_keypoints: whether those of a simulated detector are shown beside rendered images.

    Raises:
        InputError: there is nothing, or something else than shards or a folder of images.
    """
    views = {}
    if config.shards:
        views["shards"] = _of_shards(config.shards, config.images, shows_keypoints)
    if config.folder:
        views["folder"] = of_folder(Path(config.folder))
    return views


def of_folder(folder: Path) -> Views:
    """Return the hands of a `folder` dataset, each seen by a camera that its true joints place.

    Their keypoints are not shown: the image stands alone.

    Raises:
        InputError: as `read_folder`, or an image without true joints or a side.
    """
    samples = read_folder(folder, require=("side", "keypoints"))
    seen = [_seen(sample) for sample in samples]
    observation = KeypointObservation(*(torch.cat(part) for part in zip(*seen, strict=True)))
    frame = canonical_frame(observation.rays)
    half_width = frame.radius * VIEW_RADII
    rows = zip(samples, frame.R_canonical_camera, half_width.tolist(), strict=True)
    patches = [_patch(sample, R.double().numpy(), width) for sample, R, width in rows]
    patch = torch.from_numpy(np.stack(patches)).permute(0, 3, 1, 2)
    view = ImageView(
        as_input(patch),
        half_width,
        canonical_view(observation, frame).features,
        torch.zeros(len(patches), dtype=torch.bool),
        frame.R_canonical_camera,
    )
    anchor = observation.world[:, _ANCHOR].norm(dim=-1)
    if not (anchor > 0.0).all():
        raise InputError(f"{folder} has a hand whose index MCP is on its wrist")
    return Views(view, observation.world / anchor.reshape(-1, 1, 1))


def _of_shards(folder: str, most: int, shows_keypoints: bool) -> Views:
    transform = PatchTransform(NoiseConfig(), PLAIN, VALIDATION_SEED)
    samples = read_shards(folder, shuffle=_SHUFFLED, seed=(VALIDATION_SEED,))
    rows = [transform(sample) for sample in itertools.islice(samples, most)]
    batch = seen_batch(collate(rows), torch.full((len(rows),), shows_keypoints))
    return Views(batch.view, batch.hands.joints)


def _seen(sample: FolderSample) -> tuple[Tensor, Tensor, Tensor]:
    """Return rays, relative depth and joints about the wrist [m] of a hand as a right one."""
    assert sample.keypoints is not None
    flip = (-1.0 if sample.side == "left" else 1.0, 1.0, 1.0)
    points = torch.from_numpy(sample.keypoints * flip).float().unsqueeze(0)
    wrist = points[:, :1]
    depth = (points[..., 2] - wrist[..., 2]) / wrist[..., 2]
    return points[..., :2] / points[..., 2:], depth, points - wrist


def _patch(
    sample: FolderSample, R: npt.NDArray[np.float64], half_width: float
) -> npt.NDArray[np.uint8]:
    image = read_image(sample.path)
    camera = sample.camera(image.shape[1], image.shape[0])
    return VirtualCamera(R, half_width, mirrored=sample.side == "left").see(image, camera, SIDE)
