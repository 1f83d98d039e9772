"""Metric, kinematically valid human hands from any camera, for ROS 2.

Importing this package loads neither torch nor rclpy; its subpackages do, each when it is needed.
"""

from pkgutil import extend_path

# Beside a built workspace the generated `hand_pose_ros.msg` lies in another folder of the same
# name.
__path__ = extend_path(__path__, __name__)

__version__ = "0.1.0"
