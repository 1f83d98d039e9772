"""The compiled programs with the buffers that they draw, and how looks become their numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from hand_pose_ros.data.synthetic.render import shaders, skin_lines
from hand_pose_ros.data.synthetic.render.looks import Scene, SkinLook
from hand_pose_ros.data.synthetic.render.props import PATTERNS, Material
from hand_pose_ros.data.synthetic.render.surface import DrawnSurface, Shaped
from hand_pose_ros.data.synthetic.render.worn import FABRICS, Glove

_SHADOW_UNIT, _LINES_UNIT, _FIRST_LAYER_UNIT = 0, 1, 2
_LAYER_NAMES = ("layers", "facings", "rests", "skins", "nails")


@dataclass(frozen=True, eq=False)
class Thing:
    """Triangles to draw beside skin.

    Attributes:
        vertices: (N, 9) float32: position [m] in the camera frame, unit normal, and place in the
            pattern [m].
        faces: (F, 3) int32.
        material: what they are made of.
        label: what they count as in `Layers`.
    """

    vertices: npt.NDArray[np.float32]
    faces: npt.NDArray[np.int32]
    material: Material
    label: int


class DrawnHand:
    """The hand on the graphics side: one set of buffers, filled anew for each hand."""

    def __init__(self, context: Any, surface: DrawnSurface, depth: Any) -> None:
        self._context = context
        self._uploaded: Shaped | None = None
        self._moving = context.buffer(reserve=len(surface.attributes) * 7 * 4, dynamic=True)
        fixed = context.buffer(surface.attributes.tobytes())
        content = [
            (self._moving, "3f 3f 1f", "position", "normal", "openness"),
            (fixed, "3f 4f 3f", "rest", "skin", "nail"),
        ]
        alone = [(self._moving, "3f 16x", "position")]
        self.surface = context.program(shaders.HAND_VERTEX, shaders.HAND_FRAGMENT)
        self._arrays = {}
        for faces, fine in ((surface.faces, True), (surface.coarse_faces, False)):
            indices = context.buffer(faces.astype("i4").tobytes())
            self._arrays["surface", fine] = context.vertex_array(self.surface, content, indices)
            self._arrays["depth", fine] = context.vertex_array(depth, alone, indices)

    def upload(self, surface: Shaped) -> None:
        """Put a shaped hand into the buffers, unless it is there."""
        if surface is self._uploaded:
            return
        self._uploaded = surface
        columns = (surface.positions, surface.normals, surface.openness[:, None])
        self._moving.write(np.concatenate(columns, axis=1).tobytes())

    def draw(self, what: str, side: str) -> None:
        """Draw the uploaded hand's "surface", or its "depth" alone."""
        # Images are drawn with their first row at the bottom, so what faces us turns clockwise.
        self._context.front_face = "cw" if side == "right" else "ccw"
        self._context.enable(self._context.CULL_FACE)
        assert self._uploaded is not None
        self._arrays[what, self._uploaded.fine].render()
        self._context.disable(self._context.CULL_FACE)


class Paint:
    """The programs that paint hands whose surface is drawn: bare skin, or a glove."""

    def __init__(self, context: Any) -> None:
        self.skin = context.program(shaders.SCREEN_VERTEX, shaders.SKIN_FRAGMENT)
        self.glove = context.program(shaders.SCREEN_VERTEX, shaders.GLOVE_FRAGMENT)
        corners = context.buffer(np.array([-1, -1, 3, -1, -1, 3], "f4").tobytes())
        self._screens = {
            program: context.vertex_array(program, [(corners, "2f", "corner")])
            for program in (self.skin, self.glove)
        }
        size = (skin_lines.skin_lines().shape[1], skin_lines.skin_lines().shape[0])
        self._lines = context.texture(size, 4, skin_lines.skin_lines().tobytes(), alignment=1)
        self._lines.repeat_x = self._lines.repeat_y = False

    def begin(self, layers: list[Any], rays: npt.NDArray[np.float64]) -> None:
        """Take what the hands' surfaces are, and the rays (3, 3) of pixels: inverse intrinsics."""
        self._lines.use(_LINES_UNIT)
        for unit, layer in enumerate(layers, start=_FIRST_LAYER_UNIT):
            layer.use(unit)
        for program in self._screens:
            program["ray"].write(rays.T.astype("f4").tobytes())
            for unit, name in enumerate(_LAYER_NAMES, start=_FIRST_LAYER_UNIT):
                if name in program:
                    program[name] = unit

    def paint(self, label: int, look: SkinLook, glove: Glove | None) -> None:
        """Paint the pixels of a label."""
        if glove:
            self._set_glove(glove, look)
        else:
            self._set_skin(look)
        program = self.glove if glove else self.skin
        program["label"] = float(label)
        self._screens[program].render()

    def _set_skin(self, look: SkinLook) -> None:
        program = self.skin
        names = ("back_colour", "palm_colour", "nail_colour")
        for name, colour in zip(names, look.colours(), strict=True):
            program[name] = colour
        program["polish"] = (*look.polish, 1.0) if look.polish else (0.0, 0.0, 0.0, 0.0)
        for name in ("mottle", "gloss", "wrinkles", "redness", "hair", "nail_length"):
            program[name] = getattr(look, name)
        program["back_marks"] = (look.veins, look.tendons, look.freckles, look.moles)
        program["seed"] = _offset(look.seed)
        program["knuckle_depth"] = 0.45 + 0.45 * look.tone
        program["lines"] = _LINES_UNIT
        corner, size = skin_lines.CORNER, skin_lines.SIZE
        program["lines_place"] = (*corner, 1 / size[0], 1 / size[1])

    def _set_glove(self, glove: Glove, look: SkinLook) -> None:
        self.glove["back_colour"] = look.colours()[0]
        self.glove["glove_colour"] = glove.colour
        self.glove["glove_fabric"] = FABRICS.index(glove.fabric)
        self.glove["glove_cuff"] = -glove.cuff
        self.glove["seed"] = _offset(look.seed)


