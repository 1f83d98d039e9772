"""What RViz and Foxglove draw: the skeleton of each hand and, where given, its surface."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from hand_pose_ros.errors import ConfigError, ShapeError
from hand_pose_ros.hand import skeleton
from hand_pose_ros.ros.conversions import hand_name, header
from hand_pose_ros.ros.messages import MessageTypes
from hand_pose_ros.runtime.colors import KEYPOINT_COLORS, SIDE_COLORS
from hand_pose_ros.runtime.estimate import FrameEstimate, HandEstimate

SKELETON, SURFACE = "skeleton", "surface"
"""What a viewer can switch off: the namespaces are `right_skeleton`, `left_surface` and so on."""

MESH_STEP = 2.0**-16
"""Grid of the surface's vertices [m], 15 um: short binary fractions, so that a bag compresses."""

_BONE_ENDS = np.array([(skeleton.PARENTS[i], i) for i in range(1, len(skeleton.KEYPOINTS))])


@dataclass(frozen=True)
class MarkerStyle:
    """How hands are drawn.

    Attributes:
        lifetime_s: how long a marker stays without a newer one [s]; 0 means for ever.
        bone_width: width of the bones [m].
        joint_diameter: diameter of the joints [m].
        mesh_opacity: 0 (unseen) to 1 (solid). RViz does not sort the faces of a surface that can
            be seen through: it looks torn.
    """

    lifetime_s: float = 0.5
    bone_width: float = 0.004
    joint_diameter: float = 0.008
    mesh_opacity: float = 1.0

    def __post_init__(self) -> None:
        for name in ("lifetime_s", "bone_width", "joint_diameter", "mesh_opacity"):
            value = getattr(self, name)
            top = 1.0 if name == "mesh_opacity" else 1e6
            if not 0.0 <= value <= top:
                raise ConfigError(f"{name} is {value}; it must lie between 0 and {top:g}")


class MarkerWriter:
    """Makes the MarkerArray of each image, with a DELETE for what the last one had and lost."""

    def __init__(self, types: MessageTypes, style: MarkerStyle | None = None) -> None:
        self._types = types
        self._style = style or MarkerStyle()
        self._shown: set[tuple[str, int]] = set()
        self._numbers: dict[str, int] = {}
        # Made once: messages share them, as nobody changes them.
        colors = [self._color(color, 1.0) for color in KEYPOINT_COLORS]
        ends = _BONE_ENDS[:, 1].repeat(2).tolist()
        self._joint_colors = types.colors(colors)
        self._bone_colors = types.colors([colors[end] for end in ends])
        self._side_colors = {
            side: self._color(color, self._style.mesh_opacity)
            for side, color in SIDE_COLORS.items()
        }
        self._joint_size = _cube(types, self._style.joint_diameter)
        self._unscaled = _cube(types, 1.0)
        sec, fraction = divmod(self._style.lifetime_s, 1.0)
        lifetime = types.Duration(sec=int(sec), nanosec=int(fraction * 1e9))
        plain = types.Marker()
        self._shared = {
            "pose": types.Pose(orientation=types.Quaternion(w=1.0)),
            "lifetime": lifetime,
            "texture": plain.texture,
            "mesh_file": plain.mesh_file,
        }

    def reset(self) -> None:
        """Forget what is shown; nothing of it will be deleted."""
        self._shown, self._numbers = set(), {}

    def markers(
        self,
        frame: FrameEstimate,
        meshes: Mapping[str, tuple[npt.NDArray[Any], npt.NDArray[np.integer]]] | None = None,
    ) -> Any:
        """Return the visualization_msgs/MarkerArray of one image.

        A hand or a surface that is not finite is not drawn.

        Args:
            frame: the hands.
            meshes: for the ids of some hands, vertices (V, 3) [m] in the camera frame and faces
                (F, 3), counter-clockwise from outside.

        Raises:
            ShapeError: vertices or faces have another shape.
        """
        meshes = meshes or {}
        self._number(frame)
        head = header(self._types, frame.stamp_ns, frame.frame_id)
        drawn = []
        for hand in frame.hands:
            if not np.isfinite(hand.keypoints).all():
                continue
            drawn += self._skeleton(head, hand)
            if hand.id in meshes:
                drawn += self._surface(head, hand, *meshes[hand.id])
        shown = {(marker.ns, marker.id) for marker in drawn}
        lost = [self._lost(head, *key) for key in sorted(self._shown - shown)]
        self._shown = shown
        return self._types.MarkerArray(markers=lost + drawn)

    def _skeleton(self, head: Any, hand: HandEstimate) -> list[Any]:
        types, style = self._types, self._style
        bones = self._marker(head, hand, SKELETON, types.Marker.LINE_LIST)
        bones.scale.x = float(style.bone_width)
        bones.points = types.points(hand.keypoints, _BONE_ENDS.ravel())
        bones.colors = self._bone_colors
        joints = self._marker(head, hand, SKELETON, types.Marker.SPHERE_LIST)
        joints.id += 1
        joints.scale = self._joint_size
        joints.points = types.points(hand.keypoints, np.arange(len(hand.keypoints)))
        joints.colors = self._joint_colors
        return [bones, joints]

    def _surface(
        self,
        head: Any,
        hand: HandEstimate,
        vertices: npt.NDArray[Any],
        faces: npt.NDArray[np.integer],
    ) -> list[Any]:
        vertices, faces = np.asarray(vertices, np.float64), np.asarray(faces)
        if vertices.shape[1:] != (3,) or faces.shape[1:] != (3,):
            raise ShapeError(
                f"mesh has vertices {vertices.shape} and faces {faces.shape}; they must be "
                "(V, 3) and (F, 3)"
            )
        if not np.isfinite(vertices).all():
            return []
        surface = self._marker(head, hand, SURFACE, self._types.Marker.TRIANGLE_LIST)
        surface.scale = self._unscaled
        steps = np.rint(vertices / MESH_STEP)
        surface.points = self._types.points(steps * MESH_STEP, faces.ravel())
        return [surface]

    def _number(self, frame: FrameEstimate) -> None:
        """Give each hand a number, the same for as long as it is in view, and as low as can be."""
        names = [hand_name(hand) for hand in frame.hands]
        kept = {name: self._numbers[name] for name in names if name in self._numbers}
        free = (number for number in itertools.count() if number not in kept.values())
        self._numbers = kept | {name: next(free) for name in names if name not in kept}

    def _marker(self, head: Any, hand: HandEstimate, part: str, kind: int) -> Any:
        types = self._types
        return types.Marker(
            header=head,
            ns=f"{hand.side}_{part}",
            id=2 * self._numbers[hand_name(hand)],
            type=kind,
            action=types.Marker.ADD,
            color=self._side_colors[hand.side],
            **self._shared,
        )

    def _lost(self, head: Any, namespace: str, number: int) -> Any:
        types = self._types
        return types.Marker(
            header=head,
            ns=namespace,
            id=number,
            action=types.Marker.DELETE,
        )

    def _color(self, color: tuple[float, float, float], opacity: float) -> Any:
        red, green, blue = color
        return self._types.ColorRGBA(r=red, g=green, b=blue, a=float(opacity))


def _cube(types: MessageTypes, size: float) -> Any:
    return types.Vector3(x=float(size), y=float(size), z=float(size))
