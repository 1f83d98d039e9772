"""What the verbs share that work through many images: a progress bar and calm libraries."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TypeVar

Item = TypeVar("Item")


def frames_bar(frames: Iterable[Item], count: int | None, unit: str = "frame") -> Iterable[Item]:
    """Return the frames under a progress bar; none is shown where nobody watches."""
    from tqdm import tqdm

    return tqdm(frames, total=count, unit=unit, disable=None, dynamic_ncols=True)


def quiet_libraries() -> None:
    """Let MediaPipe's libraries say only what went wrong."""
    os.environ.setdefault("GLOG_minloglevel", "2")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")


def use_threads() -> None:
    """Run small networks on one thread: more only wait for one another."""
    import torch

    torch.set_num_threads(1)
