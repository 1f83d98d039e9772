"""The geometry of what hands wear, made to fit a posed hand."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from hand_pose_ros.data.synthetic.render.contours import POINTS, finger_contour, wrist_contour
from hand_pose_ros.data.synthetic.render.programs import Thing
from hand_pose_ros.data.synthetic.render.props import Material
from hand_pose_ros.data.synthetic.render.solids import corner_normals, cross, cylinder, grid_faces
from hand_pose_ros.data.synthetic.render.surface import FOREARM, DrawnSurface, Shaped
from hand_pose_ros.data.synthetic.render.worn import Bracelet, Glove, Ring, Sleeve, Worn

Array = npt.NDArray[np.floating]

_CUT = 0.0127
"""How far behind the wrist the cut of the mesh lies [m]."""
_COLUMNS = 32
_CASE = 0.0065
"""Thickness of a watch [m]."""
_RING_STEP, _BRACELET_STEP = 0.05, 0.004
"""Steps of the places of rings and bracelets: contours take long and are kept."""


def gloved(shaped: Shaped, glove: Glove, surface: DrawnSurface) -> Shaped:
    """Return the hand with the glove's thickness laid on, up to its cuff."""
    inside = (surface.attributes[: len(shaped.positions), 0] > -glove.cuff)[:, None]
    laid_on = (glove.thickness * inside).astype(np.float32)
    return replace(shaped, positions=shaped.positions + laid_on * shaped.normals)


def worn_things(worn: Worn, surface: DrawnSurface, shaped: Shaped, label: int) -> list[Thing]:
    """Return sleeve, rings and bracelet of one hand, with its label."""
    things = [_ring(ring, shaped, label) for ring in worn.rings]
    if worn.bracelet:
        things += _bracelet(worn.bracelet, shaped, label)
    if worn.sleeve:
        things.append(_sleeve(worn.sleeve, surface, shaped, label))
    return things


def _ring(ring: Ring, shaped: Shaped, label: int) -> Thing:
    matrix = finger_contour(ring.finger, _near(ring.place, _RING_STEP), fine=shaped.fine)
    outline = _Outline(matrix @ shaped.positions, roundness=0.6)
    return outline.band(ring.width, ring.thickness, ring.material, label)


def _bracelet(bracelet: Bracelet, shaped: Shaped, label: int) -> list[Thing]:
    matrix = wrist_contour(_near(bracelet.place, _BRACELET_STEP), fine=shaped.fine)
    outline = _Outline(matrix @ shaped.positions, roundness=0.25)
    band = outline.band(bracelet.width, bracelet.thickness, bracelet.material, label)
    if bracelet.kind != "watch":
        return [band]
    frame, top = outline.on_back()
    radius = min(0.75 * bracelet.width + 0.005, 0.021)
    steel = replace(bracelet.material, gloss=1.3, sharpness=120.0, metal=1.0)
    case = _disc(frame, top + 0.5 * _CASE - 0.001, radius, _CASE, steel, label)
    glass = _disc(frame, top + _CASE - 0.001, 0.86 * radius, 0.0008, bracelet.face, label)
    return [band, case, glass]


def _near(place: float, step: float) -> float:
    return round(round(place / step) * step, 6)


class _Outline:
    """A contour around a limb, smoothed, with its plane.

    Args:
        points: (`POINTS`, 3) [m], the first on the back.
        roundness: 0 to follow the skin, 1 for a circle.
    """

    def __init__(self, points: Array, roundness: float) -> None:
        self.middle = points.mean(axis=0)
        spread = points - self.middle
        axis = cross(spread, np.roll(spread, -1, axis=0)).sum(axis=0)
        self.axis = axis / np.linalg.norm(axis)
        spread = spread - (spread @ self.axis)[:, None] * self.axis
        radii = np.linalg.norm(spread, axis=1)
        self.outward = spread / radii[:, None]
        smooth = sum(np.roll(radii, k, axis=0) for k in (-2, -1, 0, 1, 2)) / 5
        self.radii = (1 - roundness) * np.maximum(smooth, radii) + roundness * radii.mean()

    def band(self, width: float, thickness: float, material: Material, label: int) -> Thing:
        """Return a band of a rounded section about the contour."""
        turn = 2 * np.pi * np.arange(12) / 12
        along = 0.5 * width * np.sign(np.cos(turn)) * np.abs(np.cos(turn)) ** 0.5
        height = 0.5 * thickness * (1 + np.sign(np.sin(turn)) * np.abs(np.sin(turn)) ** 0.5)
        radii = self.radii[:, None] + height - 0.15 * thickness
        points = self.middle + radii[..., None] * self.outward[:, None]
        points = points + along[:, None] * self.axis
        place = np.cumsum(np.full(POINTS, 2 * np.pi * self.radii.mean() / POINTS))
        local = np.stack(np.broadcast_arrays(place[:, None], along, height), axis=-1)
        normals = _grid_normals(points, close_rows=True)
        vertices = np.concatenate((points, normals, local), axis=2).reshape(-1, 9)
        return _thing(vertices, grid_faces(POINTS, 12, close_rows=True), material, label)

    def on_back(self) -> tuple[Array, float]:
        """Return axes (3, 3) about the middle, z out of the back, and how far the skin is."""
        out = self.outward[[0, 1, -1]].mean(axis=0)
        out = out / np.linalg.norm(out)
        frame = np.eye(4)
        frame[:3, :3] = np.stack((self.axis, np.cross(out, self.axis), out), axis=1)
        frame[:3, 3] = self.middle
        return frame, float(self.radii[0])


