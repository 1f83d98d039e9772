"""The networks and samplers; no file IO, no ROS, no dataset."""
