"""The images that only the heads of an image network see: in a mirror, without a hand, again."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from hand_pose_ros.data.patches import AugmentConfig, SeenHands, shaken
from hand_pose_ros.models.landmark_network import SIDE
from hand_pose_ros.training.contrastive import Affine, ContrastiveConfig, draw_affine, second_view
from hand_pose_ros.training.head_losses import HeadTruth, joined, mirrored, nothing, take, truth_of

_SCENES = 24
"""Scenes that backgrounds are cut from."""


@dataclass(frozen=True)
class Looked:
    """Images behind those of a view, and what is true of all of them.

    Attributes:
        more: (image, 3, SIDE, SIDE) RGB in 0..1: images in a mirror, images without a hand and,
            where there is an `affine`, each image of the view once more.
        truth: of the images of the view and of `more`, but for those last ones.
        affine: where those look.
        config: how those are compared.
    """

    more: Tensor
    truth: HeadTruth
    affine: Affine | None
    config: ContrastiveConfig


class Backgrounds:
    """Images without a hand: pieces of the studio's scenes, as shaken as those with one."""

    def __init__(self, augment: AugmentConfig, seed: int) -> None:
        from hand_pose_ros.data.synthetic.backdrop.background import BackgroundPool

        self._augment = augment
        self._pool = BackgroundPool(SIDE, np.random.default_rng([seed, 1]), count=_SCENES)

    def draw(self, count: int, generator: torch.Generator) -> Tensor:
        """Return (count, 3, SIDE, SIDE) uint8, RGB."""
        seed = int(torch.randint(2**62, (1,), generator=generator))
        random = np.random.default_rng(seed)
        views = [
            shaken(self._pool.draw(random, SIDE, SIDE), self._augment, random)
            for _ in range(count)
        ]
        images = np.stack(views) if views else np.empty((0, SIDE, SIDE, 3), np.uint8)
        return torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2)))


def looked_at(
    seen: SeenHands,
    patch: Tensor,
    empty: Tensor,
    mirror: int,
    contrast: ContrastiveConfig | None,
    generator: torch.Generator,
) -> Looked:
    """Return what the heads learn from beside the images of a view.

    Args:
        seen: the hands of the view.
        patch: (batch, 3, SIDE, SIDE) their images, RGB in 0..1.
        empty: (image, 3, SIDE, SIDE) without a hand, likewise.
        mirror: how many of the view's images are also shown in a mirror.
        contrast: how each of the view's images is seen again; None for not at all.
        generator: source of all randomness.
    """
    right = truth_of(seen)
    truth = joined(right, mirrored(take(right, slice(mirror))), nothing(len(empty), right))
    more = [patch[:mirror].flip(-1), empty]
    affine = None
    if contrast is not None:
        affine = draw_affine(len(patch), contrast, generator)
        more.append(second_view(patch, affine, contrast.colour, generator))
    return Looked(torch.cat(more), truth, affine, contrast or ContrastiveConfig())
