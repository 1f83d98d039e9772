"""The skin of one person: colours in linear light, and how strongly its marks show."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hand_pose_ros.data.synthetic.render.colours import Colour, checked_colour
from hand_pose_ros.errors import ConfigError

# From the lightest to the darkest: back of the hand, palm, nails. The palm holds little melanin,
# so its colour changes less.
_TONES = (
    ((0.72, 0.47, 0.37), (0.74, 0.42, 0.34), (0.78, 0.50, 0.43)),
    ((0.60, 0.36, 0.26), (0.68, 0.39, 0.30), (0.72, 0.45, 0.37)),
    ((0.43, 0.24, 0.155), (0.60, 0.35, 0.26), (0.64, 0.40, 0.32)),
    ((0.24, 0.125, 0.075), (0.48, 0.28, 0.20), (0.50, 0.31, 0.24)),
    ((0.095, 0.052, 0.035), (0.33, 0.20, 0.145), (0.33, 0.21, 0.165)),
)
# What the undertone does to red, green and blue at its full: warm skin is yellower, olive greener.
_WARM = np.array((1.02, 1.01, 0.86))
_OLIVE = np.array((0.93, 1.04, 0.93))
_RED = np.array((1.06, 0.86, 0.88))
_SKIN_LIMITS = {
    "tone": (0.0, 1.0),
    "mottle": (0.0, 1.0),
    "gloss": (0.0, 2.0),
    "warmth": (-1.0, 1.0),
    "olive": (0.0, 1.0),
    "redness": (-1.0, 1.0),
    "freckles": (0.0, 1.0),
    "moles": (0.0, 1.0),
    "veins": (0.0, 1.0),
    "tendons": (0.0, 1.0),
    "wrinkles": (0.0, 2.0),
    "hair": (0.0, 1.0),
    "nail_length": (0.0, 1.0),
}


@dataclass(frozen=True)
class SkinLook:
    """The skin of one person.

    Attributes:
        tone: 0 (lightest) to 1 (darkest).
        mottle: how uneven the colour is, 0 to 1.
        gloss: how moist the skin is, 0 to 2.
        seed: where in the noise this person's skin is cut from.
        warmth: undertone, -1 (cool, rosy) to 1 (warm, yellow).
        olive: greenish undertone, 0 to 1.
        redness: blood in fingertips and knuckles, -1 (pale) to 1 (flushed).
        freckles: freckles and the spots of age on the back, 0 to 1.
        moles: how many moles, 0 to 1.
        veins: how strongly the veins of the back show, 0 to 1.
        tendons: how strongly the tendons of the back stand out, 0 to 1.
        wrinkles: depth of creases, of folds over the knuckles and of the skin's grain, 0 to 2.
        hair: on forearm and back, 0 to 1.
        nail_length: free edge of the nails, 0 (cut) to 1 (long).
        polish: linear colour of nail polish, None without.
    """

    tone: float = 0.3
    mottle: float = 0.25
    gloss: float = 0.8
    seed: float = 0.0
    warmth: float = 0.0
    olive: float = 0.0
    redness: float = 0.0
    freckles: float = 0.0
    moles: float = 0.1
    veins: float = 0.35
    tendons: float = 0.4
    wrinkles: float = 1.0
    hair: float = 0.0
    nail_length: float = 0.25
    polish: Colour | None = None

    def __post_init__(self) -> None:
        for name, (low, high) in _SKIN_LIMITS.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise ConfigError(
                    f"skin {name} is {value}; it must lie between {low:g} and {high:g}"
                )
        if self.polish is not None:
            object.__setattr__(self, "polish", checked_colour("polish", self.polish))

    def colours(self) -> tuple[Colour, Colour, Colour]:
        """Return the linear colours of the back, the palm and the nails."""
        place = self.tone * (len(_TONES) - 1)
        lower = min(int(place), len(_TONES) - 2)
        share = place - lower
        mixed = (1 - share) * np.array(_TONES[lower]) + share * np.array(_TONES[lower + 1])
        # Nails hold no melanin: their tint is half of the skin's.
        tint = _WARM**self.warmth * _OLIVE**self.olive * _RED**self.redness
        mixed[:2] *= tint
        mixed[2] *= np.sqrt(tint)
        back, palm, nail = (tuple(row) for row in np.clip(mixed, 0.0, 1.0).tolist())
        return back, palm, nail
