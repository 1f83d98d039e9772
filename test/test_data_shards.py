"""Shards: streamed whole, cut-off ones read up to the cut, and shared among workers."""

from __future__ import annotations

import io
import json
import pickle
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterable
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from hand_samples import random_hands
from torch.utils.data import DataLoader

from hand_pose_ros.data import shards
from hand_pose_ros.data.shard_dataset import torch_dataset
from hand_pose_ros.data.shards import (
    find_shards,
    is_whole,
    read_labels,
    read_packed,
    read_shards,
)
from hand_pose_ros.data.synthetic.output.labels import sample_as_dict
from hand_pose_ros.data.synthetic.output.writers import ShardWriter
from hand_pose_ros.data.synthetic.sample import SynthHand, SynthSample
from hand_pose_ros.errors import InputError
from hand_pose_ros.hand.camera import Camera
from hand_pose_ros.hand.kinematics import forward_kinematics, mirror, mirror_rotation

SIZE = (48, 64)
CAMERA = Camera(
    np.array([[61.25, 0.0, 31.5], [0.0, 60.75, 23.5], [0.0, 0.0, 1.0]]),
    SIZE[1],
    SIZE[0],
    (-0.12, 0.03, 0.001, -0.0005, 0.0),
)


def synth_hand(seed: int, side: str = "right", vertices: int = 30) -> SynthHand:
    """Return a random hand half a metre from the camera; all of it agrees."""
    rng = np.random.default_rng(seed)
    hand = random_hands(seed=seed)
    points, rotation = forward_kinematics(hand).positions, hand.root_rotation
    if side == "left":
        points, rotation = mirror(points), mirror_rotation(rotation)
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = rotation.numpy(), rng.normal([0.0, 0.0, 0.6], 0.03)
    keypoints = points.numpy() + pose[:3, 3]
    surface = keypoints[rng.integers(0, 21, vertices)] + rng.normal(size=(vertices, 3)) * 0.01
    return SynthHand(
        identity=seed % 7,
        side=side,
        keypoints=keypoints,
        keypoints_px=CAMERA.project(keypoints),
        visible=rng.random(21) < 0.7,
        angles=hand.angles.numpy(),
        bone_lengths=hand.bone_lengths.numpy(),
        offsets=hand.offsets.numpy(),
        T_cam_wrist=pose,
        vertices=surface.astype(np.float32),
        box=np.array([3.0, 4.0, 20.0 + seed % 5, 30.0]),
    )


def synth_sample(index: int, sides: Iterable[str] = ("right",), **fields: object) -> SynthSample:
    rng = np.random.default_rng(1000 + index)
    smooth = cv2.resize(rng.integers(0, 256, (6, 8, 3), np.uint8), SIZE[::-1])
    depth = np.zeros(SIZE, np.float32)
    depth[10:30, 20:40] = rng.uniform(0.4, 0.8, (20, 20))
    return SynthSample(
        **{
            "index": index,
            "image_rgb": smooth.astype(np.uint8),
            "camera": CAMERA,
            "hands": tuple(synth_hand(10 * index + n, s) for n, s in enumerate(sides)),
            "mask": (depth > 0).astype(np.uint8),
            "depth": depth,
            **fields,
        }
    )


def write_shards(folder: Path, count: int, samples: int = 4) -> list[Path]:
    writer = ShardWriter(folder)
    writer.begin({})
    for block in range(count):
        writer.write(block, (synth_sample(block * samples + i) for i in range(samples)))
    return find_shards(folder)


def change_shard(shard: Path, change: Callable[[str, bytes], Iterable[tuple[str, bytes]]]) -> None:
    """Rewrite a shard with each member replaced by what `change` makes of it."""
    with tarfile.open(shard) as tar:
        old = [(m.name, tar.extractfile(m).read()) for m in tar.getmembers()]
    with tarfile.open(shard, "w") as tar:
        for name, data in (new for member in old for new in change(*member)):
            info = tarfile.TarInfo(name)
            info.size, info.mtime = len(data), 1700000000.25  # a pax header, as webdataset writes
            tar.addfile(info, io.BytesIO(data))


def read_until_error(samples: Iterable[SynthSample]) -> tuple[list[int], str]:
    read: list[int] = []
    with pytest.raises(InputError) as caught:
        read.extend(sample.index for sample in samples)
    return read, str(caught.value)


