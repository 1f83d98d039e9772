"""Our own detector: what it finds, how it follows, and that it needs no mediapipe."""

import subprocess
import sys
from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from runtime_stubs import true_hand

from hand_pose_ros.errors import ConfigError, InputError
from hand_pose_ros.models.detector import NUMBERS, UNIT
from hand_pose_ros.models.palm_network import SIDE, anchors
from hand_pose_ros.runtime.candidates import (
    Candidate,
    hand_candidates,
    in_image,
    letterboxed,
    palm_candidates,
)
from hand_pose_ros.runtime.config import DetectorConfig
from hand_pose_ros.runtime.detect import Detection, Detector, MediaPipeDetector
from hand_pose_ros.runtime.detectors import make_detector
from hand_pose_ros.runtime.engine import ENGINES
from hand_pose_ros.runtime.finders import Finder, MediaPipeFinder, OwnFinder, make_finder
from hand_pose_ros.runtime.hand_networks import HandNetworks
from hand_pose_ros.runtime.own import OwnDetector, distinct
from hand_pose_ros.runtime.region import Region
from hand_pose_ros.runtime.still import StillDetector
from hand_pose_ros.runtime.warm_up import drawn_hand

HAND = true_hand("right", place=(0.0, 0.0, 0.5)).detection
EMPTY = np.full((120, 160, 3), 90, np.uint8)


@pytest.fixture(scope="module")
def networks():
    return HandNetworks("eager")


@pytest.fixture(scope="module")
def finder():
    return OwnFinder(DetectorConfig(4, name="own"))


def far(score):
    """Return palms none of which is surer than a score in log odds."""
    return np.full(2016, score, np.float32), np.zeros((2016, 18), np.float32)


def test_a_palm_is_where_its_anchor_and_numbers_say():
    """Golden: a palm of 20 px with fingers up; the region, 2.6 times that, lies half one above."""
    scores, numbers = far(-50.0)
    row = 5
    scores[row] = 2.0
    numbers[row, :4] = 3.0, -4.0, 20.0, 20.0
    numbers[row, 4:6], numbers[row, 8:10] = (3.0, 6.0), (3.0, -14.0)
    (found,) = palm_candidates(scores, numbers, 0.5)
    x, y = anchors().numpy()[row] + (2.5, -4.5)
    assert found.score == pytest.approx(1.0 / (1.0 + np.exp(-2.0)))
    np.testing.assert_allclose(found.box, (x - 10.0, y - 10.0, 20.0, 20.0))
    region = found.region
    assert (region.x, region.y) == pytest.approx((x, y - 10.0))
    assert (region.side, region.turn) == pytest.approx((52.0, 0.0))


def test_palms_that_overlap_are_blended_and_others_stay():
    scores, numbers = far(-50.0)
    middles = anchors().numpy()
    near = np.linalg.norm(middles - (100.0, 100.0), axis=1).argsort()[:3]
    other = np.linalg.norm(middles - (30.0, 30.0), axis=1).argmin()
    for row, score in zip((*near, other), (3.0, 3.0, 3.0, 1.0), strict=True):
        scores[row] = score
        numbers[row, 2:4] = 40.0
    found = palm_candidates(scores, numbers, 0.5)
    assert len(found) == 2
    assert found[0].score > found[1].score
    np.testing.assert_allclose(found[0].box[:2] + 20.0, middles[near].mean(axis=0) - 0.5)


def test_below_the_least_score_there_is_no_palm_and_no_hand():
    assert palm_candidates(*far(-1.0), 0.5) == []
    assert hand_candidates(np.full((NUMBERS, 24, 24), -1.0, np.float32), 0.5) == []


def test_a_hand_is_read_off_its_cell():
    maps = np.full((NUMBERS, 24, 24), -20.0, np.float32)
    maps[:, 10, 7] = 3.0, 5.0, 0.25, 0.0, 0.0, np.log(2.0), 0.0, 0.5, 0.0, -0.5
    (found,) = hand_candidates(maps, 0.5)
    np.testing.assert_allclose(found.box[2:], (UNIT, 2 * UNIT))
    np.testing.assert_allclose(found.box[:2] + found.box[2:] / 2.0, (68.0, 84.0), atol=1e-4)
    assert found.region.turn == pytest.approx(0.0, abs=1e-6)


