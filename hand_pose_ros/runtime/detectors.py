"""The table that `--detector` picks from, for videos; `finders` has that for single images."""

from __future__ import annotations

from hand_pose_ros.runtime.config import DetectorConfig
from hand_pose_ros.runtime.detect import Detector, MediaPipeDetector
from hand_pose_ros.runtime.engine import AUTO
from hand_pose_ros.runtime.own import OwnDetector


def make_detector(config: DetectorConfig, engine: str = AUTO) -> Detector:
    """Return the detector that the settings name; an engine executes our own.

    Raises:
        UnavailableError: it is MediaPipe's, which is not installed.
        ConfigError, InputError: as for `hand_networks.HandNetworks`.
    """
    return MediaPipeDetector(config) if config.name == "mediapipe" else OwnDetector(config, engine)
