"""The kinematic hand as URDF: what `robot_state_publisher` moves with our joint states.

Each degree of freedom is one revolute joint of the name that the JointState carries; offsets and
bone lengths, which belong to a person and not to a posture, are those of the average hand.
"""

from __future__ import annotations

import math
from xml.etree import ElementTree

from hand_pose_ros.errors import InputError
from hand_pose_ros.hand import skeleton

_AXES = ("x", "y", "z")
_RADIUS = 0.1
"""Radius of a bone over the anchor length."""

_LEFT_TURNS = {"x": -1.0, "y": 1.0, "z": -1.0}
"""Angles of a left hand are those of its mirror image: it turns the other way about x and z."""

_COLORS = {"left": "0.38 0.64 0.98 1", "right": "0.98 0.58 0.34 1"}


def base_link(side: str) -> str:
    """Return the name of the link that does not move: the wrist before its rotation."""
    return f"{side}_hand_base"


def hand_urdf(side: str, anchor: float = skeleton.DEFAULT_ANCHOR_LENGTH) -> str:
    """Return the URDF of a hand.

    Args:
        side: "left" or "right".
        anchor: length from the wrist to the index MCP [m].

    Raises:
        InputError: no such side, or a length that is not positive.
    """
    if side not in skeleton.SIDES:
        raise InputError(f"side is {side!r}; it must be one of {skeleton.SIDES}")
    if not 0.0 < anchor < math.inf:
        raise InputError(f"anchor is {anchor}; it must be a positive length [m]")
    return _Urdf(side, anchor).text()


class _Urdf:
    def __init__(self, side: str, anchor: float) -> None:
        self._side, self._anchor = side, anchor
        self._root = ElementTree.Element("robot", name=f"{side}_hand")
        material = ElementTree.SubElement(self._root, "material", name="bone")
        ElementTree.SubElement(material, "color", rgba=_COLORS[side])
        self._names = skeleton.joint_names(side)
        self._ends = [self._wrist()]
        for node in range(1, len(skeleton.KEYPOINTS)):
            self._ends.append(self._bone(node))

    def text(self) -> str:
        ElementTree.indent(self._root)
        return ElementTree.tostring(self._root, encoding="unicode")

    def _wrist(self) -> str:
        """Add the base and the three joints of the wrist; those are of the true hand."""
        end = self._link(base_link(self._side))
        for number, axis in enumerate(("z", "y", "x")):
            end = self._joint(end, self._names[number], axis, 1.0, None)
        return end

    def _bone(self, node: int) -> str:
        """Add the turns of a node, and the bone that ends in it; return its last link."""
        end = self._ends[skeleton.PARENTS[node]]
        for axis in reversed(_AXES):
            turn = 1.0 if self._side == "right" else _LEFT_TURNS[axis]
            slot = (node, _AXES.index(axis))
            if slot in _DOFS:
                dof = _DOFS[slot]
                limits = skeleton.ARTICULATION_LIMITS[dof]
                name = self._names[skeleton.WRIST_DOFS + dof]
                end = self._joint(end, name, axis, turn, limits)
            elif slot in _OFFSETS:
                angle = turn * skeleton.DEFAULT_OFFSETS[_OFFSETS[slot]]
                end = self._fixed(end, f"{self._keypoint(node)}_{axis}", (0.0,) * 3, axis, angle)
        length = skeleton.DEFAULT_RATIOS[node - 1] * self._anchor
        self._visual(end, length)
        return self._fixed(end, self._keypoint(node), (length, 0.0, 0.0), "x", 0.0)

    def _keypoint(self, node: int) -> str:
        return f"{self._side}_{skeleton.KEYPOINTS[node]}"

    def _link(self, name: str) -> str:
        ElementTree.SubElement(self._root, "link", name=name)
        return name

    def _joint(
        self,
        parent: str,
        name: str,
        axis: str,
        turn: float,
        limits: tuple[float, float] | None,
    ) -> str:
        kind = "continuous" if limits is None else "revolute"
        joint, child = self._connect(parent, name, kind, f"{name}_link")
        xyz = " ".join(str(turn if a == axis else 0.0) for a in _AXES)
        ElementTree.SubElement(joint, "axis", xyz=xyz)
        if limits is not None:
            lower, upper = (f"{limit:.6f}" for limit in limits)
            ElementTree.SubElement(
                joint, "limit", lower=lower, upper=upper, effort="1", velocity="20"
            )
        return child

    def _fixed(
        self, parent: str, name: str, xyz: tuple[float, ...], axis: str, angle: float
    ) -> str:
        joint, child = self._connect(parent, f"{name}_fixed", "fixed", name)
        rpy = " ".join(f"{angle if a == axis else 0.0:.9f}" for a in _AXES)
        place = " ".join(f"{value:.9f}" for value in xyz)
        ElementTree.SubElement(joint, "origin", xyz=place, rpy=rpy)
        return child

    def _connect(
        self, parent: str, name: str, kind: str, child: str
    ) -> tuple[ElementTree.Element, str]:
        self._link(child)
        joint = ElementTree.SubElement(self._root, "joint", name=name, type=kind)
        ElementTree.SubElement(joint, "parent", link=parent)
        ElementTree.SubElement(joint, "child", link=child)
        return joint, child

    def _visual(self, link: str, length: float) -> None:
        """Draw a bone along the x axis of a link."""
        element = next(e for e in self._root.iter("link") if e.get("name") == link)
        visual = ElementTree.SubElement(element, "visual")
        half_turn = f"0 {math.pi / 2:.9f} 0"
        ElementTree.SubElement(visual, "origin", xyz=f"{length / 2:.9f} 0 0", rpy=half_turn)
        geometry = ElementTree.SubElement(visual, "geometry")
        radius = f"{_RADIUS * self._anchor:.6f}"
        ElementTree.SubElement(geometry, "cylinder", radius=radius, length=f"{length:.6f}")
        ElementTree.SubElement(visual, "material", name="bone")


_DOFS = {
    slot: dof for dof, slot in enumerate(zip(skeleton.DOF_NODES, skeleton.DOF_AXES, strict=True))
}
_OFFSETS = {
    slot: offset
    for offset, slot in enumerate(zip(skeleton.OFFSET_NODES, skeleton.OFFSET_AXES, strict=True))
}