def _disc(
    frame: Array, height: float, radius: float, thickness: float, material: Material, label: int
) -> Thing:
    corners, normals = _unit_disc()
    local = corners * (radius, radius, thickness)
    placed = (local + (0.0, 0.0, height)) @ frame[:3, :3].T + frame[:3, 3]
    vertices = np.concatenate((placed, normals @ frame[:3, :3].T, local), axis=1)
    return _thing(vertices, np.arange(len(vertices)).reshape(-1, 3), material, label)


@lru_cache(maxsize=1)
def _unit_disc() -> tuple[Array, Array]:
    """Return corners and normals (N, 3) of a disc of radius and thickness one."""
    vertices, faces = cylinder(1.0, 1.0, 24)
    return vertices[faces].reshape(-1, 3), corner_normals(vertices, faces).reshape(-1, 3)


def _sleeve(sleeve: Sleeve, surface: DrawnSurface, shaped: Shaped, label: int) -> Thing:
    """Return cloth around the forearm: a lip inside its edge, the cuff, then folds."""
    distance, lifted = _cloth(sleeve)
    middle, spread = _arm(distance, surface, shaped)
    skin = np.sqrt(np.einsum("ijk,ijk->ij", spread, spread))
    rounder = np.maximum(skin, 0.65 * skin + 0.35 * skin.mean(axis=1, keepdims=True))
    cloth = np.maximum(rounder + lifted, skin + 0.0009)
    points = middle[:, None] + spread * (cloth / skin)[..., None]
    # The far end closes behind the arm's own.
    points[-1] = middle[-1] + 1.02 * (points[-1] - middle[-1])
    vertices = np.empty((len(distance), _COLUMNS + 1, 9), np.float32)
    vertices[:, :-1, :3], vertices[:, :-1, 3:6] = points, _grid_normals(points, close_rows=False)
    vertices[:, -1] = vertices[:, 0]
    round_it = 2 * np.pi * skin.mean() * np.arange(_COLUMNS + 1) / _COLUMNS
    vertices[..., 6], vertices[..., 7], vertices[..., 8] = round_it, distance[:, None], 0.0
    faces = grid_faces(len(distance), _COLUMNS + 1, close_columns=False)
    return _thing(vertices.reshape(-1, 9), faces, sleeve.material, label)


@lru_cache(maxsize=32)
def _cloth(sleeve: Sleeve) -> tuple[Array, Array]:
    """Return how far behind the cut rows of the cloth are (D,) and how high over the skin [m]."""
    start = sleeve.start - _CUT
    far = (0.36, 0.44, 0.54, 0.7)
    stretch = np.concatenate((np.arange(0.0, 0.11, 0.004), np.arange(0.11, 0.30, 0.016), far))
    distance = start + np.concatenate(((0.014, 0.002, -0.0006), stretch))
    distance = np.minimum(distance, FOREARM[-2])
    inner = np.zeros((len(distance), 1))
    inner[:3, 0] = (0.0024, 0.0020, 0.0011)
    return distance, sleeve.looseness - inner + _folds(sleeve, distance - start)


def _arm(distance: Array, surface: DrawnSurface, shaped: Shaped) -> tuple[Array, Array]:
    """Return middles (D, 3) and skin about them (D, `_COLUMNS`, 3) behind the cut [m]."""
    rings = shaped.positions[surface.forearm].astype(np.float64)
    known = np.array(FOREARM)
    lower = np.clip(np.searchsorted(known, distance) - 1, 0, len(known) - 2)
    share = ((distance - known[lower]) / (known[lower + 1] - known[lower]))[:, None, None]
    around = (1 - share) * rings[lower] + share * rings[lower + 1]
    count = around.shape[1]
    place = np.arange(_COLUMNS) * count / _COLUMNS
    before = place.astype(int)
    part = (place - before)[:, None]
    skin = (1 - part) * around[:, before] + part * around[:, (before + 1) % count]
    middle = skin.mean(axis=1)
    return middle, skin - middle[:, None]


def _folds(sleeve: Sleeve, behind: Array) -> Array:
    """Return (D, `_COLUMNS`) how far out [m] the cloth lies: tight at the cuff, crumpled after."""
    random = np.random.default_rng(sleeve.seed)
    angle = 2 * np.pi * np.arange(_COLUMNS) / _COLUMNS
    behind = behind[:, None]
    height = np.zeros((len(behind), _COLUMNS))
    for _ in range(5):
        turns, wave = int(random.integers(0, 4)), random.uniform(90.0, 260.0)
        sway = random.uniform(0.5, 2.2) * np.sin(angle + random.uniform(0, 6.3))
        ridge = np.sin(wave * behind + turns * angle + sway + random.uniform(0, 6.3))
        height += random.uniform(0.3, 1.0) * (1 - np.abs(ridge)) ** 1.5
    after = np.clip((behind - sleeve.cuff) / 0.008, 0.0, 1.0)
    free = 0.15 + 0.85 * after * after * (3 - 2 * after)
    depth = sleeve.folds * (0.0012 + 0.25 * sleeve.looseness)
    hem = np.where(sleeve.cuff > 0, 0.0012 * after, 0.0)
    return np.asarray(depth * free * height + hem)


def _grid_normals(points: Array, *, close_rows: bool) -> Array:
    """Return unit normals (R, C, 3) of a grid whose columns close."""
    around = np.roll(points, -1, axis=1) - np.roll(points, 1, axis=1)
    if close_rows:
        along = np.roll(points, -1, axis=0) - np.roll(points, 1, axis=0)
    else:
        along = np.gradient(points, axis=0)
    normals = cross(along, around)
    return np.asarray(normals / np.maximum(np.linalg.norm(normals, axis=2, keepdims=True), 1e-12))


def _thing(
    vertices: Array, faces: npt.NDArray[np.integer], material: Material, label: int
) -> Thing:
    return Thing(vertices.astype(np.float32), faces.astype(np.int32), material, label)
