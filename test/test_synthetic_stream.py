"""The stream of the studio: the blocks of the studio, shared among workers, without end."""

from __future__ import annotations

import itertools
import pickle

import numpy as np
import pytest
from torch.utils.data import DataLoader

from hand_pose_ros.data.synthetic import studio as studios
from hand_pose_ros.data.synthetic.backdrop.background import BackgroundPool
from hand_pose_ros.data.synthetic.config import BLOCK, StudioConfig
from hand_pose_ros.data.synthetic.sample import SynthSample
from hand_pose_ros.data.synthetic.stream import studio_dataset
from hand_pose_ros.data.synthetic.studio import Studio
from hand_pose_ros.errors import InputError, UnavailableError

SMALL = StudioConfig(size=48, objects=0.0)
SEED = 5


def index_of(sample: SynthSample) -> int:
    return sample.index


def block_of(sample: SynthSample) -> int:
    return sample.index // BLOCK


@pytest.fixture(scope="module", autouse=True)
def small_pool() -> None:
    """Let this process make two backgrounds only; skip where nothing can be rendered."""
    real = studios.BackgroundPool
    studios.BackgroundPool = lambda size, random, folder: BackgroundPool(size, random, folder, 2)
    studios.shared_backgrounds.cache_clear()
    try:
        with Studio(SMALL):
            pass
    except UnavailableError as error:
        pytest.skip(f"no renderer here: {error}")
    yield
    studios.BackgroundPool = real
    studios.shared_backgrounds.cache_clear()


def first(dataset, count: int) -> list:
    return list(itertools.islice(iter(dataset), count))


def test_stream_is_what_the_studio_makes_block_by_block() -> None:
    streamed = first(studio_dataset(SMALL, seed=SEED), BLOCK + 2)
    with Studio(SMALL) as studio:
        block = list(studio.block(SEED, 0)) + list(itertools.islice(studio.block(SEED, 1), 2))
    assert [sample.index for sample in streamed] == list(range(BLOCK + 2))
    for ours, theirs in zip(streamed, block, strict=True):
        np.testing.assert_array_equal(ours.image_rgb, theirs.image_rgb)
        np.testing.assert_array_equal(ours.hands[0].keypoints, theirs.hands[0].keypoints)


def test_goes_on_at_a_block_and_shares_blocks_among_processes() -> None:
    assert first(studio_dataset(SMALL, seed=SEED, first_block=3, transform=index_of), 1) == [
        3 * BLOCK
    ]
    parts = [studio_dataset(SMALL, transform=block_of, part=(k, 2)) for k in range(2)]
    found = [sorted(set(first(part, 2 * BLOCK))) for part in parts]
    assert found == [[0, 2], [1, 3]]


def test_sequences_are_streamed_frame_by_frame() -> None:
    config = StudioConfig(size=48, frames=3)
    samples = first(studio_dataset(config, seed=SEED), 4)
    assert [(sample.sequence, sample.index) for sample in samples] == [
        (0, 0),
        (0, 1),
        (0, 2),
        (1, 0),
    ]


def test_workers_of_a_loader_share_the_blocks() -> None:
    dataset = studio_dataset(SMALL, transform=block_of)
    loader = DataLoader(
        dataset, batch_size=8, num_workers=2, multiprocessing_context="spawn", timeout=300
    )
    batches = [set(batch.tolist()) for batch in itertools.islice(iter(loader), 4)]
    assert batches == [{0}, {1}, {0}, {1}]


def test_is_pickled_with_all_it_was_asked_for() -> None:
    dataset = studio_dataset(SMALL, seed=SEED, first_block=1, part=(1, 3), transform=block_of)
    assert first(pickle.loads(pickle.dumps(dataset)), 1) == [1 + 3 * 1]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"split": "holiday"}, "holiday"),
        ({"seed": -1}, "-1"),
        ({"first_block": -2}, "-2"),
        ({"part": (2, 2)}, r"\(2, 2\)"),
    ],
)
def test_wrong_requests_are_refused_at_once(wrong, said) -> None:
    with pytest.raises(InputError, match=said):
        studio_dataset(SMALL, **wrong)
