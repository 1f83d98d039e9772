"""The rendered hand lies where the camera says, and the sample bag holds what it promises."""

from __future__ import annotations

import builtins
import dataclasses
import itertools
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from hand_pose_ros.data.synthetic.backdrop.background import room
from hand_pose_ros.data.synthetic.body.gestures import GESTURES, Keyframe, Movement, gesture
from hand_pose_ros.data.synthetic.render.looks import Light, Scene, SkinLook
from hand_pose_ros.data.synthetic.render.renderer import HandRenderer, RenderedHand, over
from hand_pose_ros.data.synthetic.render.subdivision import loop_subdivision
from hand_pose_ros.data.synthetic.render.surface import drawn_surface
from hand_pose_ros.errors import ConfigError, InputError, ShapeError, UnavailableError
from hand_pose_ros.hand import skeleton
from hand_pose_ros.hand.camera import Camera
from hand_pose_ros.hand.kinematics import HandParameters, forward_kinematics, mirror
from hand_pose_ros.hand.mesh import load_hand_mesh

WIDTH, HEIGHT = 160, 120
CAMERA = Camera(
    np.array([[150.0, 0.0, 70.3], [0.0, 145.0, 66.1], [0.0, 0.0, 1.0]]), WIDTH, HEIGHT, (), ""
)
PALM_TO_CAMERA = np.array([[0.0, 1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
BACK_TO_CAMERA = np.array([[0.0, -1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, -1.0]])
POSITION = np.array([0.01, 0.06, 0.40])


@pytest.fixture(scope="module")
def renderer() -> Iterator[HandRenderer]:
    try:
        made = HandRenderer(WIDTH, HEIGHT, supersampling=2)
    except UnavailableError as error:
        pytest.skip(f"no renderer here: {error}")
    with made:
        yield made


def posed(name: str, rotation=PALM_TO_CAMERA, position=POSITION, side="right", skin=None):
    """Return a hand to draw and its joints (21, 3) [m] in the camera frame."""
    mesh = load_hand_mesh()
    rest = mesh.rest_hand
    hand = HandParameters(
        torch.from_numpy(rotation),
        torch.from_numpy(gesture(name)),
        rest.bone_lengths,
        rest.offsets,
    )
    vertices, joints = mesh.pose(hand), forward_kinematics(hand).positions
    forearm = -rotation[:, 0]
    vertices, joints = vertices + torch.from_numpy(position), joints + torch.from_numpy(position)
    if side == "left":
        vertices, joints, forearm = mirror(vertices), mirror(joints), forearm * (-1.0, 1.0, 1.0)
    drawn = RenderedHand(vertices.numpy(), forearm, side, skin or SkinLook())
    return drawn, joints.numpy()


@pytest.mark.parametrize("name", ["open", "fist", "pinch"])
@pytest.mark.parametrize("rotation", [PALM_TO_CAMERA, BACK_TO_CAMERA])
def test_every_joint_projects_into_the_silhouette(renderer, name, rotation) -> None:
    hand, joints = posed(name, rotation)
    image = renderer.render([hand], CAMERA)
    column, row = CAMERA.project(joints).round().astype(int).T
    assert image[row, column, 3].min() > 127


def test_silhouette_ends_where_the_surface_projects(renderer) -> None:
    hand, _ = posed("open")
    shaped = drawn_surface().shape(hand.vertices, "right", hand.forearm)
    pixels = CAMERA.project(shaped.positions)
    rows, columns = np.nonzero(renderer.render([hand], CAMERA)[..., 3] > 127)
    assert abs(columns.min() - pixels[:, 0].min()) < 0.8
    assert abs(columns.max() - pixels[:, 0].max()) < 0.8
    assert abs(rows.min() - pixels[:, 1].min()) < 0.8


def test_left_hand_is_the_mirror_image(renderer) -> None:
    scene = Scene(Light(direction=(0.0, -0.5, -1.0)))
    right = renderer.render([posed("pointing")[0]], CAMERA, scene)
    left = renderer.render([posed("pointing", side="left")[0]], CAMERA.mirrored(), scene)
    difference = np.abs(left[:, ::-1].astype(int) - right.astype(int))
    # The surface noise differs by rounding on a few edge pixels at most.
    assert np.percentile(difference, 99) <= 4
    assert difference.mean() < 0.2


def test_same_input_same_image_and_no_hand_is_nothing(renderer) -> None:
    hand, _ = posed("open")
    assert np.array_equal(renderer.render([hand], CAMERA), renderer.render([hand], CAMERA))
    assert not renderer.render([], CAMERA).any()


def test_the_nearer_hand_covers_the_farther_in_any_order(renderer) -> None:
    near = posed("open", skin=SkinLook(tone=1.0))[0]
    far = posed("open", position=POSITION * 1.2, skin=SkinLook(tone=0.0))[0]
    both = renderer.render([far, near], CAMERA)
    alone = renderer.render([near], CAMERA)
    assert np.array_equal(both, renderer.render([near, far], CAMERA))
    inside = alone[..., 3] == 255
    assert np.abs(both[inside].astype(int) - alone[inside].astype(int)).mean() < 3


def test_darker_skin_is_darker_and_palms_least(renderer) -> None:
    def brightness(tone: float, rotation) -> float:
        image = renderer.render([posed("open", rotation, skin=SkinLook(tone=tone))[0]], CAMERA)
        return image[image[..., 3] == 255][:, :3].mean()

    backs = [brightness(tone, BACK_TO_CAMERA) for tone in (0.0, 0.5, 1.0)]
    assert backs[0] > backs[1] > backs[2]
    assert brightness(1.0, PALM_TO_CAMERA) > 1.2 * backs[2]


def test_laying_over_is_linear_in_coverage() -> None:
    background = np.full((2, 2, 3), 100, np.uint8)
    nothing = np.zeros((2, 2, 4), np.uint8)
    assert np.array_equal(over(nothing, background), background)
    full = np.full((2, 2, 4), 255, np.uint8)
    assert (over(full, background) == 255).all()
    half = np.full((2, 2, 4), (20, 20, 20, 128), np.uint8)
    assert np.abs(over(half, background).astype(int) - (20 + 100 * (1 - 128 / 255))).max() < 1
    with pytest.raises(ShapeError, match="lay an image of shape"):
        over(full, background[:1])


def test_drawn_surface_faces_outward_on_both_sides() -> None:
    surface = drawn_surface()
    for side in skeleton.SIDES:
        hand, joints = posed("flat", side=side)
        shaped = surface.shape(hand.vertices, side, hand.forearm)
        nearest = joints[np.argmin(np.linalg.norm(shaped.positions[:, None] - joints, axis=2), 1)]
        outward = ((shaped.positions - nearest) * shaped.normals).sum(1) > 0
        assert outward.mean() > 0.9
        assert np.allclose(np.linalg.norm(shaped.normals, axis=1), 1.0, atol=1e-5)
        assert shaped.openness.min() > 0.0
        assert shaped.openness.max() <= 1.0 + 1e-6


def test_a_fist_sees_less_sky_than_an_open_hand() -> None:
    def openness(name: str) -> float:
        hand, _ = posed(name)
        return drawn_surface().shape(hand.vertices, "right", hand.forearm).openness.mean()

    assert openness("fist") < 0.95 * openness("open")


def test_subdivision_keeps_what_is_plane_and_closed() -> None:
    faces = np.array([[0, 2, 1], [0, 1, 3], [1, 2, 3], [2, 0, 3]])
    matrix, finer = loop_subdivision(faces, 4)
    assert np.allclose(matrix.sum(axis=1), 1.0)
    assert finer.shape == (16, 3)
    edges = {(a, b) for f in finer for a, b in zip(f, np.roll(f, -1), strict=True)}
    assert all((b, a) in edges for a, b in edges)
    assert matrix.shape[0] - len(edges) // 2 + len(finer) == 2  # Euler's formula for a sphere

    square = np.array([[0.0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]])
    matrix, finer = loop_subdivision(np.array([[0, 1, 2], [0, 2, 3]]), 4)
    smooth = matrix @ square
    assert np.allclose(smooth[:, 2], 0)
    corner, first, second = (smooth[finer[:, i]] for i in range(3))
    assert (np.cross(first - corner, second - corner)[:, 2] > 0).all()
    # A corner of a boundary is drawn in by an eighth of each neighbour, an edge point stays.
    assert np.allclose(smooth[0], [0.125, 0.125, 0])
    assert any(np.allclose(point, [0.5, 0.0, 0]) for point in smooth[4:])


@pytest.mark.parametrize("name", GESTURES)
def test_gestures_are_possible(name: str) -> None:
    low, high = np.array(skeleton.ARTICULATION_LIMITS).T
    angles = gesture(name)
    assert angles.shape == (23,)
    assert (angles >= low).all()
    assert (angles <= high).all()


def test_a_pinch_touches_and_a_fist_is_closed() -> None:
    _, pinch = posed("pinch")
    assert np.linalg.norm(pinch[4] - pinch[8]) < 0.017
    _, fist = posed("fist")
    _, flat = posed("flat")
    for tip in (8, 12, 16, 20):
        wrist_to_tip = np.linalg.norm(fist[tip] - fist[0])
        assert wrist_to_tip < 0.6 * np.linalg.norm(flat[tip] - flat[0])


def test_movements_pass_their_keyframes_smoothly() -> None:
    keys = [
        Keyframe(0.0, "open", (0.0, 0.1, 0.5)),
        Keyframe(0.6, "fist", (0.05, 0.1, 0.4), (20.0, 0.0, 40.0)),
        Keyframe(1.0, "flat", (0.0, 0.0, 0.6)),
    ]
    movement = Movement(keys, seed=4)
    for key in keys:
        angles, rotation, position = movement.at(key.time)
        assert np.abs(angles - gesture(key.name)).max() < np.radians(2.5)
        assert np.abs(position - key.position).max() < 0.005
        assert np.allclose(rotation @ rotation.T, np.eye(3), atol=1e-9)
    assert np.allclose(movement.at(0.0)[1], PALM_TO_CAMERA, atol=1e-9)
    times = np.arange(0.0, 1.0, 0.002)
    positions = np.array([movement.at(time)[2] for time in times])
    velocities = np.diff(positions, axis=0) / 0.002
    # Of minimum jerk: 1.875 times the mean speed at most, and at rest at every keyframe.
    assert np.linalg.norm(velocities, axis=1).max() < 1.875 * np.hypot(0.1, 0.2) / 0.4 + 0.1
    at_rest = np.abs(velocities[np.searchsorted(times, 0.6)])
    assert at_rest.max() < 0.05


def test_a_turn_yaws_in_the_image_and_rolls_about_the_fingers() -> None:
    def fingers_and_palm(turn):
        keys = [Keyframe(t, "open", (0.0, 0.0, 0.5), turn) for t in (0.0, 1.0)]
        rotation = Movement(keys).at(0.0)[1]
        return rotation[:, 0], -rotation[:, 2]

    fingers, palm = fingers_and_palm((90.0, 0.0, 0.0))
    assert np.allclose(fingers, [1, 0, 0], atol=1e-9)
    assert np.allclose(palm, [0, 0, -1], atol=1e-9)
    fingers, palm = fingers_and_palm((0.0, 0.0, 180.0))
    assert np.allclose(fingers, [0, -1, 0], atol=1e-9)
    assert np.allclose(palm, [0, 0, 1], atol=1e-9)


def test_a_room_is_the_same_for_a_seed_and_another_for_another() -> None:
    first = room(80, 60, seed=1)
    assert first.shape == (60, 80, 3)
    assert first.dtype == np.uint8
    assert np.array_equal(first, room(80, 60, seed=1))
    assert np.abs(first.astype(int) - room(80, 60, seed=2)).mean() > 2


def test_bad_input_is_named(renderer) -> None:
    hand, _ = posed("open")
    with pytest.raises(InputError, match="80 x 60 px, the renderer 160 x 120"):
        renderer.render([hand], Camera.from_field_of_view(80, 60))
    bent = Camera(CAMERA.K, WIDTH, HEIGHT, (0.1, 0.0, 0.0, 0.0))
    with pytest.raises(InputError, match="distortion"):
        renderer.render([hand], bent)


def test_bad_values_are_named_without_a_renderer() -> None:
    hand, _ = posed("open")
    with pytest.raises(InputError, match="side is 'middle'"):
        dataclasses.replace(hand, side="middle")
    with pytest.raises(ShapeError, match=r"vertices has shape \(3, 2\)"):
        dataclasses.replace(hand, vertices=np.zeros((3, 2)))
    with pytest.raises(InputError, match="vertices of a hand"):
        dataclasses.replace(hand, vertices=hand.vertices * np.nan)
    with pytest.raises(InputError, match="0 x 120 px"):
        HandRenderer(0, 120)
    with pytest.raises(InputError, match="no gesture 'shrug'"):
        gesture("shrug")
    keys = [Keyframe(1.0, name, (0.0, 0.0, 1.0)) for name in ("open", "fist")]
    with pytest.raises(InputError, match="keyframe times"):
        Movement(keys)
    with pytest.raises(InputError, match="background of 0 x 5"):
        room(0, 5, seed=0)
    with pytest.raises(ConfigError, match=r"skin tone is 1\.5"):
        SkinLook(tone=1.5)
    with pytest.raises(ConfigError, match="light direction"):
        Light(direction=(0.0, 0.0, 0.0))


def test_a_missing_library_is_named(monkeypatch) -> None:
    real = builtins.__import__

    def without_moderngl(name, *arguments, **options):
        if name == "moderngl":
            raise ImportError("No module named 'moderngl'")
        return real(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", without_moderngl)
    with pytest.raises(UnavailableError, match=r"hand_pose_ros\[render\]"):
        HandRenderer(8, 8)


def test_missing_egl_names_the_packages(monkeypatch) -> None:
    moderngl = pytest.importorskip("moderngl")

    def no_context(**settings):
        raise Exception("libEGL.so.1 not loaded")  # what moderngl raises

    monkeypatch.setattr(moderngl, "create_context", no_context)
    with pytest.raises(UnavailableError, match="libegl1 libgl1-mesa-dri"):
        HandRenderer(8, 8)


SAMPLE = Path(__file__).parents[1] / "samples" / "gestures.mcap"


@pytest.fixture(scope="module")
def sample() -> dict[str, list]:
    """Messages of the shipped bag by topic, images still compressed."""
    from hand_pose_ros.ros.bag import BagReader

    messages: dict[str, list] = {}
    with BagReader(SAMPLE) as reader:
        for message in reader.messages():
            messages.setdefault(message.topic.name, []).append(
                (message.stamp_ns, reader.deserialize(message))
            )
    return messages


def true_hands(sample):
    from hand_pose_ros.ros.conversions import hands_from_message

    return [hands_from_message(message) for _, message in sample["/truth/hand_poses"]]


def test_sample_is_ten_seconds_of_one_and_two_hands(sample) -> None:
    assert 2e6 < SAMPLE.stat().st_size < 5e6
    topics = ("/camera/image_raw/compressed", "/camera/camera_info", "/truth/hand_poses")
    assert set(sample) == set(topics)
    stamps = [[stamp for stamp, _ in sample[topic]] for topic in topics]
    assert stamps[0] == stamps[1] == stamps[2]
    assert len(stamps[0]) == 300
    steps = np.diff(stamps[0]) / 1e9
    assert np.allclose(steps, 1 / 30, atol=1e-6)
    seen = {tuple(sorted(hand.side for hand in hands)) for hands in true_hands(sample)}
    assert {("right",), ("left",), ("left", "right")} <= seen


def test_sample_truth_is_one_kinematic_hand_in_its_camera(sample) -> None:
    from hand_pose_ros.ros.camera_info import camera_from_info

    camera = camera_from_info(sample["/camera/camera_info"][0][1], 640, 480)
    lengths, depths = [], []
    for hand in itertools.chain.from_iterable(true_hands(sample)):
        steps = hand.keypoints[1:] - hand.keypoints[list(skeleton.PARENTS[1:])]
        measured = np.linalg.norm(steps, axis=1)
        assert np.abs(measured - hand.bone_lengths).max() < 1e-6
        # x of each bone's frame, made from the angles alone, is the bone.
        assert np.abs(hand.rotations[1:, :, 0] - steps / measured[:, None]).max() < 1e-5
        assert np.abs(camera.project(hand.keypoints) - hand.keypoints_px).max() < 1e-3
        assert np.allclose(hand.T_cam_wrist[:3, 3], hand.keypoints[0])
        lengths.append(measured)
        depths.append(hand.keypoints[:, 2].mean())
    assert np.ptp(lengths, axis=0).max() < 1e-6
    assert min(depths) > 0.33
    assert max(depths) < 0.72


def test_sample_moves_as_hands_do(sample) -> None:
    for side in skeleton.SIDES:
        tracks = [[h for h in hands if h.side == side] for hands in true_hands(sample)]
        for before, after in itertools.pairwise(tracks):
            if before and after:
                moved = np.linalg.norm(after[0].keypoints - before[0].keypoints, axis=1) * 30
                turned = np.abs(after[0].angles[3:] - before[0].angles[3:]) * 30
                assert moved.max() < 3.0
                assert turned.max() < np.radians(1000)


@pytest.mark.slow
def test_mediapipe_finds_the_hands_of_the_sample(sample) -> None:
    pytest.importorskip("mediapipe")
    import cv2

    from hand_pose_ros.runtime.detect import MediaPipeDetector

    detector = MediaPipeDetector()
    shown = found = 0
    for (_, image), hands in list(
        zip(sample["/camera/image_raw/compressed"], true_hands(sample), strict=True)
    )[::3]:
        pixels = cv2.imdecode(np.frombuffer(image.data, np.uint8), cv2.IMREAD_COLOR)
        detections = detector.detect(np.ascontiguousarray(pixels[..., ::-1]))
        for hand in hands:
            shown += 1
            found += any(
                detection.side == hand.side
                and np.linalg.norm(detection.keypoints_px - hand.keypoints_px, axis=1).mean()
                < 0.15 * hand.box[2:].max()
                for detection in detections
            )
    detector.close()
    assert shown > 100
    assert found >= 0.97 * shown
