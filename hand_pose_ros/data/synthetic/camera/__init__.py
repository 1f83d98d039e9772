"""What a camera makes of what is before it."""
