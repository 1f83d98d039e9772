"""One slot between the thread that receives and the one that works: the newest item wins.

A queue of images grows old: whoever works through it answers about the past. Here an image that
nobody has begun with is dropped as soon as a newer one comes, so that what is worked on is never
older than one working time. More slots are for recordings, where every image counts.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Mailbox(Generic[Item]):
    """Slots for a few items; safe for one thread that puts and one that takes.

    Args:
        slots: how many items may wait; one more drops the oldest.

    Attributes:
        dropped: how many items were replaced before anybody took them.
    """

    def __init__(self, slots: int = 1) -> None:
        self._changed = threading.Condition()
        self._items: deque[Item] = deque(maxlen=slots)
        self._closed = False
        self.dropped = 0

    def put(self, item: Item) -> None:
        """Lay an item into a slot, where none is free in the place of the oldest."""
        with self._changed:
            if self._closed:
                return
            self.dropped += len(self._items) == self._items.maxlen
            self._items.append(item)
            self._changed.notify()

    def take(self) -> Item | None:
        """Wait for an item and return the oldest; None once the mailbox is closed and empty."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._items)
            return self._items.popleft() if self._items else None

    def close(self, *, keep: bool = False) -> None:
        """Take no more items; forget those that wait, unless they are to be kept."""
        with self._changed:
            self._closed = True
            if not keep:
                self._items.clear()
            self._changed.notify_all()


class Worker(Generic[Item]):
    """The one thread that works on what comes into its mailbox.

    Args:
        work: called with each item.
        on_death: called with the error that `work` raised; the thread then ends.
        slots: of the mailbox.
    """

    def __init__(
        self,
        work: Callable[[Item], None],
        on_death: Callable[[BaseException], None],
        slots: int = 1,
    ) -> None:
        self.mailbox: Mailbox[Item] = Mailbox(slots)
        self._work, self._on_death = work, on_death
        # A daemon: an exit that nobody planned must not wait for it.
        self._thread = threading.Thread(target=self._run, name="estimator", daemon=True)
        self._thread.start()

    def stop(self, *, finish: bool = False) -> None:
        """Wait until the item at hand is done with, or also those that wait in the mailbox."""
        self.mailbox.close(keep=finish)
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def _run(self) -> None:
        while (item := self.mailbox.take()) is not None:
            try:
                self._work(item)
            except BaseException as error:  # whatever it is, nobody else would hear of it
                self._on_death(error)
                return
