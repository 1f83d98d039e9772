"""A sampled shot does what a camera does, always the same; only its lens moves anything."""

from __future__ import annotations

import math
from dataclasses import fields, replace

import cv2
import numpy as np
import pytest

from hand_pose_ros.data.synthetic.camera import lens
from hand_pose_ros.data.synthetic.camera.develop import develop
from hand_pose_ros.data.synthetic.camera.sensor import LOOKS, SensorConfig, Shot, sample_shot
from hand_pose_ros.errors import ConfigError, InputError, ShapeError
from hand_pose_ros.hand.camera import FISHEYE, Camera

RANGES = [f.name for f in fields(SensorConfig) if isinstance(f.default, tuple)]
SHARES = [f.name for f in fields(SensorConfig) if not isinstance(f.default, tuple)]
PLAIN = Camera(np.array([[150.0, 0.0, 70.3], [0.0, 145.0, 66.1], [0.0, 0.0, 1.0]]), 160, 120)
BARREL = replace(PLAIN, distortion=(-0.28, 0.07, 0.0008, -0.0006, 0.0))
PINCUSHION = replace(PLAIN, distortion=(0.08, 0.006, 0.0, 0.0, 0.0))
FISH = replace(PLAIN, distortion=(0.02, -0.01, 0.0, 0.0), distortion_model=FISHEYE)
OFF_AXIS = replace(BARREL, K=np.array([[150.0, 0, -60.0], [0, 150.0, 190.0], [0, 0, 1.0]]))
BENT = [BARREL, PINCUSHION, FISH, OFF_AXIS]


def marked(size: tuple[int, int], points_px: np.ndarray, radius: float = 2.0) -> np.ndarray:
    """Return a float32 picture (H, W, 1) with a smooth mark at each point (N, 2)."""
    x, y = np.meshgrid(np.arange(size[0]), np.arange(size[1]))
    picture = np.zeros((size[1], size[0]), np.float32)
    for u, v in points_px:
        picture += np.exp(-((x - u) ** 2 + (y - v) ** 2) / (2.0 * radius**2)).astype(np.float32)
    return picture[..., None]


def centre_px(picture: np.ndarray, near: np.ndarray | None = None, reach: int = 7) -> np.ndarray:
    """Return the centre (2,) of what is bright, in the whole picture or about a point."""
    picture = np.atleast_3d(picture).astype(float).sum(axis=-1)
    left = top = 0
    if near is not None:
        left, top = (round(float(value)) - reach for value in near)
        picture = picture[top : top + 2 * reach + 1, left : left + 2 * reach + 1]
    y, x = np.mgrid[: picture.shape[0], : picture.shape[1]]
    total = picture.sum()
    return np.array((left + (x * picture).sum() / total, top + (y * picture).sum() / total))


# --- configuration and sampling ---------------------------------------------------------------


@pytest.mark.parametrize("name", RANGES)
@pytest.mark.parametrize("value", [(1e9, 2e9), (-1e9, 0.0), (math.nan, 1.0)])
def test_a_range_outside_of_what_is_allowed_is_refused(name: str, value: tuple) -> None:
    with pytest.raises(ConfigError, match=rf"sensor {name} is .*; it must be \(least, most\)"):
        SensorConfig(**{name: value})


@pytest.mark.parametrize("name", RANGES)
def test_a_range_turned_round_is_refused(name: str) -> None:
    low, high = getattr(SensorConfig(), name)
    with pytest.raises(ConfigError, match=f"sensor {name}"):
        SensorConfig(**{name: (high, low)})


@pytest.mark.parametrize("name", SHARES)
@pytest.mark.parametrize("value", [-0.1, 1.1, math.nan])
def test_a_share_is_between_0_and_1(name: str, value: float) -> None:
    with pytest.raises(ConfigError, match=rf"sensor {name} is .*; allowed are 0 to 1"):
        SensorConfig(**{name: value})


def test_grey_and_infrared_share_all_shots() -> None:
    with pytest.raises(ConfigError, match=r"grey \+ infrared is 1.2; at most 1"):
        SensorConfig(grey=0.6, infrared=0.6)


def test_shots_are_those_of_their_seed() -> None:
    first, again, other = (sample_shot(np.random.default_rng(seed)) for seed in (3, 3, 4))
    assert first == again
    assert first != other


