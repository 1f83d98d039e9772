"""The shards that `hand-pose synth` writes, see `data.shards`.

What is held in memory is where each sample starts: 8 bytes an image.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from itertools import accumulate
from pathlib import Path

from hand_pose_ros.data.packed import PackedSample
from hand_pose_ros.data.readers.indexed import Indexed
from hand_pose_ros.data.readers.labels import camera_from, hands_from, place_in_sequence
from hand_pose_ros.data.sample import LabelledImage
from hand_pose_ros.data.shards import find_shards, read_packed, sample_offsets


def open_split(root: Path, split: str) -> Indexed:
    """Return the samples of a shard or of a folder of shards.

    Raises:
        InputError: no shards, or one that is cut off or broken.
    """
    shards = find_shards(root)
    offsets = [array("q", sample_offsets(shard)) for shard in shards]
    starts = [0, *accumulate(map(len, offsets))]

    def at(number: int) -> LabelledImage:
        shard = bisect_right(starts, number) - 1
        return _image(next(read_packed(shards[shard], offsets[shard][number - starts[shard]])))

    return Indexed("shards", root, split, starts[-1], at)


def _image(packed: PackedSample) -> LabelledImage:
    label = packed.label()
    camera = camera_from(label, packed.where)
    sequence, frame = place_in_sequence(label)
    return LabelledImage(
        packed.name,
        packed.image,
        camera,
        hands_from(label, packed.where, camera, packed.surface()),
        sequence=sequence,
        frame=frame,
    )
