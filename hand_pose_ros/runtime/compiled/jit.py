"""How loops become machine code."""

from __future__ import annotations

import functools
import inspect
import logging
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from hand_pose_ros.runtime.engine.cache import checksum, default_cache, source_checksum

Array = npt.NDArray[np.float32]
Indices = npt.NDArray[np.int64]
Int8 = npt.NDArray[np.int8]
Wide = npt.NDArray[np.float64]

EPSILON = 1e-5
"""What norms add to a variance, as those of PyTorch do."""

_CHUNK = 1024
"""Numbers at a time: with their scratch they stay in the cache next to the CPU."""
_KIND, _KEPT = "loops", 4
"""Name of the folders in the cache, and how many of them stay, of so many versions."""
_LOG = logging.getLogger(__name__)
_FASTMATH = {"contract", "reassoc", "arcp", "nsz"}


def compiled(function: Callable[..., Any]) -> Any:
    """Return a function as machine code, compiled at its first call for what it is given.

    The code is kept with what engines made, see `engine.cache`.
    """
    # What checks shapes and types in tests wraps functions; it is no machine code.
    plain = inspect.unwrap(function)
    made = numba.njit(plain, error_model="numpy", fastmath=_FASTMATH)
    if (folder := _folder()) is not None:
        config: Any = numba.config
        before, config.CACHE_DIR = config.CACHE_DIR, str(folder)
        try:
            made.enable_caching()
        finally:
            config.CACHE_DIR = before
    return made


@functools.cache
def _folder() -> Path | None:
    """Return where machine code of just this source is kept, None where nothing is.

    Numba itself looks at the age of one file only, and a loop depends on several.
    """
    cache = default_cache().folder
    if cache is None:
        return None
    version = checksum(f"{source_checksum()} {numba.__version__}".encode())
    folder = cache / f"{_KIND}-{version[:16]}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        folder.touch()
        with tempfile.TemporaryFile(dir=folder):
            others = sorted(cache.glob(f"{_KIND}-*"), key=lambda path: path.stat().st_mtime)
        for old in others[:-_KEPT]:
            shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        _LOG.warning("compiled loops are not kept in %s: %s", folder, error)
        return None
    return folder


@compiled
def silu(values: Array) -> None:
    """Turn each x of a vector into x / (1 + exp(-x)).

    Written so that a CPU does many at once, which it does not with `exp`.
    """
    one = np.float32(1.0)
    whole, parts = np.empty(_CHUNK, np.int32), np.empty(_CHUNK, np.float32)
    powers = whole.view(np.float32)
    for start in range(0, len(values), _CHUNK):
        some = values[start : start + _CHUNK]
        for i in range(len(some)):
            power = some[i] * np.float32(-1.4426950408889634)  # exp(-x) = 2^power
            power = min(max(power, np.float32(-126.0)), np.float32(126.0))
            nearest = np.floor(power + np.float32(0.5))
            whole[i] = (np.int32(nearest) + np.int32(127)) << np.int32(23)
            rest = power - nearest
            # The Taylor series of 2^rest on [-0.5, 0.5]: 2e-8 off at the ends.
            series = np.float32(0.0013333558146428443) + rest * np.float32(0.00015403530393381608)
            series = np.float32(0.009618129107628477) + rest * series
            series = np.float32(0.05550410866482158) + rest * series
            series = np.float32(0.24022650695910072) + rest * series
            series = np.float32(0.6931471805599453) + rest * series
            parts[i] = one + rest * series
        for i in range(len(some)):
            some[i] = some[i] / (one + powers[i] * parts[i])
