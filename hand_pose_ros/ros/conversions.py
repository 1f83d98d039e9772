"""From estimates to HandPoseArray, TF and JointState, and back.

`types` says whose message classes are filled: `typestore.rosbags_types()` or
`messages.rclpy_types()`. Stamp and frame of every message are those of the source image.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from hand_pose_ros.errors import InputError
from hand_pose_ros.hand import skeleton
from hand_pose_ros.hand.placing import quaternion
from hand_pose_ros.ros.messages import MessageTypes
from hand_pose_ros.ros.urdf import base_link
from hand_pose_ros.runtime.estimate import FrameEstimate, HandEstimate, ScaleSource

SIDE_CODES = {"left": 1, "right": 2}
"""`HandPose.SIDE_LEFT` and `SIDE_RIGHT`."""

_ALL_KEYPOINTS = np.arange(len(skeleton.KEYPOINTS))
_NS = 1_000_000_000


def hand_name(hand: HandEstimate) -> str:
    """Return `hand_<side>_<id>`: the TF frame of the wrist, the namespace of the markers."""
    return f"hand_{hand.side}_{hand.id}"


def header(types: MessageTypes, stamp_ns: int, frame_id: str) -> Any:
    """Return a std_msgs/Header."""
    sec, nanosec = divmod(int(stamp_ns), _NS)
    return types.Header(stamp=types.Time(sec=sec, nanosec=nanosec), frame_id=frame_id)


def stamp_ns(message: Any) -> int:
    """Return the stamp [ns] in the header of a message."""
    return int(message.header.stamp.sec) * _NS + int(message.header.stamp.nanosec)


def hand_pose_array(frame: FrameEstimate, types: MessageTypes) -> Any:
    """Return the HandPoseArray of one image; without hands it says "looked, saw none"."""
    return types.HandPoseArray(
        header=header(types, frame.stamp_ns, frame.frame_id),
        hands=[_hand_pose(hand, types) for hand in frame.hands],
    )


def _hand_pose(hand: HandEstimate, types: MessageTypes) -> Any:
    return types.HandPose(
        id=hand.id,
        side=SIDE_CODES[hand.side],
        side_score=float(hand.side_score),
        score=float(hand.score),
        keypoints=types.points(hand.keypoints, _ALL_KEYPOINTS),
        keypoints_px=_float32(hand.keypoints_px),
        keypoints_std=_float32(hand.keypoints_std),
        wrist=_pose(hand.T_cam_wrist, types),
        angles=_float32(hand.angles),
        bone_lengths=_float32(hand.bone_lengths),
        offsets=_float32(hand.offsets),
        box_px=_float32(hand.box),
        scale_source=int(hand.scale_source),
    )


def tf_message(
    frame: FrameEstimate, types: MessageTypes, *, fingers: bool = False, prefix: str = ""
) -> Any:
    """Return the tf2_msgs/TFMessage of one image: camera to wrist of each hand.

    With `fingers` also the 20 bone frames below it, `hand_<side>_<id>_<finger>_<joint>`, each
    relative to the one that it hangs on. `prefix` goes before the names of the hands' frames. A
    hand with a pose that is not finite is left out.
    """
    transforms = []
    for hand in frame.hands:
        if not (np.isfinite(hand.T_cam_wrist).all() and np.isfinite(hand.rotations).all()):
            continue
        names = [prefix + hand_name(hand)]
        parents, rotations, translations = [frame.frame_id], [hand.T_cam_wrist[:3, :3]], []
        translations.append(hand.T_cam_wrist[:3, 3])
        if fingers:
            names += [f"{names[0]}_{keypoint}" for keypoint in skeleton.KEYPOINTS[1:]]
            parents += [names[parent] for parent in skeleton.PARENTS[1:]]
            relative_rotations, relative_translations = relative_frames(hand)
            rotations.extend(relative_rotations)
            translations.extend(relative_translations)
        transforms += _transforms(frame, names, parents, rotations, translations, types)
    return types.TFMessage(transforms=transforms)


def relative_frames(hand: HandEstimate) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Return rotations (20, 3, 3) and translations (20, 3) [m] of each bone frame in its parent.

    Bone frame i sits in keypoint i + 1 with x along the bone that ends there; the parent of the
    five bases is the wrist frame.
    """
    parents = np.array(skeleton.PARENTS[1:])
    to_parent = hand.rotations[parents].swapaxes(-1, -2)
    steps = hand.keypoints[1:] - hand.keypoints[parents]
    return to_parent @ hand.rotations[1:], (to_parent @ steps[..., None])[..., 0]


def joint_states(frame: FrameEstimate, types: MessageTypes) -> dict[str, Any]:
    """Return the sensor_msgs/JointState of each side that was seen, of its best scored hand.

    Names follow `skeleton.joint_names`; positions are the 26 angles [rad].
    """
    return {
        side: types.JointState(
            header=header(types, frame.stamp_ns, frame.frame_id),
            name=types.texts(skeleton.joint_names(side)),
            position=types.sequence(np.asarray(hand.angles, np.float64)),
        )
        for side, hand in _best(frame).items()
    }


