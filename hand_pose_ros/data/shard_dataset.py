"""Shards of samples as a torch dataset."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from hand_pose_ros.data.shards import Paths, find_shards, read_shards, share
from hand_pose_ros.data.synthetic.sample import SynthSample

if TYPE_CHECKING:
    from torch.utils.data import IterableDataset


def torch_dataset(
    paths: Paths,
    *,
    transform: Callable[[SynthSample], Any] | None = None,
    shuffle: int = 0,
    seed: int = 0,
    part: tuple[int, int] = (0, 1),
) -> IterableDataset:
    """Return the samples as a `torch` dataset whose shards a DataLoader's workers share.

    Shuffled, each pass has another order: a function of `seed`, of torch's seed where there are
    worker processes, and of the number of the pass. The dataset can be pickled if `transform` can.

    Args:
        paths: as for `read_shards`.
        transform: what a worker makes of each sample, such as tensors of a crop.
        shuffle: as for `read_shards`, for each worker.
        seed: of the shuffling.
        part: (k, n): the k-th of n processes that train together.

    Raises:
        InputError: as `read_shards`.
    """
    from torch.utils.data import IterableDataset, get_worker_info

    shards = share(find_shards(paths), part)

    class ShardDataset(IterableDataset):
        """The samples of shards; see `torch_dataset`."""

        passes = 0

        def __iter__(self) -> Iterator[Any]:
            info = get_worker_info()
            k, n, drawn = (0, 1, 0) if info is None else (info.id, info.num_workers, info.seed)
            seeds = (seed, drawn, self.passes)
            self.passes += 1
            samples = read_shards(shards, shuffle=shuffle, seed=seeds, worker=(k, n))
            return samples if transform is None else map(transform, samples)

        def __reduce__(self) -> tuple[Any, ...]:
            return _torch_dataset_from, (paths, transform, shuffle, seed, part)

    return ShardDataset()


def _torch_dataset_from(
    paths: Paths, transform: Any, shuffle: int, seed: int, part: tuple[int, int]
) -> IterableDataset:
    return torch_dataset(paths, transform=transform, shuffle=shuffle, seed=seed, part=part)
