"""Small copies of public datasets in their official formats, with a dot at every joint.

Nothing here uses the readers or their tables: joints are put into each dataset's order, frame and
units by hand, projected by hand, and marked in the images in a colour of their own.
"""

from __future__ import annotations

import json
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from dot_samples import draw, save
from dot_samples import seen as joints_on_dots
from scipy.io import savemat

from hand_pose_ros.data.sample import LabelledHand, LabelledImage

FINGERS = ("thumb", "index", "middle", "ring", "little")
NAMES = ["wrist", *(f"{finger}{joint}" for finger in FINGERS for joint in range(4))]
"""Our order: a finger's joints from its base (0) to its tip (3)."""

RIGHT_MM = np.array(
    [
        *[(0, 0), (-28, -18), (-50, -42), (-68, -66), (-82, -88)],
        *[(-28, -88), (-34, -128), (-37, -152), (-39, -174)],
        *[(-6, -92), (-7, -136), (-8, -163), (-8, -187)],
        *[(14, -86), (18, -127), (20, -153), (22, -176)],
        *[(32, -76), (41, -108), (46, -127), (50, -147)],
    ],
    float,
)
"""An open right hand [mm], its back to the camera and its fingers up: the thumb is at the left."""


def hand(side: str, centre: tuple[float, float, float], seed: int = 0) -> np.ndarray:
    """Return joints (21, 3) [m] of an open hand, slightly curled away from the camera."""
    rng = np.random.default_rng(seed)
    points = np.zeros((21, 3))
    points[:, :2] = RIGHT_MM / 1000.0
    if side == "left":
        points[:, 0] = -points[:, 0]
    reach = np.linalg.norm(points[:, :2], axis=1)
    points[:, 2] = 1.2 * np.maximum(reach - 0.09, 0.0) ** 1.5  # the back is towards the camera
    points += rng.normal(0.0, 0.001, points.shape)
    points[:, 1] += 0.09
    return points + np.array(centre)


def pixels(points: np.ndarray, K: np.ndarray) -> np.ndarray:
    """Return where points (n, 3) lie in an image [px]."""
    return np.array([(K[0, 0] * x / z + K[0, 2], K[1, 1] * y / z + K[1, 2]) for x, y, z in points])


def dotted(width: int, height: int, K: np.ndarray, **hands: np.ndarray) -> np.ndarray:
    """Return an image, RGB, with a dot at every joint of hands named by their sides."""
    return draw((width, height), (K[0, 0], K[1, 1]), (K[0, 2], K[1, 2]), **hands)


def assert_on_dots(image: LabelledImage, found: LabelledHand) -> None:
    """Each joint lies, in space and in the image, on the dot of its side and name."""
    picture = image.read()
    assert image.camera is not None
    assert found.keypoints is not None
    assert picture.shape == (image.camera.height, image.camera.width, 3)
    for points in (found.keypoints_px, image.camera.project(found.keypoints)):
        assert joints_on_dots(picture, replace(found, keypoints_px=points)) == list(range(21))


# --- RHD --------------------------------------------------------------------------------------

RHD_K = np.array([[282.9, 0.0, 160.0], [0.0, 282.9, 160.0], [0.0, 0.0, 1.0]], np.float32)
RHD_HAND = ["wrist"] + [f"{f}{j}" for f in FINGERS for j in (3, 2, 1, 0)]
RHD_PLACES = [NAMES.index(name) for name in RHD_HAND]


def rhd_label(left: np.ndarray, right: np.ndarray, visible: np.ndarray) -> dict[str, np.ndarray]:
    """Return one label; `visible` (42,) in the dataset's order."""
    xyz = np.concatenate((left[RHD_PLACES], right[RHD_PLACES]))
    uv_vis = np.column_stack((pixels(xyz, RHD_K), visible))
    return {"xyz": xyz.astype(np.float32), "uv_vis": uv_vis, "K": RHD_K}


