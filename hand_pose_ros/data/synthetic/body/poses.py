"""Joint angles as people hold their hands: families of poses, coupled fingers, blends of them.

Fingers are drawn from a few states (extended, half, curled, hooked, bent), families say which
finger is in which, and angles that the hand couples are coupled: the DIP follows the PIP, the
neighbours of a bent finger come along, a thumb has postures of its own. The family "shown" draws
whole gestures instead. Angles are degrees here and radians outside.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from hand_pose_ros.data.synthetic.body.shown import sample_shown
from hand_pose_ros.errors import InputError
from hand_pose_ros.hand import skeleton
from hand_pose_ros.hand.rotations import matrix_from_euler, matrix_from_quaternion

# (mean, std) of MCP and PIP flexion, then share of the PIP that the DIP follows, in degrees.
_FINGER_STATES = {
    "extended": (4.0, 11.0, 5.0, 6.0, 0.35),
    "half": (32.0, 17.0, 45.0, 18.0, 0.50),
    "curled": (70.0, 17.0, 104.0, 11.0, 0.48),
    "hooked": (10.0, 16.0, 88.0, 15.0, 0.55),
    "bent": (66.0, 15.0, 12.0, 11.0, 0.50),
}
# (mean, std) of the seven thumb angles, order CMC abduction, flexion, rotation, MCP the same, IP.
# Abduction counts from the line wrist to CMC, which points 22 degrees out of the palm: a thumb in
# the plane of the palm stands at -20 to -35.
_THUMB_STATES = {
    "open": ((-19, 8), (-21, 8), (0, 6), (0, 4), (4, 8), (0, 4), (-6, 11)),
    "beside": ((-28, 8), (-10, 8), (0, 6), (0, 4), (22, 10), (0, 4), (20, 13)),
    "opposed": ((2, 11), (14, 11), (8, 8), (0, 5), (26, 13), (0, 5), (30, 18)),
    "across": ((-9, 9), (15, 9), (10, 8), (0, 5), (47, 12), (0, 5), (50, 15)),
    "up": ((-32, 7), (-4, 8), (0, 6), (0, 4), (2, 8), (0, 4), (-10, 12)),
}
_FINGER_NAMES, _THUMB_NAMES = list(_FINGER_STATES), list(_THUMB_STATES)

# Family: weight, states of index, middle, ring, little (one is drawn from each), thumb states, and
# how much the four fingers share their deviation from the state.
_ANY = ("extended", "half", "curled", "hooked", "bent")
_FAMILIES: dict[str, tuple[float, tuple[tuple[str, ...], ...], tuple[str, ...], float]] = {
    "open": (2.0, (("extended",),) * 4, ("open", "beside", "up"), 0.6),
    "relaxed": (2.0, (("extended", "half"), ("half",), ("half",), ("half",)), ("beside",), 0.8),
    "fist": (1.5, (("curled",),) * 4, ("across", "beside", "up"), 0.7),
    "pointing": (
        1.5,
        (("extended",), ("curled", "half"), ("curled",), ("curled",)),
        ("across", "open", "beside"),
        0.5,
    ),
    "pinch": (
        1.5,
        (("half", "bent"), ("half", "extended"), ("half", "extended"), ("extended", "half")),
        ("opposed",),
        0.6,
    ),
    "grasp": (2.0, (("half",),) * 4, ("opposed", "open"), 0.9),
    "hook": (0.7, (("hooked",),) * 4, ("beside", "across"), 0.7),
    "table": (0.7, (("bent",),) * 4, ("beside", "opposed", "open"), 0.7),
    "counting": (3.0, (("extended", "curled"),) * 4, ("open", "across", "beside", "up"), 0.4),
    "random": (2.0, (_ANY,) * 4, tuple(_THUMB_STATES), 0.3),
    # Its states say nothing: whole gestures are drawn.
    "shown": (4.0, (_ANY,) * 4, tuple(_THUMB_STATES), 0.3),
}
FAMILIES = tuple(_FAMILIES)

# Abduction from the metacarpal's line that makes the fingers parallel, and how far spreading turns
# each of them away from the middle finger.
_PARALLEL_DEG = (-14.0, -2.0, 11.0, 25.0)
_SPREAD_DEG = (13.0, 1.0, -8.0, -16.0)


def sample_articulation(
    count: int,
    generator: torch.Generator,
    blend: float = 0.4,
    families: Sequence[str] = FAMILIES,
) -> Float[Tensor, "{count} 23"]:
    """Draw joint angles [rad], order `skeleton.ARTICULATION`, inside the limits.

    Args:
        count: how many hands.
        generator: source of all randomness.
        blend: share of hands that lie between two drawn poses, as in the middle of a movement.
        families: which of `FAMILIES` are drawn.
    """
    first, second = (_draw(count, generator, families) for _ in range(2))
    share = torch.rand(count, 1, generator=generator)
    share = share * (torch.rand(count, 1, generator=generator) < blend)
    degrees = first + share * (second - first)
    limits = torch.tensor(skeleton.ARTICULATION_LIMITS)
    low, high = limits.unbind(-1)
    return torch.deg2rad(degrees).clamp(low, high)


def _draw(count: int, generator: torch.Generator, families: Sequence[str]) -> Tensor:
    """Draw unblended angles [deg] of `count` hands."""
    unknown = set(families) - set(FAMILIES)
    if unknown or not families:
        raise InputError(
            f"families of poses are {tuple(families)}; they must be some of {', '.join(FAMILIES)}"
        )
    weights = torch.tensor([row[0] * (name in families) for name, row in _FAMILIES.items()])
    family = torch.multinomial(weights, count, replacement=True, generator=generator)
    fingers = _draw_fingers(family, generator)
    thumb = _draw_thumb(family, generator)
    free = torch.cat((thumb, fingers.flatten(1)), dim=1)
    is_shown = family == FAMILIES.index("shown")
    return torch.where(is_shown.unsqueeze(-1), sample_shown(count, generator), free)


def _draw_fingers(family: Tensor, generator: torch.Generator) -> Tensor:
    """Return (count, 4, 4): MCP abduction, MCP, PIP and DIP flexion of the four fingers."""
    count = len(family)
    probabilities = torch.stack(
        [
            torch.stack([_one_of(states, _FINGER_NAMES) for states in row[1]])
            for row in _FAMILIES.values()
        ]
    )[family]
    state = torch.multinomial(probabilities.flatten(0, 1), 1, generator=generator)
    rows = torch.tensor(list(_FINGER_STATES.values()))[state.view(count, 4)]
    mcp, mcp_std, pip, pip_std, follow = rows.unbind(-1)
    shared = torch.tensor([row[3] for row in _FAMILIES.values()])[family].unsqueeze(-1)
    mcp = mcp + mcp_std * _correlated(count, shared, generator)
    pip = pip + pip_std * _correlated(count, shared, generator)
    mcp, pip = _enslave(mcp), _enslave(pip)
    dip = follow * pip + 7.0 * torch.randn(count, 4, generator=generator)
    spread = torch.rand(count, 1, generator=generator) * 1.5 - 0.15
    # A flexed finger is pulled beside its neighbours: its collateral ligaments are tight.
    loose = torch.cos(torch.deg2rad(mcp.clamp(0.0, 90.0)))
    abduction = torch.tensor(_PARALLEL_DEG) + torch.tensor(_SPREAD_DEG) * spread * loose
    sway = 5.0 * torch.randn(count, 1, generator=generator)
    own = (4.0 + 4.0 * loose) * torch.randn(count, 4, generator=generator)
    abduction = abduction + sway + own
    return torch.stack((abduction, mcp, pip, dip), dim=-1)


def _draw_thumb(family: Tensor, generator: torch.Generator) -> Tensor:
    """Return (count, 7) thumb angles."""
    table = torch.stack([_one_of(row[2], _THUMB_NAMES) for row in _FAMILIES.values()])
    state = torch.multinomial(table[family], 1, generator=generator).squeeze(-1)
    rows = torch.tensor(list(_THUMB_STATES.values()), dtype=torch.get_default_dtype())[state]
    deviation = torch.randn(len(family), rows.shape[1], generator=generator)
    return rows[..., 0] + rows[..., 1] * deviation


def _correlated(count: int, shared: Tensor, generator: torch.Generator) -> Tensor:
    """Return (count, 4) standard normal numbers of which a given share is common to a hand."""
    common = torch.randn(count, 1, generator=generator)
    own = torch.randn(count, 4, generator=generator)
    return torch.sqrt(shared) * common + torch.sqrt(1.0 - shared) * own


def _enslave(flexion: Tensor) -> Tensor:
    """Pull each finger a little to its neighbours, with which it shares tendons."""
    index, middle, ring, little = flexion.unbind(-1)
    return torch.stack(
        (
            0.98 * index + 0.02 * middle,
            0.03 * index + 0.93 * middle + 0.04 * ring,
            0.06 * middle + 0.88 * ring + 0.06 * little,
            0.07 * ring + 0.93 * little,
        ),
        dim=-1,
    )


def _one_of(states: tuple[str, ...], names: list[str]) -> Tensor:
    """Return the probability of each named state when one of `states` is drawn evenly."""
    return torch.tensor([states.count(name) / len(states) for name in names])


def sample_wrist_rotation(count: int, generator: torch.Generator) -> Float[Tensor, "{count} 3 3"]:
    """Draw wrist orientations as a camera sees them: mostly palm or back, fingers across the view.

    A tenth is uniform over all rotations. The others lie in the image with a normal tilt of 33
    degrees out of it, any turn in it, and a roll about the fingers that favours palm and back.
    """
    tilted = _tilted(count, generator)
    uniform = _uniform_rotation(count, generator)
    pick = torch.rand(count, generator=generator) < 0.1
    return torch.where(pick[:, None, None], uniform, tilted)


def _tilted(count: int, generator: torch.Generator) -> Tensor:
    turn = (torch.rand(count, generator=generator) * 2.0 - 1.0) * math.pi
    tilt = torch.randn(count, generator=generator) * math.radians(33.0)
    flat = torch.rand(count, generator=generator) < 0.6
    side = torch.where(torch.rand(count, generator=generator) < 0.5, 0.0, math.pi)
    near = side + torch.randn(count, generator=generator) * math.radians(35.0)
    anywhere = (torch.rand(count, generator=generator) * 2.0 - 1.0) * math.pi
    roll = torch.where(flat, near, anywhere)
    return matrix_from_euler(torch.stack((turn, tilt, roll), dim=-1))


def _uniform_rotation(count: int, generator: torch.Generator) -> Tensor:
    """Return rotations uniform over SO(3), from normal quaternions (Shoemake 1992)."""
    return matrix_from_quaternion(torch.randn(count, 4, generator=generator))
