"""Stereo Hand Pose Tracking Benchmark (Zhang et al. 2017) as distributed.

    images/B1Counting/SK_color_0.png BB_left_0.png BB_right_0.png    640 x 480
    labels/B1Counting_SK.mat B1Counting_BB.mat    handPara (3, 21, 1500) [mm]

Six backgrounds B1 to B6, each with a sequence `Counting` and `Random` of one left hand. As in all
papers B1 is the test set and the others the training set. Two cameras saw it: `SK`, the colour
image of an Intel RealSense F200, and `BB`, the left image of a Point Grey Bumblebee2;
`BB-stereo` has its left and right images in turn (Zimmermann and Brox score these 6,000).

Joints are the palm centre, then little, ring, middle, index finger and thumb from base to tip. The
labels of SK are in its depth camera's frame, those of BB in the left camera's. The wrist is not
labelled: it is put at twice the way from the ring MCP to the palm centre, as Zimmermann and Brox
and Ge et al. do; so the palm centre is halfway between the wrist and the ring MCP.

Source: the dataset's README (github.com/zhjwustc/icip17_stereo_hand_pose_dataset), which has the
calibration; Zimmermann and Brox 2017 (github.com/lmb-freiburg/hand3d,
`data/BinaryDbReaderSTB.py`, `data/stb/create_db.m`); Ge et al. 2019
(github.com/3d-hand-shape/hand-graph-cnn).
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from hand_pose_ros.data.folder import read_image
from hand_pose_ros.data.readers.files import Array, field, numbers, read_mat, require
from hand_pose_ros.data.readers.indexed import Indexed
from hand_pose_ros.data.readers.joints import labelled_hand, places, reordered
from hand_pose_ros.data.sample import LabelledImage
from hand_pose_ros.hand.camera import Camera
from hand_pose_ros.hand.skeleton import FINGERS, KEYPOINTS

BACKGROUNDS = {"test": (1,), "train": (2, 3, 4, 5, 6)}
MOTIONS = ("Counting", "Random")
FRAMES = 1500
"""Images of one camera in a sequence."""

CAMERAS = {"SK": ("SK_color",), "BB": ("BB_left",), "BB-stereo": ("BB_left", "BB_right")}
"""What the file names of each camera's images start with."""

SIZE = (640, 480)
"""Width and height of an image [px]."""

K_SK = ((607.92271, 0.0, 314.78337), (0.0, 607.88192, 236.42484), (0.0, 0.0, 1.0))
K_BB = ((822.79041, 0.0, 318.47345), (0.0, 822.79041, 250.31296), (0.0, 0.0, 1.0))
"""Intrinsics [px], the same for both of BB."""

BASELINE = 0.120054
"""From the left camera of BB to the right one [m]."""

ROTATION = (0.00531, -0.01196, 0.00301)
TRANSLATION = (-0.0240381, -0.0004563, -0.0012326)
"""From the colour camera of SK to its depth camera: Rodrigues vector [rad] and translation [m]."""

ORDER = (
    "palm",
    *(
        KEYPOINTS[1 + 4 * finger + joint]
        for finger in reversed(range(len(FINGERS)))
        for joint in range(4)
    ),
)
"""The joints as the dataset orders them."""

SIDE = "left"
_PLACES = places(ORDER)
_PALM, _RING_MCP = ORDER.index("palm"), ORDER.index("ring_mcp")


def open_split(root: Path, split: str) -> Indexed:
    """Return the images of one camera, such as `SK-test`.

    Raises:
        InputError: a file of labels is missing or broken, or a folder of images missing.
    """
    camera, _, part = split.rpartition("-")
    names = [f"B{number}{motion}" for number in BACKGROUNDS[part] for motion in MOTIONS]
    images = root / "images" if (root / "images").is_dir() else root
    require(images, *names)
    prefixes = CAMERAS[camera]
    joints = [_labels(root / "labels" / f"{name}_{camera[:2]}.mat", camera) for name in names]
    frames = [
        (sequence, frame, prefix)
        for sequence, labels in enumerate(joints)
        for frame in range(len(labels))
        for prefix in prefixes
    ]

    def at(number: int) -> LabelledImage:
        sequence, frame, prefix = frames[number]
        return _image(images, names[sequence], prefix, frame, joints[sequence][frame])

    expected = FRAMES * len(names) * len(prefixes)
    return Indexed("stb", root, split, len(frames), at, expected)


def depth_to_colour(points: Array) -> Array:
    """Return points (*batch, 3) [m] of SK's depth camera in the frame of its colour camera."""
    R_depth_colour = Rotation.from_rotvec(ROTATION).as_matrix()
    # The transpose, for rows: R^-1 (p - t).
    return (points - np.array(TRANSLATION)) @ R_depth_colour


def _labels(path: Path, camera: str) -> Array:
    """Return the joints (frame, 21, 3) [m] in our order, the frame that of the colour camera."""
    millimetres = numbers(field(read_mat(path), "handPara", str(path)), (3, 21, None), str(path))
    joints = millimetres.transpose(2, 1, 0) / 1000.0
    if camera == "SK":
        joints = depth_to_colour(joints)
    ours = reordered(joints.swapaxes(0, 1), _PLACES).swapaxes(0, 1)
    ours[:, 0] = 2.0 * joints[:, _PALM] - joints[:, _RING_MCP]
    return ours


def _image(
    images: Path, sequence: str, prefix: str, frame: int, keypoints: Array
) -> LabelledImage:
    if prefix == "BB_right":
        keypoints = keypoints - np.array([BASELINE, 0.0, 0.0])
    camera = Camera(np.array(K_SK if prefix == "SK_color" else K_BB), *SIZE)
    path = images / sequence / f"{prefix}_{frame}.png"
    return LabelledImage(
        f"{sequence}/{path.name}",
        partial(read_image, path),
        camera,
        (labelled_hand(SIDE, keypoints, camera),),
        {"motion": sequence[2:]},
        f"{sequence}/{prefix}",
        frame,
        path,
    )
