"""From an image to hands: detect, track, lift, estimate."""