# --- reading ----------------------------------------------------------------------------------


def test_samples_come_in_order_and_as_they_were(tmp_path: Path) -> None:
    write_shards(tmp_path, 2)
    read = list(read_shards(tmp_path))
    assert [sample.index for sample in read] == list(range(8))
    for sample in read:
        true = synth_sample(sample.index)
        assert sample_as_dict(sample) == sample_as_dict(true)
        np.testing.assert_array_equal(sample.mask, true.mask)
        np.testing.assert_allclose(sample.depth, true.depth, atol=0.51e-4)
        assert sample.depth.dtype == np.float32
        error = np.abs(sample.image_rgb.astype(int) - true.image_rgb)
        assert error.mean() < 3.0
        assert sample.hands[0].vertices.shape == (0, 3)


def test_labels_are_read_alone(tmp_path: Path) -> None:
    write_shards(tmp_path, 2)
    assert list(read_labels(tmp_path)) == [sample_as_dict(synth_sample(i)) for i in range(8)]


def test_a_list_of_shards_and_folders_is_read_in_its_order(tmp_path: Path) -> None:
    first = write_shards(tmp_path / "a", 2, 1)
    write_shards(tmp_path / "b", 1, 1)
    read = read_shards([tmp_path / "b", first[1], str(first[0])])
    assert [sample.index for sample in read] == [0, 1, 0]


def test_members_in_another_order_with_others_between_are_read(tmp_path: Path) -> None:
    (shard,) = write_shards(tmp_path, 1)
    change_shard(shard, lambda name, data: [(f"data/{name}", data), (f"data/{name}.txt", b"x")])
    with tarfile.open(shard) as tar:
        names = tar.getnames()
    assert len(names) == 32
    assert [sample.index for sample in read_shards(shard)] == [0, 1, 2, 3]


