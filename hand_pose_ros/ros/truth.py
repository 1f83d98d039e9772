"""Where the true hands of a recording come from: a bag or a folder."""

from __future__ import annotations

from pathlib import Path

from hand_pose_ros.evaluation.folder_truth import open_folder_truth
from hand_pose_ros.evaluation.recording import RecordedHand, Recording, Times
from hand_pose_ros.ros.bag import BagReader
from hand_pose_ros.ros.hands_topic import (
    TRUTH_TOPIC,
    choose_hands_topic,
    hands_topics,
    open_hands,
)
from hand_pose_ros.ros.source.opening import is_bag

TruthByStamp = dict[int, tuple[RecordedHand, ...]]


def read_truth(path: str | Path) -> TruthByStamp:
    """Return the true hands of a recording by the image's stamp [ns]; empty where it has none.

    Raises:
        InputError: the bag cannot be read, or its true hands are none.
    """
    path = Path(path)
    if not path.exists() or not is_bag(path):
        return {}
    with BagReader(path) as reader:
        if TRUTH_TOPIC not in hands_topics(reader):
            return {}
    return {frame.stamp_ns: frame.hands for frame in open_hands(path, TRUTH_TOPIC).read()}


def open_truth(
    path: str | Path, images: Times | None = None, topic: str | None = None
) -> Recording:
    """Return the true hands of a bag or of a `folder` dataset.

    Args:
        path: of a bag the hands on `topic`, on `TRUTH_TOPIC`, or on its only HandPoseArray topic,
            so that two estimators can be compared, too.
        images: those that a folder without stamps is an image each of.
        topic: which of a bag.

    Raises:
        InputError: it cannot be read, or has no true hands.
    """
    path = Path(path)
    if path.is_dir() and not is_bag(path):
        return open_folder_truth(path, images)
    with BagReader(path) as reader:
        if topic is None and hands_topics(reader).get(TRUTH_TOPIC):
            topic = TRUTH_TOPIC
        topic = choose_hands_topic(reader, topic)
    return open_hands(path, topic)
