"""Where the hands of an image are and which camera looks at them."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from scipy.spatial.distance import cdist

from hand_pose_ros.data.synthetic.body.bent import BentHand
from hand_pose_ros.data.synthetic.body.posed import PosedHand
from hand_pose_ros.data.synthetic.body.poses import sample_articulation, sample_wrist_rotation
from hand_pose_ros.data.synthetic.body.precision import drawn_in_float64
from hand_pose_ros.data.synthetic.config import StudioConfig
from hand_pose_ros.hand import skeleton
from hand_pose_ros.hand.camera import Camera, view_rotation
from hand_pose_ros.hand.rotations import matrix_from_euler

Array = npt.NDArray[np.float64]

NEAREST = 0.06
"""How near a joint may come to the camera [m]."""
_FULL = (1280, 960)
_FIELD_OF_VIEW_DEG = (42.0, 80.0)
_IN_VIEW = 0.8
"""Share of the full image, about its middle, in which hands are held."""
_FRONTAL_DEG = (28.0, 13.0, 16.0)
"""Standard deviations of a frontal hand: turn in the image, tilt out of it, roll."""
_PALMS = 0.8
"""Share of frontal hands that show their palm."""
_BLEND, _FRONTAL_BLEND = 0.4, 0.1
"""Share of hands on their way from one pose to the next; what people show they hold still."""
_WRIST_DEG = ((22.0, 50.0), (9.0, 20.0))
"""Standard deviation and most of a wrist's flexion (below 0 its extension) and its deviation."""
_ARM = 0.5
"""From the wrist to where an arm is looked at [m]: its elbow and more."""
_ARM_CLEAR = (0.15, 0.2)
"""How far from the camera the elbow is at least [m], and how far from the wrist, as seen at the
wrist's distance [m]: other arms hide the hand or end in the picture."""
_ARM_TRIES = 8
_PARTING = 0.004
"""Steps [m] in which hands that touch are moved apart."""
_THICK = np.where(np.arange(len(skeleton.BONES)) % 4 == 0, 0.013, 0.0085)
"""Half the thickness [m] of each bone of an average hand, flesh included."""
_UPRIGHT = np.array([[0.0, 1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
"""A right hand held up with its palm to the camera."""


@dataclass(frozen=True, eq=False)
class Pose:
    """What one hand does, before anybody says where it is: a right hand seen along its ray."""

    articulation: Array
    rotation: Array


def sample_poses(count: int, config: StudioConfig, random: np.random.Generator) -> list[Pose]:
    """Return poses with their orientation to the viewing ray."""
    generator = torch.Generator().manual_seed(int(random.integers(2**62)))
    blend = _FRONTAL_BLEND if config.view == "frontal" else _BLEND
    with drawn_in_float64():
        angles = sample_articulation(count, generator, blend, config.families).numpy()
        if config.view == "frontal":
            rotations = np.stack([_frontal(random) for _ in range(count)])
        else:
            rotations = sample_wrist_rotation(count, generator).numpy()
    return [Pose(*parts) for parts in zip(angles, rotations, strict=True)]


def place(
    bent: BentHand,
    rotation: Array,
    ray: Array,
    distance: float,
    side: str,
    random: np.random.Generator,
) -> PosedHand:
    """Return a hand whose joints have their middle on a viewing ray (x/z, y/z) at a distance [m].

    Args:
        bent: the hand.
        rotation: (3, 3) of its wrist to the ray, see `Pose`.
        ray: of the mirrored camera frame for a left hand.
        distance: of the middle of the joints.
        side: "right" or "left".
        random: bends the wrist.
    """
    to_camera = view_rotation(ray).T @ rotation
    middle = np.append(ray, 1.0) * distance
    position = middle - to_camera @ bent.joints.mean(axis=0)
    return PosedHand(bent, side, to_camera, position, _wrist_bend(to_camera, position, random))


def full_camera(random: np.random.Generator) -> Camera:
    """Return a camera that the crop is taken from, without distortion."""
    width, height = _FULL
    return Camera.from_field_of_view(width, height, float(random.uniform(*_FIELD_OF_VIEW_DEG)))


def sample_ray(camera: Camera, random: np.random.Generator) -> Array:
    """Return a viewing ray (x/z, y/z) well inside the image."""
    size = np.array((camera.width, camera.height))
    pixel = size * (0.5 + _IN_VIEW * (random.random(2) - 0.5))
    return np.asarray(camera.normalize(pixel[None])[0])


def sample_distance(config: StudioConfig, random: np.random.Generator) -> float:
    """Return how far a hand is held [m], logarithmically even."""
    low, high = math.log(config.nearest), math.log(config.farthest)
    return math.exp(random.uniform(low, high))


def beside(
    first: PosedHand, second: PosedHand, random: np.random.Generator, reach: float = 0.1
) -> PosedHand:
    """Return the second hand moved next to the first, as near as they do not meet.

    It comes no nearer to the camera than `NEAREST`; it goes behind the first hand instead.
    """
    direction = _unit(random.normal(size=3) * (1.0, 0.7, 0.5))
    apart = random.uniform(0.3, 1.0) * reach
    for way in (direction, direction * (1.0, 1.0, -1.0)):
        moved = _parted(first, second, way, apart)
        if moved.keypoints[:, 2].min() > NEAREST:
            return moved
    return _parted(first, second, np.array((0.0, 0.0, 1.0)), apart)


def shifted(hand: PosedHand, by: Array) -> PosedHand:
    """Return a hand moved in the true camera frame [m]."""
    mirrored = by * (-1.0, 1.0, 1.0) if hand.side == "left" else by
    return replace(hand, position=hand.position + mirrored)


def separation(first: PosedHand, second: PosedHand) -> float:
    """Return the least distance [m] between the flesh of two hands; negative where they meet."""
    return _gap(_flesh(first), _flesh(second))


def crop_camera(
    camera: Camera, hands: list[PosedHand], config: StudioConfig, random: np.random.Generator
) -> Camera:
    """Return the camera of a square crop around the hands."""
    pixels = np.concatenate([camera.project(hand.keypoints) for hand in hands])
    low, high = pixels.min(axis=0), pixels.max(axis=0)
    side = float((high - low).max()) / random.uniform(*config.fill)
    slack = max(side - float((high - low).max()), 0.0)
    middle = (low + high) / 2.0 + slack * random.uniform(-0.4, 0.4, 2)
    if random.random() < config.truncated:
        middle = middle + side * random.uniform(0.2, 0.45) * _unit(random.normal(size=2))
    x, y = middle - side / 2.0
    return camera.crop(float(x), float(y), side, side, config.size, config.size)


def _frontal(random: np.random.Generator) -> Array:
    turn, tilt, roll = np.radians(random.normal(scale=_FRONTAL_DEG))
    roll += math.pi * (random.random() >= _PALMS)
    about_fingers = matrix_from_euler(torch.tensor([0.0, 0.0, roll], dtype=torch.float64)).numpy()
    cos, sin, c, s = math.cos(turn), math.sin(turn), math.cos(tilt), math.sin(tilt)
    in_image = np.array([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]])
    out_of_it = np.array([[1.0, 0.0, 0.0], [0.0, c, -s], [0.0, s, c]])
    return np.asarray(in_image @ out_of_it @ _UPRIGHT @ about_fingers)


def _parted(first: PosedHand, second: PosedHand, direction: Array, apart: float) -> PosedHand:
    """Return the second hand so far off the first in a direction [m], or farther: they part."""
    wanted = first.keypoints.mean(axis=0) + direction * apart
    by = wanted - second.keypoints.mean(axis=0)
    still, (points, radii) = _flesh(first), _flesh(second)
    for _ in range(100):
        if _gap(still, (points + by, radii)) > 0.0:
            break
        by = by + direction * _PARTING
    return shifted(second, by)


def _wrist_bend(rotation: Array, position: Array, random: np.random.Generator) -> Array:
    """Return `PosedHand.wrist_bend`, of an arm that stays out of the picture where one can."""
    for _ in range(_ARM_TRIES):
        flexion, deviation = (
            math.radians(min(max(random.normal(0.0, usual), -most), most))
            for usual, most in _WRIST_DEG
        )
        c, s = math.cos(deviation), math.sin(deviation)
        arm = np.array((-math.cos(flexion) * c, s, -math.sin(flexion) * c))
        elbow = position + rotation @ arm * _ARM
        nearest, aside = _ARM_CLEAR
        if elbow[2] > nearest:
            apart = elbow[:2] / elbow[2] - position[:2] / position[2]
            if np.linalg.norm(apart) * position[2] > aside:
                break
    return rotation @ (arm + (1.0, 0.0, 0.0))


def _flesh(hand: PosedHand) -> tuple[Array, Array]:
    """Return centres (N, 3) and radii (N,) [m] of balls along the bones."""
    ends, starts = hand.keypoints[1:], hand.keypoints[list(skeleton.PARENTS[1:])]
    shares = np.linspace(0.1, 1.0, 6)[:, None, None]
    points = (starts + shares * (ends - starts)).reshape(-1, 3)
    size = hand.person.anchor / skeleton.DEFAULT_ANCHOR_LENGTH
    return points, np.tile(_THICK * size, 6)


def _gap(first: tuple[Array, Array], second: tuple[Array, Array]) -> float:
    (points, radii), (others, other_radii) = first, second
    return float((cdist(points, others) - radii[:, None] - other_radii).min())


def _unit(vector: Array) -> Array:
    return vector / np.linalg.norm(vector)
