"""What every test starts from: checked shapes, fixed seeds, one thread, and the shared data."""

from __future__ import annotations

import os
import random
import sys
from pathlib import Path

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import numpy as np  # noqa: E402  after the number of threads is known
import pytest  # noqa: E402
from hypothesis import settings  # noqa: E402
from jaxtyping import install_import_hook  # noqa: E402

# Every annotation of the package, shapes included, is checked while the tests run. The hook has to
# stand before anything imports the package.
install_import_hook("hand_pose_ros", "beartype.beartype")

# No timed tests, and the same examples everywhere: a failure is reproducible by running again.
settings.register_profile("house", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("house")

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip, with the reason, what this machine cannot run."""
    for item in items:
        if item.get_closest_marker("gpu") and not _has_cuda():
            item.add_marker(pytest.mark.skip(reason="no CUDA device"))
        if item.get_closest_marker("ros") and not _has_ros():
            item.add_marker(
                pytest.mark.skip(reason="no ROS 2 is sourced (rclpy cannot be imported)")
            )


def _has_cuda() -> bool:
    import torch

    return torch.cuda.is_available()


def _has_ros() -> bool:
    try:
        import rclpy  # noqa: F401
    except ImportError:
        return False
    return True


@pytest.fixture(autouse=True, scope="session")
def _engine_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Engines that are made once are kept for the whole run, and nowhere else."""
    os.environ["HAND_POSE_CACHE"] = str(tmp_path_factory.mktemp("engines"))


@pytest.fixture(autouse=True)
def _seeds() -> None:
    """Each test draws the same random numbers, whatever ran before it."""
    random.seed(0)
    np.random.seed(0)
    if "torch" in sys.modules:
        import torch

        torch.manual_seed(0)
        torch.set_num_threads(1)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Recordings that are no part of the project; skips where they are missing."""
    if not (SHARED_DATA / "README.md").is_file():
        pytest.skip("the shared data folder is not beside this checkout")
    return SHARED_DATA
