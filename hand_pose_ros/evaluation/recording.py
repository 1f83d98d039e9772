"""Time-stamped hands as somebody recorded them: what is scored, and what it is scored against."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hand_pose_ros.errors import InputError, ShapeError
from hand_pose_ros.evaluation.points import Array
from hand_pose_ros.hand.skeleton import DOFS, KEYPOINTS, SIDES

Stamps = npt.NDArray[np.int64]
NS_PER_S = 1_000_000_000

_SHAPES = {
    "keypoints": (len(KEYPOINTS), 3),
    "keypoints_px": (len(KEYPOINTS), 2),
    "angles": (len(DOFS),),
}


@dataclass(frozen=True, eq=False)
class RecordedHand:
    """One hand in one image, by any estimator or in truth.

    Attributes:
        id: name of its track; empty where nobody gave it one.
        side: `left` or `right`; None where unknown.
        keypoints: (21, 3) [m], camera optical frame; NaN where unknown.
        keypoints_px: (21, 2) [px]; NaN where unknown.
        angles: (26,) [rad], order `skeleton.DOFS`; NaN where unknown.

    Raises:
        InputError: a side that no hand has.
        ShapeError: an array has another shape.
    """

    id: str
    side: str | None
    keypoints: Array
    keypoints_px: Array
    angles: Array

    def __post_init__(self) -> None:
        if self.side is not None and self.side not in SIDES:
            raise InputError(f"side is {self.side!r}; it must be one of {SIDES}, or None")
        for name, shape in _SHAPES.items():
            if getattr(self, name).shape != shape:
                raise ShapeError(f"{name} has shape {getattr(self, name).shape}, not {shape}")


@dataclass(frozen=True, eq=False)
class RecordedFrame:
    """The hands of one image; none of them means "looked, and saw no hand".

    Attributes:
        stamp_ns: time of the image [ns].
        hands: one entry a hand.
        frame_id: the camera's optical frame; empty where unknown.
    """

    stamp_ns: int
    hands: tuple[RecordedHand, ...]
    frame_id: str = ""


@dataclass(frozen=True, eq=False)
class Times:
    """When images, or the answers to them, were taken and recorded; in the order of recording.

    Attributes:
        stamps_ns: (N,) time of each image [ns].
        recorded_ns: (N,) time of its recording [ns].
    """

    stamps_ns: Stamps
    recorded_ns: Stamps

    def __post_init__(self) -> None:
        if self.stamps_ns.shape != self.recorded_ns.shape or self.stamps_ns.ndim != 1:
            raise ShapeError(
                f"stamps have shape {self.stamps_ns.shape}, their recording times "
                f"{self.recorded_ns.shape}; both must be (N,)"
            )


@dataclass(frozen=True, eq=False)
class Recording:
    """A topic of hands, or the labels of a folder.

    The times of all frames are kept, 16 bytes each; the hands are read when they are asked for.

    Attributes:
        name: for messages.
        times: of each frame.
        read: returns the frames, in the order of `times`.
    """

    name: str
    times: Times
    read: Callable[[], Iterator[RecordedFrame]]

    def in_order(self) -> Iterator[tuple[int, RecordedFrame]]:
        """Yield number in `times` and frame, by stamp; of equal stamps the first recorded first.

        What comes early waits, so that as many frames are held as are out of order.

        Raises:
            InputError: the frames are not those that `times` has.
        """
        order = np.argsort(self.times.stamps_ns, kind="stable")
        return _sorted(self._counted(), order.tolist())

    def first_of_each(self) -> Iterator[tuple[int, RecordedFrame]]:
        """Yield as `in_order`, but of frames with the same stamp only the first."""
        last_ns: int | None = None
        for index, frame in self.in_order():
            if frame.stamp_ns != last_ns:
                yield index, frame
            last_ns = frame.stamp_ns

    def _counted(self) -> Iterator[tuple[int, RecordedFrame]]:
        frames = self.read()
        for index, stamp_ns in enumerate(self.times.stamps_ns):
            frame = next(frames, None)
            if frame is None or frame.stamp_ns != stamp_ns:
                raise InputError(f"{self.name} has changed while it was read")
            yield index, frame
        if next(frames, None) is not None:
            raise InputError(f"{self.name} has changed while it was read")


def _sorted(
    frames: Iterable[tuple[int, RecordedFrame]], order: list[int]
) -> Iterator[tuple[int, RecordedFrame]]:
    waiting: dict[int, RecordedFrame] = {}
    wanted = iter(order)
    following = next(wanted, None)
    for index, frame in frames:
        waiting[index] = frame
        while following is not None and following in waiting:
            yield following, waiting.pop(following)
            following = next(wanted, None)
