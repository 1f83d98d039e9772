"""Gestures as people show them: the named ones, done by many hands a little differently each time.

Nobody shows one finger's angles independently of the next's: somebody's open hand is a little
more curled, a little more spread, a little lazier than another's, all fingers together.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from hand_pose_ros.data.synthetic.body.gestures import GESTURES, gesture

_OFTEN = {"open": 4.0, "flat": 3.0, "relaxed": 3.0, "pointing": 2.0, "two": 2.0, "thumb_up": 2.0}
"""How often a gesture is shown; once where it is not named."""
_LAZY = 0.25
"""Greatest share of the way to the relaxed hand that a gesture stops short."""
_FAN_DEG = (13.0, 1.0, -8.0, -16.0)
"""How far spreading turns index to little finger."""
_FAN = 0.3
# Standard deviations [deg], first of what the four fingers share, then of each on its own.
_MCP, _PIP, _ABDUCTION = (5.0, 3.0), (5.0, 3.0), (2.0, 2.0)
_DIP_OWN, _DIP_FOLLOWS = 3.0, 0.6
_THUMB = (5.0, 5.0, 4.0, 2.0, 6.0, 2.0, 7.0)


def sample_shown(count: int, generator: torch.Generator) -> Float[Tensor, "{count} 23"]:
    """Draw shown gestures [deg], order `skeleton.ARTICULATION`; the limits are the caller's."""
    degrees = np.degrees([gesture(name) for name in GESTURES])
    table = torch.tensor(degrees, dtype=torch.get_default_dtype())
    often = torch.tensor([_OFTEN.get(name, 1.0) for name in GESTURES])
    drawn = table[torch.multinomial(often, count, replacement=True, generator=generator)]
    lazy = _LAZY * torch.rand(count, 1, generator=generator)
    drawn = drawn + lazy * (table[GESTURES.index("relaxed")] - drawn)
    thumb, fingers = drawn[:, :7], drawn[:, 7:].unflatten(1, (4, 4))
    thumb = thumb + torch.tensor(_THUMB) * torch.randn(thumb.shape, generator=generator)
    return torch.cat((thumb, _varied(fingers, generator).flatten(1)), dim=1)


def _varied(fingers: Tensor, generator: torch.Generator) -> Tensor:
    """Return fingers (count, 4, 4) with what varies together and what does not."""
    count = len(fingers)
    abduction, mcp, pip, dip = fingers.unbind(-1)
    loose = torch.cos(torch.deg2rad(mcp.clamp(0.0, 90.0)))
    fan = _FAN * torch.randn(count, 1, generator=generator) * torch.tensor(_FAN_DEG)
    abduction = abduction + loose * (fan + _deviation(count, _ABDUCTION, generator))
    change = _deviation(count, _PIP, generator)
    own = _DIP_OWN * torch.randn(count, 4, generator=generator)
    return torch.stack(
        (
            abduction,
            mcp + _deviation(count, _MCP, generator),
            pip + change,
            dip + _DIP_FOLLOWS * change + own,
        ),
        dim=-1,
    )


def _deviation(count: int, std: tuple[float, float], generator: torch.Generator) -> Tensor:
    """Return (count, 4) deviations of a part that the fingers share and one of their own."""
    shared = std[0] * torch.randn(count, 1, generator=generator)
    return shared + std[1] * torch.randn(count, 4, generator=generator)
