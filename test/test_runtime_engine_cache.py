"""What is kept on disk is used again, and made anew as soon as anything differs or is damaged."""

import json
import os

import pytest
import torch

from hand_pose_ros.errors import UnavailableError
from hand_pose_ros.runtime.engine import cache as module
from hand_pose_ros.runtime.engine import compile_network, tensorrt
from hand_pose_ros.runtime.engine.cache import (
    EngineCache,
    default_cache,
    network_checksum,
    versions,
)

KEY = {"kind": "thing", "network": "abc", "gpu": "A", "driver": "1", "tensorrt": "11.0"}
EXAMPLE = (torch.zeros(2, 3),)


class Counted:
    """Makes content, and counts how often."""

    def __init__(self, content=b"content"):
        self.times, self.content = 0, content

    def __call__(self):
        self.times += 1
        return self.content


def fetch(cache, key=KEY, make=None, use=lambda content: content):
    return cache.fetch(key, make or Counted(), use)


def test_an_entry_is_made_once(tmp_path):
    make, cache = Counted(), EngineCache(tmp_path / "new" / "folder")
    assert [fetch(cache, make=make) for _ in range(3)] == [b"content"] * 3
    assert make.times == 1
    (entry,) = (tmp_path / "new" / "folder").iterdir()
    assert entry.name.startswith("thing-")


@pytest.mark.parametrize("name", [name for name in KEY if name != "kind"])
def test_another_network_gpu_driver_or_version_is_another_entry(tmp_path, name):
    cache, make = EngineCache(tmp_path), Counted()
    fetch(cache, make=make)
    fetch(cache, KEY | {name: "other"}, make=make)
    assert make.times == 2
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("damage", ["cut", "changed", "other key", "no head", "empty"])
def test_a_damaged_entry_is_made_anew(tmp_path, damage, caplog):
    cache = EngineCache(tmp_path)
    fetch(cache)
    (path,) = tmp_path.iterdir()
    whole = path.read_bytes()
    head, _, content = whole.partition(b"\n")
    other = json.loads(head) | {"key": KEY | {"network": "xyz"}}
    path.write_bytes(
        {
            "cut": whole[:-2],
            "changed": whole[:-1] + b"!",
            "other key": json.dumps(other).encode() + b"\n" + content,
            "no head": content,
            "empty": b"",
        }[damage]
    )
    make = Counted()
    assert fetch(cache, make=make) == b"content"
    assert make.times == 1
    assert "damaged; made anew" in caplog.text
    assert path.read_bytes() == whole


def test_an_entry_that_the_library_cannot_read_is_made_anew(tmp_path):
    cache, make = EngineCache(tmp_path), Counted(b"new")
    fetch(cache, make=Counted(b"old"))

    def use(content):
        if content == b"old":
            raise RuntimeError("of another version")
        return content

    assert fetch(cache, make=make, use=use) == b"new"
    assert fetch(cache, make=make, use=use) == b"new"
    assert make.times == 1


def test_our_own_errors_are_not_taken_for_a_damaged_entry(tmp_path):
    cache = EngineCache(tmp_path)
    fetch(cache)

    def use(content):
        raise UnavailableError("no GPU")

    with pytest.raises(UnavailableError, match="no GPU"):
        fetch(cache, use=use)


def test_a_write_that_fails_leaves_no_part_and_does_no_harm(tmp_path, monkeypatch, caplog):
    cache, make = EngineCache(tmp_path), Counted()
    real = os.replace
    monkeypatch.setattr(os, "replace", lambda *paths: (_ for _ in ()).throw(OSError("full")))
    assert fetch(cache, make=make) == b"content"
    assert list(tmp_path.iterdir()) == []
    assert "not kept" in caplog.text
    monkeypatch.setattr(os, "replace", real)
    assert fetch(cache, make=make) == b"content"
    assert make.times == 2


