"""A drawn hand, to let a detector run once before it counts."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from hand_pose_ros.hand.camera import Camera
from hand_pose_ros.hand.mesh import load_hand_mesh
from hand_pose_ros.runtime.colors import SIDE_COLORS
from hand_pose_ros.runtime.detect import Detector
from hand_pose_ros.runtime.raster import blend_surface

SIZE = 256
"""Width and height of the picture [px]."""


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
