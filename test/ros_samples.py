"""Hands, messages and bags for the tests of the ROS side."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from rosbags.rosbag2 import StoragePlugin, Writer

from hand_pose_ros.hand import kinematics, skeleton
from hand_pose_ros.hand.camera import Camera
from hand_pose_ros.hand.rotations import matrix_from_euler
from hand_pose_ros.ros.messages import MESSAGES, message_name
from hand_pose_ros.ros.typestore import rosbags_types, typestore
from hand_pose_ros.runtime.estimate import FrameEstimate, HandEstimate, ScaleSource

STAMP_NS = 1_700_000_000_123_456_789
CAMERA = Camera(np.array([[600.0, 0, 320], [0, 610, 240], [0, 0, 1]]), 640, 480)


def make_hand(seed: int = 0, side: str = "right", **changes: Any) -> HandEstimate:
    """Return a random hand that obeys its own kinematics."""
    draw = torch.Generator().manual_seed(seed)
    euler = torch.randn(3, generator=draw, dtype=torch.float64)
    parameters = kinematics.HandParameters(
        matrix_from_euler(euler),
        torch.randn(23, generator=draw, dtype=torch.float64) * 0.3,
        torch.tensor(skeleton.DEFAULT_RATIOS, dtype=torch.float64) * 0.09,
        torch.tensor(skeleton.DEFAULT_OFFSETS, dtype=torch.float64),
    )
    joints = kinematics.forward_kinematics(parameters)
    positions, rotations = joints.positions, joints.rotations
    if side == "left":
        positions = kinematics.mirror(positions)
        rotations = kinematics.mirror_rotation(rotations)
    T_cam_wrist = np.eye(4)
    T_cam_wrist[:3, :3] = rotations[0]
    T_cam_wrist[:3, 3] = 0.1 * seed, -0.05, 0.5
    keypoints = positions.numpy() + T_cam_wrist[:3, 3]
    fields: dict[str, Any] = {
        "id": str(seed),
        "side": side,
        "side_score": 0.9,
        "score": 0.75,
        "keypoints": keypoints,
        "keypoints_px": CAMERA.project(keypoints),
        "keypoints_std": np.linspace(0.0, 0.01, 21),
        "T_cam_wrist": T_cam_wrist,
        "rotations": rotations.numpy(),
        "angles": parameters.angles.numpy(),
        "bone_lengths": parameters.bone_lengths.numpy(),
        "offsets": parameters.offsets.numpy(),
        "box": np.array([10.0, 20.0, 30.0, 40.0]),
        "scale_source": ScaleSource.ASSUMED,
    }
    return HandEstimate(**{**fields, **changes})


def make_frame(*hands: HandEstimate, stamp_ns: int = STAMP_NS) -> FrameEstimate:
    return FrameEstimate(stamp_ns, "camera_optical", CAMERA, hands)


def make_mesh(hand: HandEstimate, faces: int = 30) -> tuple[np.ndarray, np.ndarray]:
    """Return some triangles around a hand."""
    draw = np.random.default_rng(1)
    vertices = hand.keypoints[0] + 0.05 * draw.standard_normal((20, 3))
    return vertices, draw.integers(0, 20, (faces, 3))


def image_message(
    pixels: np.ndarray,
    encoding: str,
    *,
    padding: int = 0,
    stamp_ns: int = STAMP_NS,
    frame_id: str = "camera_optical",
) -> Any:
    """Return a sensor_msgs/Image of (height, width, channels) pixels, rows padded with rubbish."""
    types = rosbags_types()
    rows = pixels.reshape(pixels.shape[0], -1).view(np.uint8)
    rubbish = np.full((len(rows), padding), 0xAB, np.uint8)
    padded = np.hstack((rows, rubbish))
    sec, nanosec = divmod(stamp_ns, 10**9)
    return types.Image(
        header=types.Header(stamp=types.Time(sec=sec, nanosec=nanosec), frame_id=frame_id),
        height=pixels.shape[0],
        width=pixels.shape[1],
        encoding=encoding,
        step=padded.shape[1],
        data=padded.ravel(),
    )


def picture(seed: int = 0, width: int = 32, height: int = 24) -> np.ndarray:
    """Return a smooth RGB picture in which no two channels are alike."""
    y, x = np.mgrid[:height, :width]
    channels = (5 * x + 20, 7 * y + 30, 200 - 3 * x - y + 10 * seed)
    return np.stack(channels, axis=-1).clip(0, 255).astype(np.uint8)


def write_bag(
    path: Path,
    messages: list[tuple[str, Any, int]],
    storage: StoragePlugin = StoragePlugin.MCAP,
    empty_topics: dict[str, str] | None = None,
) -> Path:
    """Write (topic, message, stamp) with rosbags' own writer; topics without messages by type."""
    store = typestore()
    with Writer(path, version=9, storage_plugin=storage) as writer:
        connections = {}
        for topic, name in (empty_topics or {}).items():
            writer.add_connection(topic, MESSAGES[name], typestore=store)
        for topic, message, stamp_ns in messages:
            name = message_name(message)
            if topic not in connections:
                connections[topic] = writer.add_connection(topic, name, typestore=store)
            writer.write(connections[topic], stamp_ns, store.serialize_cdr(message, name))
    return path
