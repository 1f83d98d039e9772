"""The live edge: camera topics in, hands out. Only `mailbox` and `statistics` do without rclpy."""