def test_shots_stay_within_their_ranges_and_use_them() -> None:
    config = SensorConfig(grey=0.2, infrared=0.2, missed=1.0, moving=1.0, coarse=1.0)
    random = np.random.default_rng(0)
    shots = [sample_shot(random, config) for _ in range(400)]
    names = ("saturation", "contrast", "gamma", "haze", "vignette", "grain", "sharpening")
    for name in (*names, "aperture", "shutter", "electrons", "read_noise", "shrink"):
        low, high = getattr(config, name)
        values = np.array([getattr(shot, name) for shot in shots])
        assert low * 0.999 <= values.min() and values.max() <= high * 1.001, name
        assert np.ptp(values) > 0.7 * (high - low), name
    lengths = [math.hypot(*shot.motion) for shot in shots]
    assert config.motion[0] * 0.999 <= min(lengths) and max(lengths) <= config.motion[1] * 1.001
    assert {shot.look for shot in shots} == set(LOOKS)
    stops = np.log2([shot.gains[1] for shot in shots])
    assert config.exposure[0] <= stops.min() and stops.max() <= config.exposure[1]
    found = [shot.jpeg_quality for shot in shots if shot.jpeg_quality is not None]
    assert config.jpeg_quality[0] <= min(found) and max(found) <= config.jpeg_quality[1]
    assert 0.75 < len(found) / len(shots) < 0.95


def test_shares_of_0_and_1_are_kept() -> None:
    none = SensorConfig(**dict.fromkeys(SHARES, 0.0))
    random = np.random.default_rng(1)
    for shot in (sample_shot(random, none) for _ in range(50)):
        assert shot.motion == (0.0, 0.0) and shot.shrink == 1.0 and shot.jpeg_quality is None
        assert shot.look == "colour" and not shot.denoised and 0.9 < shot.focus < 1.1
    assert sample_shot(random, SensorConfig(infrared=1.0, grey=0.0)).look == "infrared"


@pytest.mark.parametrize("field", [{"look": "sepia"}, {"chroma": "411"}])
def test_a_shot_of_no_such_kind_is_refused(field: dict[str, str]) -> None:
    with pytest.raises(InputError, match=r"of a shot is .*; it must be one of"):
        Shot(**field)


def test_no_sampled_lens_folds_the_image() -> None:
    random = np.random.default_rng(2)
    for number in range(150):
        fisheye = float(number % 3 == 0)
        # Beyond a right angle, which a fisheye can see, there is no pinhole camera.
        focal, middle = random.uniform(200 if fisheye else 120, 500), random.uniform(-40, 200, 2)
        K = np.array([[focal, 0.0, middle[0]], [0.0, focal, middle[1]], [0.0, 0.0, 1.0]])
        shot = sample_shot(random, SensorConfig(fisheye=fisheye))
        lens.pinhole_for(shot.bend_camera(Camera(K, 160, 120)), 192, 144)


def test_blur_follows_the_thin_lens() -> None:
    shot = Shot(aperture=0.002, focus=1.25)
    assert shot.blur_px(0.5, 0.4, 600.0) == pytest.approx(0.0)
    # 2 mm opening, focused at 0.5 m: a point at infinity is seen over 0.002 / 0.5 rad.
    assert shot.blur_px(math.inf, 0.4, 600.0) == pytest.approx(600.0 * 0.002 / 0.5)
    assert Shot(motion=(0.1, -0.05)).motion_px(200) == pytest.approx((20.0, -10.0))


# --- the lens ---------------------------------------------------------------------------------


@pytest.mark.parametrize("camera", BENT)
@pytest.mark.parametrize("size", [(None, None), (200, 200)])
def test_points_land_where_the_distorted_camera_projects_them(camera: Camera, size) -> None:
    pinhole = lens.pinhole_for(camera, *size)
    spots_px = np.stack(np.meshgrid((15, 48, 80, 112, 144), (15, 60, 105)), axis=-1)
    rays = camera.normalize(spots_px.reshape(-1, 2).astype(float))
    points = np.concatenate((rays, np.ones((len(rays), 1))), axis=-1) * 0.7
    picture = marked((pinhole.width, pinhole.height), pinhole.project(points), 1.2)
    (seen,) = lens.distort(camera, pinhole, picture)
    landed = camera.project(points)
    landed = landed[((landed > 7.0) & (landed < (152.0, 112.0))).all(axis=-1)]
    assert len(landed) >= 12
    for wanted in landed:
        found = centre_px(seen, wanted, 6)
        assert np.linalg.norm(found - wanted) < 0.2


