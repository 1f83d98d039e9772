"""Shown gestures: thumbs where anatomy has them, fingers that vary together, people alike."""

import numpy as np
import pytest
import torch

from hand_pose_ros.data.synthetic import staging
from hand_pose_ros.data.synthetic.body.gestures import GESTURES, gesture
from hand_pose_ros.data.synthetic.body.poses import FAMILIES, sample_articulation
from hand_pose_ros.data.synthetic.body.shapes import (
    DATASETS,
    PEOPLE,
    sample_offsets,
    sample_ratios,
)
from hand_pose_ros.data.synthetic.body.shown import sample_shown
from hand_pose_ros.data.synthetic.config import preset
from hand_pose_ros.hand import skeleton
from hand_pose_ros.hand.kinematics import HandParameters, forward_kinematics

FLEXIONS = [
    skeleton.ARTICULATION.index(f"{finger}_{joint}_flexion")
    for finger in skeleton.FINGERS[1:]
    for joint in ("mcp", "pip")
]
KNUCKLES = [skeleton.KEYPOINTS.index(f"{finger}_mcp") for finger in skeleton.FINGERS[1:]]


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def placed(articulation, ratios=None, offsets=None):
    """Return the joints [mm] of mean hands, or of given proportions, in the wrist frame."""
    count = len(articulation)
    ratios = torch.tensor(skeleton.DEFAULT_RATIOS).expand(count, -1) if ratios is None else ratios
    if offsets is None:
        offsets = torch.tensor(skeleton.DEFAULT_OFFSETS).expand(count, -1)
    lengths = ratios * skeleton.DEFAULT_ANCHOR_LENGTH
    root = torch.eye(3).expand(count, 3, 3)
    hand = HandParameters(root, articulation.float(), lengths, offsets)
    return 1e3 * forward_kinematics(hand).positions.numpy()


def before_the_palm(joints):
    """Return how far [mm] thumb tips lie in front of the plane of wrist and knuckles."""
    wrist, middle, index, little = (joints[:, k] for k in (0, 9, 5, 17))
    normal = np.cross(middle - wrist, index - little)
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    return -np.sum((joints[:, 4] - wrist) * normal, axis=1)


def shown(name):
    return placed(torch.from_numpy(gesture(name))[None])


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("open", 5, 30),
        ("flat", 5, 30),
        ("thumb_up", -5, 25),
        ("relaxed", 25, 50),
        ("fist", 45, 75),
    ],
)
def test_thumbs_are_as_far_before_the_palm_as_anatomy_has_them(name, low, high):
    (depth,) = before_the_palm(shown(name))
    assert low < depth < high


def test_open_thumbs_scatter_about_the_plane_of_the_palm():
    depth = before_the_palm(placed(sample_articulation(2000, seeded(), 0.0, ("open",))))
    assert 5.0 < depth.mean() < 30.0
    assert depth.std() < 20.0


@pytest.mark.parametrize("name", ["pointing", "two", "horns", "little"])
def test_the_thumb_holds_the_bent_fingers(name):
    (joints,) = shown(name)
    phalanges = [(joints[k] + joints[k + 1]) / 2.0 for k in (6, 10, 14)]  # PIP to DIP
    assert min(np.linalg.norm(joints[4] - middle) for middle in phalanges) < 20.0
    assert joints[4, 2] < min(middle[2] for middle in phalanges)  # the palm's side is -z


@pytest.mark.parametrize("name", ["pinch", "ring"])
def test_the_thumb_meets_the_index_finger(name):
    (joints,) = shown(name)
    assert 8.0 < np.linalg.norm(joints[4] - joints[8]) < 18.0


def test_every_gesture_is_shown_and_nothing_far_from_all_of_them():
    drawn = sample_shown(4000, seeded())[:, FLEXIONS]
    table = torch.tensor(np.degrees([gesture(name) for name in GESTURES])).float()[:, FLEXIONS]
    apart = (drawn[:, None] - table).abs().mean(-1)
    nearest = apart.min(dim=1)
    assert len(set(nearest.indices.tolist())) > 0.6 * len(GESTURES)  # some differ by the thumb
    assert nearest.values.max() < 25.0
    free = torch.rad2deg(sample_articulation(4000, seeded(), 0.0, ("counting",)))[:, FLEXIONS]
    assert (free[:, None] - table).abs().mean(-1).min(dim=1).values.max() > 25.0


def test_the_fingers_of_a_shown_hand_deviate_together():
    drawn = sample_shown(6000, seeded())
    pip = [skeleton.ARTICULATION.index(f"{f}_pip_flexion") for f in ("index", "little")]
    mostly_open = (drawn[:, pip] < 20.0).all(dim=1)
    assert mostly_open.sum() > 1000
    index, little = drawn[mostly_open][:, pip].T
    assert 0.3 < torch.corrcoef(torch.stack((index, little)))[0, 1] < 0.95


def test_shown_hands_are_drawn_by_both_kinds_of_views():
    assert "shown" in FAMILIES
    assert "shown" in preset("frontal").config.families
    assert "shown" in preset("train").config.families
    hands = sample_articulation(64, seeded(), 0.0, ("shown",))
    assert torch.equal(hands, sample_articulation(64, seeded(), 0.0, ("shown",)))
    low, high = torch.tensor(skeleton.ARTICULATION_LIMITS).unbind(-1)
    assert (hands >= low - 1e-6).all() and (hands <= high + 1e-6).all()


def test_frontal_hands_hold_what_they_show(monkeypatch):
    seen = []

    def draw(count, generator, blend, families):
        seen.append((blend, families))
        return sample_articulation(count, generator, blend, families)

    monkeypatch.setattr(staging, "sample_articulation", draw)
    for name in ("frontal", "train"):
        staging.sample_poses(2, preset(name).config, np.random.default_rng(0))
    (frontal, families), (train, _) = seen
    assert frontal < train
    assert families == preset("frontal").config.families


def test_people_differ_less_than_what_datasets_call_their_joints():
    spreads = []
    for spread in (PEOPLE, DATASETS):
        ratios = sample_ratios(2000, seeded(1), spread)
        offsets = sample_offsets(2000, seeded(2), spread)
        joints = placed(torch.zeros(2000, 23), ratios, offsets)
        spreads.append(joints[:, KNUCKLES, 2].std(axis=0).max())
    people, datasets = spreads
    assert 1.0 < people < 3.0
    assert datasets > 5.0
