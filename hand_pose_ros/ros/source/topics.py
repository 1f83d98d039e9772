"""Which topic of a bag carries the images, and which one their calibration."""

from __future__ import annotations

from typing import Any

from hand_pose_ros.errors import InputError
from hand_pose_ros.ros.bag import BagReader
from hand_pose_ros.ros.camera_info import CAMERA_INFO
from hand_pose_ros.ros.images import COMPRESSED, DEPTH_ENCODINGS, IMAGE

_TRANSPORTS = ("/compressed", "/compressedDepth", "/theora")


def choose_image_topic(reader: BagReader, name: str | None) -> str:
    """Return the image topic with a given name, or the only one that there is; depth aside.

    Raises:
        InputError: there is none, it has no messages, or there are several and none is named.
    """
    topics = reader.of_type(IMAGE, COMPRESSED)
    if name is not None:
        if name not in (topic.name for topic in topics):
            raise InputError(
                f"no image topic {name} in {reader.path}; {_listed(reader, IMAGE, COMPRESSED)}"
            )
        chosen = [reader.topics[name]]
    else:
        chosen = [topic for topic in topics if topic.count]
        if len(chosen) > 1:
            chosen = [topic for topic in chosen if not _is_depth(reader, topic.name)]
    if len(chosen) > 1:
        names = ", ".join(topic.name for topic in chosen)
        raise InputError(f"{reader.path} has {len(chosen)} image topics; name one of: {names}")
    if not chosen or not chosen[0].count:
        if not topics:
            every = ", ".join(sorted(reader.topics)) or "none at all"
            raise InputError(f"no image topic in {reader.path}; its topics: {every}")
        raise InputError(
            f"no images in {reader.path}; empty or depth: {', '.join(t.name for t in topics)}"
        )
    return chosen[0].name


def choose_camera_info_topic(reader: BagReader, image_topic: str, name: str | None) -> str | None:
    """Return the CameraInfo topic of an image topic; None where there is none with messages.

    Without a name it is the one beside the images, as image_transport has it; else the only one
    whose frame is that of the images.

    Raises:
        InputError: the named topic carries no CameraInfo, or no message.
    """
    topics = [topic.name for topic in reader.of_type(CAMERA_INFO) if topic.count]
    if name is not None:
        if name not in topics:
            raise InputError(
                f"no CameraInfo on {name} in {reader.path}; {_listed(reader, CAMERA_INFO)}"
            )
        return name
    base = image_topic
    for transport in _TRANSPORTS:
        base = base.removesuffix(transport)
    beside = f"{base.rpartition('/')[0]}/camera_info"
    if beside in topics:
        return beside
    frame_id = _first(reader, image_topic).header.frame_id
    fitting = [t for t in topics if frame_id and _first(reader, t).header.frame_id == frame_id]
    return fitting[0] if len(fitting) == 1 else None


def _is_depth(reader: BagReader, name: str) -> bool:
    first = _first(reader, name)
    depth_format = "compressedDepth" in getattr(first, "format", "")
    return depth_format or getattr(first, "encoding", "") in DEPTH_ENCODINGS


def _first(reader: BagReader, name: str) -> Any:
    return reader.deserialize(next(reader.messages([name])))


def _listed(reader: BagReader, *msgtypes: str) -> str:
    names = [topic.name for topic in reader.of_type(*msgtypes)]
    return f"it has {', '.join(names)}" if names else "it has none"
