"""What a hand may wear."""

from __future__ import annotations

from dataclasses import dataclass

from hand_pose_ros.data.synthetic.render.colours import Colour, checked_colour
from hand_pose_ros.data.synthetic.render.props import Material
from hand_pose_ros.errors import ConfigError

_CLOTH = Material((0.12, 0.15, 0.25), pattern="weave", period=0.0015, fuzz=0.4)
_GOLD = Material((0.8, 0.62, 0.3), gloss=1.6, sharpness=160.0, metal=1.0)
_RUBBER = Material((0.03, 0.03, 0.035), gloss=0.4)
_GLASS = Material((0.02, 0.02, 0.025), gloss=1.5, sharpness=200.0)

FABRICS = ("cloth", "latex", "leather")
BRACELETS = ("watch", "band", "bangle")
RING_FINGERS = ("thumb", "index", "middle", "ring", "little")


@dataclass(frozen=True)
class Glove:
    """A glove: hides nails, creases and colour of the skin.

    Attributes:
        fabric: one of `FABRICS`; latex stands for nitrile as well.
        colour: linear.
        thickness: of the glove [m], 0 to 0.003.
        cuff: how far behind the wrist it ends [m], 0 to 0.1.
    """

    fabric: str = "cloth"
    colour: Colour = (0.08, 0.09, 0.11)
    thickness: float = 0.0012
    cuff: float = 0.045

    def __post_init__(self) -> None:
        _check_name("glove fabric", self.fabric, FABRICS)
        object.__setattr__(self, "colour", checked_colour("glove colour", self.colour))
        _check_range("glove thickness", self.thickness, 0.0, 0.003)
        _check_range("glove cuff", self.cuff, 0.0, 0.1)


@dataclass(frozen=True)
class Sleeve:
    """Cloth around the forearm.

    Attributes:
        material: of the cloth.
        start: how far behind the wrist it begins [m], 0 to 0.2.
        looseness: distance from the skin [m], 0.001 to 0.03.
        folds: how deep its folds are, 0 to 1.
        cuff: length of the cuff [m], 0 for none, at most 0.1.
        seed: of the folds.
    """

    material: Material = _CLOTH
    start: float = 0.03
    looseness: float = 0.006
    folds: float = 0.5
    cuff: float = 0.05
    seed: int = 0

    def __post_init__(self) -> None:
        _check_range("sleeve start", self.start, 0.0, 0.2)
        _check_range("sleeve looseness", self.looseness, 0.001, 0.03)
        _check_range("sleeve folds", self.folds, 0.0, 1.0)
        _check_range("sleeve cuff", self.cuff, 0.0, 0.1)


@dataclass(frozen=True)
class Ring:
    """A band around the first phalanx of a finger.

    Attributes:
        finger: one of `RING_FINGERS`.
        material: of the band.
        width: along the finger [m], 0.001 to 0.012.
        thickness: [m], 0.0005 to 0.004.
        place: where on the phalanx, 0.3 (near the knuckle) to 0.8.
    """

    finger: str = "ring"
    material: Material = _GOLD
    width: float = 0.004
    thickness: float = 0.0014
    place: float = 0.5

    def __post_init__(self) -> None:
        _check_name("ring finger", self.finger, RING_FINGERS)
        _check_range("ring width", self.width, 0.001, 0.012)
        _check_range("ring thickness", self.thickness, 0.0005, 0.004)
        _check_range("ring place", self.place, 0.3, 0.8)


@dataclass(frozen=True)
class Bracelet:
    """A watch, a flat band or a round bangle at the wrist.

    Attributes:
        kind: one of `BRACELETS`.
        material: of the band.
        face: of the watch.
        width: along the arm [m], 0.003 to 0.04.
        thickness: [m], 0.001 to 0.008.
        place: how far behind the wrist its middle lies [m], 0.01 to 0.08.
    """

    kind: str = "watch"
    material: Material = _RUBBER
    face: Material = _GLASS
    width: float = 0.02
    thickness: float = 0.003
    place: float = 0.03

    def __post_init__(self) -> None:
        _check_name("bracelet kind", self.kind, BRACELETS)
        _check_range("bracelet width", self.width, 0.003, 0.04)
        _check_range("bracelet thickness", self.thickness, 0.001, 0.008)
        _check_range("bracelet place", self.place, 0.01, 0.08)


@dataclass(frozen=True)
class Worn:
    """All that a hand wears; nothing by default. No two rings share a finger."""

    glove: Glove | None = None
    sleeve: Sleeve | None = None
    rings: tuple[Ring, ...] = ()
    bracelet: Bracelet | None = None

    def __post_init__(self) -> None:
        fingers = [ring.finger for ring in self.rings]
        if len(set(fingers)) < len(fingers):
            raise ConfigError(f"rings sit on {fingers}; every finger has room for one")


def _check_name(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise ConfigError(f"{name} is {value!r}; it must be one of {', '.join(allowed)}")


def _check_range(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise ConfigError(f"{name} is {value}; it must lie between {low:g} and {high:g}")