def test_our_branch_adds_hands_to_the_palms_and_takes_none_away():
    """Of two hands of the branch one has a palm in it already; the palm stays, the other joins."""
    scores, numbers = far(-50.0)
    palm = int(np.linalg.norm(anchors().numpy() - (60.0, 84.0), axis=1).argmin())
    scores[palm], numbers[palm, 2:4] = 2.0, 16.0
    maps = np.full((NUMBERS, 24, 24), -20.0, np.float32)
    for column in (7, 18):
        maps[:, 10, column] = 3.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.5, 0.0, -0.5
    networks = object.__new__(HandNetworks)
    networks._find = lambda images: (scores[None], numbers[None], maps[None])
    found = networks.candidates(np.zeros((SIDE, SIDE, 3), np.uint8), 0.5)
    assert [candidate.box[2] for candidate in found] == [16.0, UNIT]
    assert found[1].region.x == pytest.approx(18.5 * 8, abs=1e-3)


@given(st.integers(20, 900), st.integers(20, 900))
def test_a_point_of_the_image_comes_back_from_the_square(width, height):
    image = np.zeros((height, width, 3), np.uint8)
    square, to_square = letterboxed(image)
    assert square.shape == (SIDE, SIDE, 3)
    point = np.array((width * 0.3, height * 0.7))
    x, y = to_square[:, :2] @ point + to_square[:, 2]
    there = Candidate(0.9, np.array((x, y, 4.0, 4.0)), Region(x, y, 10.0))
    back = in_image(there, to_square)
    np.testing.assert_allclose((back.region.x, back.region.y), point, atol=1e-6)
    np.testing.assert_allclose(back.box[:2], point, atol=1e-6)
    assert back.region.side >= 10.0 * max(width, height) / SIDE * 0.99


def test_a_drawn_hand_is_found_with_its_side_and_in_a_mirror_with_the_other(finder):
    picture = drawn_hand()
    (hand,) = finder.find(picture)
    (mirrored,) = finder.find(np.ascontiguousarray(picture[:, ::-1]))
    assert (hand.side, mirrored.side) == ("right", "left")
    last = picture.shape[1] - 1
    apart = np.abs(mirrored.keypoints_px * (-1, 1) + (last, 0) - hand.keypoints_px).max()
    assert apart < 0.05 * hand.size_px
    assert hand.keypoints_px[12, 1] < hand.keypoints_px[0, 1], "its fingers point up"


def test_several_hands_are_found_each_where_it_is(finder):
    picture = drawn_hand()
    sheet = np.hstack((picture, picture[:, ::-1], picture))
    found = sorted(finder.find(np.ascontiguousarray(sheet)), key=lambda hand: hand.box[0])
    assert [hand.side for hand in found] == ["right", "left", "right"]
    for index, hand in enumerate(found):
        middle = hand.box[0] + hand.box[2] / 2.0
        assert 256 * index < middle < 256 * (index + 1)


def test_no_more_hands_than_there_may_be():
    picture = drawn_hand()
    sheet = np.ascontiguousarray(np.hstack((picture, picture)))
    assert len(OwnFinder(DetectorConfig(1, name="own")).find(sheet)) == 1


def test_an_empty_scene_has_no_hand(finder):
    assert finder.find(EMPTY) == []


def test_every_engine_sees_the_same(networks):
    picture = drawn_hand()
    view = [(Region(128.0, 128.0, 256.0), False)]
    (eager,) = networks.look(picture, view)
    for name in ENGINES:
        if ENGINES[name].missing or ENGINES[name].needs_cuda:
            continue
        (other,) = HandNetworks(name).look(picture, view)
        most = 0.01 if ENGINES[name].is_exact else 3.0
        np.testing.assert_allclose(other.keypoints_px, eager.keypoints_px, atol=most)
        assert other.score == pytest.approx(eager.score, abs=1e-3 * most / 0.01)
    assert networks.look(picture, []) == []


def test_it_sees_what_mediapipe_sees(networks):
    pytest.importorskip("mediapipe")
    theirs = MediaPipeFinder(DetectorConfig())
    picture = drawn_hand()
    view = [(Region(128.0, 128.0, 224.0, 0.1), True)]
    (expected,), (ours,) = theirs.look(picture, view), networks.look(picture, view)
    theirs.close()
    assert ours.side == expected.side
    assert ours.score == pytest.approx(expected.score, abs=0.02)
    for name in ("keypoints_px", "depth_px"):
        apart = np.abs(getattr(ours, name) - getattr(expected, name)).max()
        assert apart < 0.04 * expected.size_px, name
    np.testing.assert_allclose(ours.world, expected.world, atol=0.006)


def test_an_engine_that_is_none_is_refused():
    with pytest.raises(ConfigError, match="engine 'warp' is unknown"):
        HandNetworks("warp")


