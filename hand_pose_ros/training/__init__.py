"""Losses, loops, checkpoints."""
