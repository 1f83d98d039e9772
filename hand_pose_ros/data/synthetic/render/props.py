"""Simple objects near hands, drawn with the same light: they cast shadows and receive them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hand_pose_ros.data.synthetic.render.colours import Colour, checked_colour
from hand_pose_ros.errors import ConfigError, InputError, ShapeError

Array = npt.NDArray[np.floating]
Indices = npt.NDArray[np.integer]

PATTERNS = ("plain", "stripes", "checker", "noise", "weave", "knit")
"""What a surface is painted with; the number of each is its place here."""


@dataclass(frozen=True)
class Material:
    """What a surface is made of.

    Attributes:
        colour: linear.
        second: linear colour of the other half of the pattern.
        pattern: one of `PATTERNS`.
        period: length [m] after which the pattern comes again.
        gloss: how strongly it shines, 0 to 2.
        sharpness: how small its highlights are, 1 (wide) to 400 (a mirror's).
        metal: 0, or 1 where highlights have the colour of the surface.
        fuzz: how much its edges shine as cloth does, 0 to 1.
    """

    colour: Colour = (0.5, 0.5, 0.5)
    second: Colour = (0.2, 0.2, 0.2)
    pattern: str = "plain"
    period: float = 0.02
    gloss: float = 0.5
    sharpness: float = 40.0
    metal: float = 0.0
    fuzz: float = 0.0

    def __post_init__(self) -> None:
        if self.pattern not in PATTERNS:
            raise ConfigError(f"pattern is {self.pattern!r}; it must be one of {PATTERNS}")
        for name in ("colour", "second"):
            object.__setattr__(self, name, checked_colour(name, getattr(self, name)))
        limits = {"period": (1e-4, 10.0), "gloss": (0.0, 2.0), "sharpness": (1.0, 400.0)}
        for name, (low, high) in {**limits, "metal": (0.0, 1.0), "fuzz": (0.0, 1.0)}.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise ConfigError(f"{name} is {value}; it must lie between {low} and {high}")


@dataclass(frozen=True, eq=False)
class Prop:
    """An object to draw.

    Attributes:
        vertices: (V, 3) [m] in the camera frame.
        faces: (F, 3), counter-clockwise seen from outside.
        material: what it is made of.
        local: (V, 3) [m] where each vertex lies in the pattern; by default `vertices` from their
            mean. Keep it while the object moves and the pattern moves with it.
    """

    vertices: Array
    faces: Indices
    material: Material = Material()
    local: Array | None = None

    def __post_init__(self) -> None:
        vertices = _checked_points("vertices", self.vertices)
        faces = np.asarray(self.faces)
        if faces.ndim != 2 or faces.shape[1] != 3 or faces.dtype.kind not in "iu":
            raise ShapeError(f"faces are {faces.dtype} {faces.shape}; they must be integer (F, 3)")
        if faces.size and not 0 <= faces.min() <= faces.max() < len(vertices):
            raise InputError(
                f"faces name vertices {faces.min()} to {faces.max()}; there are {len(vertices)}"
            )
        local = vertices - vertices.mean(0) if self.local is None else self.local
        local = _checked_points("local", local)
        if local.shape != vertices.shape:
            raise ShapeError(f"local has shape {local.shape}; it must be {vertices.shape}")
        object.__setattr__(self, "vertices", vertices)
        object.__setattr__(self, "faces", faces.astype(np.int64))
        object.__setattr__(self, "local", local)

    @classmethod
    def placed(
        cls,
        mesh: tuple[Array, Indices],
        T_cam_prop: Array,
        material: Material = Material(),
    ) -> Prop:
        """Return the object of a mesh in its own frame, standing where (4, 4) `T_cam_prop` says.

        Raises:
            ShapeError: the transform is not (4, 4).
        """
        transform = np.asarray(T_cam_prop, float)
        if transform.shape != (4, 4):
            raise ShapeError(f"T_cam_prop has shape {transform.shape}; it must be (4, 4)")
        vertices, faces = mesh
        placed = vertices @ transform[:3, :3].T + transform[:3, 3]
        return cls(placed, faces, material, vertices)


def _checked_points(name: str, points: Array) -> npt.NDArray[np.float64]:
    array = np.asarray(points, np.float64)
    if array.ndim != 2 or array.shape[1] != 3 or not len(array):
        raise ShapeError(f"{name} of a prop has shape {array.shape}; it must be (V, 3), V > 0")
    if not np.isfinite(array).all():
        raise InputError(f"{name} of a prop are not all finite")
    return array
