"""Laws of the alignments and protocols, values by hand, second opinions from loops and scipy."""

from __future__ import annotations

import numpy as np
import pytest
from dataset_samples import write_stb
from hand_samples import random_hands
from hypothesis import given
from hypothesis import strategies as st
from scipy.io import loadmat
from scipy.spatial.transform import Rotation

from hand_pose_ros.data.datasets import open_dataset
from hand_pose_ros.errors import InputError, ShapeError
from hand_pose_ros.evaluation import alignment, metrics, surfaces
from hand_pose_ros.evaluation.protocols import DEFAULT, OF_FORMAT, PROTOCOLS, protocols_of
from hand_pose_ros.hand.kinematics import forward_kinematics

SEEDS = st.integers(0, 2**31)


def pairs(seed: int = 0, count: int = 6) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    hands = random_hands(count, seed=seed % 2**31)
    true = forward_kinematics(hands).positions.numpy() + generator.normal(0, 0.2, (count, 1, 3))
    return true + generator.normal(0.0, 0.01, true.shape), true


def similarity(generator: np.random.Generator) -> tuple[float, np.ndarray, np.ndarray]:
    turn = Rotation.random(random_state=generator.integers(2**31)).as_matrix()
    return generator.uniform(0.3, 3.0), turn, generator.normal(0.0, 1.0, 3)


