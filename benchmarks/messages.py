"""How long it takes to fill and serialise all messages of two hands, with and without their mesh.

The messages are those of the node: HandPoseArray, TF of the wrists, joint states, markers with
the surfaces. Serialised by rosbags, or in a sourced ROS, with `--rclpy`, by rclpy.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from tables import table

from hand_pose_ros.cli.progress import use_threads
from hand_pose_ros.hand import skeleton
from hand_pose_ros.hand.camera import Camera
from hand_pose_ros.hand.placing import place_joints
from hand_pose_ros.ros import conversions
from hand_pose_ros.ros.markers import MarkerWriter
from hand_pose_ros.ros.messages import MessageTypes, message_name
from hand_pose_ros.runtime.estimate import FrameEstimate, HandEstimate, ScaleSource
from hand_pose_ros.runtime.surface import surface_of

CALLS, WARM_UP = 300, 20


def a_hand(side: str, number: int) -> HandEstimate:
    """Return a hand half a metre in front of the camera."""
    anchor = skeleton.DEFAULT_ANCHOR_LENGTH
    lengths = np.array(skeleton.DEFAULT_RATIOS) * anchor
    offsets = np.array(skeleton.DEFAULT_OFFSETS)
    articulation = np.array(skeleton.ARTICULATION_LIMITS).mean(axis=1)
    points, rotations = place_joints(np.eye(3), articulation, lengths, offsets)
    T = np.eye(4)
    T[:3, 3] = (0.1 * number, 0.0, 0.5)
    return HandEstimate(
        id=str(number),
        side=side,
        side_score=0.9,
        score=0.9,
        keypoints=points + T[:3, 3],
        keypoints_px=np.zeros((21, 2)),
        keypoints_std=np.zeros(21),
        T_cam_wrist=T,
        rotations=rotations,
        angles=np.concatenate((np.zeros(3), articulation)),
        bone_lengths=lengths,
        offsets=offsets,
        box=np.zeros(4),
        scale_source=ScaleSource.ASSUMED,
    )


def messages_of(
    frame: FrameEstimate, types: MessageTypes, writer: MarkerWriter, mesh: bool
) -> list[Any]:
    """Return all messages that the node publishes of a frame."""
    meshes = {hand.id: surface_of(hand) for hand in frame.hands} if mesh else {}
    return [
        conversions.hand_pose_array(frame, types),
        conversions.tf_message(frame, types),
        *conversions.joint_states(frame, types).values(),
        writer.markers(frame, meshes),
    ]


def serialiser(use_rclpy: bool) -> tuple[MessageTypes, Callable[[Any], Any]]:
    """Return message classes and what makes bytes of a message."""
    if use_rclpy:
        from rclpy.serialization import serialize_message

        from hand_pose_ros.ros.messages import rclpy_types

        return rclpy_types(), serialize_message
    from hand_pose_ros.ros.typestore import rosbags_types, typestore

    return rosbags_types(), lambda message: typestore().serialize_cdr(
        message, message_name(message)
    )


def main() -> int:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rclpy", action="store_true", help="in a sourced ROS")
    arguments = parser.parse_args()
    use_threads()
    torch.set_grad_enabled(False)
    types, to_bytes = serialiser(arguments.rclpy)
    camera = Camera.from_field_of_view(1280, 720, 60.0)
    frame = FrameEstimate(1, "camera", camera, (a_hand("left", 0), a_hand("right", 1)))
    rows = []
    for mesh in (False, True):
        writer = MarkerWriter(types)
        times: dict[str, list[float]] = {"fill": [], "serialise": [], "both": []}
        size = 0
        for _ in range(CALLS + WARM_UP):
            start = time.process_time()
            made = messages_of(frame, types, writer, mesh)
            filled = time.process_time()
            size = sum(len(to_bytes(message)) for message in made)
            done = time.process_time()
            for name, spent in zip(
                times, (filled - start, done - filled, done - start), strict=True
            ):
                times[name].append(spent * 1e3)
        spread = {
            f"{name} {what} [ms]": float(np.percentile(each[WARM_UP:], share))
            for name, each in times.items()
            for what, share in (("p50", 50), ("p95", 95))
        }
        rows.append({"mesh": "yes" if mesh else "no", "kB": size / 1e3, **spread})
    print(table(rows))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
