"""Images brought together with the depth image and the boxes that belong to them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from hand_pose_ros.ros import conversions

KEPT_IMAGES = 15
"""Images that wait for their boxes: half a second of a camera at 30 Hz."""

_KEPT = 8


class Capture(NamedTuple):
    """One image message with the messages that go with it."""

    image: Any
    depth: Any = None
    boxes: Any = None


class Pairing:
    """Finds by their stamps what belongs together, in whatever order it comes.

    Boxes come late, because somebody else looks for them: an image waits for its own, and is never
    passed on without. A depth image is waited for until the next image comes. Not for several
    threads at once.

    Args:
        pass_on: called with each image as soon as it has what it waits for.
        boxes: whether images wait for boxes.
        depth: whether they wait for depth.

    Attributes:
        unpaired: images whose boxes did not come in time.
    """

    def __init__(self, pass_on: Callable[[Capture], None], *, boxes: bool, depth: bool) -> None:
        self._pass_on = pass_on
        self._needs_boxes, self._needs_depth = boxes, depth
        self._images: deque[Any] = deque()
        self._depths: deque[Any] = deque(maxlen=_KEPT)
        self._boxes: deque[Any] = deque(maxlen=_KEPT)
        self.unpaired = 0

    def add_image(self, image: Any, slop_ns: int) -> None:
        """Take an image; stamps of one moment may differ by the slop [ns]."""
        boxes = nearest(self._boxes, image, slop_ns)
        depth = nearest(self._depths, image, slop_ns)
        if self._needs_boxes:
            if boxes is None:
                self._keep(image)
            else:
                self._pass_on(Capture(image, depth, boxes))
        elif self._needs_depth:
            for late in self._images:
                self._pass_on(Capture(late))
            self._images.clear()
            if depth is None:
                self._images.append(image)
            else:
                self._pass_on(Capture(image, depth))
        else:
            self._pass_on(Capture(image))

    def add_depth(self, depth: Any, slop_ns: int) -> None:
        """Take a depth image."""
        self._depths.append(depth)
        image = nearest(self._images, depth, slop_ns)
        if image is not None and not self._needs_boxes:
            self._images.clear()
            self._pass_on(Capture(image, depth))

    def add_boxes(self, boxes: Any, slop_ns: int) -> None:
        """Take the boxes of an image."""
        self._boxes.append(boxes)
        image = nearest(self._images, boxes, slop_ns)
        if image is None:
            return
        while self._images.popleft() is not image:
            self.unpaired += 1
        self._pass_on(Capture(image, nearest(self._depths, image, slop_ns), boxes))

    def _keep(self, image: Any) -> None:
        if len(self._images) == KEPT_IMAGES:
            self._images.popleft()
            self.unpaired += 1
        self._images.append(image)


def nearest(messages: Iterable[Any], other: Any, slop_ns: int) -> Any | None:
    """Return the message whose stamp is nearest to another's, None where none is within slop."""
    stamp_ns = conversions.stamp_ns(other)
    apart = [(abs(conversions.stamp_ns(message) - stamp_ns), message) for message in messages]
    if not apart:
        return None
    distance, message = min(apart, key=lambda pair: pair[0])
    return message if distance <= slop_ns else None
