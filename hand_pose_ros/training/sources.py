"""Where batches come from: sampled keypoints, or images with sampled keypoints beside them."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
from torch.utils.data import DataLoader, IterableDataset

from hand_pose_ros.data.patches import PatchTransform, SeenHands, collate
from hand_pose_ros.data.shard_dataset import torch_dataset
from hand_pose_ros.data.shards import find_shards
from hand_pose_ros.data.synthetic.config import BLOCK, preset
from hand_pose_ros.data.synthetic.detected import concatenate, load_detected
from hand_pose_ros.data.synthetic.keypoints import NoiseConfig, SampledHands, sample_hands
from hand_pose_ros.data.synthetic.stream import studio_dataset
from hand_pose_ros.errors import InputError
from hand_pose_ros.models.image import ImageView
from hand_pose_ros.models.keypoints import canonical_view
from hand_pose_ros.training.batch import Batch
from hand_pose_ros.training.config import LossWeights, TrainingConfig
from hand_pose_ros.training.looked import Backgrounds, looked_at

VALIDATION_HANDS = 1024
VALIDATION_IMAGES = 256
VALIDATION_SEED = 20_230_814
_SHUFFLED = 1024
"""Samples of shards that wait while one of them is drawn."""


@runtime_checkable
class Source(Protocol):
    """Anything that batches come from.

    Attributes:
        images: how many images were used so far; setting it goes on from there.
    """

    images: int

    def draw(self, generator: torch.Generator) -> Batch:
        """Return the next batch."""
        ...

    def validation(self, generator: torch.Generator) -> Batch:
        """Return hands that are not trained on, the same ones every time."""
        ...


def make_source(config: TrainingConfig, part: tuple[int, int] = (0, 1)) -> Source:
    """Return the source of a run.

    Args:
        config: of the whole run.
        part: (k, n): the k-th of n processes that train together.
    """
    rows = replace(config.image, rows=max(config.image.rows // part[1], 1))
    config = replace(config, batch=config.batch // part[1], devices=1, image=rows)
    return KeypointSource(config) if config.model == "keypoints" else ImageSource(config, part)


class KeypointSource:
    """Sampled hands, some of them with what a real detector said of pictures of them."""

    def __init__(self, config: TrainingConfig) -> None:
        self._config, self.images = config, 0
        self._detected = load_detected(Path(config.detected)) if config.detected else None

    def draw(self, generator: torch.Generator) -> Batch:
        """Return the next batch."""
        config = self._config
        detected = round(config.batch * config.detected_share) if self._detected else 0
        hands = sample_hands(config.batch - detected, generator, config.noise)
        if self._detected is not None:
            hands = concatenate(hands, self._detected.draw(detected, generator))
        return Batch(hands, canonical_view(hands.observation))

    def validation(self, generator: torch.Generator) -> Batch:
        """Return sampled hands."""
        hands = sample_hands(VALIDATION_HANDS, generator, NoiseConfig())
        return Batch(hands, canonical_view(hands.observation))


class ImageSource:
    """Rendered hands with the images, and sampled hands that have keypoints only."""

    def __init__(self, config: TrainingConfig, part: tuple[int, int] = (0, 1)) -> None:
        self._config, self._part, self.images = config, part, 0
        self._rows: Iterator[SeenHands] | None = None
        self._validation: SeenHands | None = None
        self._backgrounds: Backgrounds | None = None

    def draw(self, generator: torch.Generator) -> Batch:
        """Return the next batch: rows with an image first."""
        config = self._config
        if self._rows is None:
            self._rows = iter(self._loader())
        seen = next(self._rows)
        self.images += len(seen.half_width)
        count = config.batch - len(seen.half_width)
        own = 1.0 if config.model == "image" else config.image.own
        shown = torch.rand(len(seen.turn), generator=generator) >= own
        others = None
        if config.model != "image" and count:
            others = sample_hands(count, generator, config.noise)
        return self._looked_at(seen, seen_batch(seen, shown, others), generator, config.loss)

    def validation(self, generator: torch.Generator) -> Batch:
        """Return rendered hands of people that are not trained on."""
        if self._validation is None:
            transform = PatchTransform(NoiseConfig(), self._config.augment, VALIDATION_SEED)
            studio = preset(self._config.image.presets[0]).config
            rows = studio_dataset(
                studio, split="validation", seed=VALIDATION_SEED, transform=transform
            )
            self._validation = collate(list(itertools.islice(rows, VALIDATION_IMAGES)))
        count = len(self._validation.half_width)
        shown = torch.full((count,), self._config.model == "fused")
        return self._looked_at(self._validation, seen_batch(self._validation, shown), generator)

    def _looked_at(
        self,
        seen: SeenHands,
        batch: Batch,
        generator: torch.Generator,
        weights: LossWeights | None = None,
    ) -> Batch:
        """Return a batch with what an image network that is trained learns beside the lift.

        The weights say whether each image is seen twice.
        """
        config, options = self._config, self._config.image
        if not options.trains_encoder or not isinstance(batch.view, ImageView):
            return batch
        if self._backgrounds is None:
            self._backgrounds = Backgrounds(config.augment, config.seed)
        count = len(seen.half_width)
        empty = as_input(self._backgrounds.draw(round(options.empty * count), generator))
        contrast = config.contrastive if weights is not None and weights.contrastive else None
        mirror = round(options.mirrored * count)
        looked = looked_at(seen, batch.view.patch, empty, mirror, contrast, generator)
        return replace(batch, looked=looked)

    def _loader(self) -> DataLoader:
        options = self._config.image
        return DataLoader(
            self._dataset(),
            options.rows,
            num_workers=self._workers(),
            collate_fn=collate,
            # An OpenGL context does not survive a fork.
            multiprocessing_context="spawn" if self._workers() else None,
            generator=torch.Generator().manual_seed(self._config.seed + self.images),
        )

    def _workers(self) -> int:
        """Return how many processes read: none without a shard of its own."""
        options, (_, processes) = self._config.image, self._part
        if not options.shards:
            return options.workers
        shards = len(find_shards(options.shards))
        if shards < processes:
            raise InputError(f"{options.shards} has {shards} shards for {processes} devices")
        return min(options.workers, shards // processes)

    def _dataset(self) -> Turns:
        config, options = self._config, self._config.image
        transform = PatchTransform(config.noise, config.augment, config.seed)
        if options.shards:
            shards = torch_dataset(
                options.shards,
                transform=transform,
                shuffle=_SHUFFLED,
                seed=config.seed + self.images,
                part=self._part,
            )
            return Turns([shards])
        turns, done = Counter(options.presets), self.images // len(options.presets)
        streams = {
            name: studio_dataset(
                preset(name).config,
                seed=config.seed,
                first_block=-(-done * count // BLOCK),
                transform=transform,
                part=self._part,
            )
            for name, count in turns.items()
        }
        return Turns([streams[name] for name in options.presets])


class Turns(IterableDataset):
    """Datasets that give one sample after the other, over and over; one may stand in several."""

    def __init__(self, datasets: Sequence[Iterable[Any]]) -> None:
        self._datasets = datasets

    def __iter__(self) -> Iterator[Any]:
        rows = {id(each): _endless(each) for each in self._datasets}
        for each in itertools.cycle(self._datasets):
            yield next(rows[id(each)])


def _endless(dataset: Iterable[Any]) -> Iterator[Any]:
    while True:
        is_empty = True
        for row in dataset:
            is_empty = False
            yield row
        if is_empty:
            raise InputError("a dataset to train on has no sample")


def seen_batch(
    seen: SeenHands, has_keypoints: torch.Tensor, others: SampledHands | None = None
) -> Batch:
    """Return hands with an image, and behind them others without.

    Args:
        seen: hands and their views.
        has_keypoints: (batch,) bool, whose keypoints the encoder is shown; see `ImageView`.
        others: hands of which there are only keypoints.
    """
    hands, view = seen.hands, canonical_view(seen.hands.observation, seen.frame)
    features, R = view.features, view.R_canonical_camera
    if others is not None:
        hands, more = concatenate(hands, others), canonical_view(others.observation)
        features = torch.cat((features, more.features))
        R = torch.cat((R, more.R_canonical_camera))
        all_known = torch.ones(len(more.features), dtype=torch.bool)
        has_keypoints = torch.cat((has_keypoints, all_known))
    patch = as_input(seen.patch)
    return Batch(hands, ImageView(patch, seen.half_width, features, has_keypoints, R))


def as_input(patch: torch.Tensor) -> torch.Tensor:
    """Return RGB bytes (batch, 3, y, x) as the network takes them, laid out to be fast."""
    return (patch.float() / 255.0).contiguous(memory_format=torch.channels_last)
