"""A drawn hand, to let a detector run once before it counts, and quietly."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt

from hand_pose_ros.hand.camera import Camera
from hand_pose_ros.hand.mesh import load_hand_mesh
from hand_pose_ros.runtime.colors import SIDE_COLORS
from hand_pose_ros.runtime.detect import Detector
from hand_pose_ros.runtime.raster import blend_surface

SIZE = 256
"""Width and height of the picture [px]."""

_STDERR = 2


def drawn_hand() -> npt.NDArray[np.uint8]:
    """Return a picture (SIZE, SIZE, 3) of an upright right hand that detectors find."""
    camera = Camera.from_field_of_view(SIZE, SIZE, 40.0)
    mesh = load_hand_mesh()
    # The wrist frame has x along the fingers, z out of the back: fingers up, back to the camera.
    R_cam_wrist = np.array([[0.0, -1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, -1.0]]).T
    vertices = mesh.rest_vertices.numpy().astype(np.float64) @ R_cam_wrist.T
    vertices += (0.0, 0.0, 0.4) - vertices.mean(axis=0) * (1.0, 1.0, 0.0)
    image = np.full((SIZE, SIZE, 3), 70, np.uint8)
    blend_surface(image, vertices, mesh.faces().numpy(), camera, SIDE_COLORS["right"], 1.0)
    return image


def warm_up(detector: Detector) -> None:
    """Let a detector see a hand once, then none, so that it follows nothing."""
    picture = drawn_hand()
    detector.detect(picture)
    detector.detect(np.zeros_like(picture))


@contextmanager
def calm_start() -> Iterator[None]:
    """Keep what MediaPipe's libraries say while they start off the screen: five lines of nothing.

    They write past Python, to the file. What goes wrong is raised all the same.
    """
    sys.stderr.flush()
    kept, nowhere = os.dup(_STDERR), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, _STDERR)
    os.close(nowhere)
    try:
        yield
    finally:
        os.dup2(kept, _STDERR)
        os.close(kept)
