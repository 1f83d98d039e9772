"""Detection: conventions of MediaPipe's answers, patches and their way back, real photographs."""

from __future__ import annotations

import sys
from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from runtime_stubs import true_hand

from hand_pose_ros.data.boxes import overlap
from hand_pose_ros.errors import ConfigError, InputError, ShapeError, UnavailableError
from hand_pose_ros.runtime.boxes import BoxDetector
from hand_pose_ros.runtime.config import DetectorConfig
from hand_pose_ros.runtime.detect import Detection, MediaPipeDetector, box_around, detection_of
from hand_pose_ros.runtime.mediapipe_graph import HandsGraph, LandmarkGraph, import_mediapipe
from hand_pose_ros.runtime.region import Region, from_patch, warp
from hand_pose_ros.runtime.still import VIEWS, StillDetector, median_detection

HAND = true_hand("right", place=(0.0, 0.0, 0.5)).detection

regions = st.builds(
    Region,
    x=st.floats(-50, 700),
    y=st.floats(-50, 500),
    side=st.floats(20, 900),
    turn=st.floats(-3.2, 3.2),
)


def test_mediapipes_pixels_sides_and_depths_are_ours():
    """Golden: (0.5, 0.5) of a 640 x 480 image is its centre; a mirror's "Left" is a right hand."""
    points = np.full((21, 3), 0.5)
    points[:, 2] = 0.1
    points[0, 2] = 0.05
    detection = detection_of(640, 480, points, np.zeros((21, 3)), "Left", 0.9, 0.8)
    assert detection.side == "right"
    assert (detection.side_score, detection.score) == (0.9, 0.8)
    np.testing.assert_allclose(detection.keypoints_px[3], (319.5, 239.5))
    np.testing.assert_allclose(detection.depth_px[[0, 5]], (0.0, 0.05 * 640))


@given(regions, st.booleans())
def test_what_is_found_in_a_patch_comes_back_where_it_was(region, mirrored):
    to_patch = region.to_patch(256, mirrored)
    scale = 256 / region.side
    linear = to_patch[:, :2]
    world = HAND.world.copy()
    world[:, :2] = world[:, :2] @ (linear / scale).T
    there = replace(
        HAND,
        side="left" if mirrored else "right",
        keypoints_px=HAND.keypoints_px @ linear.T + to_patch[:, 2],
        depth_px=HAND.depth_px * scale,
        world=world,
    )
    back = from_patch(there, to_patch)
    assert back.side == "right"
    for name in ("keypoints_px", "depth_px", "world", "box"):
        np.testing.assert_allclose(getattr(back, name), getattr(HAND, name), atol=1e-7)


