"""What the networks see of detections: viewing rays of right hands, and views of the image."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch

from hand_pose_ros.hand.camera import Camera
from hand_pose_ros.hand.virtual_camera import VirtualCamera
from hand_pose_ros.models.image import VIEW_RADII
from hand_pose_ros.models.keypoints import CanonicalFrame, KeypointObservation
from hand_pose_ros.models.landmark_network import SIDE
from hand_pose_ros.runtime.detect import Detection


def observe(detections: Sequence[Detection], camera: Camera) -> KeypointObservation:
    """Return detections as the encoder wants them: undistorted rays of right hands."""
    mirror = np.array([-1.0 if d.side == "left" else 1.0 for d in detections])
    rays = camera.normalize(np.stack([d.keypoints_px for d in detections]))
    rays[..., 0] *= mirror[:, None]
    world = np.stack([d.world for d in detections])
    world[..., 0] *= mirror[:, None]
    depth = np.stack([d.depth_px for d in detections]) / camera.K[0, 0]
    return KeypointObservation(*(_tensor(array) for array in (rays, depth, world)))


def view_of(detection: Detection, camera: Camera) -> npt.NDArray[np.float64]:
    """Return the unit vector (3,) from the camera to a hand, mirrored where it is a left one."""
    x, y = camera.normalize(detection.keypoints_px).mean(axis=0)
    towards = np.array((-x if detection.side == "left" else x, y, 1.0))
    return np.asarray(towards / np.linalg.norm(towards))


def look(
    detections: Sequence[Detection],
    camera: Camera,
    image_rgb: npt.NDArray[np.uint8],
    frame: CanonicalFrame,
    scale: float = 1.0,
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32]]:
    """Return views of hands, (hand, SIDE, SIDE, 3) RGB, and half their widths at depth 1.

    Args:
        detections: one a hand; left hands are seen in a mirror.
        camera: of the image.
        image_rgb: (H, W, 3).
        frame: where the virtual camera of each hand looks.
        scale: how much wider than usual.
    """
    half_widths = frame.radius.numpy() * VIEW_RADII * scale
    views = [
        VirtualCamera(R.astype(np.float64), float(half), detection.side == "left").see(
            image_rgb, camera, SIDE
        )
        for detection, R, half in zip(
            detections, frame.R_canonical_camera.numpy(), half_widths, strict=True
        )
    ]
    return np.stack(views), half_widths.astype(np.float32)


def _tensor(array: npt.NDArray[np.float64]) -> torch.Tensor:
    return torch.from_numpy(array.astype(np.float32))
