"""Layers of a render, props, what hands wear, and looks and light drawn by chance."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np
import pytest
from test_synthetic_render import BACK_TO_CAMERA, CAMERA, HEIGHT, PALM_TO_CAMERA, WIDTH, posed

from hand_pose_ros.data.synthetic.render import solids
from hand_pose_ros.data.synthetic.render.contours import POINTS, finger_contour, wrist_contour
from hand_pose_ros.data.synthetic.render.edges import smoothed
from hand_pose_ros.data.synthetic.render.looks import (
    LIGHTINGS,
    Lamp,
    Light,
    Scene,
    SkinLook,
    sample_look,
    sample_scene,
)
from hand_pose_ros.data.synthetic.render.projection import window_from_depth
from hand_pose_ros.data.synthetic.render.props import PATTERNS, Material, Prop
from hand_pose_ros.data.synthetic.render.renderer import HandRenderer
from hand_pose_ros.data.synthetic.render.surface import drawn_surface
from hand_pose_ros.data.synthetic.render.worn import (
    FABRICS,
    RING_FINGERS,
    Bracelet,
    Glove,
    Ring,
    Sleeve,
    Worn,
)
from hand_pose_ros.errors import ConfigError, InputError, ShapeError, UnavailableError

SOLIDS = {
    "sphere": solids.sphere(0.02),
    "cylinder": solids.cylinder(0.01, 0.05),
    "box": solids.box(0.02, 0.03, 0.04),
    "ring": solids.ring(0.02, 0.005),
}
VOLUMES = {
    "sphere": 4 / 3 * np.pi * 0.02**3,
    "cylinder": np.pi * 0.01**2 * 0.05,
    "box": 0.02 * 0.03 * 0.04,
    "ring": 2 * np.pi**2 * 0.02 * 0.0025**2,
}
FACING = Scene(Light(direction=(0.0, 0.0, -1.0), softness=0.0))


@pytest.fixture(scope="module")
def renderer() -> Iterator[HandRenderer]:
    try:
        made = HandRenderer(WIDTH, HEIGHT)
    except UnavailableError as error:
        pytest.skip(f"no renderer here: {error}")
    with made:
        yield made


def at(x: float, y: float, z: float) -> np.ndarray:
    T = np.eye(4)
    T[:3, 3] = x, y, z
    return T


@pytest.mark.parametrize("name", SOLIDS)
def test_solids_are_closed_and_face_outward(name: str) -> None:
    vertices, faces = SOLIDS[name]
    edges = [(a, b) for f in faces.tolist() for a, b in zip(f, f[1:] + f[:1], strict=True)]
    assert len(set(edges)) == len(edges)
    assert {(b, a) for a, b in edges} == set(edges)
    corner, first, second = (vertices[faces[:, i]] for i in range(3))
    # The divergence theorem: a positive volume means that faces turn outward.
    volume = np.einsum("ij,ij->", corner, np.cross(first, second)) / 6
    assert 0.85 * VOLUMES[name] < volume < 1.001 * VOLUMES[name]
    euler = len(vertices) - len(edges) // 2 + len(faces)
    assert euler == (0 if name == "ring" else 2)


def test_normals_are_sharp_on_a_box_and_smooth_on_a_ball() -> None:
    vertices, faces = SOLIDS["box"]
    normals = solids.corner_normals(vertices, faces)
    assert np.allclose(np.abs(normals).max(-1), 1.0)
    vertices, faces = solids.sphere(1.0, 48)
    normals = solids.corner_normals(vertices, faces)
    assert ((normals * vertices[faces]).sum(-1) > 0.99).all()


def test_depth_and_label_of_a_ball_are_where_it_is(renderer) -> None:
    ball = Prop.placed(solids.sphere(0.05, 96), at(0.0, 0.0, 0.4))
    layers = renderer.render_layers([], CAMERA, props=[ball])
    column, row = CAMERA.project(np.array([[0.0, 0.0, 0.4]]))[0].round().astype(int)
    assert layers.label[row, column] == 128
    assert abs(layers.depth[row, column] - 0.35) < 5e-4
    assert set(np.unique(layers.label)) == {0, 128}
    assert ((layers.depth > 0) == (layers.label > 0)).all()
    assert (layers.rgba[layers.label > 0, 3] > 0).mean() > 0.99


def test_depth_is_that_of_the_surface(renderer) -> None:
    hand, joints = posed("open")
    layers = renderer.render_layers([hand], CAMERA)
    assert layers.depth.dtype == np.float32
    column, row = CAMERA.project(joints).round().astype(int).T
    assert (layers.label[row, column] == 1).all()
    behind = joints[:, 2] - layers.depth[row, column]
    assert (behind > 0.0).all()
    assert (behind < 0.03).all()
    assert np.array_equal(layers.rgba, renderer.render([hand], CAMERA))


def test_labels_name_hands_and_props_in_order(renderer) -> None:
    near, _ = posed("open")
    far, _ = posed("open", position=np.array([0.05, 0.02, 0.7]))
    ball = Prop.placed(solids.sphere(0.02), at(-0.06, -0.05, 0.35))
    stick = Prop.placed(solids.cylinder(0.01, 0.1), at(0.0, 0.02, 0.3))
    layers = renderer.render_layers([far, near], CAMERA, props=[ball, stick])
    assert {1, 2, 128, 129} <= set(np.unique(layers.label))
    # The nearer one wins where both are.
    assert (layers.label == 2).sum() > (layers.label == 1).sum()


def test_a_prop_casts_a_shadow_on_the_hand(renderer) -> None:
    hand, joints = posed("flat")
    # A board between the lamp and the hand, beside the camera's line of sight.
    scene = Scene(Light(direction=(-1.0, 0.0, -1.0), softness=0.0))
    middle = joints[9] + 0.12 * np.array([-1.0, 0.0, -1.0]) / np.sqrt(2)
    board = Prop.placed(solids.box(0.06, 0.06, 0.004), at(*middle))
    alone = renderer.render_layers([hand], CAMERA, scene)
    shaded = renderer.render_layers([hand], CAMERA, scene, [board])
    seen = (shaded.label == 1) & (alone.label == 1)
    change = alone.rgba[seen, :3].astype(float).mean(1) - shaded.rgba[seen, :3].mean(1)
    assert (change > 15).mean() > 0.1
    assert (change < -5).mean() < 0.01


@pytest.mark.parametrize("pattern", PATTERNS)
def test_patterns_show_both_colours_or_one(renderer, pattern: str) -> None:
    material = Material((0.8, 0.1, 0.1), (0.1, 0.1, 0.8), pattern, 0.02, gloss=0.0)
    ball = Prop.placed(solids.box(0.1, 0.1, 0.02), at(0.0, 0.0, 0.3), material)
    image = renderer.render_layers([], CAMERA, FACING, [ball]).rgba
    inside = image[image[..., 3] == 255].astype(float)
    assert len(inside) > 500
    spread = (inside[:, 0] - inside[:, 2]).std()
    assert spread < 8 if pattern == "plain" else spread > 1.5


def test_edges_mix_colours_by_coverage() -> None:
    colour = np.zeros((4, 4, 4), np.uint8)
    colour[:, :2] = 200
    depth = np.where(colour[..., 3] > 0, np.float32(0.5), np.float32(0.0))
    window = np.repeat(np.repeat(window_from_depth(depth), 2, 0), 2, 1)
    assert np.array_equal(smoothed(colour, depth, window), colour)
    window[:, 4] = window[0, 0]  # half of the samples of the third column
    assert (smoothed(colour, depth, window)[:, 2] == 100).all()
    nothing = np.zeros_like(colour), np.zeros_like(depth), np.ones_like(window)
    assert not smoothed(*nothing).any()


@pytest.mark.parametrize("finger", RING_FINGERS)
def test_contours_go_around_their_finger(finger: str) -> None:
    hand, _ = posed("fist")
    shaped = drawn_surface().shape(hand.vertices, "right", hand.forearm)
    points = finger_contour(finger, 0.5, fine=True) @ shaped.positions
    assert points.shape == (POINTS, 3)
    radii = np.linalg.norm(points - points.mean(0), axis=1)
    assert radii.min() > 0.0045
    assert radii.max() < 0.02


def test_the_wrist_contour_is_wider_than_deep() -> None:
    points = wrist_contour(0.03, fine=True) @ drawn_surface().attributes[:, :3]
    assert 0.04 < np.ptp(points[:, 1]) < 0.07
    assert np.ptp(points[:, 2]) < np.ptp(points[:, 1])
    assert np.allclose(points[:, 0], -0.03, atol=1e-4)


@pytest.mark.parametrize(
    "worn",
    [
        *(Worn(glove=Glove(fabric)) for fabric in FABRICS),
        Worn(sleeve=Sleeve()),
        Worn(rings=tuple(Ring(finger) for finger in RING_FINGERS)),
        *(Worn(bracelet=Bracelet(kind)) for kind in ("watch", "band", "bangle")),
    ],
    ids=lambda worn: str([f.name for f in dataclasses.fields(worn) if getattr(worn, f.name)]),
)
@pytest.mark.parametrize("side", ["left", "right"])
def test_what_is_worn_is_seen_and_counts_as_the_hand(renderer, worn: Worn, side: str) -> None:
    camera = CAMERA if side == "right" else CAMERA.mirrored()
    hand, _ = posed("open", BACK_TO_CAMERA, np.array([0.0, 0.0, 0.40]), side)
    bare = renderer.render_layers([hand], camera)
    dressed = renderer.render_layers([dataclasses.replace(hand, worn=worn)], camera)
    assert set(np.unique(dressed.label)) == {0, 1}
    change = np.abs(bare.rgba.astype(int) - dressed.rgba).max(-1) > 12
    assert change.sum() > (15 if worn.rings else 60)
    # Nothing but a sleeve stands far from the skin.
    both = (bare.label == 1) & (dressed.label == 1)
    nearer = (bare.depth - dressed.depth)[both]
    assert nearer.min() > -0.004
    assert nearer.max() < 0.03


def test_a_glove_hides_nails_and_creases(renderer) -> None:
    def spread(worn: Worn) -> float:
        hand, _ = posed("flat", BACK_TO_CAMERA)
        look = SkinLook(polish=(0.9, 0.0, 0.0))
        dressed = dataclasses.replace(hand, skin=look, worn=worn)
        image = renderer.render([dressed], CAMERA).astype(float)
        red = image[..., 0] - image[..., 1]
        return float(np.percentile(red[image[..., 3] == 255], 99.5))

    assert spread(Worn(glove=Glove(colour=(0.1, 0.1, 0.1), cuff=0.1))) < 20 < spread(Worn())


def test_each_mark_of_the_skin_shows(renderer) -> None:
    base = SkinLook(moles=0.0, veins=0.0, tendons=0.0, wrinkles=0.0)
    marks = {"veins": 1.0, "tendons": 1.0, "wrinkles": 2.0, "freckles": 1.0, "warmth": 1.0}
    marks |= {"olive": 1.0, "redness": 1.0, "nail_length": 1.0}

    def image(look: SkinLook, rotation) -> np.ndarray:
        position = np.array([0.01, 0.05, 0.2])
        return renderer.render([posed("open", rotation, position, skin=look)[0]], CAMERA)

    plain = image(base, BACK_TO_CAMERA).astype(int)
    for name, value in marks.items():
        changed = image(dataclasses.replace(base, **{name: value}), BACK_TO_CAMERA)
        assert np.abs(changed - plain).max() > 4, name
    changed = image(dataclasses.replace(base, polish=(0.0, 0.0, 0.5)), BACK_TO_CAMERA)
    assert np.abs(changed - plain).max() > 60


def test_a_second_lamp_adds_light_and_exposure_scales_it(renderer) -> None:
    hand, _ = posed("flat", PALM_TO_CAMERA)

    def brightness(scene: Scene) -> float:
        return float(renderer.render([hand], CAMERA, scene)[..., :3].mean())

    one = Scene(Light())
    lamp = Lamp(direction=(0.3, 0.0, -1.0), colour=(0.8, 0.8, 0.8))
    assert brightness(Scene(Light(second=lamp))) > 1.05 * brightness(one)
    assert brightness(Scene(Light(), exposure=2.0)) > 1.1 * brightness(one)


def test_sampled_hands_wear_what_they_should() -> None:
    random = np.random.default_rng(0)
    looks = [sample_look(random) for _ in range(4000)]
    worn = [look.worn for look in looks]
    shares = {
        "glove": (np.mean([w.glove is not None for w in worn]), 0.04),
        "sleeve": (np.mean([w.sleeve is not None for w in worn]), 0.45),
        "rings": (np.mean([bool(w.rings) for w in worn]), 0.15 * 0.96),
        "bracelet": (np.mean([w.bracelet is not None for w in worn]), 0.12 * 0.96),
    }
    for name, (found, wanted) in shares.items():
        assert abs(found - wanted) < 4 * np.sqrt(wanted * (1 - wanted) / 4000), name
    tones = np.array([look.skin.tone for look in looks])
    assert np.histogram(tones, 5, (0, 1))[0].min() > 4000 / 5 * 0.85
    again = np.random.default_rng(0)
    assert [sample_look(again) for _ in range(20)] == looks[:20]


@pytest.mark.parametrize("kind", LIGHTINGS)
def test_sampled_light_is_of_its_kind(kind: str) -> None:
    random = np.random.default_rng(1)
    scenes = [sample_scene(random, kind) for _ in range(200)]
    red, _, blue = np.mean([scene.light.colour for scene in scenes], axis=0)
    if kind == "indoor":
        assert red > 1.3 * blue
    if kind == "led":
        assert blue > red
    assert 0 < sum(scene.light.second is not None for scene in scenes) < 200


BAD = [
    (lambda: SkinLook(olive=-0.1), r"skin olive is -0\.1; it must lie between 0 and 1"),
    (lambda: SkinLook(polish=(2.0, 0.0, 0.0)), "polish is"),
    (lambda: Lamp(direction=(0.0, 0.0, 0.0)), "lamp direction"),
    (lambda: Lamp(colour=(-1.0, 0.0, 0.0)), "lamp colour"),
    (lambda: Light(sky=(np.nan, 0.0, 0.0)), "light sky"),
    (lambda: Light(softness=2.0), r"light softness is 2\.0"),
    (lambda: Scene(exposure=0.0), r"exposure is 0\.0"),
    (lambda: sample_scene(np.random.default_rng(0), "disco"), "lighting is 'disco'"),
    (lambda: Material(pattern="dots"), "pattern is 'dots'"),
    (lambda: Material(gloss=3.0), r"gloss is 3\.0"),
    (lambda: Material((2.0, 0.0, 0.0)), "colour is"),
    (lambda: Glove("silk"), "glove fabric is 'silk'"),
    (lambda: Glove(thickness=0.1), r"glove thickness is 0\.1"),
    (lambda: Sleeve(start=1.0), r"sleeve start is 1\.0"),
    (lambda: Ring("toe"), "ring finger is 'toe'"),
    (lambda: Bracelet("sundial"), "bracelet kind is 'sundial'"),
    (lambda: Worn(rings=(Ring(), Ring())), "every finger has room for one"),
]


@pytest.mark.parametrize(("make", "message"), BAD)
def test_bad_looks_are_named(make, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make()


def test_bad_props_are_named(renderer) -> None:
    vertices, faces = SOLIDS["box"]
    with pytest.raises(ShapeError, match=r"vertices of a prop has shape \(8, 2\)"):
        Prop(vertices[:, :2], faces)
    with pytest.raises(InputError, match="not all finite"):
        Prop(vertices * np.nan, faces)
    with pytest.raises(ShapeError, match=r"faces are int64 \(12, 2\)"):
        Prop(vertices, faces[:, :2])
    with pytest.raises(InputError, match="faces name vertices 1 to 8; there are 8"):
        Prop(vertices, faces + 1)
    with pytest.raises(ShapeError, match=r"local has shape \(4, 3\)"):
        Prop(vertices, faces, local=vertices[:4])
    with pytest.raises(ShapeError, match="T_cam_prop"):
        Prop.placed((vertices, faces), np.eye(3))
    with pytest.raises(InputError, match=r"radius of a solid is -1\.0"):
        solids.sphere(-1.0)
    with pytest.raises(InputError, match="has no hole"):
        solids.ring(0.01, 0.03)
    with pytest.raises(InputError, match="0 hands and 128 props"):
        renderer.render_layers([], CAMERA, props=[Prop(vertices, faces)] * 128)
