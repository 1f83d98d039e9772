"""The studio as an endless torch dataset: training without a dataset on the disk."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hand_pose_ros.data.synthetic.body.people import check_split
from hand_pose_ros.data.synthetic.config import StudioConfig
from hand_pose_ros.data.synthetic.sample import SynthSample
from hand_pose_ros.data.synthetic.threads import use_one_thread
from hand_pose_ros.errors import InputError

if TYPE_CHECKING:
    from torch.utils.data import IterableDataset


def studio_dataset(
    config: StudioConfig,
    *,
    split: str = "train",
    seed: int = 0,
    first_block: int = 0,
    photographs: Path | None = None,
    transform: Callable[[SynthSample], Any] | None = None,
    part: tuple[int, int] = (0, 1),
) -> IterableDataset:
    """Return samples that are rendered as they are asked for, without end.

    A DataLoader's workers share the blocks of `Studio.block`, so none is made twice: with one
    process per core, each uses one thread. The same seed gives the same samples; their order
    follows from the number of workers. The dataset can be pickled if `transform` can. With workers
    prefer `multiprocessing_context="spawn"`: an OpenGL context does not survive a fork.

    Args:
        config: what the images show.
        split: whose hands, see `people.SPLITS`.
        seed: of everything.
        first_block: where to go on: of `part`, the blocks before it were seen.
        photographs: a folder of pictures for half of the backgrounds.
        transform: what a worker makes of each sample, such as tensors of a crop.
        part: (k, n): the k-th of n processes that train together.

    Raises:
        InputError: no such split; a negative seed or block; a part that is none.
        UnavailableError: when read: nothing can be rendered here.
    """
    from torch.utils.data import IterableDataset, get_worker_info

    check_split(split)
    _check(seed, first_block, part)

    class StudioDataset(IterableDataset):
        """The samples of a studio; see `studio_dataset`."""

        def __iter__(self) -> Iterator[Any]:
            info = get_worker_info()
            worker, workers = (0, 1) if info is None else (info.id, info.num_workers)
            if info is not None:
                use_one_thread()
            start = part[0] + part[1] * (first_block + worker)
            numbers = itertools.count(start, part[1] * workers)
            samples = _samples(config, split, photographs, seed, numbers)
            return samples if transform is None else map(transform, samples)

        def __reduce__(self) -> tuple[Any, ...]:
            asked = (config, split, seed, first_block, photographs, transform, part)
            return _studio_dataset_from, asked

    return StudioDataset()


def _samples(
    config: StudioConfig,
    split: str,
    photographs: Path | None,
    seed: int,
    numbers: Iterator[int],
) -> Iterator[SynthSample]:
    from hand_pose_ros.data.synthetic.studio import Studio

    with Studio(config, split, photographs) as studio:
        for number in numbers:
            yield from studio.block(seed, number)


def _check(seed: int, first_block: int, part: tuple[int, int]) -> None:
    if seed < 0 or first_block < 0:
        raise InputError(f"seed {seed} and first block {first_block}; neither may be negative")
    if not 0 <= part[0] < part[1]:
        raise InputError(f"part is {part}; it must be (k, n) with 0 <= k < n")


def _studio_dataset_from(
    config: StudioConfig,
    split: str,
    seed: int,
    first_block: int,
    photographs: Path | None,
    transform: Any,
    part: tuple[int, int],
) -> IterableDataset:
    return studio_dataset(
        config,
        split=split,
        seed=seed,
        first_block=first_block,
        photographs=photographs,
        transform=transform,
        part=part,
    )
