"""A truth read beside the recording that it is the truth of."""

from __future__ import annotations

from hand_pose_ros.evaluation.association import NONE, associate, partners_of, period_ns
from hand_pose_ros.evaluation.identity import Presence, Visit
from hand_pose_ros.evaluation.recording import RecordedFrame, Recording


class TruthBeside:
    """The truth of each answer of a recording, asked for by rising stamps.

    It is read beside the answers: what is held is what lies between the two.

    Args:
        recording: the answers.
        truth: the true hands.
        slop_ns: how far stamps that belong together may be apart [ns].

    Attributes:
        name: of the truth.
        named: whether its hands have ids, as far as it was read.
    """

    def __init__(self, recording: Recording, truth: Recording, slop_ns: int) -> None:
        self.name = truth.name
        self.named = True
        stamps = recording.times.stamps_ns, truth.times.stamps_ns
        self._partners = associate(*stamps, slop_ns)
        self._wanted = partners_of(self._partners, len(stamps[1])) != NONE
        self._frames = truth.first_of_each()
        self._presence = Presence(period_ns(truth.times.stamps_ns))
        self._waiting: dict[int, tuple[RecordedFrame, list[Visit]]] = {}
        self._unanswered = 0

    def of(self, index: int) -> tuple[RecordedFrame, list[Visit]] | None:
        """Return the truth of an answer and the names of its hands; None where there is none."""
        partner = int(self._partners[index])
        while partner != NONE and partner not in self._waiting:
            self._read()
        return self._waiting.pop(partner, None)

    def rest(self) -> int:
        """Read to the end; return how many true hands are in images without an answer."""
        for index, frame in self._frames:
            self._take(index, frame)
        return self._unanswered

    def _read(self) -> None:
        self._take(*next(self._frames))

    def _take(self, index: int, frame: RecordedFrame) -> None:
        self.named &= all(hand.id for hand in frame.hands)
        names = [self._presence.add(frame.stamp_ns, hand.id) for hand in frame.hands]
        if self._wanted[index]:
            self._waiting[index] = frame, names
        else:
            self._unanswered += len(frame.hands)
