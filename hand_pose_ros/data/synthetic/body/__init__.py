"""Whose hands are rendered, and what they do."""
