"""The results of a run as topics of a bag."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from hand_pose_ros.errors import InputError
from hand_pose_ros.ros import conversions
from hand_pose_ros.ros.bag import BagMessage, BagWriter
from hand_pose_ros.ros.markers import MarkerStyle, MarkerWriter
from hand_pose_ros.ros.messages import MESSAGES
from hand_pose_ros.ros.typestore import rosbags_types
from hand_pose_ros.runtime.estimate import FrameEstimate

NAMESPACE = "/hand_pose/"
HAND_POSES = f"{NAMESPACE}hand_poses"
MARKERS = f"{NAMESPACE}markers"
TF = "/tf"

_LOG = logging.getLogger(__name__)


def joint_states_topic(side: str) -> str:
    """Return the topic of the joint states of a side."""
    return f"{NAMESPACE}{side}/joint_states"


class HandRecorder:
    """Writes estimates to a bag: HandPoseArray, TF, markers and the joint states of each side.

    Args:
        writer: the bag; closing it is the caller's business.
        fingers: whether TF has the frames of the finger bones, too.
        style: how the markers look.

    Raises:
        OutputError: writing failed (here and in every call).
    """

    def __init__(
        self, writer: BagWriter, *, fingers: bool = False, style: MarkerStyle | None = None
    ) -> None:
        self._writer = writer
        self._fingers = fingers
        self._types = rosbags_types()
        self._markers = MarkerWriter(self._types, style)
        self._left_out: set[str] = set()
        for topic, name in ((HAND_POSES, "HandPoseArray"), (TF, "TFMessage")):
            writer.add_topic(topic, MESSAGES[name])
        writer.add_topic(MARKERS, MESSAGES["MarkerArray"])

    def write(
        self,
        frame: FrameEstimate,
        meshes: Mapping[str, tuple[npt.NDArray[Any], npt.NDArray[np.integer]]] | None = None,
        recorded_ns: int | None = None,
    ) -> None:
        """Write what was seen in one image.

        Args:
            frame: the estimate.
            meshes: vertices (V, 3) [m, camera frame] and faces (F, 3) for the ids of some hands.
            recorded_ns: time of recording [ns]; without it the stamp of the image.
        """
        stamp_ns = frame.stamp_ns if recorded_ns is None else recorded_ns
        write, types = self._writer.write, self._types
        write(HAND_POSES, conversions.hand_pose_array(frame, types), stamp_ns)
        write(TF, conversions.tf_message(frame, types, fingers=self._fingers), stamp_ns)
        write(MARKERS, self._markers.markers(frame, meshes), stamp_ns)
        for side, joints in conversions.joint_states(frame, types).items():
            write(joint_states_topic(side), joints, stamp_ns)

    def pass_through(self, message: BagMessage) -> None:
        """Write an input message as it is.

        Topics of our own results, and types that nobody has a definition of, are left out with a
        warning.
        """
        name = message.topic.name
        if name in self._left_out:
            return
        reason = "the output has its own"
        if not name.startswith(NAMESPACE):
            try:
                self._writer.write_raw(message)
            except InputError as error:
                reason = str(error)
            else:
                return
        self._left_out.add(name)
        _LOG.warning("%s of the input is left out: %s", name, reason)