def by_scipy(predicted: np.ndarray, true: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Similarity alignment of the known joints of one hand, with scipy's rotation."""
    p, t = predicted[known], true[known]
    turn = Rotation.align_vectors(t - t.mean(0), p - p.mean(0))[0].as_matrix()
    turned = (predicted - p.mean(0)) @ turn.T
    scale = np.sum(turned[known] * (t - t.mean(0))) / np.sum(turned[known] ** 2)
    return scale * turned + t.mean(0)


def in_a_loop(name: str, predicted, true, known, visible) -> list[float]:
    """One hand's joint errors [mm] by the words of each protocol, joint by joint."""
    p, t = [list(map(float, row)) for row in predicted], [list(map(float, row)) for row in true]
    palm = {"palm-scaled": 9, "stb-palm-scaled": 13}.get(name)
    if palm is not None:
        p[0] = [(a + b) / 2 for a, b in zip(p[0], p[palm], strict=True)]
        t[0] = [(a + b) / 2 for a, b in zip(t[0], t[palm], strict=True)]

    def length(points: list[list[float]], a: int, b: int) -> float:
        return sum((points[a][axis] - points[b][axis]) ** 2 for axis in range(3)) ** 0.5

    if name == "pa":
        p = by_scipy(predicted, true, known).tolist()
    elif name != "absolute":
        root = 9 if name == "middle-mcp" else 0
        ends = (9, 10) if palm is not None else (0, 9) if name == "wrist-scaled" else None
        scale = length(t, *ends) / length(p, *ends) if ends else 1.0
        p = [[(v - r) * scale for v, r in zip(row, p[root], strict=True)] for row in p]
        t = [[v - r for v, r in zip(row, t[root], strict=True)] for row in t]
    counted = known if palm is None else known & visible
    return [
        1000.0 * sum((p[j][axis] - t[j][axis]) ** 2 for axis in range(3)) ** 0.5
        if counted[j]
        else float("nan")
        for j in range(21)
    ]


@given(seed=SEEDS, name=st.sampled_from(sorted(PROTOCOLS)))
def test_every_protocol_equals_a_loop_with_joints_that_are_not_known(seed, name) -> None:
    predicted, true = pairs(seed, 3)
    generator = np.random.default_rng(seed)
    known = generator.random(true.shape[:2]) > 0.3
    known[:, [0, 9, 10, 13]] = True  # roots and bones; a test of its own has them missing
    visible = generator.random(true.shape[:2]) > 0.3
    masked = np.where(known[..., None], true, np.nan)
    errors = PROTOCOLS[name].errors(predicted, masked, visible)
    for row in range(3):
        expected = in_a_loop(name, predicted[row], masked[row], known[row], visible[row])
        np.testing.assert_allclose(errors[row], expected, atol=1e-6)


@given(seed=SEEDS)
def test_pa_does_not_see_any_similarity_of_the_estimate(seed) -> None:
    predicted, true = pairs(seed)
    scale, turn, shift = similarity(np.random.default_rng(seed))
    before = PROTOCOLS["pa"].errors(predicted, true)
    after = PROTOCOLS["pa"].errors(scale * predicted @ turn.T + shift, true)
    np.testing.assert_allclose(after, before, atol=1e-7)


@given(seed=SEEDS, name=st.sampled_from(sorted(PROTOCOLS)))
def test_a_motion_of_both_changes_nothing_and_a_scale_of_both_scales(seed, name) -> None:
    predicted, true = pairs(seed)
    scale, turn, shift = similarity(np.random.default_rng(seed))
    before = PROTOCOLS[name].errors(predicted, true)
    after = PROTOCOLS[name].errors(
        scale * predicted @ turn.T + shift, scale * true @ turn.T + shift
    )
    np.testing.assert_allclose(after, scale * before, atol=1e-7)


@given(seed=SEEDS, name=st.sampled_from(sorted(PROTOCOLS)))
def test_what_is_not_known_takes_no_part(seed, name) -> None:
    """Whatever is estimated of a joint without truth, the others are scored alike."""
    predicted, true = pairs(seed)
    true[:, [4, 20]] = np.nan
    other = predicted.copy()
    other[:, [4, 20]] += 5.0
    errors = PROTOCOLS[name].errors(predicted, true)
    np.testing.assert_array_equal(PROTOCOLS[name].errors(other, true), errors)
    assert np.isnan(errors[:, [4, 20]]).all() and np.isfinite(np.delete(errors, [4, 20], 1)).all()


@pytest.mark.parametrize("name", [name for name in PROTOCOLS if name not in ("pa", "absolute")])
def test_a_hand_without_its_root_is_not_scored(name) -> None:
    predicted, true = pairs()
    true[2, [0, 9]] = np.nan
    errors = PROTOCOLS[name].errors(predicted, true)
    assert np.isnan(errors[2]).all() and np.isfinite(np.delete(errors, 2, 0)).all()


def test_two_known_points_have_no_similarity() -> None:
    predicted, true = pairs()
    true[1, 2:] = np.nan
    assert np.isnan(PROTOCOLS["pa"].errors(predicted, true)[1]).all()


def test_protocols_by_hand() -> None:
    """The true middle bone is 2 cm long, the estimated one 1 cm: it counts twice."""
    true, predicted = np.zeros((2, 21, 3))
    true[9], true[10], true[20] = (0.1, 0, 0), (0.12, 0, 0), (0.0, 0.06, 0.0)
    predicted[9], predicted[10], predicted[20] = (0.1, 0, 0), (0.11, 0, 0), (0.0, 0.03, 0.0)
    shift = np.array([0.0, 0.0, 0.004])
    palm = PROTOCOLS["palm-scaled"].errors(predicted + shift, true)
    # Palms are at x = 0.05; estimated joints count twice from there, so the MCP is at 0.15.
    assert palm[[0, 9, 10, 20]] == pytest.approx([0.0, 50.0, 50.0, 50.0])
    assert PROTOCOLS["wrist"].errors(predicted + shift, true)[[0, 10, 20]] == pytest.approx(
        [0.0, 10.0, 30.0]
    )
    assert PROTOCOLS["absolute"].errors(predicted + shift, true)[0] == pytest.approx(4.0)
    moved = predicted + shift
    moved[9] += (0.0, 0.003, 0.0)
    assert PROTOCOLS["middle-mcp"].errors(moved, true)[0] == pytest.approx(3.0)


@pytest.mark.parametrize("name", ["palm-scaled", "stb-palm-scaled"])
def test_the_grid_of_the_palm_protocols_is_the_last_twelve_of_twenty_steps(name) -> None:
    expected = np.linspace(0.0, 50.0, 20)[8:]
    np.testing.assert_allclose(PROTOCOLS[name].auc_20_50.thresholds_mm, expected)


def test_the_palm_of_stb_is_the_one_that_it_labels(tmp_path) -> None:
    """The errors are those of its own 21 points, the first of which is the palm centre."""
    write_stb(tmp_path, frames=1)
    image = next(open_dataset(tmp_path, "stb", "BB-test").images())
    true = image.hands[0].keypoints
    label = loadmat(tmp_path / "labels" / "B1Counting_BB.mat")["handPara"][..., 0].T
    predicted = true + np.random.default_rng(0).normal(0.0, 0.01, true.shape)
    guess = 1000.0 * predicted[[0, *range(17, 21), *range(13, 17), *range(9, 13), *range(5, 9)]]
    guess = np.concatenate((guess, 1000.0 * predicted[1:5]))
    guess[0] = (guess[0] + 1000.0 * predicted[13]) / 2.0
    # Of the dataset's order 9 is the middle MCP, 10 the middle PIP.
    scale = np.linalg.norm(label[9] - label[10]) / np.linalg.norm(guess[9] - guess[10])
    expected = np.linalg.norm((guess - guess[0]) * scale - (label - label[0]), axis=1)
    protocol, *_ = protocols_of("stb")
    assert np.sort(protocol.errors(predicted, true)) == pytest.approx(np.sort(expected), abs=1e-6)


def test_protocols_are_chosen_by_name_or_format() -> None:
    assert [p.name for p in protocols_of("interhand")] == list(OF_FORMAT["interhand"])
    assert [p.name for p in protocols_of("folder")] == list(DEFAULT)
    assert [p.name for p in protocols_of("rhd", ["pa", "wrist", "pa"])] == ["pa", "wrist"]
    with pytest.raises(InputError, match=r"protocol is 'root'; .* wrist-scaled"):
        protocols_of("folder", ["root"])


def test_a_bone_without_length_is_named() -> None:
    predicted, true = pairs()
    predicted[3, 10] = predicted[3, 9]
    with pytest.raises(InputError, match=r"predicted hand \(3,\) has its middle_pip on its"):
        PROTOCOLS["palm-scaled"].errors(predicted, true)


def test_means_pass_over_what_is_not_known_by_hand() -> None:
    predicted, true = pairs(count=1)
    predicted = true + (0.003, 0.004, 0.0)
    true[0, 5:] = np.nan
    assert metrics.mpjpe_absolute(predicted, true)[0] == pytest.approx(5.0)
    true[:] = np.nan
    assert np.isnan(metrics.mpjpe_absolute(predicted, true)[0])
    assert metrics.pck([1.0, np.nan, 3.0], [2.0])[0] == 0.5


def test_relative_root_error_by_hand() -> None:
    """Right wrists 3 mm off one way, left ones 4 mm another: 5 mm from one to the other."""
    _, true = pairs()
    right, left = true + (0.003, 0.0, 0.0), true + 0.2 + (0.0, 0.004, 0.0)
    both = metrics.root_place_error(right, true, left, true + 0.2)
    np.testing.assert_allclose(both, 5.0)
    np.testing.assert_allclose(metrics.root_place_error(left, true + 0.2, right, true), both)
    np.testing.assert_allclose(metrics.root_place_error(right + 1, true, left + 1, true + 0.2), 5)


def test_acceleration_error_passes_over_unknown_joints() -> None:
    generator = np.random.default_rng(0)
    true, predicted = generator.normal(0.0, 0.05, (2, 6, 21, 3))
    true[2, 7] = np.nan
    expected = []
    for frame in range(4):
        joints = []
        for joint in range(21):
            if joint == 7 and frame <= 2 <= frame + 2:
                continue
            a, b, c = predicted[frame : frame + 3, joint] - true[frame : frame + 3, joint]
            joints.append(np.linalg.norm(a - 2 * b + c) * 1000.0)
        expected.append(np.mean(joints))
    np.testing.assert_allclose(metrics.acceleration_error(predicted, true), expected, atol=1e-6)


# --- surfaces ---------------------------------------------------------------------------------


def clouds(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    true = generator.normal(0.0, 0.05, (60, 3)) + (0, 0, 0.5)
    return true + generator.normal(0.0, 0.004, true.shape), true


@given(seed=SEEDS, limit=st.floats(1.0, 40.0))
def test_f_score_equals_all_pairs_in_a_loop_and_is_symmetric(seed, limit) -> None:
    predicted, true = clouds(seed)
    predicted = predicted[:40]
    near = [[np.linalg.norm(p - t) * 1000.0 for t in true] for p in predicted]
    precision = np.mean([min(row) < limit for row in near])
    recall = np.mean([min(column) < limit for column in zip(*near, strict=True)])
    both = precision + recall
    expected = 2 * precision * recall / both if both else 0.0
    assert surfaces.f_score(predicted, true, limit) == pytest.approx(expected, abs=1e-9)
    assert surfaces.f_score(true, predicted, limit) == pytest.approx(expected, abs=1e-9)


def test_f_score_by_hand() -> None:
    """One of two predicted points is near one of four true ones: 2 x 1/2 x 1/4 / (3/4)."""
    true = np.array([[0.0, 0, 0], [1, 0, 0], [2, 0, 0], [3, 0, 0]])
    predicted = np.array([[0.004, 0, 0], [0, 1, 0]])
    assert surfaces.f_score(predicted, true, 5.0) == pytest.approx(1 / 3)
    assert surfaces.f_score(predicted + 9, true, 5.0) == 0.0


def test_vertex_errors_equal_scipy_and_a_loop() -> None:
    predicted, true = clouds()
    loop = [np.linalg.norm(p - t) * 1000.0 for p, t in zip(predicted, true, strict=True)]
    np.testing.assert_allclose(surfaces.vertex_errors(predicted, true), loop, atol=1e-6)
    aligned = by_scipy(predicted, true, np.ones(len(true), bool))
    loop = [np.linalg.norm(p - t) * 1000.0 for p, t in zip(aligned, true, strict=True)]
    np.testing.assert_allclose(surfaces.pa_vertex_errors(predicted, true), loop, atol=1e-6)


def test_surfaces_under_each_alignment() -> None:
    joints, true_joints = (each[0] for each in pairs())
    vertices = true_joints + (0.0, 0.0, 0.02)
    scores = surfaces.score_surface(vertices, true_joints, true_joints + (0, 0, 0.02), true_joints)
    assert scores["absolute"] == pytest.approx(
        (20.0, scores["absolute"].f_5, scores["absolute"][2])
    )
    assert scores["wrist"] == pytest.approx((0.0, 1.0, 1.0), abs=1e-9)
    assert scores["pa"] == pytest.approx((0.0, 1.0, 1.0), abs=1e-9)
    other = surfaces.score_surface(vertices[:9], true_joints, joints, true_joints)
    assert np.isnan(other["pa"].mpvpe_mm) and other["pa"].f_15 >= 0.0
    unknown = np.full((21, 3), np.nan)
    assert np.isnan(surfaces.score_surface(vertices[:9], true_joints, joints, unknown)["pa"].f_5)


def test_surfaces_that_are_none_are_refused() -> None:
    predicted, true = clouds()
    with pytest.raises(InputError, match="threshold is 0"):
        surfaces.f_score(predicted, true, 0.0)
    with pytest.raises(InputError, match=r"predicted surface has shape \(0, 3\)"):
        surfaces.f_score(predicted[:0], true, 5.0)
    with pytest.raises(InputError, match="true surface has a value that is not finite"):
        surfaces.f_score(predicted, true * np.nan, 5.0)
    with pytest.raises(ShapeError, match="alike"):
        surfaces.vertex_errors(predicted[:5], true)
    with pytest.raises(InputError, match=r"predicted hand \(\) has all its points in one place"):
        alignment.fit_similarity(true * 0.0, true, None)