def test_the_entries_not_used_for_longest_go_first(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "MOST_ENTRIES", 2)
    cache = EngineCache(tmp_path)
    for number, name in enumerate("abc"):
        fetch(cache, KEY | {"network": name})
        for path in tmp_path.iterdir():
            if json.loads(path.read_bytes().partition(b"\n")[0])["key"]["network"] == name:
                os.utime(path, (number, number))
        fetch(cache, KEY | {"network": "a"})  # used again
    make = Counted()
    fetch(cache, KEY | {"network": "a"}, make=make)
    assert make.times == 0
    fetch(cache, KEY | {"network": "b"}, make=make)
    assert make.times == 1


def test_without_a_folder_everything_is_made_anew(monkeypatch):
    monkeypatch.setenv("HAND_POSE_CACHE", "off")
    make, cache = Counted(), default_cache()
    assert cache.folder is None
    fetch(cache, make=make)
    fetch(cache, make=make)
    assert make.times == 2


def test_the_cache_is_where_the_user_says(monkeypatch, tmp_path):
    monkeypatch.setenv("HAND_POSE_CACHE", str(tmp_path / "mine"))
    assert default_cache().folder == tmp_path / "mine"
    monkeypatch.delenv("HAND_POSE_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_cache().folder == tmp_path / "hand_pose_ros"


class Scaled(torch.nn.Module):
    def __init__(self, factor=2.0):
        super().__init__()
        self.factor = factor
        self.weight = torch.nn.Parameter(torch.ones(3), requires_grad=False)
        self.register_buffer("noise", torch.zeros(3), persistent=False)

    def forward(self, x):
        return (self.factor * x * self.weight + self.noise,)


def test_a_checksum_knows_weights_buffers_settings_and_inputs():
    def checksum(network, example=EXAMPLE):
        return network_checksum(network, example)

    first, other = Scaled(), Scaled()
    assert checksum(first) == checksum(other)
    assert checksum(first, (torch.zeros(5, 3),)) == checksum(first)  # rows are no matter
    other.weight[1] = 2.0
    noisy = Scaled()
    noisy.noise[0] = 1.0
    kinds = [checksum(Scaled(3.0)), checksum(other), checksum(noisy)]
    kinds += [checksum(first, (torch.zeros(2, 4),)), checksum(first, (EXAMPLE[0].int(),))]
    assert len({checksum(first), *kinds}) == 6


def test_changed_code_is_another_checksum(monkeypatch):
    before = network_checksum(Scaled(), EXAMPLE)
    monkeypatch.setattr(module, "source_checksum", lambda: "changed")
    assert network_checksum(Scaled(), EXAMPLE) != before


def test_versions_name_what_is_not_installed():
    assert versions("no-such-package")["no-such-package"] == "none"
    assert versions()["torch"] == torch.__version__.split("+")[0] or versions()["torch"]


def test_an_engine_of_tensorrt_depends_on_gpu_driver_and_versions(monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: (9, 0))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "H100")
    monkeypatch.setattr(tensorrt, "_driver", lambda: "570.1")
    key = tensorrt.tensorrt_key(Scaled(), EXAMPLE)
    assert key["gpu"] == "H100 9.0" and key["driver"] == "570.1" and key["kind"] == "tensorrt"
    assert {"network", "torch", "torch-tensorrt", "tensorrt", "cuda"} <= set(key)
    assert key["network"] != tensorrt.tensorrt_key(Scaled(3.0), EXAMPLE)["network"]


def test_a_second_start_exports_nothing(tmp_path, monkeypatch):
    pytest.importorskip("onnxruntime")
    from hand_pose_ros.runtime.engine import onnx

    monkeypatch.setenv("HAND_POSE_CACHE", str(tmp_path))
    first = compile_network("onnxruntime", Scaled().eval(), EXAMPLE)
    monkeypatch.setattr(onnx, "to_onnx", None)
    second = compile_network("onnxruntime", Scaled().eval(), EXAMPLE)
    x = torch.rand(4, 3).numpy()
    assert (first(x)[0] == second(x)[0]).all()
