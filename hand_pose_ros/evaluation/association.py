"""Which answer belongs to which image: by their stamps, the nearest, one to one."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from hand_pose_ros.errors import InputError
from hand_pose_ros.evaluation.recording import Stamps

NONE = -1
"""In place of a partner's number."""

PERIOD_PERCENTILE = 25.0
"""Of the steps between stamps: half of them may span images that were dropped."""


def associate(first_ns: Stamps, second_ns: Stamps, slop_ns: int) -> npt.NDArray[np.int64]:
    """Return for each stamp of the first the number of its partner in the second, or `NONE`.

    Partners are each other's nearest; once they are taken, the rest is looked at again, until
    nobody is within reach. It does not matter which is first. Neither needs to be sorted; of
    equal stamps the first in order is taken.

    Args:
        first_ns: (N,) stamps [ns].
        second_ns: (M,) stamps [ns].
        slop_ns: how far partners may be apart [ns]; 0 for equal stamps.

    Raises:
        InputError: the slop is negative.
    """
    if slop_ns < 0:
        raise InputError(f"slop is {slop_ns * 1e-9} s; it must be 0 or more")
    partners = np.full(len(first_ns), NONE, np.int64)
    first, mine = np.unique(first_ns, return_index=True)
    second, theirs = np.unique(second_ns, return_index=True)
    while first.size and second.size:
        to_second, to_first = _nearest(first, second), _nearest(second, first)
        mutual = to_first[to_second] == np.arange(first.size)
        mutual &= np.abs(second[to_second] - first) <= slop_ns
        if not mutual.any():
            break
        taken = to_second[mutual]
        partners[mine[mutual]] = theirs[taken]
        first, mine = first[~mutual], mine[~mutual]
        second, theirs = np.delete(second, taken), np.delete(theirs, taken)
    return partners


def partners_of(partners: npt.NDArray[np.int64], count: int) -> npt.NDArray[np.int64]:
    """Return the same association (count,) seen from the second."""
    back = np.full(count, NONE, np.int64)
    known = partners != NONE
    back[partners[known]] = np.flatnonzero(known)
    return back


def period_ns(stamps_ns: Stamps) -> float | None:
    """Return the time from image to image [ns], whatever was dropped; None for less than two.

    The lower quartile of the steps: right while at least a quarter of them span no missing image.
    """
    steps = np.diff(np.unique(stamps_ns))
    return float(np.percentile(steps, PERIOD_PERCENTILE)) if steps.size else None


def _nearest(stamps: Stamps, others: Stamps) -> npt.NDArray[np.int64]:
    """Return the number of the nearest other (sorted) to each stamp; the earlier of two."""
    after = np.searchsorted(others, stamps).clip(1, max(others.size - 1, 1))
    before = after - 1
    after = after.clip(max=others.size - 1)
    later = np.abs(others[after] - stamps) < np.abs(stamps - others[before])
    return np.where(later, after, before)
