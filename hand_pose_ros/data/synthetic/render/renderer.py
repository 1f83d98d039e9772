"""Draws posed hands as a camera sees them, with OpenGL: on a GPU, or in software without one.

The context comes from EGL, so no display is needed. Pixels are counted as `Camera` does: the
centre of the upper left pixel is (0, 0).
"""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from hand_pose_ros.data.synthetic.render import shaders
from hand_pose_ros.data.synthetic.render.context import Targets, create_context
from hand_pose_ros.data.synthetic.render.edges import smoothed
from hand_pose_ros.data.synthetic.render.light import Scene
from hand_pose_ros.data.synthetic.render.programs import (
    DrawnHand,
    DrawnThings,
    Paint,
    Thing,
    set_light,
)
from hand_pose_ros.data.synthetic.render.projection import NEAR, camera_matrix, light_matrix
from hand_pose_ros.data.synthetic.render.props import Prop
from hand_pose_ros.data.synthetic.render.rendered import FIRST_PROP, Layers, RenderedHand
from hand_pose_ros.data.synthetic.render.solids import corner_normals
from hand_pose_ros.data.synthetic.render.surface import Shaped, drawn_surface
from hand_pose_ros.data.synthetic.render.wardrobe import gloved, worn_things
from hand_pose_ros.errors import InputError, ShapeError
from hand_pose_ros.hand.camera import Camera

__all__ = ["HandRenderer", "Layers", "RenderedHand", "over"]

_MOST = FIRST_PROP - 1
_LARGE = 1300.0
"""Pixels per metre from which on a hand is drawn with all of its triangles."""


