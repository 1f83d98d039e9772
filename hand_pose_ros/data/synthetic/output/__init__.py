"""What becomes of rendered samples: labels and files."""
