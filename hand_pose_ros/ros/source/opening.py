"""Telling a video, a bag and a folder of images apart."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from hand_pose_ros.errors import InputError
from hand_pose_ros.ros.bag.content import BagMessage
from hand_pose_ros.ros.source.bag import BagSource
from hand_pose_ros.ros.source.frame import FrameSource
from hand_pose_ros.ros.source.video import IMAGE_SUFFIXES, ImageFolderSource, VideoSource

BAG_SUFFIXES = (".mcap", ".db3")

BAG, RESULTS = "bag", "hands.json"
"""The bag in a folder that `hand-pose replay` wrote, and the mark of such a folder."""


def open_source(
    path: str | Path,
    image_topic: str | None = None,
    camera_info_topic: str | None = None,
    horizontal_fov_deg: float | None = None,
    on_message: Callable[[BagMessage], None] | None = None,
) -> FrameSource:
    """Return the frames of a video, of a rosbag2 or of a folder of images.

    Args:
        path: a video file, a rosbag2 folder, a .mcap or .db3 file, or a folder of images.
        image_topic: which topic of a bag; needed where it has several.
        camera_info_topic: topic of its calibration; without it the one that belongs to the images.
        horizontal_fov_deg: field of view [degrees] to assume where there is no calibration.
        on_message: called with every message of a bag in its order, of all topics.

    Raises:
        InputError: there is nothing that can be read; the message names the file and says why.
    """
    path = Path(path)
    if not path.exists():
        raise InputError(f"{path} does not exist")
    if is_bag(path):
        return BagSource(path, image_topic, camera_info_topic, horizontal_fov_deg, on_message)
    for name, topic in (("image_topic", image_topic), ("camera_info_topic", camera_info_topic)):
        if topic is not None:
            raise InputError(f"{name} is {topic!r}, but {path} is no bag; only bags have topics")
    if path.is_file():
        return VideoSource(path, horizontal_fov_deg)
    if not any(file.suffix.lower() in IMAGE_SUFFIXES for file in path.iterdir()):
        raise InputError(f"{path} holds no bag (metadata.yaml, .mcap, .db3) and no images")
    return ImageFolderSource(path, horizontal_fov_deg)


def is_bag(path: Path) -> bool:
    """Return whether a path looks like a bag, readable or not. Raises InputError for ROS 1."""
    if path.is_dir():
        files = {file.name for file in path.iterdir()}
        return "metadata.yaml" in files or any(Path(f).suffix in BAG_SUFFIXES for f in files)
    if path.suffix == ".bag":
        raise InputError(f"{path} is a bag of ROS 1; convert it first (rosbags-convert)")
    return path.suffix in BAG_SUFFIXES


def bag_at(path: Path) -> Path:
    """Return the bag in a folder that `hand-pose replay` wrote; any other path as it is."""
    return path / BAG if (path / RESULTS).is_file() and (path / BAG).is_dir() else path