@pytest.mark.parametrize("camera", BENT)
def test_the_lookup_is_exact_at_every_pixel(camera: Camera) -> None:
    pinhole = lens.pinhole_for(camera, 180, 140)
    across, down = lens._lookup(camera, pinhole)
    pixels = np.stack(np.meshgrid(np.arange(160.0), np.arange(120.0)), axis=-1)
    rays = pinhole.normalize(np.stack((across, down), axis=-1))
    np.testing.assert_allclose(camera.project_rays(rays), pixels, atol=0.02)
    assert across.min() >= 0.0 and across.max() <= 179.0
    assert down.min() >= 0.0 and down.max() <= 139.0


def test_the_pinhole_keeps_the_focal_length_and_wastes_nothing() -> None:
    pinhole = lens.pinhole_for(BARREL)
    assert pinhole.K[0, 0] == pytest.approx(150.0, rel=0.02)
    across, down = lens._lookup(BARREL, pinhole)
    assert across.min() < 4.0 and across.max() > pinhole.width - 5.0
    assert down.min() < 4.0 and down.max() > pinhole.height - 5.0
    assert not pinhole.is_distorted


def test_masks_and_depths_hold_no_new_value() -> None:
    pinhole = lens.pinhole_for(BARREL, 160, 120)
    random = np.random.default_rng(0)
    mask = random.integers(0, 3, (120, 160)).astype(np.uint8) * 100
    depth = np.where(mask > 0, np.float32(0.37), np.float32(0.0))
    seen = mask > 0
    bent_mask, bent_depth, bent_seen = lens.distort(BARREL, pinhole, mask, depth, seen)
    assert set(np.unique(bent_mask)) == {0, 100, 200}
    assert set(np.unique(bent_depth)) == {np.float32(0.0), np.float32(0.37)}
    assert bent_seen.dtype == np.bool_ and bent_depth.dtype == np.float32
    np.testing.assert_array_equal(bent_seen, bent_mask > 0)
    np.testing.assert_array_equal(bent_seen, bent_depth > 0)


def test_lens_refuses_what_it_cannot_do() -> None:
    folded = replace(PLAIN, distortion=(-2.0, 0.0, 0.0, 0.0))
    with pytest.raises(InputError, match=r"distortion \(-2.0.* folds the border"):
        lens.pinhole_for(folded)
    with pytest.raises(InputError, match="render of 2 x 100 px"):
        lens.pinhole_for(BARREL, 2, 100)
    with pytest.raises(ShapeError, match=r"a layer has shape \(5, 4\); .* \(120, 160\)"):
        lens.distort(BARREL, PLAIN, np.zeros((5, 4), np.uint8))
    with pytest.raises(InputError, match="a layer is int64; it must be bool"):
        lens.distort(BARREL, PLAIN, np.zeros((120, 160), np.int64))
    with pytest.raises(InputError, match=r"diameter_px is -1.0"):
        lens.defocus(np.zeros((9, 9, 3), np.uint8), -1.0)
    with pytest.raises(InputError, match="motion_px is"):
        lens.smear(np.zeros((9, 9, 3), np.uint8), (math.nan, 0.0))


def test_defocus_spreads_a_point_over_a_disc() -> None:
    point = np.zeros((41, 41, 1), np.float32)
    point[20, 20] = 1.0
    np.testing.assert_array_equal(lens.defocus(point, 1.0), point)
    spread = lens.defocus(point, 9.0)
    np.testing.assert_allclose(centre_px(spread), (20.0, 20.0), atol=1e-3)
    assert spread.sum() == pytest.approx(1.0, abs=1e-4)
    assert spread[20, 16:25].min() == pytest.approx(1.0 / (math.pi * 4.5**2), rel=0.1)
    assert spread[20, 26] == 0.0 and spread[26, 20] == 0.0


