"""Hands that we make ourselves: sampled poses and shapes, gestures, and pictures of them."""
