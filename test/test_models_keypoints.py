"""Laws of the canonical view: what the encoder sees does not depend on where the hand is seen."""

import pytest
import torch

from hand_pose_ros.hand.projection import view_rotation
from hand_pose_ros.hand.rotations import matrix_from_euler
from hand_pose_ros.models.keypoints import (
    FEATURES,
    KeypointEncoder,
    KeypointObservation,
    canonical_view,
)


def observation(points, R_world):
    """Return points seen exactly, with 3D points in axes turned by a rotation about z."""
    rays = points[..., :2] / points[..., 2:]
    depth = torch.zeros(points.shape[:-1])
    return KeypointObservation(rays, depth, R_world)


def test_the_view_rotation_turns_the_ray_onto_the_axis():
    rays = torch.randn(50, 2)
    R = view_rotation(rays)
    turned = (R @ torch.cat((rays, torch.ones(50, 1)), -1).unsqueeze(-1)).squeeze(-1)
    assert turned[:, :2].abs().max() < 1e-5
    assert (turned[:, 2] > 0).all()
    torch.testing.assert_close(torch.linalg.det(R), torch.ones(50))


def test_turning_the_camera_about_its_axis_changes_no_feature():
    points = torch.randn(1, 21, 3) * 0.05 + torch.tensor((0.0, 0.0, 0.5))
    turn = matrix_from_euler(torch.tensor([[1.1, 0.0, 0.0]]))
    first = canonical_view(observation(points, points))
    turned = points @ turn.transpose(-1, -2)
    second = canonical_view(observation(turned, turned))
    torch.testing.assert_close(first.features, second.features, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(
        second.R_canonical_camera @ turn, first.R_canonical_camera, atol=1e-4, rtol=0
    )


@pytest.mark.parametrize("pan", [(0.0, 0.4, 0.0), (0.0, 0.0, -0.3), (0.2, 0.3, 0.2)])
def test_panning_the_camera_changes_no_projected_feature(pan):
    """A camera turned about its centre sees the same hand: the virtual camera undoes the turn."""
    points = torch.randn(1, 21, 3) * 0.04 + torch.tensor((0.02, -0.01, 0.6))
    R = matrix_from_euler(torch.tensor([pan]))
    world = torch.zeros(1, 21, 3)
    first = canonical_view(observation(points, world)).features[:, :43]
    second = canonical_view(observation(points @ R.transpose(-1, -2), world)).features[:, :43]
    # The virtual camera looks at the mean of the rays, which is not quite a property of the hand.
    assert (first - second).abs().max() < 0.05


def test_the_encoder_takes_these_features():
    view = canonical_view(
        KeypointObservation(torch.rand(3, 21, 2), torch.rand(3, 21), torch.rand(3, 21, 3))
    )
    assert view.features.shape == (3, FEATURES)
    assert KeypointEncoder(16, 32, 1)(view.features).shape == (3, 16)


def test_coinciding_keypoints_stay_finite():
    flat = KeypointObservation(torch.zeros(1, 21, 2), torch.zeros(1, 21), torch.zeros(1, 21, 3))
    assert torch.isfinite(canonical_view(flat).features).all()
