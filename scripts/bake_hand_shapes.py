"""Bake how hands differ from person to person: principal changes of the surface, to a small npz.

Draws grown-ups and children over anny's whole phenotype range and its changes of the hands, fits
our kinematic hand to each, undoes pose and bone lengths, and keeps the principal components of
what is left: thickness, weight, age. Needs the extra `bake` (anny); takes five minutes.
"""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

import numpy as np
import torch
from hand_mesh.landmarks import find_landmarks, nail_normals
from hand_mesh.rest_fit import fit_rest_hand
from hand_mesh.source import SourceHand, load_model, load_source_hand

from hand_pose_ros.hand.kinematics import HandParameters
from hand_pose_ros.hand.mesh import load_hand_mesh

ASSET = Path(__file__).parents[1] / "hand_pose_ros" / "data" / "synthetic" / "body" / "assets"
COUNT, COMPONENTS, SEED = 240, 8, 1
NEAREST = 60
"""Vertices around a landmark that say where it lies in another hand."""

_LOG = logging.getLogger("bake_hand_shapes")


def sample_people(count: int, random: np.random.Generator) -> list[dict[str, dict[str, float]]]:
    """Return phenotypes and changes of the hands; few are children, most lie between extremes."""
    people = []
    for _ in range(count):
        age = random.uniform(0.25, 0.5) if random.uniform() < 0.12 else random.uniform(0.5, 1.0)
        phenotype = {name: float(random.beta(1.5, 1.5)) for name in ("muscle", "weight", "height")}
        phenotype |= {"gender": float(random.uniform()), "age": float(age), "proportions": 0.5}
        changes = {
            "r-hand-fingers-diameter-incr": float(random.normal(0.0, 0.45)),
            "r-hand-scale-incr": float(random.normal(0.0, 0.25)),
        }
        people.append({"phenotype_kwargs": phenotype, "local_changes_kwargs": changes})
    return people


def landmarks_like(mean: SourceHand, landmarks: np.ndarray, hand: SourceHand) -> np.ndarray:
    """Return where the landmarks (21, 3) of the mean hand lie in another one of its topology.

    Each goes along with the vertices around it, by the affine map that fits these best.
    """
    moved = []
    for point in landmarks:
        distance = np.linalg.norm(mean.vertices - point, axis=1)
        near = np.argsort(distance)[:NEAREST]
        weight = np.exp(-((distance[near] / distance[near].mean()) ** 2))[:, None]
        source = np.c_[mean.vertices[near] - point, np.ones(NEAREST)]
        solved = np.linalg.lstsq(source * weight, hand.vertices[near] * weight, rcond=None)[0]
        moved.append(solved[3])
    return np.array(moved)


def change_of(hand: SourceHand, joints: np.ndarray) -> tuple[np.ndarray, float]:
    """Return what is left of a hand (V, 3) [m] at the rest pose, and how well its joints fit [m].

    The hand's own pose and bone lengths are undone with the skinning of the shipped mesh.
    """
    mesh = load_hand_mesh()
    fitted, residual = fit_rest_hand(joints, nail_normals(hand, joints))
    scale = float(mesh.rest_hand.bone_lengths.sum() / fitted.bone_lengths.sum())
    vertices = (hand.vertices - joints[0]) @ fitted.root_rotation.numpy() * scale
    here = HandParameters(
        torch.eye(3, dtype=torch.float64),
        fitted.articulation,
        fitted.bone_lengths * scale,
        fitted.offsets,
    )
    transforms = _vertex_transforms(here)
    homogeneous = np.c_[vertices, np.ones(len(vertices))]
    full = np.tile(np.eye(4), (len(vertices), 1, 1))
    full[:, :3] = transforms
    unposed = np.linalg.solve(full, homogeneous[..., None])[:, :3, 0]
    return unposed - mesh.rest_vertices.double().numpy(), float(residual.mean())


def _vertex_transforms(hand: HandParameters) -> np.ndarray:
    """Return (V, 3, 4): how the skinning moves each vertex of the rest hand to another hand."""
    mesh = load_hand_mesh()
    probes = torch.cat((torch.zeros(1, 3), torch.eye(3))).double()
    rest = mesh.rest_vertices.double()
    moved = [mesh.with_rest(rest + probe).pose(hand).numpy() for probe in probes]
    linear = np.stack([m - moved[0] for m in moved[1:]], axis=-1)
    offset = moved[0] - np.einsum("vij,vj->vi", linear, rest.numpy())
    return np.concatenate((linear, offset[..., None]), axis=-1)


def bake(count: int, components: int) -> dict[str, np.ndarray]:
    """Return the arrays of the asset."""
    model = load_model(local_changes=True)
    mean = load_source_hand(model)
    landmarks = find_landmarks(mean)
    changes, misfits = [], []
    for person in sample_people(count, np.random.default_rng(SEED)):
        hand = load_source_hand(model, **person)
        change, misfit = change_of(hand, landmarks_like(mean, landmarks, hand))
        changes.append(change)
        misfits.append(misfit)
    _LOG.info("joints off their landmarks: mean %.2f mm", 1e3 * np.mean(misfits))
    flat = np.array(changes).reshape(count, -1)
    middle = flat.mean(0)
    _, singular, axes = np.linalg.svd(flat - middle, full_matrices=False)
    deviations = singular[:components] / np.sqrt(count - 1)
    kept = np.cumsum(singular**2)[components - 1] / np.sum(singular**2)
    _LOG.info("%d components keep %.1f %% of the variance", components, 100 * kept)
    _LOG.info("largest change of a vertex: %s mm", 1e3 * _largest(axes[:components], deviations))
    return {
        "mean": middle.reshape(-1, 3).astype(np.float16),
        "components": (axes[:components] * deviations[:, None])
        .reshape(components, -1, 3)
        .astype(np.float16),
    }


def _largest(axes: np.ndarray, deviations: np.ndarray) -> np.ndarray:
    moved = (axes * deviations[:, None]).reshape(len(axes), -1, 3)
    return np.linalg.norm(moved, axis=-1).max(axis=1).round(4)


def main() -> None:
    """Write the asset."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=ASSET / "hand_shapes.npz")
    parser.add_argument("--count", type=int, default=COUNT)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    arguments.out.parent.mkdir(exist_ok=True)
    np.savez_compressed(arguments.out, **bake(arguments.count, COMPONENTS))
    _LOG.info("%s: %d bytes", arguments.out, arguments.out.stat().st_size)


if __name__ == "__main__":
    main()
