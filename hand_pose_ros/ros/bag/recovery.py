"""MCAP files that were cut off: read what is there, or give them their end.

A reader normally starts from the index at the end of the file. Without it the records are walked
from the start; each chunk is complete in itself.

Source: the MCAP format specification, version 0.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from mcap.data_stream import RecordBuilder
from mcap.exceptions import McapError
from mcap.records import (
    Channel,
    Chunk,
    ChunkIndex,
    DataEnd,
    Footer,
    Message,
    MessageIndex,
    Schema,
    Statistics,
)
from mcap.stream_reader import StreamReader, breakup_chunk
from zstandard import ZstdError

MAGIC = b"\x89MCAP0\r\n"
DAMAGE = (McapError, ZstdError, struct.error, RuntimeError, ValueError, EOFError)
"""What reading a cut or damaged file raises."""


@dataclass
class McapContent:
    """What was found in an MCAP file, up to its end or to where it is damaged.

    Attributes:
        schemas, channels: by id.
        chunks: index entry of each complete chunk.
        chunk_counts: messages of each channel, for each chunk.
        loose_counts: messages of each channel outside of chunks.
        end: offset of the first byte behind the last complete record of the data.
        data_ended: whether the data has its end mark.
        complete: whether the file has its footer.
    """

    schemas: dict[int, Schema] = field(default_factory=dict)
    channels: dict[int, Channel] = field(default_factory=dict)
    chunks: list[ChunkIndex] = field(default_factory=list)
    chunk_counts: list[Counter[int]] = field(default_factory=list)
    loose_counts: Counter[int] = field(default_factory=Counter)
    end: int = 0
    data_ended: bool = False
    complete: bool = False

    @property
    def counts(self) -> Counter[int]:
        """Messages of each channel."""
        return sum(self.chunk_counts, Counter(self.loose_counts))


def scan_mcap(path: Path) -> McapContent:
    """Walk the records of an MCAP file and return what is complete in it. Raises OSError."""
    content = McapContent()
    with path.open("rb") as stream:
        records = StreamReader(stream, emit_chunks=True).records
        start = 0
        try:
            for record in records:
                _note(content, record, start, stream.tell())
                start = stream.tell()
        except DAMAGE:
            pass
    return content


def read_mcap(path: Path) -> Iterator[tuple[Channel, Message]]:
    """Yield the messages of an MCAP file from its start; ends quietly where the file is damaged.

    Messages are in the order of their time within a chunk.
    """
    channels: dict[int, Channel] = {}
    with path.open("rb") as stream:
        try:
            for record in StreamReader(stream, emit_chunks=True).records:
                parts = breakup_chunk(record) if isinstance(record, Chunk) else [record]
                channels.update({part.id: part for part in parts if isinstance(part, Channel)})
                messages = [part for part in parts if isinstance(part, Message)]
                for message in sorted(messages, key=lambda message: message.log_time):
                    yield channels[message.channel_id], message
        except DAMAGE:
            return


def finish_mcap(path: Path) -> McapContent:
    """Cut off what is incomplete and write the summary and footer that were never written.

    Where they do not fit on a full disk, the last chunks make room for them.

    Returns:
        What the file now holds.

    Raises:
        OSError: not even an empty summary can be written.
    """
    content = scan_mcap(path)
    if content.chunks and set(content.chunks[-1].message_index_offsets) != set(
        content.chunk_counts[-1]
    ):
        _drop_chunk(content)
    while True:
        try:
            with path.open("r+b") as stream:
                stream.truncate(content.end)
                stream.seek(content.end)
                stream.write(_summary(content))
            return content
        except OSError:
            if not content.chunks:
                raise
            _drop_chunk(content)


def _drop_chunk(content: McapContent) -> None:
    content.end = content.chunks.pop().chunk_start_offset
    content.chunk_counts.pop()


def _note(content: McapContent, record: object, start: int, end: int) -> None:
    if isinstance(record, Chunk):
        parts = breakup_chunk(record)
        for part in parts:
            _note_part(content, part)
        ids = Counter(part.channel_id for part in parts if isinstance(part, Message))
        content.chunks.append(_index_of(record, start, end))
        content.chunk_counts.append(ids)
    elif isinstance(record, MessageIndex):
        chunk = content.chunks[-1]
        chunk.message_index_offsets[record.channel_id] = start
        chunk.message_index_length = end - (chunk.chunk_start_offset + chunk.chunk_length)
    elif isinstance(record, Message):
        content.loose_counts[record.channel_id] += 1
    else:
        _note_part(content, record)
        content.data_ended |= isinstance(record, DataEnd)
        content.complete |= isinstance(record, Footer)
    if not content.data_ended:
        content.end = end


def _note_part(content: McapContent, record: object) -> None:
    if isinstance(record, Schema):
        content.schemas[record.id] = record
    elif isinstance(record, Channel):
        content.channels[record.id] = record


def _index_of(chunk: Chunk, start: int, end: int) -> ChunkIndex:
    return ChunkIndex(
        chunk_length=end - start,
        chunk_start_offset=start,
        compression=chunk.compression,
        compressed_size=len(chunk.data),
        message_end_time=chunk.message_end_time,
        message_index_length=0,
        message_index_offsets={},
        message_start_time=chunk.message_start_time,
        uncompressed_size=chunk.uncompressed_size,
    )


def _summary(content: McapContent) -> bytes:
    """Return everything from the end of the data to the end of the file."""
    builder = RecordBuilder()
    DataEnd(data_section_crc=0).write(builder)
    start = content.end + builder.count
    for record in (*content.schemas.values(), *content.channels.values()):
        record.write(builder)
    counts = dict(content.counts)
    Statistics(
        attachment_count=0,
        channel_count=len(content.channels),
        channel_message_counts=counts,
        chunk_count=len(content.chunks),
        message_count=sum(counts.values()),
        message_start_time=min((c.message_start_time for c in content.chunks), default=0),
        message_end_time=max((c.message_end_time for c in content.chunks), default=0),
        metadata_count=0,
        schema_count=len(content.schemas),
    ).write(builder)
    for chunk in content.chunks:
        chunk.write(builder)
    Footer(summary_start=start, summary_offset_start=0, summary_crc=0).write(builder)
    return builder.end() + MAGIC