class Scripted(HandNetworks):
    """In place of the networks: one hand wherever somebody looks, while it is to be seen."""

    def __init__(self, seen):
        self.seen, self.now, self.searches = list(seen), -1, []

    def candidates(self, image_rgb, least):
        self.searches.append(self.now)
        return [Candidate(0.9, HAND.box, Region.of_keypoints(HAND.keypoints_px))]

    def look(self, image_rgb, views):
        score = 0.9 if self.seen[self.now] else 0.1
        return [replace(HAND, score=score) for _ in views]


@pytest.mark.parametrize(
    ("most", "every", "seen", "searched"),
    [
        (1, 3, (1, 1, 1, 1), [0]),
        (2, 3, (1, 1, 1, 1, 1), [0, 3]),
        (1, 3, (1, 0, 0, 1), [0, 1, 2, 3]),
    ],
)
def test_the_whole_image_is_searched_now_and_then_and_when_a_hand_is_lost(
    most, every, seen, searched
):
    scripted = Scripted(seen)
    detector = OwnDetector(DetectorConfig(most, search_every=every, name="own"), networks=scripted)
    for number, is_seen in enumerate(seen):
        scripted.now = number
        assert len(detector.detect(EMPTY)) == is_seen
    assert scripted.searches == searched
    detector.reset()
    detector.detect(EMPTY)
    assert len(scripted.searches) == len(searched) + 1, "after a reset all is looked for"


def test_one_hand_seen_twice_is_one():
    other = replace(HAND, keypoints_px=HAND.keypoints_px + HAND.size_px)
    assert distinct([HAND, replace(HAND, score=0.5), other]) == [HAND, other]


def test_a_hand_is_followed_as_it_moves_and_forgotten_when_it_is_gone():
    detector, picture = OwnDetector(DetectorConfig(1, name="own")), drawn_hand()
    for shift in range(0, 40, 10):
        image = np.full((384, 512, 3), 70, np.uint8)
        image[64:320, 64 + shift : 320 + shift] = picture
        (hand,) = detector.detect(image)
        assert isinstance(hand, Detection)
        assert hand.side == "right"
    assert detector.detect(np.full_like(image, 70)) == []


@pytest.mark.parametrize(
    ("image", "match"),
    [(np.zeros((8, 8), np.uint8), r"\(8, 8\)"), (np.zeros((0, 8, 3), np.uint8), "empty")],
)
def test_what_is_no_image_is_refused(image, match):
    with pytest.raises(InputError, match=match):
        OwnDetector(networks=Scripted([1])).detect(image)


def test_the_name_chooses():
    with pytest.raises(ConfigError, match="name is 'yolo'; it must be one of mediapipe, own"):
        DetectorConfig(name="yolo")
    own = DetectorConfig(name="own")
    assert isinstance(make_detector(own), OwnDetector)
    assert isinstance(make_detector(own), Detector)
    assert isinstance(make_finder(own), Finder)
    pytest.importorskip("mediapipe")
    assert isinstance(make_detector(DetectorConfig()), MediaPipeDetector)


_WITHOUT_MEDIAPIPE = """
import sys
sys.modules["mediapipe"] = None
import numpy as np
from hand_pose_ros.hand.camera import Camera
from hand_pose_ros.runtime.config import DetectorConfig, EstimatorConfig
from hand_pose_ros.runtime.estimator import Estimator
from hand_pose_ros.runtime.lift import ModelLift
from hand_pose_ros.runtime.warm_up import drawn_hand
picture = drawn_hand()
camera = Camera.from_field_of_view(256, 256, 40.0)
config = EstimatorConfig(detector=DetectorConfig(name="own"))
estimator = Estimator(config, lift=ModelLift.from_name("fused"))
(hand,) = estimator.estimate(picture, camera, 0).hands
print(hand.side)
"""


def test_from_image_to_hand_without_mediapipe():
    """Detector, landmarks and the fused model where no mediapipe can be imported."""
    done = subprocess.run(
        [sys.executable, "-c", _WITHOUT_MEDIAPIPE], capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == "right", done.stderr


def test_photographs_any_way_up_show_their_hand(shared_data):
    path = shared_data / "real_hands" / "images" / "00003.jpg"
    photograph = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
    still = StillDetector(2, 2, detector="own")
    (upright,) = still.detect(photograph)
    over = still.detect_one(np.ascontiguousarray(photograph[::-1, ::-1]))
    assert upright.side == over.side == "left"
    apart = np.linalg.norm(255 - over.keypoints_px - upright.keypoints_px, axis=-1).mean()
    assert apart < 0.05 * upright.size_px
