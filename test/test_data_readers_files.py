"""Files of labels: read as written, refused where they would run code, named where broken."""

from __future__ import annotations

import collections
import contextlib
import os
import pickle
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.io import savemat

from hand_pose_ros.data.readers.files import (
    field,
    numbers,
    read_gray,
    read_json,
    read_mat,
    read_pickle,
    require,
)
from hand_pose_ros.data.readers.indexed import Indexed
from hand_pose_ros.data.readers.joints import box_of, labelled_hand, places, reordered
from hand_pose_ros.errors import InputError, ShapeError
from hand_pose_ros.hand.skeleton import KEYPOINTS

LABELS = {
    0: {"xyz": np.arange(6, dtype=np.float32).reshape(2, 3), "name": "a", "ok": True, "n": None},
    1: [np.float64(2.5), np.int32(3), (1, 2.0), {4}, b"bytes", 1 + 2j],
    2: collections.OrderedDict(a=np.zeros((0, 3))),
}


class Evil:
    """Writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.path}",)


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
def test_a_pickle_of_arrays_is_read_in_every_protocol(tmp_path: Path, protocol: int) -> None:
    path = tmp_path / "a.pickle"
    path.write_bytes(pickle.dumps(LABELS, protocol))
    found = read_pickle(path)
    np.testing.assert_array_equal(found[0].pop("xyz"), LABELS[0]["xyz"])
    assert found[0] == {"name": "a", "ok": True, "n": None}
    assert found[1] == LABELS[1]
    assert found[2]["a"].shape == (0, 3)


def test_a_pickle_of_python_2_is_read(tmp_path: Path) -> None:
    # pickle.dumps({'a': numpy.arange(3, dtype='f4')}, 2) of Python 2.7, whose strings are bytes.
    array = np.arange(3, dtype="<f4")
    text = (
        b"\x80\x02}q\x00U\x01aq\x01cnumpy.core.multiarray\n_reconstruct\nq\x02cnumpy\nndarray\n"
        b"q\x03K\x00\x85U\x01b\x87Rq\x04(K\x01K\x03\x85cnumpy\ndtype\nq\x05U\x02f4K\x00K\x01\x87R"
        b"q\x06(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89U\x0c"
        + array.tobytes()
        + b"tbs."
    )
    (tmp_path / "a.pkl").write_bytes(text)
    np.testing.assert_array_equal(read_pickle(tmp_path / "a.pkl")["a"], array)


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_a_pickle_that_would_run_code_is_refused(tmp_path: Path, protocol: int) -> None:
    mark, path = tmp_path / "ran", tmp_path / "evil.pickle"
    path.write_bytes(pickle.dumps({0: Evil(mark)}, protocol))
    with pytest.raises(InputError, match=r"evil\.pickle is refused: it names (posix|nt)\.system"):
        read_pickle(path)
    assert not mark.exists()
    pickle.loads(path.read_bytes())
    assert mark.exists()  # it would have


@pytest.mark.parametrize(
    "name", ["builtins.eval", "builtins.getattr", "numpy.load", "numpy.core.multiarray.fromfile"]
)
def test_what_is_not_listed_is_refused(tmp_path: Path, name: str) -> None:
    module, _, attribute = name.rpartition(".")
    (tmp_path / "a").write_bytes(f"c{module}\n{attribute}\n.".encode())
    with pytest.raises(InputError, match=f"it names {name}"):
        read_pickle(tmp_path / "a")


def test_every_truncated_pickle_is_named(tmp_path: Path) -> None:
    data = pickle.dumps(LABELS, 2)
    for length in range(len(data)):
        (tmp_path / "a.pickle").write_bytes(data[:length])
        with pytest.raises(InputError, match=r"a\.pickle is (cut off|refused)"):
            read_pickle(tmp_path / "a.pickle")


def test_every_truncated_matlab_file_is_named(tmp_path: Path) -> None:
    savemat(tmp_path / "a.mat", {"handPara": np.zeros((3, 21, 2))}, do_compression=True)
    data = (tmp_path / "a.mat").read_bytes()
    for length in [0, 1, 100, 127, *range(129, len(data))]:
        (tmp_path / "a.mat").write_bytes(data[:length])
        with pytest.raises(InputError, match=r"a\.mat is cut off"):
            read_mat(tmp_path / "a.mat")


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.integers(0, 10_000), byte=st.integers(0, 255))
def test_a_pickle_with_a_changed_byte_is_read_or_named(
    tmp_path: Path, place: int, byte: int
) -> None:
    data = bytearray(pickle.dumps(LABELS, 2))
    data[place % len(data)] = byte
    (tmp_path / "a.pickle").write_bytes(data)
    with contextlib.suppress(InputError):
        read_pickle(tmp_path / "a.pickle")


def test_json_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"a": [1, null]}')
    assert read_json(tmp_path / "a.json") == {"a": [1, None]}


def test_bytes_that_are_no_text_are_named(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(b"\xff\xfe\x00\xd8")
    with pytest.raises(InputError, match=r"a\.json is not readable JSON"):
        read_json(tmp_path / "a.json")


@pytest.mark.parametrize("read", [read_json, read_pickle, read_mat, read_gray])
def test_a_file_that_is_missing_is_named(tmp_path: Path, read: Any) -> None:
    with pytest.raises(InputError, match="nowhere cannot be read: No such file"):
        read(tmp_path / "nowhere")


def test_a_gray_image_is_read_as_it_is(tmp_path: Path) -> None:
    image = np.arange(12, dtype=np.uint8).reshape(3, 4)
    cv2.imwrite(str(tmp_path / "a.png"), image)
    np.testing.assert_array_equal(read_gray(tmp_path / "a.png"), image)
    cv2.imwrite(str(tmp_path / "b.png"), np.zeros((3, 4, 3), np.uint8))
    with pytest.raises(InputError, match=r"b\.png is uint8 \(3, 4, 3\); it must be uint8"):
        read_gray(tmp_path / "b.png")
    (tmp_path / "c.png").write_bytes(b"no image")
    with pytest.raises(InputError, match=r"c\.png is not an image"):
        read_gray(tmp_path / "c.png")


def test_numbers_are_of_the_shape_that_is_asked_for() -> None:
    assert numbers([[1, None]], (None, 2), "x").shape == (1, 2)
    for value, said in (([1, 2], r"\(2,\); it must be \(n, 2\)"), (5, r"\(\); it")):
        with pytest.raises(ShapeError, match=f"x has shape {said}"):
            numbers(value, (None, 2), "x")
    for value in ([[1], [1, 2]], "text", {"a": 1}):
        with pytest.raises(InputError, match="x is not an array of numbers"):
            numbers(value, (None, 2), "x")


def test_a_field_or_file_that_is_missing_is_named(tmp_path: Path) -> None:
    assert field({"a": None}, "a", "x") is None
    with pytest.raises(InputError, match="x has no 'b'; it has a"):
        field({"a": 1}, "b", "x")
    with pytest.raises(InputError, match="x is list; it must be a record"):
        field([], "b", "x")
    require(tmp_path, ".")
    with pytest.raises(InputError, match="lacks one, two/three"):
        require(tmp_path, "one", ".", "two/three")


# --- joints -----------------------------------------------------------------------------------


def test_joints_come_into_our_order_and_back() -> None:
    order = [*KEYPOINTS[:0:-1], "wrist"]
    joints = np.arange(63.0).reshape(21, 3)
    np.testing.assert_array_equal(reordered(joints, places(order)), joints[::-1])


def test_joints_that_a_dataset_does_not_have_are_unknown() -> None:
    order = ["palm", *KEYPOINTS[1:]]
    ours = reordered(np.arange(42.0).reshape(21, 2), places(order))
    assert np.isnan(ours[0]).all()
    np.testing.assert_array_equal(ours[1:], np.arange(42.0).reshape(21, 2)[1:])
    assert reordered(np.ones(21, bool), places(order)).tolist() == [False] + [True] * 20
    with pytest.raises(InputError, match="twice"):
        places(["wrist", "wrist"])


def test_a_box_is_that_of_what_is_known() -> None:
    points = np.array([[1.0, 2.0], [np.nan, 0.0], [4.0, 8.0]])
    assert box_of(points) == (1.0, 2.0, 3.0, 6.0)
    assert box_of(points[:2]) is None
    assert box_of(points[[0, 0]]) is None


def test_a_hand_without_a_camera_has_no_pixels() -> None:
    found = labelled_hand("left", np.ones((21, 3)), None)
    assert (found.keypoints_px, found.box) == (None, None)


def test_a_dataset_without_images_is_none(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no images of rhd training"):
        Indexed("rhd", tmp_path, "training", 0, lambda number: None)
