"""Recorded topics: reading and writing rosbag2, without a ROS installation."""

from hand_pose_ros.ros.bag.content import BagMessage, Topic
from hand_pose_ros.ros.bag.reader import BagReader
from hand_pose_ros.ros.bag.writer import BagWriter

__all__ = ["BagMessage", "BagReader", "BagWriter", "Topic"]
