"""One sample as a shard holds it, still packed; see `data.shards` for its members."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hand_pose_ros.data.synthetic.output.labels import sample_from_dict
from hand_pose_ros.data.synthetic.sample import SynthSample
from hand_pose_ros.errors import InputError

REQUIRED = ("mask.png", "depth.png", "jpg", "json")
MEMBERS = ("vertices.npy", *REQUIRED)
"""Endings in the order in which they are written: a sample is whole with its last one."""

DEPTH_STEP = 1e-4
"""Depth images count in 0.1 mm, which ends at 6.5535 m; what is farther gets that value."""


@dataclass(frozen=True)
class PackedSample:
    """A sample as its shard holds it: the bytes of each member, by its ending."""

    shard: Path
    name: str
    members: dict[str, bytes]

    def unpack(self) -> SynthSample:
        """Return the sample.

        Raises:
            InputError: a member is missing or broken; the message names shard and member.
        """
        missing = [ending for ending in REQUIRED if ending not in self.members]
        if missing:
            raise InputError(f"{self.where} lacks {missing}; it must have {list(REQUIRED)}")
        label, image, surface = self.label(), self.image(), self.surface()
        with self._naming():
            return sample_from_dict(
                label,
                image,
                self._image("mask.png", np.uint8, 2),
                (self._image("depth.png", np.uint16, 2) * DEPTH_STEP).astype(np.float32),
                surface,
            )

    @property
    def where(self) -> str:
        """What messages call the sample: its shard and its name."""
        return f"{self.shard}: sample {self.name!r}"

    def label(self) -> dict[str, Any]:
        """Return what is true of the sample, see `labels`; no image is decoded.

        Raises:
            InputError: as `unpack`, like the next two.
        """
        with self._naming():
            return read_label(self._bytes("json"))

    def image(self) -> npt.NDArray[np.uint8]:
        """Return the image alone, RGB (H, W, 3)."""
        with self._naming():
            return self._image("jpg", np.uint8, 3)[..., ::-1].copy()

    def surface(self) -> npt.NDArray[Any] | None:
        """Return the surfaces, see `labels.surface_as_array`; None where there are none."""
        if "vertices.npy" not in self.members:
            return None
        try:
            surface = np.load(io.BytesIO(self.members["vertices.npy"]), allow_pickle=False)
        except (ValueError, EOFError, OSError) as error:
            raise InputError(f"{self.where}: vertices.npy is not an array: {error}") from error
        return np.asarray(surface)

    @contextmanager
    def _naming(self) -> Iterator[None]:
        try:
            yield
        except InputError as error:
            raise InputError(f"{self.where}: {error}") from error

    def _bytes(self, ending: str) -> bytes:
        if ending not in self.members:
            raise InputError(f"lacks {ending!r}; it must have {list(REQUIRED)}")
        return self.members[ending]

    def _image(self, ending: str, dtype: type, axes: int) -> npt.NDArray[Any]:
        import cv2

        data = self._bytes(ending)
        flags = cv2.IMREAD_COLOR if axes == 3 else cv2.IMREAD_UNCHANGED
        image = cv2.imdecode(np.frombuffer(data, np.uint8), flags) if data else None
        if image is None:
            raise InputError(f"{ending} is not an image ({len(data)} bytes)")
        if image.dtype != dtype or image.ndim != axes:
            raise InputError(
                f"{ending} is {image.dtype} with {image.ndim} axes; "
                f"it must be {np.dtype(dtype)} with {axes}"
            )
        return np.asarray(image)


def read_label(data: bytes) -> dict[str, Any]:
    """Return the label of a sample from its bytes.

    Raises:
        InputError: they are no JSON object.
    """
    try:
        label = json.loads(data)
    except ValueError as error:
        raise InputError(f"json is not readable: {error}") from error
    if not isinstance(label, dict):
        raise InputError(f"json is {type(label).__name__}; it must be an object")
    return label