def urdf_bases(frame: FrameEstimate, types: MessageTypes, *, prefix: str = "") -> list[Any]:
    """Return the TransformStamped from the camera to the base link of the URDF of each side.

    With the joint states, of the same hands, they put the hands of `ros.urdf` into the camera's
    frame. `prefix` goes before the names of the links.
    """
    hands = {s: hand for s, hand in _best(frame).items() if np.isfinite(hand.T_cam_wrist).all()}
    if not hands:
        return []
    return _transforms(
        frame,
        [prefix + base_link(side) for side in hands],
        [frame.frame_id] * len(hands),
        [np.eye(3)] * len(hands),  # the turn of the wrist is three of the joints
        [hand.T_cam_wrist[:3, 3] for hand in hands.values()],
        types,
    )


def hands_from_message(message: Any) -> tuple[HandEstimate, ...]:
    """Return the hands in a HandPoseArray, of either kind; bone frames by forward kinematics.

    Raises:
        InputError: a hand has a side or a scale source that does not exist.
    """
    return tuple(_hand_from_message(hand) for hand in message.hands)


def points_array(points: Iterable[Any]) -> npt.NDArray[np.float64]:
    """Return the (N, 3) array of a list of geometry_msgs/Point."""
    return np.array([(point.x, point.y, point.z) for point in points], np.float64).reshape(-1, 3)


def _best(frame: FrameEstimate) -> dict[str, HandEstimate]:
    """Return the best scored hand of each side that was seen."""
    best: dict[str, HandEstimate] = {}
    for hand in frame.hands:
        if hand.side not in best or hand.score > best[hand.side].score:
            best[hand.side] = hand
    return best


def _hand_from_message(message: Any) -> HandEstimate:
    side = {code: name for name, code in SIDE_CODES.items()}.get(message.side)
    sources = {int(source) for source in ScaleSource}
    if side is None or message.scale_source not in sources:
        raise InputError(
            f"hand {message.id!r} has side {message.side} and scale_source "
            f"{message.scale_source}; they must be in {SIDE_CODES} and {sorted(sources)}"
        )
    T_cam_wrist = _matrix(message.wrist)
    angles, lengths, offsets = (
        np.array(values, np.float64)
        for values in (message.angles, message.bone_lengths, message.offsets)
    )
    return HandEstimate(
        id=message.id,
        side=side,
        side_score=message.side_score,
        score=message.score,
        keypoints=points_array(message.keypoints),
        keypoints_px=np.array(message.keypoints_px, np.float64).reshape(-1, 2),
        keypoints_std=np.array(message.keypoints_std, np.float64),
        T_cam_wrist=T_cam_wrist,
        rotations=_bone_frames(T_cam_wrist[:3, :3], side, angles, lengths, offsets),
        angles=angles,
        bone_lengths=lengths,
        offsets=offsets,
        box=np.array(message.box_px, np.float64),
        scale_source=ScaleSource(message.scale_source),
    )


def _bone_frames(
    R_cam_wrist: npt.NDArray[Any],
    side: str,
    angles: npt.NDArray[Any],
    lengths: npt.NDArray[Any],
    offsets: npt.NDArray[Any],
) -> npt.NDArray[np.float64]:
    import torch

    from hand_pose_ros.hand import kinematics

    root, articulation, lengths_, offsets_ = map(
        torch.from_numpy, (R_cam_wrist, angles[skeleton.WRIST_DOFS :], lengths, offsets)
    )
    if side == "left":
        root = kinematics.mirror_rotation(root)
    hand = kinematics.HandParameters(root, articulation, lengths_, offsets_)
    rotations = kinematics.forward_kinematics(hand).rotations
    return (kinematics.mirror_rotation(rotations) if side == "left" else rotations).numpy()


def _transforms(
    frame: FrameEstimate,
    names: list[str],
    parents: list[str],
    rotations: list[npt.NDArray[Any]],
    translations: list[npt.NDArray[Any]],
    types: MessageTypes,
) -> list[Any]:
    turns = map(quaternion, rotations)
    moves = np.array(translations, np.float64).tolist()
    headers = {parent: header(types, frame.stamp_ns, parent) for parent in set(parents)}
    return [
        types.TransformStamped(
            header=headers[parent],
            child_frame_id=name,
            transform=types.Transform(
                translation=types.Vector3(x=t[0], y=t[1], z=t[2]),
                rotation=types.Quaternion(x=q[0], y=q[1], z=q[2], w=q[3]),
            ),
        )
        for name, parent, t, q in zip(names, parents, moves, turns, strict=True)
    ]


def _pose(T: npt.NDArray[Any], types: MessageTypes) -> Any:
    """Return the geometry_msgs/Pose of a transform (4, 4)."""
    (x, y, z), q = T[:3, 3].tolist(), quaternion(T[:3, :3])
    return types.Pose(
        position=types.Point(x=x, y=y, z=z),
        orientation=types.Quaternion(x=q[0], y=q[1], z=q[2], w=q[3]),
    )


def _matrix(pose: Any) -> npt.NDArray[np.float64]:
    from scipy.spatial.transform import Rotation

    T = np.eye(4)
    T[:3, 3] = pose.position.x, pose.position.y, pose.position.z
    q = pose.orientation
    T[:3, :3] = Rotation.from_quat((q.x, q.y, q.z, q.w)).as_matrix()
    return T


def _float32(values: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    return np.ascontiguousarray(values, np.float32).ravel()
