"""Whole images put together of pictures: hands stay where they are said to be."""

import numpy as np
import pytest
from test_data_shards import synth_sample

from hand_pose_ros.data.boxes import box_around
from hand_pose_ros.data.frames import Picture, compose, frames, in_view, layout
from hand_pose_ros.errors import ShapeError

SIDE = 192


def marked(right=True):
    """Return a picture with one hand whose 21 points are bright dots on black."""
    image = np.zeros((256, 256, 3), np.uint8)
    points = np.stack(np.meshgrid(np.arange(7), np.arange(3)), -1).reshape(21, 2) * 16.0 + 80.0
    for x, y in points.astype(int):
        image[y - 1 : y + 2, x - 1 : x + 2] = 255
    return Picture(image, points[None], np.array([right]))


def empty():
    return Picture(np.full((256, 256, 3), 90, np.uint8), np.zeros((0, 21, 2)), np.zeros(0, bool))


@pytest.mark.parametrize("seed", range(20))
def test_points_lie_on_what_they_mark(seed):
    """Every point of a hand that is found lies in a bright spot, however it was cut and shrunk."""
    frame = compose(marked, np.random.default_rng(seed), 4 * SIDE)
    assert frame.image_rgb.shape == (4 * SIDE, 4 * SIDE, 3)
    bright = frame.image_rgb.max(axis=-1)
    for points in frame.keypoints_px:
        inside = points[((points > 2) & (points < 4 * SIDE - 3)).all(axis=1)]
        hits = 0
        for x, y in np.rint(inside).astype(int):
            hits += bright[y - 1 : y + 2, x - 1 : x + 2].max() > 60
        assert hits >= 0.55 * len(points)


@pytest.mark.parametrize("seed", range(10))
def test_sides_are_turned_by_mirrors_only(seed):
    """Points run to the right where they do in the picture; in a mirror it is the other hand."""
    frame = compose(marked, np.random.default_rng(seed), SIDE)
    for points, right in zip(frame.keypoints_px, frame.right, strict=True):
        assert (points[6, 0] > points[0, 0]) == right


def test_pictures_without_hands_make_images_without_hands():
    frame = compose(empty, np.random.default_rng(0), SIDE)
    assert frame.keypoints_px.shape == (0, 21, 2)
    assert frame.ignored.shape == (0, 4)


def test_cells_fill_what_a_camera_shows_and_nothing_else():
    for seed in range(30):
        random = np.random.default_rng(seed)
        covered = np.zeros((SIDE, SIDE), int)
        for x, y, width, height in layout(random, SIDE):
            assert min(x, y) >= 0
            assert max(x + width, y + height) <= SIDE
            covered[y : y + height, x : x + width] += 1
        rows, columns = np.nonzero(covered)
        assert (covered[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1] > 0).all()


def test_a_covered_hand_is_out_of_view():
    points = np.full((1, 21, 2), 10.0)
    points[0, :5] = 50.0
    cells = [(0, 0, 100, 100), (0, 0, 20, 20)]
    assert in_view(points, np.array([0]), cells)[0] == pytest.approx(5 / 21)
    assert in_view(points, np.array([1]), cells)[0] == pytest.approx(16 / 21)


def test_images_end_with_the_pictures_and_repeat_with_their_seed():
    pictures = [marked(), empty(), marked(False)]
    first = list(frames(pictures, np.random.default_rng(1), SIDE, kept=2))
    again = list(frames(pictures, np.random.default_rng(1), SIDE, kept=2))
    assert len(first) == 3
    for one, other in zip(first, again, strict=True):
        np.testing.assert_array_equal(one.image_rgb, other.image_rgb)


def test_a_picture_is_made_of_a_sample():
    sample = synth_sample(3)
    picture = Picture.of_sample(sample)
    np.testing.assert_array_equal(picture.keypoints_px[0], sample.hands[0].keypoints_px)
    assert picture.right.tolist() == [hand.side == "right" for hand in sample.hands]
    assert box_around(picture.keypoints_px).shape == (len(sample.hands), 4)


def test_points_of_another_number_of_hands_are_refused():
    with pytest.raises(ShapeError, match=r"it must be \(2, 21, 2\)"):
        Picture(np.zeros((8, 8, 3), np.uint8), np.zeros((1, 21, 2)), np.zeros(2, bool))