@pytest.mark.parametrize("motion", [(12.0, 0.0), (0.0, -9.0), (-11.0, 7.0), (3.3, 2.0)])
def test_smear_draws_a_point_into_its_way(motion: tuple[float, float]) -> None:
    point = marked((61, 61), np.array([(30.0, 30.0)]), 1.0)
    drawn = lens.smear(point, motion)
    assert drawn.shape[:2] == point.shape[:2]
    np.testing.assert_allclose(centre_px(drawn), (30.0, 30.0), atol=0.05)
    assert drawn.sum() == pytest.approx(float(point.sum()), rel=1e-3)
    y, x = np.mgrid[:61, :61] - 30.0
    along = (x * motion[0] + y * motion[1]) / math.hypot(*motion)
    across = (y * motion[0] - x * motion[1]) / math.hypot(*motion)
    share = np.squeeze(drawn) / drawn.sum()
    # A line of length L has the variance L² / 12, beside the mark's own.
    expected = math.hypot(*motion) ** 2 / 12.0 + 1.0
    assert (share * along**2).sum() == pytest.approx(expected, rel=0.25)
    assert (share * across**2).sum() == pytest.approx(1.0, abs=0.45)


def test_smear_of_nothing_is_nothing() -> None:
    picture = np.random.default_rng(0).integers(0, 255, (20, 30, 4)).astype(np.uint8)
    np.testing.assert_array_equal(lens.smear(picture, (0.0, 0.0)), picture)


# --- the sensor -------------------------------------------------------------------------------

GREY = np.full((96, 128, 3), 128, np.uint8)
RANDOM_PICTURE = cv2.GaussianBlur(
    np.random.default_rng(7).integers(0, 255, (96, 128, 3)).astype(np.uint8), (0, 0), 2
)


def test_a_perfect_camera_changes_nothing() -> None:
    difference = develop(RANDOM_PICTURE, Shot()).astype(int) - RANDOM_PICTURE
    assert np.abs(difference).max() <= 2


def test_the_same_shot_gives_the_same_picture() -> None:
    shot = sample_shot(np.random.default_rng(5))
    first = develop(RANDOM_PICTURE, shot)
    np.testing.assert_array_equal(first, develop(RANDOM_PICTURE.copy(), shot))
    assert first.shape == RANDOM_PICTURE.shape and first.dtype == np.uint8
    noisy = replace(shot, electrons=300.0)
    again = develop(RANDOM_PICTURE, replace(noisy, seed=shot.seed + 1))
    assert (develop(RANDOM_PICTURE, noisy) != again).any()


@pytest.mark.parametrize("seed", range(12))
def test_nothing_moves(seed: int) -> None:
    shot = sample_shot(np.random.default_rng(seed))
    # Light and noise would shift the centre of a mark, not the mark.
    shot = replace(shot, vignette=0.0, electrons=1e6, read_noise=0.0, haze=0.0)
    spot = marked((128, 96), np.array([(60.3, 45.8)]), 6.0)
    picture = np.repeat((255.0 * spot).astype(np.uint8), 3, axis=-1)
    seen = np.maximum(develop(picture, shot).astype(int) - 40, 0)
    assert np.linalg.norm(centre_px(seen) - (60.3, 45.8)) < 0.2


def test_exposure_and_balance_act_on_light() -> None:
    brighter = develop(GREY, Shot(gains=(2.0, 2.0, 2.0)))
    light = ((128 / 255 + 0.055) / 1.055) ** 2.4
    assert brighter[0, 0, 0] == pytest.approx(
        255 * (1.055 * (2 * light) ** (1 / 2.4) - 0.055), abs=1.5
    )
    red = develop(GREY, Shot(gains=(1.2, 1.0, 0.8)))[0, 0].astype(int)
    assert red[0] > 130 and abs(red[1] - 128) <= 1 and red[2] < 126
    assert develop(GREY, Shot(gains=(32.0, 32.0, 32.0))).min() == 255


@pytest.mark.parametrize("encoded", [60, 128, 200])
def test_noise_is_that_of_the_electrons(encoded: int) -> None:
    flat, shot = np.full((256, 256, 3), encoded, np.uint8), Shot(electrons=2000.0, read_noise=4.0)
    noisy = develop(flat, shot) / 255.0
    light = np.where(noisy <= 0.04045, noisy / 12.92, ((noisy + 0.055) / 1.055) ** 2.4)
    mean = ((encoded / 255 + 0.055) / 1.055) ** 2.4
    expected = math.sqrt(mean / 2000.0 + (4.0 / 2000.0) ** 2)
    assert float(light.std()) == pytest.approx(expected, rel=0.08)
    assert float(light.mean()) == pytest.approx(mean, rel=0.02)


