"""What one step learns from."""

from __future__ import annotations

import torch

from hand_pose_ros.data.synthetic.keypoints import SampledHands
from hand_pose_ros.models.image import ImageView
from hand_pose_ros.models.keypoints import CanonicalView
from hand_pose_ros.training.devices import to_device


class Batch:
    """Hands to learn from, and what the encoder sees of them.

    No dataclass: Fabric would take it apart on its way into the network.
    """

    def __init__(self, hands: SampledHands, view: CanonicalView | ImageView) -> None:
        self.hands, self.view = hands, view

    def to(self, device: torch.device) -> Batch:
        """Return the batch on a device."""
        return Batch(to_device(self.hands, device), to_device(self.view, device))
