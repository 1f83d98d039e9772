"""One thread for everything in a process that renders: there are as many processes as cores."""

from __future__ import annotations

import os


def use_one_thread() -> None:
    """Let this process use one thread from now on; call it before anything is drawn.

    The threads of NumPy's linear algebra wait for work in a loop: with one process per core they
    would take half of each.
    """
    os.environ.setdefault("LP_NUM_THREADS", "0")  # Mesa's software renderer draws in the caller
    import cv2
    import torch
    from threadpoolctl import threadpool_limits

    threadpool_limits(1)
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
