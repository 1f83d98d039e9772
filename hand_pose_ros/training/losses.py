"""What a lifter is trained on: diffusion, validity after the IK-MLP, and the baseline."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from hand_pose_ros.data.synthetic.keypoints import SampledHands
from hand_pose_ros.hand.kinematics import HandParameters, forward_kinematics
from hand_pose_ros.models.diffusion import as_denoiser
from hand_pose_ros.models.encoders import OwnLook
from hand_pose_ros.models.heads import palm_frame
from hand_pose_ros.models.image import ImageEncoder, ImageView
from hand_pose_ros.models.keypoints import CanonicalView, KeypointEncoder, canonical_view
from hand_pose_ros.models.lifter import Lifter
from hand_pose_ros.training.batch import Batch
from hand_pose_ros.training.config import LossWeights
from hand_pose_ros.training.contrastive import contrastive_loss
from hand_pose_ros.training.devices import Whole
from hand_pose_ros.training.head_losses import head_terms, score_terms
from hand_pose_ros.training.looked import Looked


class LifterObjective(nn.Module):
    """The loss of a model as one module, whose gradients several processes can average."""

    def __init__(self, model: LifterModel, weights: LossWeights, mixed: bool) -> None:
        super().__init__()
        self.model, self._weights, self._mixed = model, weights, mixed

    def forward(
        self, whole: Whole, generator: torch.Generator
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Return what `lifter_loss` does of a `Batch`."""
        batch: Batch = whole.batch
        seen = batch.view, batch.looked
        return lifter_loss(self.model, batch.hands, self._weights, generator, self._mixed, *seen)


class LifterModel(nn.Module):
    """Encoder and lifter together: what `hand-pose train` optimises."""

    def __init__(
        self, encoder: KeypointEncoder, lifter: Lifter, projection: nn.Module | None = None
    ) -> None:
        super().__init__()
        self.encoder, self.lifter = encoder, lifter
        self.projection = projection  # of the contrastive loss, where there is one

    def forward(
        self,
        view: CanonicalView | ImageView,
        target: Tensor,
        noise: Tensor,
        t: Tensor,
        more: Tensor | None = None,
    ) -> dict:
        """Return the raw outputs of every head for one training batch.

        Args:
            view: what the encoder sees.
            target: true points in the frame of the view.
            noise: as they are noised.
            t: how much.
            more: images (image, 3, y, x) behind those of the view that only the image network
                sees; what it makes of all of them is then `pooled`, and `log_scores` where it
                has a map of scores for each keypoint.
        """
        if more is None:
            condition, out = self.encoder(*view.inputs), {}
        else:
            assert isinstance(view, ImageView) and isinstance(self.encoder, ImageEncoder)
            pooled, log_scores = own_look(self).trunk(torch.cat((view.patch, more)))
            seen = pooled[: len(view.patch)], *view.inputs[1:]
            condition, out = self.encoder.condition(*seen), {"pooled": pooled}
            if log_scores is not None:
                out["log_scores"] = log_scores
        scaled = target * self.lifter.config.point_scale
        noisy = self.lifter.schedule.add_noise(scaled, noise, t)
        prepared = self.lifter.denoiser.prepare(condition)
        predicted = self.lifter.denoiser(noisy, t, prepared)
        return out | {
            "condition": condition,
            "noisy": noisy,
            "predicted": predicted,
            "scaled": scaled,
        }


def lifter_loss(
    model: LifterModel,
    hands: SampledHands,
    weights: LossWeights,
    generator: torch.Generator,
    mixed: bool = False,
    view: CanonicalView | ImageView | None = None,
    looked: Looked | None = None,
) -> tuple[Tensor, dict[str, Tensor]]:
    """Return the weighted loss of a batch and its terms.

    The encoder sees the `view`; where there is none, the canonical view of the keypoints. With
    `looked` its image network learns, too: see `look_terms`.

    The diffusion term is the squared error of the noise (equation 5), or for x0-prediction the L1
    error of the points (section 2.4). Its steps are drawn towards the noisy end, where few-step
    sampling begins. The kinematic heads take the L1 error of their joints, of what these project
    to, and of the angles. The IK-MLP sees the denoiser's output without passing
    gradients on to it, and true joints under noise, so that D stays what it would be alone.

    With `mixed` the networks run in bfloat16; kinematics and losses never do.
    """
    view = view or canonical_view(hands.observation)
    R = view.R_canonical_camera
    target = hands.joints @ R.transpose(-1, -2)
    lifter = model.lifter
    t = _draw_steps(lifter.schedule.steps, len(target), generator).to(target.device)
    noise = _normal(target, generator)
    with _bfloat16(mixed, target):
        out = model(view, target, noise, t, None if looked is None else looked.more)
    out = {name: tensor.float() for name, tensor in out.items()}
    if lifter.config.prediction == "x0":
        terms = {"diffusion": (out["predicted"] - out["scaled"]).abs().mean()}
    else:
        terms = {"diffusion": (out["predicted"] - noise).square().mean()}

    clean = _clean_points(lifter, out, t).detach()
    spread = _normal(target, generator)
    shaken = target + spread * 0.12 * torch.rand(len(target), 1, 1, generator=generator).to(target)
    half = len(target) // 4
    points = torch.cat((shaken[:half], clean[half:]))
    ik = lifter.inverse_kinematics
    R_palm = palm_frame(points)
    with _bfloat16(mixed, target):
        hidden = ik.trunk(ik.features(points, R_palm))
    solved = ik.place(hidden.float(), R_palm)
    terms |= _kinematic_terms("inverse_kinematics", solved, hands, target, R)
    with _bfloat16(mixed, target):
        hidden = lifter.baseline.trunk(out["condition"])
    guessed = lifter.baseline.head(hidden.float())
    terms |= _kinematic_terms("baseline", guessed, hands, target, R)
    if looked is not None:
        terms |= look_terms(model, out["pooled"], looked, out.get("log_scores"))
    return sum(
        (_weight(weights, name) * term for name, term in terms.items()), target.new_zeros(())
    ), terms


