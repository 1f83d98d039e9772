"""What one step learns from."""

from __future__ import annotations

from dataclasses import dataclass

from hand_pose_ros.data.synthetic.keypoints import SampledHands
from hand_pose_ros.models.image import ImageView
from hand_pose_ros.models.keypoints import CanonicalView
from hand_pose_ros.training.looked import Looked


@dataclass(frozen=True)
class Batch:
    """Hands to learn from, and what the encoder sees of them.

    Attributes:
        hands: the truth.
        view: what the encoder sees.
        looked: what an image network that is trained sees beside that, and has to say.
    """

    hands: SampledHands
    view: CanonicalView | ImageView
    looked: Looked | None = None