def test_smeared_grain_makes_neighbours_alike() -> None:
    flat = np.full((256, 256, 3), 128, np.uint8)
    alike = []
    for grain in (0.0, 1.0):
        noise = develop(flat, Shot(electrons=500.0, grain=grain))[..., 0] - 128.0
        noise -= noise.mean()
        alike.append(float((noise[:, 1:] * noise[:, :-1]).mean() / noise.var()))
    assert abs(alike[0]) < 0.05 and 0.4 < alike[1] < 0.9


def test_the_corner_loses_the_given_share_of_light() -> None:
    seen = develop(GREY, Shot(vignette=0.5))
    light = ((seen[..., 0] / 255 + 0.055) / 1.055) ** 2.4
    assert light[0, 0] / light[48, 64] == pytest.approx(0.5, rel=0.03)
    shifted = develop(GREY, Shot(vignette=0.5, centre=(0.5, 0.0)))
    assert shifted[48, 127, 0] > shifted[48, 0, 0]


def test_tone_curve_and_haze() -> None:
    ramp = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, axis=-1)
    ramp = np.repeat(ramp, 8, axis=0)
    hard = develop(ramp, Shot(contrast=1.5))[0, :, 0].astype(int)
    assert (np.diff(hard) >= 0).all() and hard[40] < 36 and hard[220] > 224
    assert develop(ramp, Shot(haze=0.1))[0, 0, 0] == 26
    assert develop(ramp, Shot(gamma=0.8))[0, 100, 0] > 105


@pytest.mark.parametrize("look", ["grey", "infrared"])
def test_grey_pictures_have_no_colour(look: str) -> None:
    shot = Shot(look=look, electrons=400.0, jpeg_quality=60)
    seen = develop(RANDOM_PICTURE, shot).astype(int)
    assert np.abs(seen - seen[..., :1]).max() <= 1
    assert seen.std() > 5


def test_saturation_of_0_is_grey_without_a_look() -> None:
    seen = develop(RANDOM_PICTURE, Shot(saturation=0.0)).astype(int)
    assert np.abs(seen - seen[..., :1]).max() <= 1


def test_jpeg_and_resolution_lose_detail() -> None:
    detail = np.random.default_rng(0).integers(0, 255, (96, 128, 3)).astype(np.uint8)

    def error(shot: Shot) -> float:
        return float(np.abs(develop(detail, shot).astype(int) - detail).mean())

    assert error(Shot(jpeg_quality=35)) > 1.3 * error(Shot(jpeg_quality=95, chroma="444")) > 1.0
    assert error(Shot(jpeg_quality=90)) > error(Shot(jpeg_quality=90, chroma="444"))
    assert error(Shot(shrink=3.0)) > error(Shot(shrink=1.5)) > 10.0
    assert error(Shot(denoised=True)) > 10.0


def test_sharpening_leaves_a_halo() -> None:
    step = np.full((32, 32, 3), 80, np.uint8)
    step[:, 16:] = 160
    seen = develop(step, Shot(sharpening=1.0))[16, :, 0].astype(int)
    assert seen[15] < 75 and seen[16] > 165 and abs(seen[4] - 80) <= 1


def test_large_pictures_have_noise_everywhere() -> None:
    seen = develop(np.full((600, 700, 3), 128, np.uint8), Shot(electrons=500.0, seed=10**6))
    assert seen.shape == (600, 700, 3)
    assert min(seen[:40, :40].std(), seen[-40:, -40:].std()) > 3.0


@pytest.mark.parametrize(
    "picture", [np.zeros((8, 8), np.uint8), np.zeros((8, 8, 4), np.uint8), np.zeros((8, 8, 3))]
)
def test_only_rgb_bytes_are_developed(picture: np.ndarray) -> None:
    with pytest.raises(ShapeError, match=r"it must be \(H, W, 3\) uint8"):
        develop(picture, Shot())