def write_rhd(root: Path, split: str = "evaluation") -> dict[str, Any]:
    """Write three images: a left hand, a right hand, and both with more of the left.

    Returns:
        The labels, as in the pickle.
    """
    labels = {}
    nowhere = hand("right", (3.0, 0.0, 0.6))
    scenes = (("left",), ("right",), ("left", "right"))
    for number, sides in enumerate(scenes):
        x = {"left": -0.1, "right": 0.12} if len(sides) == 2 else {"left": 0.02, "right": 0.02}
        hands = {
            s: hand(s, (x[s], 0.0, 0.55), number) if s in sides else nowhere
            for s in ("left", "right")
        }
        seen = np.repeat([side in sides for side in ("left", "right")], 21).astype(float)
        seen[0] = 0.0  # the left wrist is hidden
        labels[number] = rhd_label(hands["left"], hands["right"], seen)
        shown = {side: hands[side] for side in sides}
        save(root / split / "color" / f"{number:05d}.png", dotted(320, 320, RHD_K, **shown))
        mask = np.ones((320, 320), np.uint8)  # 1 is the person
        mask[:8, :8] = 0
        for side, first, rows in (("left", 2, 60), ("right", 18, 40)):
            if side in sides:
                mask[100 : 100 + rows, 200 * (side == "right") :][:, :64] = first
                mask[100, 200 * (side == "right")] = first + 15
        (root / split / "mask").mkdir(exist_ok=True)
        assert cv2.imwrite(str(root / split / "mask" / f"{number:05d}.png"), mask)
    with (root / split / f"anno_{split}.pickle").open("wb") as stream:
        pickle.dump(labels, stream, protocol=2)
    return labels


# --- STB --------------------------------------------------------------------------------------

STB_SK = np.array([[607.92271, 0, 314.78337], [0, 607.88192, 236.42484], [0, 0, 1]])
STB_BB = np.array([[822.79041, 0, 318.47345], [0, 822.79041, 250.31296], [0, 0, 1]])
STB_REST = [f"{f}{j}" for f in reversed(FINGERS) for j in range(4)]


def write_stb(root: Path, backgrounds: tuple[int, ...] = (1,), frames: int = 2) -> None:
    """Write sequences of a left hand, as both cameras see it."""
    R, _ = cv2.Rodrigues(np.array([0.00531, -0.01196, 0.00301]))
    t = np.array([-24.0381, -0.4563, -1.2326])
    for sequence in [f"B{b}{motion}" for b in backgrounds for motion in ("Counting", "Random")]:
        para: dict[str, list[np.ndarray]] = {"SK": [], "BB": []}
        for frame in range(frames):
            joints = hand("left", (0.01 * frame, 0.0, 0.6), seed=frame)
            palm = (joints[0] + joints[NAMES.index("ring0")]) / 2.0
            stb = np.array([palm, *(joints[NAMES.index(name)] for name in STB_REST)]) * 1000.0
            para["SK"].append(np.array([R @ point + t for point in stb]))
            para["BB"].append(stb)
            right = joints - np.array([0.120054, 0.0, 0.0])
            for name, points, K in (
                ("SK_color", joints, STB_SK),
                ("BB_left", joints, STB_BB),
                ("BB_right", right, STB_BB),
            ):
                path = root / "images" / sequence / f"{name}_{frame}.png"
                save(path, dotted(640, 480, K, left=points))
        (root / "labels").mkdir(exist_ok=True)
        for camera, each in para.items():
            content = {"handPara": np.stack(each).transpose(2, 1, 0)}
            savemat(root / "labels" / f"{sequence}_{camera}.mat", content)


# --- FreiHAND ---------------------------------------------------------------------------------


def write_freihand(root: Path, split: str = "evaluation", count: int = 2) -> dict[str, list]:
    """Write a split, the training set in its four versions.

    Returns:
        The lists of labels by their names.
    """
    lists: dict[str, list] = {"K": [], "xyz": [], "verts": [], "scale": [], "mano": []}
    for number in range(count):
        K = np.array([[470.0 + number, 0, 112], [0, 470.0 + number, 112], [0, 0, 1]])
        joints = hand("right", (0.0, 0.0, 0.6), seed=number)
        turns = 4 if split == "training" else 1
        for turn in range(turns):
            path = root / split / "rgb" / f"{number + 32560 * turn:08d}.jpg"
            save(path, dotted(224, 224, K, right=joints))
        lists["K"].append(K.tolist())
        lists["xyz"].append(joints.tolist())
        lists["verts"].append(np.repeat(joints, 40, axis=0)[:778].tolist())
        lists["scale"].append(0.03)
        lists["mano"].append([[0.0] * 61])
    for name, rows in lists.items():
        (root / f"{split}_{name}.json").write_text(json.dumps(rows))
    return lists