class DrawnThings:
    """The program that draws props and what hands wear."""

    def __init__(self, context: Any, depth: Any) -> None:
        self._context, self._depth = context, depth
        self.program = context.program(shaders.THING_VERTEX, shaders.THING_FRAGMENT)
        self._held: list[tuple[Thing, Any, Any, tuple[Any, ...]]] = []

    def upload(self, things: list[Thing]) -> None:
        """Put things into buffers of their own; those of before are given back."""
        for _, shaded, depth, buffers in self._held:
            for held in (shaded, depth, *buffers):
                held.release()
        self._held = [self._uploaded(thing) for thing in things]

    def draw(self, *, depth: bool) -> None:
        """Draw all uploaded things, or their depth alone."""
        for thing, shaded, only_depth, _ in self._held:
            if depth:
                only_depth.render()
                continue
            self.program["label"] = float(thing.label)
            self._set(thing.material)
            shaded.render()

    def _uploaded(self, thing: Thing) -> tuple[Thing, Any, Any, tuple[Any, ...]]:
        context = self._context
        vertices = context.buffer(np.ascontiguousarray(thing.vertices, "f4").tobytes())
        faces = context.buffer(np.ascontiguousarray(thing.faces, "i4").tobytes())
        all_of_it = [(vertices, "3f 3f 3f", "position", "normal", "local")]
        shaded = context.vertex_array(self.program, all_of_it, faces)
        depth = context.vertex_array(self._depth, [(vertices, "3f 24x", "position")], faces)
        return thing, shaded, depth, (vertices, faces)

    def _set(self, material: Material) -> None:
        self.program["first_colour"] = material.colour
        self.program["second_paint"] = material.second
        self.program["pattern"] = PATTERNS.index(material.pattern)
        self.program["period"] = material.period
        finish = (material.gloss, material.sharpness, material.metal, material.fuzz)
        self.program["finish"] = finish


def set_light(
    program: Any, scene: Scene, light_clip: npt.NDArray[np.float64], reach: float
) -> None:
    """Take light and shadows into a program.

    Args:
        program: any but the one of depth.
        scene: the light.
        light_clip: (4, 4), see `projection.light_matrix`.
        reach: half of the length [m] that it spans.
    """
    light = scene.light
    program["light_clip"].write(light_clip.T.astype("f4").tobytes())
    program["shadow_map"] = _SHADOW_UNIT
    program["shadow_reach"] = reach
    program["shadow_soft"] = (0.0013 + 0.0036 * light.softness) / (2.0 * reach)
    program["to_light"] = _unit(light.direction)
    program["light_colour"] = light.colour
    program["to_second"] = _unit(light.second.direction) if light.second else (0.0, -1.0, 0.0)
    program["second_colour"] = light.second.colour if light.second else (0.0, 0.0, 0.0)
    program["sky_colour"] = light.sky
    program["ground_colour"] = light.ground
    program["exposure"] = scene.exposure


def _unit(direction: tuple[float, float, float]) -> tuple[float, float, float]:
    array = np.asarray(direction, float)
    x, y, z = (array / np.linalg.norm(array)).tolist()
    return x, y, z


def _offset(seed: float) -> tuple[float, float, float]:
    """Return where in the noise the skin of a seed lies; near zero, where float32 is fine."""
    return 0.05 * seed, (0.031 * seed) % 1.3, (0.017 * seed) % 0.9