@given(st.floats(-180, 180))
def test_the_region_of_a_hand_stands_upright_with_it(degrees):
    """Turning the hand turns its region: in the patch it looks the same."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    turned = HAND.keypoints_px @ np.array([[c, -s], [s, c]]).T
    patches = []
    for keypoints in (HAND.keypoints_px, turned):
        to_patch = Region.of_keypoints(keypoints).to_patch(256)
        patches.append(keypoints @ to_patch[:, :2].T + to_patch[:, 2])
    np.testing.assert_allclose(patches[0], patches[1], atol=1e-6)
    assert patches[0].min() > 0
    assert patches[0].max() < 256
    wrist, middle = patches[0][[0, 9]]
    assert wrist[1] > middle[1]


def test_a_warped_image_shows_a_pixel_where_the_matrix_says():
    image = np.zeros((100, 120, 3), np.uint8)
    image[40:43, 70:73] = 255
    region = Region(60.0, 50.0, 100.0, 0.5)
    for mirrored in (False, True):
        to_patch = region.to_patch(200, mirrored)
        patch = warp(image, to_patch, (200, 200))
        rows, columns = np.nonzero(patch[..., 0] > 128)
        np.testing.assert_allclose(
            (columns.mean(), rows.mean()), to_patch @ (71.0, 41.0, 1.0), atol=0.5
        )


def test_the_median_of_several_views_outvotes_a_wrong_one():
    wrong = replace(HAND, keypoints_px=HAND.keypoints_px + 300.0, side="left", side_score=0.9)
    median = median_detection([HAND, wrong, HAND])
    np.testing.assert_array_equal(median.keypoints_px, HAND.keypoints_px)
    assert median.side == "right"
    assert median.side_score == pytest.approx((0.98 + 0.1 + 0.98) / 3)


def test_overlap_of_boxes():
    box = np.array([0.0, 0.0, 2.0, 2.0])
    assert overlap(box, box) == 1.0
    assert overlap(box, box + [1.0, 0.0, 0.0, 0.0]) == pytest.approx(1.0 / 3.0)
    assert overlap(box, box + [5.0, 0.0, 0.0, 0.0]) == 0.0
    assert overlap(0.0 * box, 0.0 * box) == 0.0


def test_a_detection_checks_its_side_and_shapes():
    with pytest.raises(InputError, match="side is 'both'"):
        replace(HAND, side="both")
    with pytest.raises(ShapeError, match=r"world has shape \(3, 3\)"):
        replace(HAND, world=np.zeros((3, 3)))


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"max_hands": 0}, "max_hands is 0"),
        ({"min_detection": 1.5}, "min_detection is 1.5"),
        ({"min_presence": float("nan")}, "min_presence is nan"),
    ],
)
def test_thresholds_are_checked_before_anything_is_loaded(settings, match):
    for block in (DetectorConfig, StillDetector):
        with pytest.raises(ConfigError, match=match):
            block(**settings)


def test_a_number_of_views_that_is_not_offered_is_refused():
    with pytest.raises(ConfigError, match=r"views is 5.*\[0, 1, 2, 4, 6, 12\]"):
        StillDetector(views=5)


def test_without_mediapipe_the_error_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "mediapipe", None)
    with pytest.raises(UnavailableError, match=r"pip install 'hand_pose_ros\[mediapipe\]'"):
        import_mediapipe()


@pytest.fixture(scope="module")
def still():
    pytest.importorskip("mediapipe")
    detector = StillDetector(views=2)
    yield detector
    detector.close()


@pytest.mark.parametrize(
    ("image", "match"),
    [
        (np.zeros((8, 8), np.uint8), r"\(8, 8\)"),
        (np.zeros((8, 8, 3), np.float32), "float32"),
        (np.zeros((0, 8, 3), np.uint8), "empty"),
    ],
)
def test_what_is_no_image_is_refused(still, image, match):
    with pytest.raises(InputError, match=match):
        still.detect_one(image)


@pytest.mark.parametrize(
    "box", [(0.0, 0.0, 0.0, 9.0), (0.0, 0.0, 9.0), (0.0, float("nan"), 9.0, 9.0)]
)
def test_a_box_that_is_none_is_refused(still, box):
    with pytest.raises(InputError, match="x, y, width, height"):
        still.detect_one(np.zeros((8, 8, 3), np.uint8), box=box)


def test_a_side_that_is_none_is_refused(still):
    with pytest.raises(InputError, match="side is 'both'"):
        still.detect_one(np.zeros((8, 8, 3), np.uint8), side="both")


def test_a_patch_that_is_not_square_is_refused():
    pytest.importorskip("mediapipe")
    graph = LandmarkGraph()
    with pytest.raises(InputError, match="must be square"):
        graph.process(np.zeros((8, 9, 3), np.uint8))
    graph.close()


def test_an_empty_scene_has_no_hand(still):
    assert still.detect(np.full((120, 160, 3), 90, np.uint8)) == []
    assert still.detect_one(np.full((120, 160, 3), 90, np.uint8)) is None


@pytest.fixture(scope="module")
def photograph(shared_data):
    path = shared_data / "real_hands" / "images" / "00003.jpg"
    return cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)


def test_a_photograph_any_way_up_and_mirrored_shows_the_same_hand(still, photograph):
    (upright,) = still.detect(photograph)
    assert upright.side == "left"
    last = photograph.shape[1] - 1
    flipped = still.detect_one(np.ascontiguousarray(photograph[:, ::-1]))
    assert flipped.side == "right"
    over = still.detect_one(np.ascontiguousarray(photograph[::-1, ::-1]))
    assert over.side == "left"
    for seen, back in (
        (flipped.keypoints_px, lambda p: p * (-1, 1) + (last, 0)),
        (over.keypoints_px, lambda p: last - p),
    ):
        apart = np.linalg.norm(back(seen) - upright.keypoints_px, axis=-1).mean()
        assert apart < 0.05 * upright.size_px


def test_without_a_palm_the_landmarks_alone_find_the_hand(still, photograph, monkeypatch):
    (expected,) = still.detect(photograph)
    monkeypatch.setattr(still, "_search", lambda *_: [])
    (found,) = still.detect(photograph)
    apart = np.linalg.norm(found.keypoints_px - expected.keypoints_px, axis=-1).mean()
    assert apart < 0.05 * expected.size_px


def test_a_known_box_and_side_are_used(still, photograph):
    """Two hands side by side: the box says which. A hand is answered for a box in any case."""
    pair = np.hstack((photograph, photograph[:, ::-1]))
    for x, side in ((0.0, "left"), (256.0, "right")):
        found = still.detect_one(pair, box=(x, 0.0, 256.0, 256.0), side=side)
        assert (found.side, found.side_score) == (side, 1.0)
        assert x < found.keypoints_px[:, 0].mean() < x + 256.0
    blank = np.full((120, 160, 3), 90, np.uint8)
    assert still.detect_one(blank, box=(10.0, 10.0, 80.0, 80.0)).score < 0.5


def test_views_agree_and_none_keeps_the_first_detection(photograph):
    pytest.importorskip("mediapipe")
    found = [StillDetector(views=views).detect_one(photograph) for views in VIEWS]
    for detection in found[1:]:
        apart = np.linalg.norm(detection.keypoints_px - found[0].keypoints_px, axis=-1).mean()
        assert 0.0 < apart < 0.05 * found[0].size_px


def test_tracking_follows_a_moving_photograph_and_forgets_on_reset(photograph):
    pytest.importorskip("mediapipe")
    detector = MediaPipeDetector(DetectorConfig(max_hands=1))
    for shift in range(0, 30, 10):
        image = np.zeros((384, 512, 3), np.uint8)
        image[64:320, 64 + shift : 320 + shift] = photograph
        (hand,) = detector.detect(image)
        assert isinstance(hand, Detection)
        assert hand.side == "left"
        np.testing.assert_array_equal(hand.box, box_around(hand.keypoints_px))
    detector.reset()
    assert detector.detect(np.zeros_like(image)) == []
    detector.close()


def test_hands_are_looked_for_in_the_boxes_that_were_set_and_nowhere_else(photograph):
    pytest.importorskip("mediapipe")
    image = np.zeros((384, 512, 3), np.uint8)
    image[64:320, 128:384] = photograph
    detector = BoxDetector(DetectorConfig(max_hands=1))
    assert detector.detect(image) == []
    box = StillDetector(views=1).detect_one(image).box
    detector.boxes = [np.array([0.0, 0.0, 40.0, 40.0]), box]
    (found,) = detector.detect(image)
    assert overlap(found.box, box) > 0.5
    detector.boxes = [np.array([0.0, 0.0, 60.0, 60.0])]
    assert detector.detect(image) == []
    detector.boxes = [box]
    detector.reset()
    assert detector.detect(image) == []


class _Searches:
    """In place of the graph: says how often it was told to look for palms."""

    def __init__(self, hands):
        self.hands, self.told = iter(hands), []

    def process(self, image_rgb, search):
        self.told.append(search)
        points = np.random.default_rng(0).random((21, 3))
        return [(points, points, "Left", 0.9, 0.9)] * next(self.hands)


@pytest.mark.parametrize(
    ("every", "hands", "expected"),
    [
        (1, (1, 1, 1), (True, True, True)),
        (3, (0, 0, 1, 1, 1, 1, 1), (True, True, True, False, False, True, False)),
        (4, (2, 2, 1, 1, 1), (True, False, False, True, False)),
        (4, (1, 1, 0, 0, 1, 1), (True, False, False, True, True, False)),
    ],
)
def test_palms_are_looked_for_now_and_then_and_when_a_hand_is_lost(
    monkeypatch, every, hands, expected
):
    graph = _Searches(hands)
    monkeypatch.setattr("hand_pose_ros.runtime.detect.HandsGraph", lambda **settings: graph)
    detector = MediaPipeDetector(DetectorConfig(search_every=every))
    image = np.zeros((8, 8, 3), np.uint8)
    found = [len(detector.detect(image)) for _ in hands]
    assert found == list(hands)
    assert graph.told == list(expected)


def test_a_hand_is_only_followed_in_images_that_are_not_searched(photograph):
    pytest.importorskip("mediapipe")
    image = np.zeros((384, 512, 3), np.uint8)
    image[64:320, 64:320] = photograph
    settings = {"max_hands": 2, "tracking": True, "model_complexity": 1}
    graph = HandsGraph(**settings, min_detection=0.5, min_presence=0.5)
    assert graph.process(image, search=False) == []
    assert len(graph.process(image)) == 1
    assert len(graph.process(image, search=False)) == 1
    graph.close()


@given(regions, st.booleans())
def test_smoothing_the_part_that_is_seen_is_smoothing_the_image(region, mirrored):
    image = np.random.default_rng(0).integers(0, 255, (480, 640, 3)).astype(np.uint8)
    to_patch = region.to_patch(64, mirrored)
    shrink = region.side / 64
    smoothed = image
    if shrink > 1.5:
        smoothed = cv2.GaussianBlur(image, (0, 0), 0.4 * shrink)
    expected = cv2.warpAffine(smoothed, to_patch, (64, 64), flags=cv2.INTER_LINEAR)
    np.testing.assert_allclose(warp(image, to_patch, (64, 64)).astype(int), expected, atol=1)
