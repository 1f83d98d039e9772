"""The OpenGL context and what is drawn into."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from hand_pose_ros.errors import UnavailableError

_SHADOW_SIZES = (384, 1024)
_LARGE = 320
"""Images above this size [px] get the finer shadows."""
_LAYERS = (2, 4, 4, 4, 2)
"""Numbers per pixel: z and label, normal, place in the rest pose, skin, nail."""
_EGL = "libEGL.so.1"


def create_context() -> Any:
    """Return an OpenGL 3.3 context without a display.

    Raises:
        UnavailableError: moderngl or EGL is missing; the message names what to install.
    """
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


class Targets:
    """What is drawn into: colour, depth and label per pixel; finer depth; the lamp's depth.

    Attributes:
        hands: per pixel z [m] and label, and what of a hand is there; `layers` are its textures.
        labels: of these only z, label and depth, which alone need to be cleared.
        painted: colour alone, of hands.
        shaded: colour, z and label, of what is drawn beside hands; the same ones.
        fine: depth of `factor` times `factor` samples per pixel; None for a factor of one.
        shadow: depth seen from the lamp, and `shadow_map`, its texture.
    """

    def __init__(self, context: Any, width: int, height: int, factor: int) -> None:
        size, fine_size = (width, height), (width * factor, height * factor)
        self._size, self._fine_size = size, fine_size
        self.layers = [context.texture(size, count, dtype="f4") for count in _LAYERS]
        for layer in self.layers:
            layer.filter = (context.NEAREST, context.NEAREST)
        colour, depth = context.renderbuffer(size, 4), context.depth_renderbuffer(size)
        self.hands = context.framebuffer(self.layers, depth)
        self.labels = context.framebuffer(self.layers[:1], depth)
        self.painted = context.framebuffer([colour], depth)
        self.painted.depth_mask = False
        self.shaded = context.framebuffer([colour, self.layers[0]], depth)
        self.fine = None
        if factor > 1:
            self.fine = context.framebuffer(depth_attachment=context.depth_texture(fine_size))
        side = _SHADOW_SIZES[max(size) > _LARGE]
        self.shadow_map = context.depth_texture((side, side))
        self.shadow_map.repeat_x = self.shadow_map.repeat_y = False
        self.shadow_map.filter = (context.NEAREST, context.NEAREST)
        self.shadow_map.compare_func = ""  # read as plain depth
        self.shadow = context.framebuffer(depth_attachment=self.shadow_map)

    def read_colour(self) -> npt.NDArray[np.uint8]:
        """Return (H, W, 4), zero where nothing was drawn."""
        width, height = self._size
        raw = self.shaded.read(components=4, alignment=1)
        return np.frombuffer(raw, np.uint8).reshape(height, width, 4)

    def read_depth(self) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """Return z [m] and label, each (H, W), 0 where nothing was drawn."""
        width, height = self._size
        raw = self.shaded.read(components=2, attachment=1, dtype="f4", alignment=1)
        both = np.frombuffer(raw, np.float32).reshape(height, width, 2)
        return both[..., 0], both[..., 1]

    def read_fine(self) -> npt.NDArray[np.float32]:
        """Return the finer depth buffer, 1 where nothing was drawn."""
        assert self.fine is not None
        width, height = self._fine_size
        raw = self.fine.read(components=1, attachment=-1, dtype="f4", alignment=1)
        return np.frombuffer(raw, np.float32).reshape(height, width)
