"""Backgrounds are those of their seed, of the size asked for, and from photographs where given."""

from __future__ import annotations

import logging
from pathlib import Path

import cv2
import numpy as np
import pytest

from hand_pose_ros.data.synthetic.backdrop import background
from hand_pose_ros.data.synthetic.backdrop.background import BackgroundPool, room
from hand_pose_ros.data.synthetic.backdrop.scenery import SCENES, scene
from hand_pose_ros.data.synthetic.backdrop.textures import TEXTURES, fractal
from hand_pose_ros.errors import InputError

SIZE = 32
PINK = (230, 20, 220)


@pytest.fixture(scope="module")
def pool() -> BackgroundPool:
    return BackgroundPool(SIZE, np.random.default_rng(0), count=3)


def write(file: Path, colour: tuple[int, int, int] = PINK, size: int = 60) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(file), np.full((size, size, 3), colour[::-1], np.uint8))


# --- scenes -----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", sorted(SCENES))
def test_every_kind_of_scene_is_a_picture_of_its_seed(kind: str) -> None:
    first, again, other = (scene(np.random.default_rng(seed), 64, kind) for seed in (1, 1, 2))
    assert first.shape == (64, 64, 3) and first.dtype == np.uint8
    np.testing.assert_array_equal(first, again)
    assert (first != other).mean() > 0.5
    assert first.std() > 1.0


@pytest.mark.parametrize("name", sorted(TEXTURES))
def test_every_texture_is_light_of_the_size_asked_for(name: str) -> None:
    light = TEXTURES[name](np.random.default_rng(0), 48, 80)
    assert light.shape == (48, 80, 3) and light.dtype == np.float32
    assert np.isfinite(light).all() and light.min() >= 0.0 and 0.003 < light.mean() < 1.2


def test_scenes_name_what_is_wrong() -> None:
    with pytest.raises(InputError, match=r"kind is 'moon'; it must be one of .*'garden'"):
        scene(np.random.default_rng(0), 64, "moon")
    with pytest.raises(InputError, match="a scene of 8 px; it must have at least 32"):
        scene(np.random.default_rng(0), 8)


def test_noise_has_the_spectrum_of_photographs() -> None:
    noise = fractal(np.random.default_rng(0), 256, 256, smooth=0.0)
    assert abs(float(noise.mean())) < 1e-4 and float(noise.std()) == pytest.approx(1.0, abs=1e-3)
    power = np.abs(np.fft.fft2(noise)) ** 2
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(256), np.fft.fftfreq(256)))
    bands = [(0.02, 0.04), (0.16, 0.32)]
    low, high = (power[(frequency > a) & (frequency < b)].mean() for a, b in bands)
    # 1/f amplitude is 1/f² power: three octaves are a factor of 64.
    assert 20.0 < low / high < 200.0
    smooth = fractal(np.random.default_rng(0), 256, 256, smooth=1.0)
    assert np.diff(smooth).std() < 0.5 * np.diff(noise).std()


# --- the pool ---------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(32, 32), (48, 20), (7, 31), (1, 1), (200, 150)])
def test_backgrounds_have_the_size_asked_for(pool: BackgroundPool, size: tuple[int, int]) -> None:
    picture = pool.draw(np.random.default_rng(0), *size)
    assert picture.shape == (size[1], size[0], 3) and picture.dtype == np.uint8


def test_the_same_seeds_give_the_same_background(pool: BackgroundPool) -> None:
    other = BackgroundPool(SIZE, np.random.default_rng(0), count=3)
    for seed in (5, 3, 9):
        picture = pool.draw(np.random.default_rng(seed), SIZE, SIZE)
        np.testing.assert_array_equal(picture, other.draw(np.random.default_rng(seed), SIZE, SIZE))
    # What was drawn before makes no difference: scenes depend on their own seed only.
    last = BackgroundPool(SIZE, np.random.default_rng(0), count=3)
    np.testing.assert_array_equal(picture, last.draw(np.random.default_rng(9), SIZE, SIZE))


def test_no_two_backgrounds_are_alike(pool: BackgroundPool) -> None:
    random = np.random.default_rng(1)
    drawn = [pool.draw(random, SIZE, SIZE).astype(int) for _ in range(12)]
    pairs = [(a, b) for i, a in enumerate(drawn) for b in drawn[:i]]
    assert min(np.abs(a - b).mean() for a, b in pairs) > 1.0
    assert not np.array_equal(
        BackgroundPool(SIZE, np.random.default_rng(1), count=1).draw(
            np.random.default_rng(0), 9, 9
        ),
        BackgroundPool(SIZE, np.random.default_rng(2), count=1).draw(
            np.random.default_rng(0), 9, 9
        ),
    )


