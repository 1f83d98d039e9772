"""Sampled hands with what a real detector said of pictures of them, kept in a file.

A simulated detector errs as it was told to. A real one errs with the pose: what it says of depth
agrees with what it says of keypoints, both wrong together. Trained on some of each, a lifter knows
both more hands than anyone can draw and how the detector before it errs.
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from hand_pose_ros.data.synthetic.keypoints import SampledHands, radius_of
from hand_pose_ros.errors import InputError
from hand_pose_ros.hand.kinematics import HandParameters, forward_kinematics
from hand_pose_ros.models.keypoints import KeypointObservation

MIN_PRESENCE = 0.3
"""Certainty of the detector below which a picture is left out."""

MAX_ERROR = 0.5
"""Mean keypoint error, in root-mean-square radii of the hand in view, above which it is, too."""

_FITTED_ERROR = 0.25
_ROBUST_SCALE = 0.08
_ROUNDS = 5
_JITTER = {"rays": 0.02, "depth": 0.05, "world": 0.05}
"""Noise added whenever a hand is drawn, over the spread of the hand, against learning by heart."""


@dataclass(frozen=True)
class DetectedHands:
    """Right hands, and how sure a detector was of each.

    Attributes:
        hands: with the detector's observation.
        presence: (batch,) its certainty that it saw a hand.
    """

    hands: SampledHands
    presence: Tensor

    def draw(self, count: int, generator: torch.Generator) -> SampledHands:
        """Return some of the hands, with repetition, their observations shaken a little."""
        index = torch.randint(len(self.presence), (count,), generator=generator)
        drawn = take(self.hands, index)
        seen = drawn.observation
        shaken = (
            _shaken(getattr(seen, name), share, generator) for name, share in _JITTER.items()
        )
        return SampledHands(
            KeypointObservation(*shaken), drawn.hand, drawn.joints, drawn.wrist, drawn.anchor
        )


def save_detected(path: Path, detected: DetectedHands) -> None:
    """Write hands and observations as compressed numpy arrays."""
    hands = detected.hands
    arrays = vars(hands.observation) | vars(hands.hand)
    arrays |= {"joints": hands.joints, "wrist": hands.wrist, "anchor": hands.anchor}
    arrays["presence"] = detected.presence
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, **{name: array.numpy() for name, array in arrays.items()})


def load_detected(path: Path) -> DetectedHands:
    """Return the usable hands of a file, the detector's keypoints where our joints are.

    A detector marks joints where the people who labelled its pictures did: MCPs at the creases,
    tips inside. That is taken out, see `definition`; what is left is error.

    Raises:
        InputError: the file is missing, no such file, or holds no usable hand.
    """
    try:
        with np.load(path) as file:
            arrays = {name: torch.from_numpy(file[name]) for name in file.files}
        detected = _from_arrays(arrays)
    except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise InputError(f"{path} is not a file of detected hands: {error}") from error
    seen_well = keypoint_error(detected.hands) < MAX_ERROR
    usable = torch.nonzero((detected.presence > MIN_PRESENCE) & seen_well)[:, 0]
    if len(usable) == 0:
        raise InputError(f"{path} has {len(seen_well)} hands; of none of them was much seen")
    hands = take(detected.hands, usable)
    seen = hands.observation
    rays = seen.rays - project_definition(hands, definition(hands))
    observation = KeypointObservation(rays, seen.depth, seen.world)
    kept = SampledHands(observation, hands.hand, hands.joints, hands.wrist, hands.anchor)
    return DetectedHands(kept, detected.presence[usable])


def take(hands: SampledHands, index: Tensor) -> SampledHands:
    """Return some hands, by their numbers."""
    return SampledHands(
        KeypointObservation(*(part[index] for part in vars(hands.observation).values())),
        HandParameters(*(part[index] for part in vars(hands.hand).values())),
        hands.joints[index],
        hands.wrist[index],
        hands.anchor[index],
    )


def concatenate(first: SampledHands, second: SampledHands) -> SampledHands:
    """Return the hands of both."""
    parts = (
        [torch.cat(pair) for pair in zip(vars(a).values(), vars(b).values(), strict=True)]
        for a, b in ((first.observation, second.observation), (first.hand, second.hand))
    )
    observation, hand = parts
    own = (
        torch.cat((getattr(first, name), getattr(second, name)))
        for name in ("joints", "wrist", "anchor")
    )
    return SampledHands(KeypointObservation(*observation), HandParameters(*hand), *own)


def true_rays(hands: SampledHands) -> Float[Tensor, "batch 21 2"]:
    """Return where the joints are seen."""
    placed = hands.placed
    return placed[..., :2] / placed[..., 2:]


def keypoint_error(hands: SampledHands) -> Float[Tensor, " batch"]:
    """Return the mean error of the observed rays over the RMS radius of the hand in view."""
    true = true_rays(hands)
    error = (hands.observation.rays - true).norm(dim=-1).mean(dim=-1)
    return error / radius_of(true).flatten()


def definition(hands: SampledHands) -> Float[Tensor, "21 3"]:
    """Return where the detector's keypoints lie, in the frames of the bones that end there.

    One point for each joint, in anchor lengths, such that its projection is nearest to what was
    observed: least squares over all hands that were seen well, re-weighted against outliers.
    """
    jacobian = _ray_jacobian(hands)
    difference = (hands.observation.rays - true_rays(hands)) / _scale(hands)
    seen_well = (keypoint_error(hands) < _FITTED_ERROR).to(difference.dtype)
    rows, right = jacobian.transpose(0, 1).double(), difference.transpose(0, 1).double()
    weight = seen_well.double().expand(len(rows), -1)
    point = torch.zeros(len(rows), 3, dtype=torch.float64)
    for _ in range(_ROUNDS):
        weighted = rows * weight[..., None, None]
        normal = torch.einsum("knai,knaj->kij", weighted, rows) + 1e-6 * torch.eye(3).double()
        point = torch.linalg.solve(normal, torch.einsum("knai,kna->ki", weighted, right))
        left = (right - torch.einsum("knai,ki->kna", rows, point)).norm(dim=-1)
        weight = seen_well / (1.0 + (left / _ROBUST_SCALE).square())
    return point.float()


def project_definition(
    hands: SampledHands, points: Float[Tensor, "21 3"]
) -> Float[Tensor, "batch 21 2"]:
    """Return how far points in the frames of the bones are seen from the joints themselves."""
    return torch.einsum("nkai,ki->nka", _ray_jacobian(hands), points) * _scale(hands)


def _ray_jacobian(hands: SampledHands) -> Float[Tensor, "batch 21 2 3"]:
    """Return how a ray changes with a shift in the bone's frame, both in `_scale`s."""
    placed, frames = hands.placed, forward_kinematics(hands.hand).rotations
    depth = placed[..., 2:]
    sideways = frames[..., :2, :] - (placed[..., :2] / depth).unsqueeze(-1) * frames[..., 2:, :]
    return sideways * (hands.anchor.unsqueeze(-1) / depth / _scale(hands)).unsqueeze(-1)


def _scale(hands: SampledHands) -> Float[Tensor, "batch 1 1"]:
    """Return how long the anchor bone is seen, were it across the view."""
    return (hands.anchor / hands.placed[..., 2].mean(dim=-1, keepdim=True)).unsqueeze(-1)


def _shaken(values: Tensor, share: float, generator: torch.Generator) -> Tensor:
    flat = values.flatten(1) if values.ndim == 2 else values
    spread = (flat - flat.mean(dim=1, keepdim=True)).flatten(1).square().mean(-1).sqrt()
    size = spread.reshape(-1, *(1,) * (values.ndim - 1))
    return values + share * size * torch.randn(values.shape, generator=generator)


def _from_arrays(arrays: dict[str, Tensor]) -> DetectedHands:
    def pick(*names: str) -> list[Tensor]:
        return [arrays[name] for name in names]

    hands = SampledHands(
        KeypointObservation(*pick("rays", "depth", "world")),
        HandParameters(*pick("root_rotation", "articulation", "bone_lengths", "offsets")),
        *pick("joints", "wrist", "anchor"),
    )
    return DetectedHands(hands, arrays["presence"])
