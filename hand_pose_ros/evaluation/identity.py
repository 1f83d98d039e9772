"""How often a hand changes its name or its side."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field

from hand_pose_ros.evaluation.hand_matching import FORGOTTEN_NS, LONGEST_STEP
from hand_pose_ros.evaluation.recording import RecordedHand

Visit = tuple[str, int]
"""A hand's name, and how often it was away before."""


@dataclass
class IdentityCount:
    """Counts changes along one hand after another; feed it images by rising stamps.

    Attributes:
        side_flips: changes of the side of one hand; there and back are two.
        id_switches: changes of the id of one hand (mismatches).
        id_transfers: ids that one hand had and another hand has now, of hands of which is known
            whose they are.

    Source: Bernardin and Stiefelhagen 2008, Evaluating multiple object tracking performance: the
    CLEAR MOT metrics, section 2.1.
    """

    side_flips: int = 0
    id_switches: int = 0
    id_transfers: int = 0
    _sides: dict[Hashable, str] = field(default_factory=dict)
    _ids: dict[Hashable, str] = field(default_factory=dict)
    _owners: dict[str, Hashable] = field(default_factory=dict)

    def add(self, hand: Hashable, seen: RecordedHand, who: Hashable | None = None) -> None:
        """Take what is said of a hand.

        Args:
            hand: any name of its own, the same for as long as it is followed.
            seen: the hand as it was answered.
            who: whose hand it truly is, also after it was away; None where nobody knows.
        """
        if seen.side is not None:
            self.side_flips += self._sides.setdefault(hand, seen.side) != seen.side
            self._sides[hand] = seen.side
        if seen.id:
            self.id_switches += self._ids.setdefault(hand, seen.id) != seen.id
            self._ids[hand] = seen.id
            if who is not None:
                self.id_transfers += self._owners.setdefault(seen.id, who) != who
                self._owners[seen.id] = who


class Presence:
    """Names true hands: one that was away for long has another name afterwards.

    Args:
        period_ns: time from one image that has a truth to the next [ns]; None where not known.
    """

    def __init__(self, period_ns: float | None = None) -> None:
        self._longest_ns = max(FORGOTTEN_NS, LONGEST_STEP * (period_ns or 0.0))
        self._seen_ns: dict[str, int] = {}
        self._visits: dict[str, int] = {}

    def add(self, stamp_ns: int, name: str) -> Visit:
        """Return the name of a hand that is there, and which visit of it this is."""
        away_ns = stamp_ns - self._seen_ns.get(name, stamp_ns)
        self._seen_ns[name] = stamp_ns
        visit = self._visits.get(name, 0) + (away_ns > self._longest_ns)
        self._visits[name] = visit
        return name, visit