def test_scenes_are_made_when_they_are_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []

    def blank(random: np.random.Generator, size: int) -> np.ndarray:
        made.append(size)
        return np.full((size, size, 3), 90, np.uint8)

    monkeypatch.setattr(background, "scene", blank)
    pool = BackgroundPool(SIZE, np.random.default_rng(0), count=2)
    assert made == []
    random = np.random.default_rng(0)
    for _ in range(30):
        pool.draw(random, SIZE, SIZE)
    assert made == [3 * SIZE, 3 * SIZE]


@pytest.mark.parametrize(("size", "count"), [(0, 3), (32, 0), (-4, 3)])
def test_an_empty_pool_is_refused(size: int, count: int) -> None:
    with pytest.raises(InputError, match=f"a pool of {count} scenes for {size} px"):
        BackgroundPool(size, np.random.default_rng(0), count=count)


def test_an_empty_background_is_refused(pool: BackgroundPool) -> None:
    with pytest.raises(InputError, match="a background of 0 x 4 px"):
        pool.draw(np.random.default_rng(0), 0, 4)


# --- photographs ------------------------------------------------------------------------------


def test_half_of_the_backgrounds_are_photographs(tmp_path: Path, monkeypatch) -> None:
    green = np.full((96, 96, 3), (20, 200, 20), np.uint8)
    monkeypatch.setattr(background, "scene", lambda random, size: green)
    write(tmp_path / "a.png")
    write(tmp_path / "deep" / "er" / "B.JPG")
    pool = BackgroundPool(SIZE, np.random.default_rng(0), tmp_path, count=2)
    random = np.random.default_rng(0)
    drawn = [pool.draw(random, 16, 16).reshape(-1, 3).mean(axis=0) for _ in range(300)]
    pink = np.array([colour[0] > colour[1] for colour in drawn])
    assert 0.4 < pink.mean() < 0.6


def test_broken_photographs_are_counted_in_one_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write(tmp_path / "good.png")
    (tmp_path / "empty.jpg").write_bytes(b"")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "text.png").write_text("no image")
    (tmp_path / "notes.txt").write_text("not asked for")
    with caplog.at_level(logging.WARNING):
        BackgroundPool(SIZE, np.random.default_rng(0), str(tmp_path))
    (message,) = [record.getMessage() for record in caplog.records]
    assert message.startswith("skipped 2 unreadable photographs, the first is ")
    assert message.endswith(("empty.jpg", "text.png"))


def test_a_folder_of_good_photographs_warns_of_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(6):
        write(tmp_path / f"{number}.png", size=400)
    with caplog.at_level(logging.WARNING):
        pool = BackgroundPool(SIZE, np.random.default_rng(0), tmp_path, count=4)
    assert caplog.records == []
    assert len(pool._photographs) == 4
    assert all(min(levels[0].shape[:2]) == 3 * SIZE for levels in pool._photographs)


def test_a_folder_without_a_readable_image_is_refused(tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_text("no image")
    with pytest.raises(InputError, match=f"{tmp_path} holds no readable image; of 1 files"):
        BackgroundPool(SIZE, np.random.default_rng(0), tmp_path)
    with pytest.raises(InputError, match="nowhere is not a folder"):
        BackgroundPool(SIZE, np.random.default_rng(0), tmp_path / "nowhere")


def test_small_photographs_fill_a_background(tmp_path: Path) -> None:
    write(tmp_path / "tiny.png", size=5)
    pool = BackgroundPool(SIZE, np.random.default_rng(0), tmp_path, count=1)
    random = np.random.default_rng(0)
    assert all(pool.draw(random, 64, 40).shape == (40, 64, 3) for _ in range(6))


# --- the simple room --------------------------------------------------------------------------


def test_the_room_is_what_it_always_was() -> None:
    image = room(64, 48, 3)
    np.testing.assert_allclose(
        image.reshape(-1, 3).mean(axis=0), (103.327, 101.861, 93.829), atol=0.05
    )
    assert image[10, 20].tolist() == [97, 105, 103] and image[40, 50].tolist() == [96, 70, 49]


def test_an_empty_room_is_refused() -> None:
    with pytest.raises(InputError, match="a background of 0 x 4 px"):
        room(0, 4, 1)
