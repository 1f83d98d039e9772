"""A dataset in memory, and a panel of estimators that err in known ways, for evaluation tests."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from hand_samples import random_hands

from hand_pose_ros.data.sample import LabelledHand, LabelledImage
from hand_pose_ros.errors import InputError
from hand_pose_ros.evaluation.rows import Guess
from hand_pose_ros.hand.camera import Camera
from hand_pose_ros.hand.kinematics import forward_kinematics

CAMERA = Camera.from_field_of_view(320, 240)
NOWHERE = np.full((21, 2), np.nan)


def hand_joints(count: int, seed: int = 0) -> np.ndarray:
    joints = forward_kinematics(random_hands(count, seed=seed)).positions.numpy()
    return joints + (0.0, 0.0, 0.6)


@dataclass
class MemoryDataset:
    """Images without pixels; every third of each ten shows two hands, one of ten none."""

    count: int = 40
    sequences: bool = False
    format: str = "folder"
    split: str = "all"
    root: Path = Path("memory")
    expected: int | None = None
    unreadable: frozenset[int] = frozenset()

    def __len__(self) -> int:
        return self.count

    def images(self, start: int = 0, step: int = 1) -> Iterator[LabelledImage]:
        for number in range(start, self.count, step):
            yield self.image(number)

    def image(self, number: int) -> LabelledImage:
        joints = hand_joints(2, seed=number)
        joints[0, :, 0] -= 0.15
        joints[1, :, 0] += 0.15
        hands = 0 if number % 10 == 9 else 2 if number % 3 == 0 else 1
        sequence = f"seq{number // 20}" if self.sequences else None
        return LabelledImage(
            f"{number:04d}.png",
            lambda: self.read(number),
            CAMERA,
            tuple(LabelledHand(("left", "right")[i], joints[i]) for i in range(hands)),
            {"kind": "pair" if hands == 2 else "single"},
            sequence,
            number % 20,
        )

    def read(self, number: int) -> np.ndarray:
        if number in self.unreadable:
            raise InputError(f"image {number} is broken")
        return np.zeros((240, 320, 3), np.uint8)


def wrong_by(number: int, hand: int) -> np.ndarray:
    return np.random.default_rng((number, hand)).normal(0.0, 0.01, (21, 3))


class StubPanel:
    """`near` errs a little, `shy` finds every other hand, `dreamy` sees one that is not there."""

    def __init__(self, needs_pixels: bool = False) -> None:
        self.needs_pixels = needs_pixels

    def __call__(
        self, number: int, image: LabelledImage, image_rgb: Any
    ) -> dict[str, list[Guess]]:
        assert (image_rgb is not None) == self.needs_pixels
        near = []
        for place, hand in enumerate(image.hands):
            joints = hand.keypoints + wrong_by(number, place)
            near.append(Guess(joints, hand.side, keypoints_px=CAMERA.project(joints)))
        away = np.full((21, 2), 5000.0)
        dream = Guess(hand_joints(1)[0], "right", keypoints_px=away)
        return {"near": near[::-1], "shy": near[number % 2 :: 2], "dreamy": [*near, dream]}


@dataclass
class StubJob:
    count: int = 40
    sequences: bool = False
    dies_at: int | None = None
    names: tuple[str, ...] = ("near", "shy", "dreamy")
    more: dict[str, Any] = field(default_factory=dict)

    def settings(self) -> dict[str, Any]:
        return {"count": self.count, **self.more}

    def dataset(self) -> MemoryDataset:
        return MemoryDataset(self.count, self.sequences)

    def panel(self, images: int) -> Any:
        assert images == self.count
        return DyingPanel(self.dies_at) if self.dies_at is not None else StubPanel()


@dataclass
class SlowJob(StubJob):
    """The same with a panel that takes its time, longer than until rows are flushed."""

    def panel(self, images: int) -> Any:
        return SlowPanel()


class SlowPanel(StubPanel):
    def __call__(
        self, number: int, image: LabelledImage, image_rgb: Any
    ) -> dict[str, list[Guess]]:
        time.sleep(0.3)
        return super().__call__(number, image, image_rgb)


class DyingPanel(StubPanel):
    """Fails at one image."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number

    def __call__(
        self, number: int, image: LabelledImage, image_rgb: Any
    ) -> dict[str, list[Guess]]:
        if number == self.number:
            raise InputError(f"cannot look at image {number}")
        return super().__call__(number, image, image_rgb)
