"""One slot between the thread that receives and the one that works: the newest item wins.

A queue of images grows old: whoever works through it answers about the past. Here an image that
nobody has begun with is dropped as soon as a newer one comes, so that what is worked on is never
older than one working time.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Mailbox(Generic[Item]):
    """A slot for one item; safe for one thread that puts and one that takes.

    Attributes:
        dropped: how many items were replaced before anybody took them.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._item: Item | None = None
        self._closed = False
        self.dropped = 0

    def put(self, item: Item) -> None:
        """Lay an item into the slot, in the place of one that was never taken."""
        with self._changed:
            if self._closed:
                return
            if self._item is not None:
                self.dropped += 1
            self._item = item
            self._changed.notify()

    def take(self) -> Item | None:
        """Wait for an item and return it; None once the mailbox is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._item is not None)
            item, self._item = self._item, None
            return None if self._closed else item

    def close(self) -> None:
        """Forget the item and let `take` return None from now on."""
        with self._changed:
            self._closed, self._item = True, None
            self._changed.notify_all()


class Worker(Generic[Item]):
    """The one thread that works on what comes into its mailbox.

    Args:
        work: called with each item.
        on_death: called with the error that `work` raised; the thread then ends.
    """

    def __init__(
        self, work: Callable[[Item], None], on_death: Callable[[BaseException], None]
    ) -> None:
        self.mailbox: Mailbox[Item] = Mailbox()
        self._work, self._on_death = work, on_death
        # A daemon: an exit that nobody planned must not wait for it.
        self._thread = threading.Thread(target=self._run, name="estimator", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Close the mailbox, and wait until the item at hand is done with."""
        self.mailbox.close()
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def _run(self) -> None:
        while (item := self.mailbox.take()) is not None:
            try:
                self._work(item)
            except BaseException as error:  # whatever it is, nobody else would hear of it
                self._on_death(error)
                return
