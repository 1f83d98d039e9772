"""The edge to ROS: messages, conversions, markers, images and bags; no message goes further."""
