"""JSON read entry by entry is JSON read at once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hand_pose_ros.data.readers import json_stream
from hand_pose_ros.data.readers.json_stream import entries
from hand_pose_ros.errors import InputError

CONTENT: dict[str, Any] = {
    "info": {"text": 'a "quoted" \\ name, ] and }', "empty": {}},
    "images": [{"id": 1, "size": [334, 512]}, {"id": 2, "size": []}, [], 12.5e3, None, "Zürich"],
    "none": [],
    "number": 123456,
}
EXPECTED = [
    ("info", CONTENT["info"]),
    *(("images", value) for value in CONTENT["images"]),
    ("number", 123456),
]


@pytest.mark.parametrize("chunk", [1, 2, 3, 7, 64, 1 << 20])
@pytest.mark.parametrize("indent", [None, 2])
def test_entries_are_those_of_the_whole_whatever_is_read_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int, indent: int | None
) -> None:
    monkeypatch.setattr(json_stream, "CHUNK", chunk)
    path = tmp_path / "labels.json"
    path.write_text(json.dumps(CONTENT, indent=indent, ensure_ascii=False), encoding="utf-8")
    assert list(entries(path)) == EXPECTED


@pytest.mark.parametrize("chunk", [1, 5, 1 << 20])
@pytest.mark.parametrize("content", [[], [1, 234, -5e-7], [[1.5, 2], {"a": [3]}], {}, {"a": {}}])
def test_a_list_has_no_keys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int, content: Any
) -> None:
    monkeypatch.setattr(json_stream, "CHUNK", chunk)
    path = tmp_path / "labels.json"
    path.write_text(json.dumps(content) + "\n")
    wanted = [("", each) for each in content] if isinstance(content, list) else content.items()
    assert list(entries(path)) == list(wanted)


def test_the_first_entries_come_before_the_last_is_read(tmp_path: Path) -> None:
    path = tmp_path / "labels.json"
    path.write_text(json.dumps([{"text": "x" * 1000}] * 5000)[:-1000])
    rows = entries(path)
    assert next(rows)[1] == {"text": "x" * 1000}
    with pytest.raises(InputError, match=r"labels\.json is not readable JSON: Unterminated"):
        list(rows)


@pytest.mark.parametrize("length", range(1, len(json.dumps(CONTENT)), 7))
def test_every_cut_is_an_error(tmp_path: Path, length: int) -> None:
    path = tmp_path / "labels.json"
    path.write_text(json.dumps(CONTENT)[:length])
    with pytest.raises(InputError, match=r"labels\.json is not readable JSON"):
        list(entries(path))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "it ends in the middle"),
        ("7", "'7' stands where one of"),
        ("[1 2]", "'2' stands where one of , ]"),
        ("[1] 2", "'2' stands behind its end"),
        ("{1: 2}", "1 stands where a name must"),
        ('{"a" 2}', "'2' stands where one of :"),
        ('{"a": 1,}', "Expecting value"),
        ("[nothing]", "Expecting value"),
        ("[" * 100_000, "recursion"),
        (f'[{{"a" 1}}, "{"x" * 5000}"]', "Expecting ':' delimiter"),
    ],
)
def test_what_is_no_json_is_an_error(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "labels.json"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        list(entries(path))


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"missing\.json cannot be read: No such file"):
        list(entries(tmp_path / "missing.json"))
    (tmp_path / "latin.json").write_bytes(b'["Z\xfcrich"]')
    with pytest.raises(InputError, match=r"latin\.json is not readable JSON: 'utf-8'"):
        list(entries(tmp_path / "latin.json"))
