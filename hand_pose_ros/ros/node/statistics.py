"""What `/diagnostics` tells of the last seconds: rate, age, time per frame, drops."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass

import numpy as np

WINDOW_S = 10.0
"""How far back rates and percentiles look [s]."""


@dataclass(frozen=True)
class Snapshot:
    """Numbers at one moment; NaN where there was no frame to take them from.

    Attributes:
        received: images that came since the start.
        processed: images that hands were looked for in.
        dropped: images that a newer one replaced.
        refused: images that could not be read.
        rate_hz: images processed per second.
        age_p50_ms: median time from an image's stamp until its hands were published.
        age_p95_ms: the age that 95 % stay below.
        time_p50_ms: median time that an image took.
        time_p95_ms: the time that 95 % stay below.
    """

    received: int
    processed: int
    dropped: int
    refused: int
    rate_hz: float
    age_p50_ms: float
    age_p95_ms: float
    time_p50_ms: float
    time_p95_ms: float


class FrameStatistics:
    """Counts frames; safe for several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._frames: deque[tuple[float, float, float]] = deque()
        self.reset()

    def reset(self) -> None:
        """Start to count anew."""
        with self._lock:
            self._frames.clear()
            self._received = self._processed = self._refused = 0

    def receive(self) -> None:
        """Count an image that came."""
        with self._lock:
            self._received += 1

    def refuse(self) -> None:
        """Count an image that could not be read."""
        with self._lock:
            self._refused += 1

    def process(self, now_s: float, age_ms: float, time_ms: float) -> None:
        """Count an image that was worked on.

        Args:
            now_s: a clock that only goes forward [s].
            age_ms: from its stamp until its hands were published.
            time_ms: how long it took.
        """
        with self._lock:
            self._processed += 1
            self._frames.append((now_s, age_ms, time_ms))
            self._forget(now_s)

    def snapshot(self, now_s: float, dropped: int) -> Snapshot:
        """Return the numbers at a time [s] of the clock that `process` was given."""
        with self._lock:
            self._forget(now_s)
            frames = np.array(self._frames, np.float64).reshape(-1, 3)
            counts = self._received, self._processed, dropped, self._refused
        span_s = min(WINDOW_S, now_s - frames[0, 0]) if len(frames) else np.nan
        rate_hz = (len(frames) - 1) / span_s if len(frames) > 1 and span_s > 0.0 else 0.0
        ages, times = (
            np.percentile(column, (50, 95)) if len(column) else (np.nan, np.nan)
            for column in frames[:, 1:].T
        )
        return Snapshot(*counts, rate_hz, *map(float, (*ages, *times)))

    def _forget(self, now_s: float) -> None:
        while self._frames and self._frames[0][0] < now_s - WINDOW_S:
            self._frames.popleft()
