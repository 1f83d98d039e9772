"""Looking again: places in views are rays of the camera, and keypoints lead the next look."""

import numpy as np
import pytest
import torch
from test_data_shards import CAMERA, synth_hand
from torch import nn

from hand_pose_ros.evaluation.looking import (
    Scene,
    Views,
    as_rays,
    look_again,
    seen,
    views_of_boxes,
    views_of_rays,
)
from hand_pose_ros.hand.projection import view_rotation
from hand_pose_ros.models.encoders import OwnLook
from hand_pose_ros.models.image import VIEW_RADII
from hand_pose_ros.models.image_heads import Reading
from hand_pose_ros.models.landmark_network import SIDE


def scene(is_left=False):
    image = np.random.default_rng(0).integers(0, 255, (CAMERA.height, CAMERA.width, 3), np.uint8)
    return Scene(image, CAMERA, is_left)


def rays_of(*sides):
    """Return rays of right hands, left ones in a mirror."""
    hands = [synth_hand(seed, side) for seed, side in enumerate(sides)]
    points = [h.keypoints * (-1.0 if h.side == "left" else 1.0, 1.0, 1.0) for h in hands]
    points = torch.from_numpy(np.stack(points)).float()
    return points[..., :2] / points[..., 2:]


class Knowing(OwnLook):
    """A network that knows where the hand is and, when shown a view, says where in it that is."""

    def __init__(self, rays):
        nn.Module.__init__(self)
        self.rays, self.asked = rays, []

    def pool(self, patches):
        self.asked.append(patches)
        return patches.flatten(1)[:, :1]

    def read(self, pooled):
        ahead = torch.cat((self.rays, torch.ones_like(self.rays[..., :1])), dim=-1)
        ahead = ahead @ self.views.R_view_camera.mT
        places = ahead[..., :2] / ahead[..., 2:] / self.views.half_width[:, None, None]
        return Reading(places, *(torch.zeros(1) for _ in range(5)))


def test_places_in_a_view_are_rays_of_the_camera():
    rays = rays_of("right", "left")
    views = views_of_rays(rays)
    knowing = Knowing(rays)
    knowing.views = views
    torch.testing.assert_close(as_rays(knowing.read(None).places, views), rays, atol=1e-5, rtol=0)


def test_the_view_of_keypoints_has_them_in_the_middle_at_the_usual_size():
    knowing = Knowing(rays_of("right", "left"))
    knowing.views = views_of_rays(knowing.rays)
    places = knowing.read(None).places
    radius = (places - places.mean(1, keepdim=True)).square().sum(-1).mean(-1).sqrt()
    torch.testing.assert_close(radius, torch.full((2,), 1.0 / VIEW_RADII))
    assert places.mean(1).abs().max() < 0.1


@pytest.mark.parametrize("is_left", [False, True])
def test_the_view_of_a_box_has_its_middle_in_the_middle(is_left):
    box = np.array([[10.0, 8.0, 20.0, 30.0]])
    views = views_of_boxes([scene(is_left)], box, margin=1.5)
    middle = CAMERA.normalize(np.array([20.0, 23.0])) * ((-1.0 if is_left else 1.0), 1.0)
    expected = torch.from_numpy(middle).float()[None]
    torch.testing.assert_close(
        as_rays(torch.zeros(1, 1, 2), views)[:, 0], expected, atol=1e-5, rtol=0
    )
    torch.testing.assert_close(views.R_view_camera, view_rotation(expected))
    side = 2.0 * float(views.half_width) * CAMERA.K[0, 0]
    assert side == pytest.approx(1.5 * 30.0, rel=0.12)  # the lens bends a little


def test_what_is_seen_is_the_image_where_the_view_looks():
    image = np.zeros((CAMERA.height, CAMERA.width, 3), np.uint8)
    image[:, : CAMERA.width // 2] = 255
    right, left = Scene(image, CAMERA, False), Scene(image, CAMERA, True)
    views = Views(torch.eye(3).expand(2, 3, 3), torch.full((2,), 0.2))
    patches = seen([right, left], views)
    assert patches.shape == (2, 3, SIDE, SIDE) and patches.max() <= 1.0
    torch.testing.assert_close(patches[0].flip(-1), patches[1], atol=0.02, rtol=0)
    assert patches[0, 0, :, :40].min() > 0.9 and patches[0, 0, :, -40:].max() < 0.1


def test_the_next_look_is_where_the_keypoints_of_the_last_say():
    knowing = Knowing(rays_of("right"))
    knowing.views = first = Views(torch.eye(3)[None], torch.tensor([0.5]))
    views, pooled, reading = look_again(knowing, [scene()], first, 1)
    assert views is first and len(knowing.asked) == 1
    expected = views_of_rays(as_rays(reading.places, first))
    views, pooled, _ = look_again(knowing, [scene()], first, 2)
    torch.testing.assert_close(views.R_view_camera, expected.R_view_camera)
    torch.testing.assert_close(views.half_width, expected.half_width)
    torch.testing.assert_close(pooled, seen([scene()], views).flatten(1)[:, :1])
    torch.testing.assert_close(expected.R_view_camera, views_of_rays(knowing.rays).R_view_camera,
                               atol=1e-4, rtol=0)  # fmt: skip
