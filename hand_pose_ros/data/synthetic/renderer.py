"""Draws posed hands as a camera sees them, with OpenGL: on a GPU, or in software without one.

The context comes from EGL, so no display is needed. Pixels are counted as `Camera` does: the
centre of the upper left pixel is (0, 0).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt

from hand_pose_ros.data.synthetic import shaders
from hand_pose_ros.data.synthetic.looks import Light, Scene, SkinLook
from hand_pose_ros.data.synthetic.surface import Shaped, drawn_surface
from hand_pose_ros.errors import InputError, ShapeError, UnavailableError
from hand_pose_ros.hand import skeleton
from hand_pose_ros.hand.camera import Camera

_NEAR, _FAR = 0.03, 5.0
_SHADOW_SIZE = 1024
_EGL = "libEGL.so.1"


@dataclass(frozen=True, eq=False)
class RenderedHand:
    """One hand to draw.

    Attributes:
        vertices: (V, 3) [m] in the camera frame: `HandMesh.pose` plus the wrist's position.
        forearm: (3,) direction from the wrist to the elbow, camera frame; for a straight wrist the
            opposite of the wrist frame's x axis.
        side: "right" or "left".
        skin: whose hand it is.
    """

    vertices: npt.NDArray[np.floating]
    forearm: npt.NDArray[np.floating]
    side: str = "right"
    skin: SkinLook = field(default_factory=SkinLook)

    def __post_init__(self) -> None:
        if self.side not in skeleton.SIDES:
            raise InputError(f"side is {self.side!r}; it must be one of {skeleton.SIDES}")
        for name, shape in (("vertices", (None, 3)), ("forearm", (3,))):
            array = np.asarray(getattr(self, name), np.float64)
            if array.ndim != len(shape) or array.shape[-1] != 3:
                raise ShapeError(f"{name} has shape {array.shape}; it must be {shape}")
            if not np.isfinite(array).all():
                raise InputError(f"{name} of a hand to draw are not all finite")
            object.__setattr__(self, name, array)
        object.__setattr__(self, "forearm", self.forearm / np.linalg.norm(self.forearm))


class HandRenderer:
    """An OpenGL context with the hand in it; use it in a `with` statement.

    Args:
        width: of the images [px].
        height: of the images [px].
        supersampling: pixels drawn per pixel and axis, averaged afterwards.

    Raises:
        UnavailableError: moderngl or EGL is missing; the message names what to install.
    """

    def __init__(self, width: int, height: int, *, supersampling: int = 2) -> None:
        if min(width, height, supersampling) < 1:
            raise InputError(
                f"a renderer of {width} x {height} px, supersampling {supersampling}; all must be "
                "at least 1"
            )
        self.width, self.height, self._factor = width, height, supersampling
        self._surface = drawn_surface()
        self._context = _create_context()
        self._make_targets()
        self._make_programs()

    def render(
        self, hands: Sequence[RenderedHand], camera: Camera, scene: Scene | None = None
    ) -> npt.NDArray[np.uint8]:
        """Return the hands as (H, W, 4) RGBA, uint8, colour premultiplied by coverage.

        Raises:
            InputError: the camera has another size than the renderer, or a distortion.
        """
        self._check(camera)
        scene = scene or Scene()
        shaped = [self._surface.shape(hand.vertices, hand.side, hand.forearm) for hand in hands]
        light_clip = _light_matrix(shaped, scene.light)
        for program, name in ((self._skin, "light_clip"), (self._shadow, "light_clip")):
            program[name].write(light_clip.T.astype("f4").tobytes())
        self._skin["camera_clip"].write(_camera_matrix(camera).T.astype("f4").tobytes())
        self._draw_shadows(shaped)
        self._target.use()
        self._target.clear(0.0, 0.0, 0.0, 0.0)
        self._set_light(scene)
        for hand, surface in zip(hands, shaped, strict=True):
            self._set_skin(hand.skin)
            self._upload(surface)
            self._skin_array.render()
        raw = np.frombuffer(self._target.read(components=4), np.uint8)
        size = (self.height, self._factor, self.width, self._factor, 4)
        # The mean of premultiplied samples: colour there is 0 where nothing was drawn.
        return raw.reshape(size).mean(axis=(1, 3)).round().astype(np.uint8)

    def close(self) -> None:
        """Give the context back."""
        self._context.release()

    def __enter__(self) -> HandRenderer:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _check(self, camera: Camera) -> None:
        if (camera.width, camera.height) != (self.width, self.height):
            raise InputError(
                f"the camera has {camera.width} x {camera.height} px, the renderer "
                f"{self.width} x {self.height}"
            )
        if camera.is_distorted:
            raise InputError("the renderer draws pinhole cameras; this one has a distortion")

    def _make_targets(self) -> None:
        size = (self.width * self._factor, self.height * self._factor)
        self._target = self._context.framebuffer(
            [self._context.renderbuffer(size, 4)], self._context.depth_renderbuffer(size)
        )
        self._shadow_map = self._context.depth_texture((_SHADOW_SIZE, _SHADOW_SIZE))
        self._shadow_map.repeat_x = self._shadow_map.repeat_y = False
        self._shadow_map.compare_func = "<="
        self._shadow_target = self._context.framebuffer(depth_attachment=self._shadow_map)
        self._context.enable(self._context.DEPTH_TEST)

    def _make_programs(self) -> None:
        context, surface = self._context, self._surface
        self._skin = context.program(shaders.SKIN_VERTEX, shaders.SKIN_FRAGMENT)
        self._shadow = context.program(shaders.SHADOW_VERTEX, shaders.SHADOW_FRAGMENT)
        count = len(surface.attributes)
        self._moving = context.buffer(reserve=count * 7 * 4, dynamic=True)
        fixed = context.buffer(surface.attributes.tobytes())
        indices = context.buffer(surface.faces.astype("i4").tobytes())
        moving = (self._moving, "3f 3f 1f", "position", "normal", "openness")
        self._skin_array = context.vertex_array(
            self._skin, [moving, (fixed, "3f 4f 3f", "rest", "skin", "nail")], indices
        )
        self._shadow_array = context.vertex_array(
            self._shadow, [(self._moving, "3f 4x4", "position")], indices
        )

    def _upload(self, surface: Shaped) -> None:
        columns = (surface.positions, surface.normals, surface.openness[:, None])
        self._moving.write(np.concatenate(columns, axis=1).tobytes())

    def _draw_shadows(self, shaped: list[Shaped]) -> None:
        self._shadow_target.use()
        self._shadow_target.clear(depth=1.0)
        for surface in shaped:
            self._upload(surface)
            self._shadow_array.render()
        self._shadow_map.use(0)
        self._skin["shadow_map"] = 0

    def _set_light(self, scene: Scene) -> None:
        light = scene.light
        direction = np.asarray(light.direction, float)
        self._skin["to_light"] = tuple(direction / np.linalg.norm(direction))
        self._skin["light_colour"] = light.colour
        self._skin["sky_colour"] = light.sky
        self._skin["ground_colour"] = light.ground
        self._skin["exposure"] = scene.exposure

    def _set_skin(self, skin: SkinLook) -> None:
        names = ("back_colour", "palm_colour", "nail_colour")
        for name, colour in zip(names, skin.colours(), strict=True):
            self._skin[name] = colour
        self._skin["mottle"] = skin.mottle
        self._skin["gloss"] = skin.gloss
        self._skin["seed"] = 0.05 * skin.seed
        self._skin["knuckle_depth"] = 0.45 + 0.45 * skin.tone


def over(
    foreground: npt.NDArray[np.uint8], background: npt.NDArray[np.uint8]
) -> npt.NDArray[np.uint8]:
    """Return an RGB image: premultiplied RGBA (H, W, 4) laid over RGB (H, W, 3)."""
    if foreground.shape[:2] != background.shape[:2] or background.shape[-1] != 3:
        raise ShapeError(
            f"cannot lay an image of shape {foreground.shape} over one of {background.shape}"
        )
    left = 1.0 - foreground[..., 3:].astype(np.float32) / 255.0
    mixed = foreground[..., :3] + background * left
    return np.clip(mixed + 0.5, 0, 255).astype(np.uint8)


def _create_context() -> Any:
    try:
        import moderngl
    except ImportError as error:
        raise UnavailableError(
            f"rendering needs the package moderngl ({error}); pip install 'hand_pose_ros[render]'"
        ) from error
    try:
        # libEGL serves the OpenGL functions as well, so libGL need not be there.
        settings: dict[str, Any] = {"backend": "egl", "libegl": _EGL, "libgl": _EGL}
        return moderngl.create_context(require=330, standalone=True, **settings)
    except Exception as error:  # moderngl raises the base class
        raise UnavailableError(
            f"no OpenGL 3.3 context from EGL ({error}); on Debian and Ubuntu: "
            "apt-get install libegl1 libgl1-mesa-dri"
        ) from error


def _camera_matrix(camera: Camera) -> npt.NDArray[np.float64]:
    """Return the clip matrix (4, 4) under which the first row read is the top of the image."""
    K, width, height = camera.K, camera.width, camera.height
    depth = (_FAR + _NEAR) / (_FAR - _NEAR)
    return np.array(
        [
            [2 * K[0, 0] / width, 2 * K[0, 1] / width, (2 * K[0, 2] + 1) / width - 1, 0],
            [0, 2 * K[1, 1] / height, (2 * K[1, 2] + 1) / height - 1, 0],
            [0, 0, depth, -2 * _FAR * _NEAR / (_FAR - _NEAR)],
            [0, 0, 1, 0],
        ]
    )


def _light_matrix(shaped: list[Shaped], light: Light) -> npt.NDArray[np.float64]:
    """Return the parallel projection (4, 4) that sees all hands from the lamp."""
    points = np.zeros((1, 3), np.float32)
    if shaped:
        points = np.concatenate([surface.positions for surface in shaped])
    middle = (points.min(0) + points.max(0)) / 2
    radius = max(float(np.linalg.norm(points - middle, axis=1).max()), 1e-3)
    forward = -np.asarray(light.direction, float)
    forward /= np.linalg.norm(forward)
    side = np.cross(forward, (0.0, 1.0, 0.0) if abs(forward[1]) < 0.9 else (1.0, 0.0, 0.0))
    side /= np.linalg.norm(side)
    axes = np.stack((side, np.cross(forward, side), forward)) / radius
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = axes, -axes @ middle
    return matrix
