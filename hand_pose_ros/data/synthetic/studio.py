"""Makes images of hands with their truth: people, poses, light, camera, in blocks of samples.

A block is what one process makes in one go, from a seed of its own, so that the same seed gives
the same data however many processes there are.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from hand_pose_ros.data.synthetic import staging
from hand_pose_ros.data.synthetic.backdrop.background import BackgroundPool
from hand_pose_ros.data.synthetic.body.bent import BentHand, bend
from hand_pose_ros.data.synthetic.body.grip import held_prop
from hand_pose_ros.data.synthetic.body.movement import Act, sample_act
from hand_pose_ros.data.synthetic.body.people import Person, check_split, draw_number, person
from hand_pose_ros.data.synthetic.body.posed import PosedHand
from hand_pose_ros.data.synthetic.camera.develop import develop
from hand_pose_ros.data.synthetic.camera.lens import defocus, distort, pinhole_for, smear
from hand_pose_ros.data.synthetic.camera.sensor import SensorConfig, Shot, sample_shot
from hand_pose_ros.data.synthetic.config import BLOCK, StudioConfig
from hand_pose_ros.data.synthetic.render.looks import Scene, sample_scene
from hand_pose_ros.data.synthetic.render.props import Prop
from hand_pose_ros.data.synthetic.render.renderer import HandRenderer, RenderedHand, over
from hand_pose_ros.data.synthetic.sample import SynthSample
from hand_pose_ros.data.synthetic.staging import Pose, sample_distance, sample_ray
from hand_pose_ros.data.synthetic.truth import truth_of
from hand_pose_ros.errors import InputError
from hand_pose_ros.hand.camera import Camera

PEOPLE_OF_A_BLOCK = 8
_BACKGROUND_SEED = 99
_LENS_BLUR_PX = 0.5
"""Standard deviation of what a lens in focus blurs; it smooths the edges of what is rendered."""
_SENSORS = {
    "any": SensorConfig(),
    "mild": SensorConfig(
        missed=0.05,
        moving=0.1,
        exposure=(-0.6, 0.5),
        haze=(0.0, 0.04),
        electrons=(2000.0, 30000.0),
        shrink=(1.1, 1.8),
        coarse=0.2,
        jpeg_quality=(60.0, 95.0),
        grey=0.0,
        infrared=0.0,
    ),
}


@dataclass(frozen=True, eq=False)
class Take:
    """Everything that an image is made of.

    Attributes:
        acts: what each hand does over time; one moment of it for a single image.
        camera: of the image.
        pinhole: that of the render, from which the lens makes the image.
        props: things that are held, at the time 0.
        scene: light.
        background: (H, W, 3) uint8.
        shot: what the camera does to the image.
    """

    acts: tuple[Act, ...]
    camera: Camera
    pinhole: Camera
    props: tuple[Prop, ...]
    scene: Scene
    background: npt.NDArray[np.uint8]
    shot: Shot


class Studio:
    """Draws blocks of samples; use it in a `with` statement.

    Args:
        config: what the images show.
        split: whose hands, see `people.SPLITS`.
        photographs: a folder of pictures to use as backgrounds, beside procedural ones.

    Raises:
        UnavailableError: no OpenGL; the message says what to install.
        InputError: the folder has no picture that can be read, or there is no such split.
    """

    def __init__(
        self, config: StudioConfig, split: str = "train", photographs: Path | None = None
    ) -> None:
        self._config, self._split = config, split
        check_split(split)
        self._renderer = HandRenderer(config.size, config.size, supersampling=1)
        self._backgrounds = shared_backgrounds(config.size, photographs)

    def block(self, seed: int, number: int) -> Iterator[SynthSample]:
        """Yield the samples of a block: `BLOCK` single images, or one sequence."""
        random = np.random.default_rng([seed, number])
        if self._config.frames:
            yield from self._sequence(number, random)
            return
        people = [person(draw_number(self._split, random)) for _ in range(PEOPLE_OF_A_BLOCK)]
        owners = [people[row] for row in random.integers(len(people), size=BLOCK)]
        for index, hands in enumerate(self._bent(owners, random)):
            yield self._develop(self._take(hands, random), 0.0, number * BLOCK + index)

    def close(self) -> None:
        """Give the renderer back."""
        self._renderer.close()

    def __enter__(self) -> Studio:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _bent(
        self, owners: list[Person], random: np.random.Generator
    ) -> Iterator[list[tuple[BentHand, Pose]]]:
        """Yield the one or two hands of each image, all bent in one go."""
        counts = 1 + (random.random(len(owners)) < self._config.two_hands)
        people = [who for who, count in zip(owners, counts, strict=True) for _ in range(count)]
        poses = staging.sample_poses(len(people), self._config, random)
        hands = bend(people, [pose.articulation for pose in poses])
        both = zip(hands, poses, strict=True)
        for count in counts:
            yield list(itertools.islice(both, int(count)))

    def _sequence(self, number: int, random: np.random.Generator) -> Iterator[SynthSample]:
        config = self._config
        who = person(draw_number(self._split, random))
        (hands,) = self._bent([who], random)
        take = self._take(hands, random)
        for frame in range(config.frames):
            time = frame / config.rate_hz
            sample = self._develop(take, time, frame)
            yield replace(sample, sequence=number, time=time)
            take = replace(take, shot=replace(take.shot, seed=int(random.integers(2**31))))

    def _take(self, bent: list[tuple[BentHand, Pose]], random: np.random.Generator) -> Take:
        config = self._config
        full = staging.full_camera(random)
        hands = self._hands(bent, full, random)
        acts = tuple(sample_act(hand, config, random) for hand in hands)
        moments = [act.at(t) for act in acts for t in act.times]
        shot = sample_shot(random, _SENSORS[config.sensor])
        camera, pinhole = _lens(staging.crop_camera(full, moments, config, random), shot)
        return Take(
            acts=acts,
            camera=camera,
            pinhole=pinhole,
            props=self._props(hands[0], random),
            scene=sample_scene(random),
            background=self._backgrounds.draw(random, config.size, config.size),
            shot=shot,
        )

    def _hands(
        self, bent: list[tuple[BentHand, Pose]], full: Camera, random: np.random.Generator
    ) -> list[PosedHand]:
        config = self._config
        sides = ("left", "right") if random.random() < config.left else ("right", "left")
        ray, distance = sample_ray(full, random), sample_distance(config, random)
        rays = {"right": ray, "left": ray * (-1.0, 1.0)}
        hands = [
            staging.place(hand, pose.rotation, rays[side], distance, side, random)
            for (hand, pose), side in zip(bent, sides, strict=False)
        ]
        if len(hands) > 1:
            hands[1] = staging.beside(hands[0], hands[1], random)
        return hands

    def _props(self, hand: PosedHand, random: np.random.Generator) -> tuple[Prop, ...]:
        if self._config.frames or random.random() >= self._config.objects:
            return ()
        held = held_prop(hand, random)
        return () if held is None else (held,)

    def _develop(self, take: Take, time: float, index: int) -> SynthSample:
        camera, pinhole = take.camera, take.pinhole
        hands = tuple(act.at(time) for act in take.acts)
        drawn = [
            RenderedHand(h.vertices, h.forearm, h.side, h.person.look.skin, h.person.look.worn)
            for h in hands
        ]
        layers = self._renderer.render_layers(drawn, pinhole, take.scene, take.props)
        rgba, label, depth = layers.rgba, layers.label, layers.depth
        if camera.is_distorted:
            rgba, label, depth = distort(camera, pinhole, rgba, label, depth)
        mask = np.where(label <= len(hands), label, 0).astype(np.uint8)
        rgba = self._blurred(rgba, take, hands, time)
        image = develop(over(rgba, take.background), take.shot)
        return SynthSample(index, image, camera, truth_of(hands, camera, mask, depth), mask, depth)

    def _blurred(
        self, rgba: npt.NDArray[np.uint8], take: Take, hands: tuple[PosedHand, ...], time: float
    ) -> npt.NDArray[np.uint8]:
        """Return the image out of focus and, by the hands' own motion, smeared."""
        shot, camera = take.shot, take.camera
        distance = float(np.mean([hand.keypoints[:, 2].mean() for hand in hands]))
        rgba = np.asarray(cv2.GaussianBlur(rgba, (3, 3), _LENS_BLUR_PX), np.uint8)
        rgba = defocus(rgba, shot.blur_px(distance, distance, float(camera.K[0, 0])))
        motion = shot.motion_px(camera.width)
        if self._config.frames:
            motion = _motion_px(take, time, shot.shutter)
        return smear(rgba, motion)


@lru_cache(maxsize=2)
def shared_backgrounds(size: int, photographs: Path | None) -> BackgroundPool:
    """Return the backgrounds, which all studios of a process share: they take long to make."""
    return BackgroundPool(size, np.random.default_rng(_BACKGROUND_SEED), photographs)


def _lens(crop: Camera, shot: Shot) -> tuple[Camera, Camera]:
    """Return the camera of the image and the pinhole camera to render for it."""
    if not shot.distortion:
        return crop, crop
    bent = shot.bend_camera(crop)
    try:
        return bent, pinhole_for(bent, crop.width, crop.height)
    except InputError:  # the crop reaches beyond what the lens can show
        return crop, crop


def _motion_px(take: Take, time: float, shutter: float) -> tuple[float, float]:
    """Return how far (x, y) [px] the first hand moves in the image while the shutter is open."""
    places = [
        take.camera.project(take.acts[0].at(t).keypoints).mean(axis=0)
        for t in (time, time + shutter)
    ]
    x, y = (places[1] - places[0]).tolist()
    return x, y
