"""Pictures of one sampled hand each, to show to a detector: any skin, any light, a room."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt

from hand_pose_ros.data.synthetic.backdrop.background import room
from hand_pose_ros.data.synthetic.keypoints import SampledHands
from hand_pose_ros.data.synthetic.render.looks import Light, Scene, SkinLook
from hand_pose_ros.data.synthetic.render.renderer import HandRenderer, RenderedHand, over
from hand_pose_ros.hand.camera import Camera
from hand_pose_ros.hand.mesh import load_hand_mesh

_ROOMS = 40
_FILLED = (0.45, 0.62)
"""Longer side of the box around the keypoints over the side of the picture, least and most."""
_OFF_CENTRE = 0.02
"""Standard deviation of where the middle of that box lies, in sides of the picture."""
_WRIST_BEND = 0.35
"""Standard deviation of the forearm's direction about the straight wrist."""


@dataclass(frozen=True, eq=False)
class Portrait:
    """One picture and the camera that took it.

    Attributes:
        image_rgb: (S, S, 3) uint8.
        camera: pinhole; the hand lies in its frame as it does in `SampledHands`.
        keypoints_px: (21, 2) where the joints are.
    """

    image_rgb: npt.NDArray[np.uint8]
    camera: Camera
    keypoints_px: npt.NDArray[np.float64]


class PortraitStudio:
    """Draws sampled hands.

    Args:
        renderer: of square pictures; closing it is the caller's business.
        random: source of what a picture looks like.
    """

    def __init__(self, renderer: HandRenderer, random: np.random.Generator) -> None:
        self._size, self._random = renderer.width, random
        self._renderer = renderer
        self._rooms = [room(self._size, self._size, seed) for seed in range(_ROOMS)]

    def take(self, hands: SampledHands) -> list[Portrait]:
        """Return a picture of each hand."""
        metric = replace(hands.hand, bone_lengths=hands.hand.bone_lengths * hands.anchor)
        surfaces = (load_hand_mesh().pose(metric) + hands.wrist.unsqueeze(1)).numpy()
        joints = hands.placed.numpy()
        forearms = -hands.hand.root_rotation[..., 0].numpy()
        return [self._portrait(*parts) for parts in zip(surfaces, joints, forearms, strict=True)]

    def _portrait(
        self,
        surface: npt.NDArray[np.float32],
        joints: npt.NDArray[np.float32],
        forearm: npt.NDArray[np.float32],
    ) -> Portrait:
        camera = self._camera(joints[:, :2] / joints[:, 2:])
        forearm = forearm + _WRIST_BEND * self._random.normal(size=3)
        hand = RenderedHand(surface, forearm, "right", self._skin())
        drawn = self._renderer.render([hand], camera, self._scene())
        image = over(drawn, self._rooms[self._random.integers(_ROOMS)])
        return Portrait(self._developed(image), camera, camera.project(joints))

    def _camera(self, rays: npt.NDArray[np.float32]) -> Camera:
        low, high = rays.min(axis=0), rays.max(axis=0)
        focal = self._size * self._random.uniform(*_FILLED) / float((high - low).max())
        wanted = self._size * (0.5 + _OFF_CENTRE * self._random.normal(size=2))
        K = np.diag((focal, focal, 1.0))
        K[:2, 2] = wanted - focal * (low + high) / 2.0
        return Camera(K, self._size, self._size)

    def _skin(self) -> SkinLook:
        random = self._random
        return SkinLook(
            tone=float(random.beta(1.2, 2.0)),
            mottle=random.uniform(0.0, 0.5),
            gloss=random.uniform(0.2, 1.4),
            seed=random.uniform(0.0, 30.0),
        )

    def _scene(self) -> Scene:
        random, usual = self._random, Light()
        tint = random.uniform(0.8, 1.2, 3)
        light = Light(
            direction=_colour(random.normal((0.0, -0.6, -0.8), (0.8, 0.5, 0.5))),
            colour=_colour(random.uniform(0.8, 1.7) * tint),
            sky=_colour(random.uniform(0.6, 1.3) * np.array(usual.sky)),
            ground=_colour(random.uniform(0.6, 1.5) * np.array(usual.ground)),
        )
        return Scene(light, exposure=random.uniform(0.7, 1.3))

    def _developed(self, image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """Return the picture a little out of focus, half of the time, and with sensor noise."""
        random = self._random
        if random.random() < 0.5:
            image = np.asarray(cv2.GaussianBlur(image, (0, 0), random.uniform(0.4, 1.6)))
        grain = random.normal(0.0, random.uniform(0.0, 6.0), image.shape)
        return np.clip(image + grain, 0, 255).astype(np.uint8)


def _colour(values: npt.NDArray[np.float64]) -> tuple[float, float, float]:
    x, y, z = (float(value) for value in values)
    return x, y, z