class HandRenderer:
    """An OpenGL context with the hand in it; use it in a `with` statement.

    Args:
        width: of the images [px].
        height: of the images [px].
        supersampling: samples of coverage per pixel and axis; light is worked out once a pixel.

    Raises:
        UnavailableError: moderngl or EGL is missing; the message names what to install.
    """

    def __init__(self, width: int, height: int, *, supersampling: int = 2) -> None:
        if min(width, height, supersampling) < 1:
            raise InputError(
                f"a renderer of {width} x {height} px, supersampling {supersampling}; all must be "
                "at least 1"
            )
        self.width, self.height = width, height
        self._surface = drawn_surface()
        self._context = create_context()
        self._targets = Targets(self._context, width, height, supersampling)
        self._depth = self._context.program(shaders.DEPTH_VERTEX, shaders.DEPTH_FRAGMENT)
        self._hand = DrawnHand(self._context, self._surface, self._depth)
        self._paint = Paint(self._context)
        self._things = DrawnThings(self._context, self._depth)
        self._context.enable(self._context.DEPTH_TEST)

    def render(
        self, hands: Sequence[RenderedHand], camera: Camera, scene: Scene | None = None
    ) -> npt.NDArray[np.uint8]:
        """Return the hands as (H, W, 4) RGBA, uint8, colour premultiplied by coverage.

        Raises:
            InputError: the camera has another size than the renderer, or a distortion.
        """
        return self.render_layers(hands, camera, scene).rgba

    def render_layers(
        self,
        hands: Sequence[RenderedHand],
        camera: Camera,
        scene: Scene | None = None,
        props: Sequence[Prop] = (),
    ) -> Layers:
        """Return the picture of hands and props with depth and labels.

        Raises:
            InputError: the camera has another size than the renderer, or a distortion; or there
                are more than 127 hands or props.
        """
        self._check(hands, camera, props)
        shaped = [self._shaped(hand, camera) for hand in hands]
        things = [_of_prop(prop, FIRST_PROP + k) for k, prop in enumerate(props)]
        for k, (hand, surface) in enumerate(zip(hands, shaped, strict=True)):
            things += worn_things(hand.worn, self._surface, surface, 1 + k)
        self._things.upload(things)
        clip = camera_matrix(camera)
        self._light(hands, shaped, things, clip, scene or Scene())
        self._draw_surfaces(hands, shaped)
        self._draw_shaded(hands, shaped, camera)
        return self._read(hands, shaped, clip)

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

    def _check(self, hands: Sequence[RenderedHand], camera: Camera, props: Sequence[Prop]) -> None:
        if (camera.width, camera.height) != (self.width, self.height):
            raise InputError(
                f"the camera has {camera.width} x {camera.height} px, the renderer "
                f"{self.width} x {self.height}"
            )
        if camera.is_distorted:
            raise InputError("the renderer draws pinhole cameras; this one has a distortion")
        if max(len(hands), len(props)) > _MOST:
            raise InputError(
                f"{len(hands)} hands and {len(props)} props; there are labels for {_MOST} each"
            )

    def _shaped(self, hand: RenderedHand, camera: Camera) -> Shaped:
        distance = max(float(hand.vertices[0, 2]), NEAR)
        large = float(camera.K[0, 0]) > _LARGE * distance
        surface = self._surface.shape(hand.vertices, hand.side, hand.forearm, fine=large)
        glove = hand.worn.glove
        return gloved(surface, glove, self._surface) if glove else surface

    def _light(
        self,
        hands: Sequence[RenderedHand],
        shaped: list[Shaped],
        things: list[Thing],
        clip: npt.NDArray[np.float64],
        scene: Scene,
    ) -> None:
        """Draw the shadows, and tell all programs of light and camera."""
        parts = [surface.positions[self._surface.compact] for surface in shaped]
        parts += [thing.vertices[:, :3] for thing in things if thing.label >= FIRST_PROP]
        points = np.concatenate(parts) if parts else np.zeros((1, 3))
        light_clip, reach = light_matrix(points, scene.light.direction)
        self._draw_depth(self._targets.shadow, hands, shaped, light_clip)
        self._targets.shadow_map.use(0)
        programs = [self._paint.skin]
        if any(hand.worn.glove for hand in hands):
            programs.append(self._paint.glove)
        if things:
            programs.append(self._things.program)
        for program in programs:
            set_light(program, scene, light_clip, reach)
        for program in (self._hand.surface, self._things.program):
            program["camera_clip"].write(clip.T.astype("f4").tobytes())

    def _draw_depth(
        self,
        target: Any,
        hands: Sequence[RenderedHand],
        shaped: list[Shaped],
        clip: npt.NDArray[np.float64],
    ) -> None:
        target.use()
        target.clear(depth=1.0)
        self._depth["clip"].write(clip.T.astype("f4").tobytes())
        for hand, surface in zip(hands, shaped, strict=True):
            self._hand.upload(surface)
            self._hand.draw("depth", hand.side)
        self._things.draw(depth=True)

    def _draw_surfaces(self, hands: Sequence[RenderedHand], shaped: list[Shaped]) -> None:
        self._targets.labels.clear()
        self._targets.hands.use()
        for k, (hand, surface) in enumerate(zip(hands, shaped, strict=True)):
            self._hand.surface["label"] = float(1 + k)
            self._hand.upload(surface)
            self._hand.draw("surface", hand.side)

    def _draw_shaded(
        self, hands: Sequence[RenderedHand], shaped: list[Shaped], camera: Camera
    ) -> None:
        self._targets.painted.use()
        self._targets.painted.clear()
        self._context.depth_func = ">"  # the screen that is painted on lies behind everything
        self._paint.begin(self._targets.layers, np.linalg.inv(camera.K))
        for k, (hand, surface) in enumerate(zip(hands, shaped, strict=True)):
            self._targets.painted.scissor = self._extent(surface, camera)
            self._paint.paint(1 + k, hand.skin, hand.worn.glove)
        self._targets.painted.scissor = None
        self._context.depth_func = "<"
        self._targets.shaded.use()
        self._things.draw(depth=False)

    def _extent(self, surface: Shaped, camera: Camera) -> tuple[int, int, int, int]:
        """Return the part of the image (x, y, width, height) [px] outside of which no hand is."""
        if surface.positions[:, 2].min() < NEAR:
            return 0, 0, self.width, self.height
        size = np.array((self.width, self.height))
        pixels = camera.project(surface.positions)
        x, y = np.clip(np.floor(pixels.min(axis=0)) - 1, 0, size).astype(int).tolist()
        right, bottom = np.clip(np.ceil(pixels.max(axis=0)) + 2, (x, y), size).astype(int).tolist()
        return x, y, right - x, bottom - y

    def _read(
        self,
        hands: Sequence[RenderedHand],
        shaped: list[Shaped],
        clip: npt.NDArray[np.float64],
    ) -> Layers:
        colour = self._targets.read_colour()
        depth, label = self._targets.read_depth()
        if self._targets.fine is not None:
            self._draw_depth(self._targets.fine, hands, shaped, clip)
            colour = smoothed(colour, depth, self._targets.read_fine())
        return Layers(colour.copy(), depth.copy(), label.astype(np.uint8))


def over(
    foreground: npt.NDArray[np.uint8], background: npt.NDArray[np.uint8]
) -> npt.NDArray[np.uint8]:
    """Return an RGB image: premultiplied RGBA (H, W, 4) laid over RGB (H, W, 3)."""
    if foreground.shape[:2] != background.shape[:2] or background.shape[-1] != 3:
        raise ShapeError(
            f"cannot lay an image of shape {foreground.shape} over one of {background.shape}"
        )
    left = cv2.merge([255 - foreground[..., 3]] * 3)
    behind = cv2.multiply(background, left, scale=1.0 / 255.0)
    return np.asarray(cv2.add(cv2.cvtColor(foreground, cv2.COLOR_RGBA2RGB), behind), np.uint8)


def _of_prop(prop: Prop, label: int) -> Thing:
    assert prop.local is not None
    parts = (
        prop.vertices[prop.faces],
        corner_normals(np.asarray(prop.vertices, np.float64), prop.faces),
        prop.local[prop.faces],
    )
    corners = np.concatenate(parts, axis=2).reshape(-1, 9)
    faces = np.arange(len(corners), dtype=np.int32).reshape(-1, 3)
    return Thing(corners.astype(np.float32), faces, prop.material, label)
