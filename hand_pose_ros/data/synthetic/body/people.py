"""The people whose hands are rendered: shape, proportions, size and looks, by a number.

A person is drawn from their number alone, so that it means the same in every dataset; splits draw
from ranges of numbers that do not meet.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from hand_pose_ros.data.synthetic.body.precision import drawn_in_float64
from hand_pose_ros.data.synthetic.body.shapes import (
    PEOPLE,
    sample_anchor_length,
    sample_offsets,
    sample_ratios,
)
from hand_pose_ros.data.synthetic.render.looks import HandLook, sample_look
from hand_pose_ros.errors import InputError
from hand_pose_ros.hand.mesh import HandMesh, load_hand_mesh

SPLITS = ("train", "validation", "test")
PEOPLE_PER_SPLIT = 1_000_000

_ASSET = Path(__file__).parent / "assets" / "hand_shapes.npz"
_MOST = 2.2
"""How many standard deviations a component of the shape may lie off the mean."""
_SEED = 7301


@dataclass(frozen=True, eq=False)
class Person:
    """One person's hands; the left is the mirror image of the right.

    Attributes:
        number: who it is.
        shape: (K,) components of the surface, in standard deviations.
        ratios: (20,) bone lengths over the anchor bone, order `skeleton.BONES`.
        offsets: (15,) [rad], order `skeleton.OFFSETS`.
        anchor: wrist to index MCP length [m].
        look: skin, and what is worn.
    """

    number: int
    shape: npt.NDArray[np.float64]
    ratios: npt.NDArray[np.float64]
    offsets: npt.NDArray[np.float64]
    anchor: float
    look: HandLook

    def mesh(self) -> HandMesh:
        """Return the surface of this person's hand, kept for the last few people."""
        return _mesh(tuple(self.shape.tolist()))


def check_split(split: str) -> None:
    """Refuse the name of a split that there is not.

    Raises:
        InputError: there is no such split.
    """
    if split not in SPLITS:
        raise InputError(f"split is {split!r}; it must be one of {', '.join(SPLITS)}")


def draw_number(split: str, random: np.random.Generator) -> int:
    """Return the number of a person of a split.

    Raises:
        InputError: there is no such split.
    """
    check_split(split)
    start = SPLITS.index(split) * PEOPLE_PER_SPLIT
    return start + int(random.integers(PEOPLE_PER_SPLIT))


def person(number: int) -> Person:
    """Return the person of a number."""
    random = np.random.default_rng([_SEED, number])
    generator = torch.Generator().manual_seed(int(random.integers(2**62)))
    components = len(_changes()[1])
    with drawn_in_float64():
        return Person(
            number=number,
            shape=np.clip(random.normal(size=components), -_MOST, _MOST),
            ratios=sample_ratios(1, generator, PEOPLE)[0].numpy(),
            offsets=sample_offsets(1, generator, PEOPLE)[0].numpy(),
            anchor=float(sample_anchor_length(1, generator)[0, 0]),
            look=sample_look(random),
        )


@lru_cache(maxsize=32)
def _mesh(shape: tuple[float, ...]) -> HandMesh:
    mean, components = _changes()
    change = mean + np.tensordot(shape, components, axes=1)
    mesh = load_hand_mesh()
    return mesh.with_rest(mesh.rest_vertices + torch.from_numpy(change).to(mesh.rest_vertices))


@lru_cache(maxsize=1)
def _changes() -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Return the mean change (V, 3) and the components (K, V, 3) [m]."""
    try:
        with np.load(_ASSET) as archive:
            mean, components = archive["mean"], archive["components"]
    except (OSError, KeyError, ValueError) as error:
        raise InputError(f"the shapes of hands {_ASSET} cannot be read: {error}") from error
    return mean.astype(np.float32), components.astype(np.float32)
