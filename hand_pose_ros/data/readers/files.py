"""Official label files read safely: what is broken is named with its file, nothing is executed."""

from __future__ import annotations

import io
import json
import pickle
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import yaml

from hand_pose_ros.errors import InputError, ShapeError

Array = npt.NDArray[np.float64]

_BUILTINS = ("bytearray", "bytes", "complex", "dict", "frozenset", "list", "set", "slice", "tuple")
_NUMPY = ("numpy.core", "numpy._core")  # before and since numpy 2
ALLOWED = frozenset(
    {(module, name) for module in ("builtins", "__builtin__") for name in _BUILTINS}
    | {("collections", "OrderedDict"), ("_codecs", "encode")}
    | {("numpy", "ndarray"), ("numpy", "dtype")}
    | {
        (f"{core}.{module}", name)
        for core in _NUMPY
        for module, name in (
            ("multiarray", "_reconstruct"),
            ("multiarray", "scalar"),
            ("numeric", "_frombuffer"),
        )
    }
)
"""What a pickle may name: arrays and containers. `_codecs.encode` is how Python 3 writes bytes
for readers of Python 2."""

_BROKEN = (
    *(AttributeError, EOFError, ImportError, LookupError, MemoryError, NameError),
    *(NotImplementedError, OSError, OverflowError, RecursionError, TypeError, ValueError),
)
"""What parsers raise on broken files, besides errors of their own."""
_BROKEN_NPZ = (zipfile.BadZipFile, EOFError, NotImplementedError, ValueError, zlib.error)


class _ArraysOnly(pickle.Unpickler):
    """Unpickles arrays and containers; anything else that a pickle names is refused."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in ALLOWED:
            raise _RefusedError(f"{module}.{name}")
        return super().find_class(module, name)


class _RefusedError(Exception):
    """A pickle names something that could do anything."""


def read_json(path: Path) -> Any:
    """Return the content of a JSON file.

    Raises:
        InputError: the file is missing or no JSON.
    """
    try:
        return json.loads(read_bytes(path))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is not readable JSON: {error}") from error


def read_gray(path: Path) -> npt.NDArray[np.uint8]:
    """Return an image of one channel and 8 bits as it is stored: (H, W).

    Raises:
        InputError: the file is missing, no image, or another kind of image.
    """
    import cv2

    data = read_bytes(path)
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED) if data else None
    if image is None:
        raise InputError(f"{path} is not an image that can be decoded ({len(data)} bytes)")
    if image.dtype != np.uint8 or image.ndim != 2:
        raise InputError(f"{path} is {image.dtype} {image.shape}; it must be uint8 (H, W)")
    return np.asarray(image)


def read_pickle(path: Path) -> Any:
    """Return the content of a pickle of numpy arrays, numbers, texts and builtin containers.

    Unpickling may run any code; here it does not: what is not in `ALLOWED` is refused. Pickles of
    Python 2 are read too.

    Raises:
        InputError: the file is missing, cut off, no pickle, or names anything else.
    """
    data = read_bytes(path)
    try:
        return _ArraysOnly(io.BytesIO(data), encoding="latin1").load()
    except _RefusedError as error:
        raise InputError(
            f"{path} is refused: it names {error}; a pickle may hold only numpy arrays, numbers, "
            "texts and builtin containers"
        ) from error
    except (pickle.UnpicklingError, *_BROKEN) as error:
        raise InputError(f"{path} is cut off or no pickle: {error}") from error


def read_mat(path: Path) -> dict[str, Any]:
    """Return the variables of a MATLAB file, version 4 to 7.2.

    Raises:
        InputError: the file is missing or broken.
    """
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    data = read_bytes(path)
    try:
        return dict(loadmat(io.BytesIO(data)))
    except (MatReadError, zlib.error, *_BROKEN) as error:
        raise InputError(f"{path} is cut off or no MATLAB file: {error}") from error


def read_bytes(path: Path) -> bytes:
    """Return the bytes of a file.

    Raises:
        InputError: it is missing or cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from error


def read_npz(path: Path, *names: str) -> dict[str, npt.NDArray[Any]]:
    """Return the named arrays of an npz file; the others are not unpacked.

    Raises:
        InputError: the file is missing or broken or lacks one of them.
    """
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
            lacking = [name for name in names if name not in arrays]
            if lacking:
                raise InputError(f"{path} lacks {', '.join(lacking)}; it has {arrays.files}")
            return {name: arrays[name] for name in names}
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from error
    except InputError:
        raise
    except _BROKEN_NPZ as error:
        raise InputError(f"{path} is cut off or no npz file: {error}") from error


def read_yaml(path: Path) -> Any:
    """Return the content of a YAML file.

    Raises:
        InputError: the file is missing or no YAML.
    """
    try:
        return yaml.safe_load(path.read_bytes())
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, ValueError) as error:
        reason = str(error).replace("\n", " ")
        raise InputError(f"{path} is not readable YAML: {reason}") from error


def numbers(value: Any, shape: tuple[int | None, ...], where: str) -> Array:
    """Return a value as an array of this shape; NaN may be in it.

    Args:
        value: an array or nested lists of numbers.
        shape: what it must have; None for any length.
        where: file and field, for the message.

    Raises:
        InputError: it is no array of numbers.
        ShapeError: its shape is another.
    """
    try:
        array = np.array(value, np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"{where} is not an array of numbers: {error}") from error
    fits = len(array.shape) == len(shape) and all(
        wanted in (None, length) for wanted, length in zip(shape, array.shape, strict=True)
    )
    if not fits:
        wanted_text = str(shape).replace("None", "n")
        raise ShapeError(f"{where} has shape {array.shape}; it must be {wanted_text}")
    return array


def field(record: Any, name: Any, where: str) -> Any:
    """Return one entry of a record.

    Raises:
        InputError: the record is no dict or has no such entry.
    """
    if not isinstance(record, dict):
        raise InputError(f"{where} is {type(record).__name__}; it must be a record")
    if name not in record:
        raise InputError(f"{where} has no {name!r}; it has {', '.join(map(str, record))[:200]}")
    return record[name]


def require(root: Path, *names: str) -> None:
    """Check that files or folders lie in a dataset.

    Raises:
        InputError: some do not; the message names them.
    """
    missing = [name for name in names if not (root / name).exists()]
    if missing:
        raise InputError(f"{root} lacks {', '.join(missing)}")