def own_look(model: LifterModel) -> OwnLook:
    """Return the image network of a model of which one is trained."""
    assert isinstance(model.encoder, ImageEncoder) and isinstance(model.encoder.look, OwnLook)
    return model.encoder.look


def look_terms(
    model: LifterModel, pooled: Tensor, looked: Looked, log_scores: Tensor | None = None
) -> dict[str, Tensor]:
    """Return what the image network's own heads have to learn, and the contrastive term.

    Args:
        model: its encoder has a network that learns.
        pooled: what that makes of the images of a view and, behind them, of those of `looked`.
        looked: what is true of them.
        log_scores: of the keypoints in all of these, where there are any.
    """
    look = own_look(model)
    count = len(looked.truth.present)
    terms = head_terms(look.read(pooled[:count]), looked.truth)
    if log_scores is not None:
        places = look.trunk.places(pooled[:count])
        assert places is not None
        terms |= score_terms(places, log_scores[:count], looked.truth)
    if looked.affine is not None and model.projection is not None:
        first, second = pooled[: len(pooled) - count], pooled[count:]
        one, other = model.projection(torch.cat((first, second))).chunk(2)
        terms["contrastive"] = contrastive_loss(one, other, looked.affine, looked.config)
    return terms


def _draw_steps(steps: int, count: int, generator: torch.Generator) -> Tensor:
    """Return step indices with a density that grows linearly with the step."""
    uniform = torch.rand(count, generator=generator)
    return (steps * uniform.sqrt()).long().clamp(max=steps - 1)


def _normal(like: Tensor, generator: torch.Generator) -> Tensor:
    """Return noise drawn where the generator is, so that it is the same on every device."""
    return torch.randn(like.shape, generator=generator).to(like)


def _bfloat16(mixed: bool, like: Tensor) -> torch.autocast:
    return torch.autocast(like.device.type, torch.bfloat16, enabled=mixed)


def _clean_points(lifter: Lifter, out: dict, t: Tensor) -> Tensor:
    prediction = lifter.config.prediction
    denoise = as_denoiser(lambda x, t: out["predicted"], lifter.schedule, prediction)
    clean = denoise(out["noisy"], t)
    if prediction == "noise":
        clean = clean.clamp(-4.0, 4.0)  # at the noisy end a small error of the noise is magnified
    return clean / lifter.config.point_scale


def _kinematic_terms(
    name: str, solved: HandParameters, hands: SampledHands, target: Tensor, R: Tensor
) -> dict[str, Tensor]:
    joints = forward_kinematics(solved).positions
    true = hands.hand
    angles = (
        (solved.articulation - true.articulation).abs().mean()
        + (solved.offsets - true.offsets).abs().mean()
        + (solved.root_rotation - R @ true.root_rotation).abs().mean()
    )
    return {
        name: (joints - target).abs().mean(),
        f"{name}_angles": angles,
        f"{name}_projection": _projection_error(joints, target, hands, R),
    }


def _projection_error(joints: Tensor, target: Tensor, hands: SampledHands, R: Tensor) -> Tensor:
    """Return the L1 distance of projections, in hand units, placed where the true wrist is."""
    wrist = ((hands.wrist / hands.anchor).unsqueeze(-2) @ R.transpose(-1, -2)).detach()
    near = (target + wrist)[..., 2:].mean(dim=-2, keepdim=True)
    projected = [
        (points + wrist)[..., :2] / (points + wrist)[..., 2:].clamp_min(0.3)
        for points in (joints, target)
    ]
    return ((projected[0] - projected[1]).abs() * near).mean()


def _weight(weights: LossWeights, term: str) -> float:
    for kind in ("angles", "projection"):
        if term.endswith(f"_{kind}"):
            head = term.removesuffix(f"_{kind}")
            return float(getattr(weights, kind) * getattr(weights, head))
    return float(getattr(weights, term))