def test_each_sample_is_read_when_it_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Memory does not grow: no more is read from the disk than what was asked for."""
    (shard,) = write_shards(tmp_path, 1, 8)
    sizes: list[int] = []
    read = tarfile.ExFileObject.read

    def counted(file: tarfile.ExFileObject, *args: int) -> bytes:
        data = read(file, *args)
        sizes.append(len(data))
        return data

    monkeypatch.setattr(tarfile.ExFileObject, "read", counted)
    samples = read_shards(shard)
    assert sizes == []
    for count in range(1, 8):
        next(samples)
        assert len(sizes) == 4 * count + 1  # up to the first member of the next


# --- what is broken ---------------------------------------------------------------------------


def cuts(shard: Path) -> list[tuple[int, str, int]]:
    """Return where to cut a shard of 4: a length, the member named then, and the whole samples."""
    with tarfile.open(shard) as tar:
        members = tar.getmembers()
    found = []
    for place, member in enumerate(members):
        before = members[place - 1].name if place else ""
        found.append((member.offset_data + member.size // 2, member.name, place // 4))
        if place:
            found.append((member.offset, before, place // 4))
            found.append((member.offset + 100, before, place // 4))
    padded = -(-(members[-1].offset_data + members[-1].size) // 512) * 512
    return [*found, (padded, members[-1].name, 4)]


def test_a_shard_cut_anywhere_is_read_up_to_the_cut(tmp_path: Path) -> None:
    (shard,) = write_shards(tmp_path, 1)
    whole = shard.read_bytes()
    for length, member, samples in cuts(shard):
        shard.write_bytes(whole[:length])
        assert not is_whole(shard)
        read, said = read_until_error(read_shards(shard))
        assert read == list(range(samples)), length
        assert shard.name in said and member in said
    shard.write_bytes(whole)
    assert is_whole(shard)


def test_a_cut_shard_is_read_up_to_the_cut_when_shuffled_too(tmp_path: Path) -> None:
    first, second = write_shards(tmp_path, 2)
    second.write_bytes(second.read_bytes()[: cuts(second)[-2][0]])
    for seed in range(4):
        read, said = read_until_error(read_shards([first, second], shuffle=3, seed=seed))
        assert set(read) in ({4, 5, 6}, set(range(7)))
        assert "shard-000001.tar" in said


@pytest.mark.parametrize("content", [b"", b"short", b"no tar at all" * 100])
def test_what_is_no_tar_file_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "shard-000000.tar"
    path.write_bytes(content)
    assert not is_whole(path)
    read, said = read_until_error(read_shards(path))
    assert (read, "shard-000000.tar is not a whole tar file" in said) == ([], True)


def test_a_broken_header_is_not_taken_for_the_end(tmp_path: Path) -> None:
    (shard,) = write_shards(tmp_path, 1)
    with tarfile.open(shard) as tar:
        third = tar.getmembers()[8]
    data = bytearray(shard.read_bytes())
    data[third.offset : third.offset + 512] = b"\x07" * 512
    shard.write_bytes(data)
    read, said = read_until_error(read_shards(shard))
    assert read == [0, 1]
    assert "00000001.json" in said


@pytest.mark.parametrize("ending", ["jpg", "json", "mask.png", "depth.png"])
def test_a_missing_member_is_named(tmp_path: Path, ending: str) -> None:
    (shard,) = write_shards(tmp_path, 1)
    gone = f"00000002.{ending}"
    change_shard(shard, lambda name, data: [] if name == gone else [(name, data)])
    read, said = read_until_error(read_shards(shard))
    assert read == [0, 1]
    assert all(part in said for part in ("shard-000000.tar", "'00000002'", f"['{ending}']"))


def png(image: np.ndarray) -> bytes:
    return cv2.imencode(".png", image)[1].tobytes()


def npy(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("ending", "data", "said"),
    [
        ("jpg", b"", r"jpg is not an image \(0 bytes"),
        ("jpg", b"text", r"jpg is not an image \(4 bytes"),
        ("jpg", png(np.zeros((7, 9, 3), np.uint8)), "image_rgb has shape"),
        ("mask.png", png(np.zeros((*SIZE, 3), np.uint8)), "mask.png is uint8 with 3 axes"),
        ("depth.png", png(np.zeros(SIZE, np.uint8)), "depth.png is uint8 with 2 axes.*uint16"),
        ("json", b"{", "json is not readable"),
        ("json", b"\xff\xff", "json is not readable"),
        ("json", b"[]", "json is list"),
        ("json", b"{}", "label has no 'hands'"),
        ("vertices.npy", b"no array", "vertices.npy is not an array"),
        ("vertices.npy", npy(np.zeros((2, 5, 3), np.float16)), r"surface has shape \(2, 5, 3\)"),
    ],
)
def test_a_broken_member_is_named(tmp_path: Path, ending: str, data: bytes, said: str) -> None:
    (shard,) = write_shards(tmp_path, 1, 1)

    def change(name: str, old: bytes) -> Iterable[tuple[str, bytes]]:
        if ending == "vertices.npy" and name.endswith(".jpg"):
            return [(name, old), (f"00000000.{ending}", data)]
        return [(name, data if name.endswith(f".{ending}") else old)]

    change_shard(shard, change)
    with pytest.raises(InputError, match=rf"shard-000000\.tar: sample '00000000': .*{said}"):
        list(read_shards(shard))


def test_labels_that_are_no_json_are_named(tmp_path: Path) -> None:
    (shard,) = write_shards(tmp_path, 1, 1)
    change_shard(shard, lambda name, data: [(name, b"{" if name.endswith("json") else data)])
    with pytest.raises(InputError, match=r"shard-000000\.tar: 00000000\.json: json is not"):
        list(read_labels(tmp_path))


def test_a_tar_file_without_samples_is_named(tmp_path: Path) -> None:
    (shard,) = write_shards(tmp_path, 1)
    change_shard(shard, lambda name, data: [(f"{name}.txt", data)])
    with pytest.raises(InputError, match=r"shard-000000\.tar holds no samples.*NAME\.jpg"):
        list(read_packed(shard))


def test_missing_shards_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere\.tar does not exist"):
        read_shards(tmp_path / "nowhere.tar")
    with pytest.raises(InputError, match=r"holds no shard-\*\.tar"):
        read_shards(tmp_path)


def test_a_shard_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    (tmp_path / "shard-000000.tar").mkdir()
    with pytest.raises(InputError, match=r"shard-000000\.tar cannot be read: Is a directory"):
        list(read_packed(tmp_path / "shard-000000.tar"))


@pytest.mark.parametrize("worker", [(1, 1), (-1, 2), (0, 0)])
def test_a_worker_that_cannot_be_is_named(tmp_path: Path, worker: tuple[int, int]) -> None:
    write_shards(tmp_path, 1, 1)
    with pytest.raises(InputError, match=r"worker is .*0 <= k < n"):
        read_shards(tmp_path, worker=worker)
    with pytest.raises(InputError, match="worker is"):
        torch_dataset(tmp_path, part=worker)


def test_a_shuffle_below_zero_is_named(tmp_path: Path) -> None:
    write_shards(tmp_path, 1, 1)
    with pytest.raises(InputError, match="shuffle is -1"):
        read_shards(tmp_path, shuffle=-1)


def test_a_seed_that_cannot_be_is_named(tmp_path: Path) -> None:
    write_shards(tmp_path, 1, 1)
    with pytest.raises(InputError, match="seed is -1"):
        read_shards(tmp_path, seed=-1)


# --- shuffling and sharing --------------------------------------------------------------------


def order(samples: Iterable[SynthSample]) -> list[int]:
    return [sample.index for sample in samples]


def test_shuffling_keeps_every_sample_once_and_repeats_with_its_seed(tmp_path: Path) -> None:
    write_shards(tmp_path, 3)
    first = order(read_shards(tmp_path, shuffle=5, seed=1))
    assert sorted(first) == list(range(12))
    assert first != list(range(12))
    assert order(read_shards(tmp_path, shuffle=5, seed=1)) == first
    assert order(read_shards(tmp_path, shuffle=5, seed=2)) != first


def test_no_more_than_the_buffer_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_shards(tmp_path, 1, 10)
    taken: list[str] = []

    def counted(shard: Path) -> Iterable[shards.PackedSample]:
        for sample in read_packed(shard):
            taken.append(sample.name)
            yield sample

    monkeypatch.setattr(shards, "read_packed", counted)
    samples = read_shards(tmp_path, shuffle=3)
    next(samples)
    assert len(taken) == 4


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_workers_share_the_shards_whatever_their_seeds(tmp_path: Path, count: int) -> None:
    write_shards(tmp_path, 4, 2)
    read = [
        order(read_shards(tmp_path, shuffle=2, seed=k, worker=(k, count))) for k in range(count)
    ]
    assert sorted(index for part in read for index in part) == list(range(8))
    assert order(read_shards(tmp_path, worker=(0, count)))[:2] == [0, 1]


def index_of(sample: SynthSample) -> int:
    return sample.index


@pytest.mark.parametrize(("workers", "stay"), [(0, False), (2, False), (2, True)])
def test_a_data_loader_gives_every_sample_once_in_a_new_order(
    tmp_path: Path, workers: int, stay: bool
) -> None:
    write_shards(tmp_path, 3)
    dataset = torch_dataset(tmp_path, transform=index_of, shuffle=4, seed=3)
    loader = DataLoader(dataset, batch_size=4, num_workers=workers, persistent_workers=stay)
    passes = [torch.cat(list(loader)).tolist() for _ in range(2)]
    assert [sorted(one) for one in passes] == [list(range(12))] * 2
    assert passes[0] != passes[1]


def test_processes_that_train_together_share_the_shards(tmp_path: Path) -> None:
    write_shards(tmp_path, 3, 2)
    read = [order(torch_dataset(tmp_path, part=(k, 2))) for k in range(2)]
    assert read == [[0, 1, 4, 5], [2, 3]]


def test_the_dataset_travels_to_other_processes(tmp_path: Path) -> None:
    write_shards(tmp_path, 2, 2)
    dataset = torch_dataset(tmp_path, transform=index_of, shuffle=2, seed=5, part=(1, 2))
    assert sorted(pickle.loads(pickle.dumps(dataset))) == [2, 3]


def test_reading_loads_no_torch() -> None:
    code = "import sys, hand_pose_ros.data.shards, hand_pose_ros.data.synthetic.output.writers\n"
    code += "print('torch' in sys.modules)"
    root = Path(__file__).resolve().parents[1]
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"


def test_the_label_of_a_shard_is_plain_json(tmp_path: Path) -> None:
    (shard,) = write_shards(tmp_path, 1, 1)
    (packed,) = read_packed(shard)
    assert json.loads(packed.members["json"]) == sample_as_dict(synth_sample(0))
