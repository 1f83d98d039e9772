"""The writers of rendered samples, by the name of their format."""

from collections.abc import Callable

from hand_pose_ros.data.synthetic.output.block_writer import (
    BlockWriter,
    FinishedDataset,
    WrittenBlock,
)
from hand_pose_ros.data.synthetic.output.folder_writer import FolderWriter
from hand_pose_ros.data.synthetic.output.shard_writer import ShardWriter

__all__ = [
    "WRITERS",
    "BlockWriter",
    "FinishedDataset",
    "FolderWriter",
    "ShardWriter",
    "WrittenBlock",
]

WRITERS: dict[str, Callable[..., BlockWriter]] = {
    writer.format: writer for writer in (FolderWriter, ShardWriter)
}
"""The writers by the name of their format; each takes `out`, `quality` and `vertices`."""
