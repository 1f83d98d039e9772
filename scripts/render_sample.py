"""Render the sample bag that ships: ten seconds of gestures with their true poses.

A right hand, then a left hand, then both, 640 x 480 at 30 Hz, as `/camera/image_raw/compressed`
with `/camera/camera_info`, and `/truth/hand_poses` with what was drawn: the hands of which all 21
keypoints lie inside the image. Needs the extra `render`.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import torch
from tqdm import tqdm

from hand_pose_ros.data.synthetic.backdrop.background import room
from hand_pose_ros.data.synthetic.body.gestures import Keyframe, Movement
from hand_pose_ros.data.synthetic.render.looks import SkinLook
from hand_pose_ros.data.synthetic.render.renderer import HandRenderer, RenderedHand, over
from hand_pose_ros.errors import HandPoseError
from hand_pose_ros.hand.camera import Camera
from hand_pose_ros.hand.kinematics import (
    HandParameters,
    forward_kinematics,
    mirror,
    mirror_rotation,
)
from hand_pose_ros.hand.mesh import load_hand_mesh
from hand_pose_ros.hand.rotations import euler_from_matrix
from hand_pose_ros.ros.bag import BagWriter
from hand_pose_ros.ros.camera_info import camera_info
from hand_pose_ros.ros.conversions import hand_pose_array, header
from hand_pose_ros.ros.typestore import rosbags_types
from hand_pose_ros.runtime.estimate import FrameEstimate, HandEstimate, ScaleSource

SAMPLE = Path(__file__).parents[1] / "samples" / "gestures.mcap"
RATE_HZ, SECONDS = 30, 10.0
FRAME_ID = "camera_optical_frame"
START_NS = 1_700_000_000_000_000_000
CAMERA = Camera(
    np.array([[560.0, 0.0, 322.5], [0.0, 560.0, 238.0], [0.0, 0.0, 1.0]]), 640, 480, (), ""
)
HAND_SCALE = 1.03
SKIN = SkinLook(tone=0.28, mottle=0.25, gloss=0.7, seed=3.0)
JPEG_QUALITY, NOISE = 76, 0.9

# Keyframes are of right hands; those of the left hand are in the mirrored camera frame.
RIGHT = [
    Keyframe(0.0, "open", (0.00, 0.075, 0.45)),
    Keyframe(0.5, "open", (0.01, 0.075, 0.45), (6, 0, 8)),
    Keyframe(1.05, "fist", (0.00, 0.065, 0.43), (4, -6, -8)),
    Keyframe(1.45, "fist", (-0.01, 0.06, 0.42), (0, -4, -12)),
    Keyframe(1.95, "pointing", (-0.02, 0.07, 0.41), (-8, 4, -16)),
    Keyframe(2.4, "pointing", (0.03, 0.06, 0.39), (10, -4, -8)),
    Keyframe(3.0, "pinch", (0.01, 0.06, 0.37), (4, -6, 34)),
    Keyframe(3.4, "pinch", (0.00, 0.055, 0.36), (8, -8, 44)),
    Keyframe(3.9, "open", (-0.03, 0.08, 0.48), (-5, 0, 5)),
    Keyframe(4.1, "open", (-0.05, 0.085, 0.50), (-8, 0, 0)),
    Keyframe(4.5, "relaxed", (-0.08, 0.46, 0.52)),
    Keyframe(7.2, "relaxed", (-0.13, 0.50, 0.60)),
    Keyframe(7.65, "open", (-0.125, 0.09, 0.60), (-4, 0, 0)),
    Keyframe(8.1, "open", (-0.12, 0.09, 0.61), (-16, -4, -12)),
    Keyframe(8.5, "open", (-0.12, 0.09, 0.62), (16, -4, 12)),
    Keyframe(8.85, "flat", (-0.13, 0.09, 0.63), (-4, -4, 30)),
    Keyframe(9.5, "open", (-0.13, 0.09, 0.66), (-4, 4, 165)),
    Keyframe(10.2, "open", (-0.13, 0.08, 0.68), (-8, 6, 180)),
]
LEFT = [
    Keyframe(0.0, "relaxed", (-0.05, 0.50, 0.52)),
    Keyframe(4.3, "relaxed", (-0.05, 0.46, 0.50)),
    Keyframe(4.75, "pointing", (0.00, 0.085, 0.47), (2, -4, -10)),
    Keyframe(5.05, "pointing", (0.00, 0.080, 0.46), (-2, -4, -8)),
    Keyframe(5.35, "two", (0.01, 0.080, 0.45)),
    Keyframe(5.6, "two", (0.01, 0.085, 0.45), (4, 0, 6)),
    Keyframe(5.85, "three", (0.00, 0.085, 0.46), (4, 0, 6)),
    Keyframe(6.05, "three", (0.00, 0.085, 0.46), (0, 0, 4)),
    Keyframe(6.3, "four", (0.00, 0.080, 0.46)),
    Keyframe(6.5, "four", (0.00, 0.080, 0.46), (-4, 0, 0)),
    Keyframe(6.75, "open", (-0.02, 0.080, 0.48)),
    Keyframe(6.95, "open", (-0.04, 0.080, 0.50)),
    Keyframe(7.6, "thumb_up", (-0.15, 0.06, 0.58), (62, 0, 150)),
    Keyframe(8.0, "thumb_up", (-0.15, 0.05, 0.58), (66, 0, 154)),
    Keyframe(8.7, "open", (-0.12, 0.085, 0.60), (-6, 0, 8)),
    Keyframe(9.1, "open", (-0.12, 0.085, 0.58), (14, -4, -6)),
    Keyframe(9.5, "open", (-0.12, 0.085, 0.57), (-14, -4, 10)),
    Keyframe(10.2, "fist", (-0.12, 0.075, 0.55), (0, -4, -8)),
]


@dataclass(frozen=True, eq=False)
class TrueHand:
    """One hand as it is: what is drawn and what is written."""

    drawn: RenderedHand
    estimate: HandEstimate
    in_view: bool


def true_hand(side: str, movement: Movement, time: float) -> TrueHand:
    """Return the hand of a side at a time [s], of its own side in the true camera frame."""
    angles, rotation, position = (torch.from_numpy(array) for array in movement.at(time))
    mesh = load_hand_mesh()
    rest = mesh.rest_hand
    hand = HandParameters(rotation, angles, rest.bone_lengths * HAND_SCALE, rest.offsets)
    joints = forward_kinematics(hand)
    points, frames = joints.positions + position, joints.rotations
    vertices = mesh.pose(hand) + position
    if side == "left":
        points, frames, vertices = mirror(points), mirror_rotation(frames), mirror(vertices)
    pixels = CAMERA.project(points.numpy())
    T_cam_wrist = np.eye(4)
    T_cam_wrist[:3, :3], T_cam_wrist[:3, 3] = frames[0].numpy(), points[0].numpy()
    estimate = HandEstimate(
        id="1" if side == "right" else "2",
        side=side,
        side_score=1.0,
        score=1.0,
        keypoints=points.numpy(),
        keypoints_px=pixels,
        keypoints_std=np.zeros(len(points)),
        T_cam_wrist=T_cam_wrist,
        rotations=frames.numpy(),
        angles=np.concatenate((euler_from_matrix(frames[0]).numpy(), angles.numpy())),
        bone_lengths=hand.bone_lengths.numpy(),
        offsets=hand.offsets.numpy(),
        box=_box(CAMERA.project(vertices.numpy())),
        scale_source=ScaleSource.CALIBRATED,
    )
    drawn = RenderedHand(vertices.numpy(), -frames[0, :, 0].numpy(), side, SKIN)
    size = np.array((CAMERA.width, CAMERA.height)) - 1
    return TrueHand(drawn, estimate, bool(((pixels >= 0) & (pixels <= size)).all()))


def write_sample(path: Path, seconds: float) -> None:
    """Render the movement and write it as one MCAP file."""
    movements = {"right": Movement(RIGHT, seed=1), "left": Movement(LEFT, seed=2)}
    backdrop = room(CAMERA.width, CAMERA.height, seed=5)
    random = np.random.default_rng(0)
    with (
        tempfile.TemporaryDirectory() as folder,
        HandRenderer(CAMERA.width, CAMERA.height) as renderer,
    ):
        bag = Path(folder) / "gestures"
        with BagWriter(bag) as writer:
            for index in tqdm(range(round(seconds * RATE_HZ)), unit="frame", disable=None):
                time = index / RATE_HZ
                hands = [true_hand(side, move, time) for side, move in movements.items()]
                near = [h.drawn for h in hands if h.estimate.box[1] < CAMERA.height]
                image = over(renderer.render(near, CAMERA), backdrop)
                grain = random.normal(0.0, NOISE, image.shape)
                image = np.clip(image + grain, 0, 255).astype(np.uint8)
                seen = tuple(hand.estimate for hand in hands if hand.in_view)
                _write_frame(writer, START_NS + round(index * 1e9 / RATE_HZ), image, seen)
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(next(bag.glob("*.mcap")), path)


def _write_frame(
    writer: BagWriter,
    stamp_ns: int,
    image: npt.NDArray[np.uint8],
    hands: tuple[HandEstimate, ...],
) -> None:
    types = rosbags_types()
    _, jpeg = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    compressed = types.CompressedImage(
        header=header(types, stamp_ns, FRAME_ID), format="rgb8; jpeg compressed bgr8", data=jpeg
    )
    truth = FrameEstimate(stamp_ns, FRAME_ID, CAMERA, hands)
    writer.write("/camera/camera_info", camera_info(CAMERA, types, stamp_ns, FRAME_ID), stamp_ns)
    writer.write("/camera/image_raw/compressed", compressed, stamp_ns)
    writer.write("/truth/hand_poses", hand_pose_array(truth, types), stamp_ns)


def _box(pixels: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    low, high = pixels.min(0), pixels.max(0)
    return np.concatenate((low, high - low))


def main() -> int:
    """Render the sample."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=SAMPLE, help="the .mcap file to write")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="length of the sample")
    arguments = parser.parse_args()
    try:
        write_sample(arguments.out, arguments.seconds)
    except (HandPoseError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
