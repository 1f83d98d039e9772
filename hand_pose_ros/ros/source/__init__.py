"""Where images come from: one way to walk through a video, a bag or a folder of images."""

from hand_pose_ros.ros.source.frame import Frame, FrameSource
from hand_pose_ros.ros.source.opening import open_source

__all__ = ["Frame", "FrameSource", "open_source"]
