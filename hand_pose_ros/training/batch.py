"""What one step learns from."""

from __future__ import annotations

import torch

from hand_pose_ros.data.synthetic.keypoints import SampledHands
from hand_pose_ros.models.image import ImageView
from hand_pose_ros.models.keypoints import CanonicalView
from hand_pose_ros.training.devices import to_device
from hand_pose_ros.training.looked import Looked


class Batch:
    """Hands to learn from, and what the encoder sees of them.

    No dataclass: Fabric would take it apart on its way into the network.

    Args:
        hands: the truth.
        view: what the encoder sees.
        looked: what an image network that is trained sees beside that, and has to say.
    """

    def __init__(
        self, hands: SampledHands, view: CanonicalView | ImageView, looked: Looked | None = None
    ) -> None:
        self.hands, self.view, self.looked = hands, view, looked

    def to(self, device: torch.device) -> Batch:
        """Return the batch on a device."""
        parts = (to_device(part, device) for part in (self.hands, self.view, self.looked))
        return Batch(*parts)
