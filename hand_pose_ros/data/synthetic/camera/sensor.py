"""What a webcam or a phone makes of a clean picture: one sampled shot at a time.

The way of one picture: render `lens.pinhole_for(shot.bend_camera(camera))`, `lens.distort` its
layers, blur the hand (`lens.defocus` by `shot.blur_px`, `lens.smear` by `shot.motion_px` or by its
way in a sequence), lay it over a background (`renderer.over`), then `develop.develop`. Only the
distortion changes where anything is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace

import numpy as np

from hand_pose_ros.errors import ConfigError, InputError
from hand_pose_ros.hand.camera import FISHEYE, Camera

Range = tuple[float, float]

LOOKS = ("colour", "grey", "infrared")

_BEND_AT = 0.7
"""Undistorted ray for which the bend is given: 35 degrees, the edge of a common webcam's image."""

_ALLOWED: dict[str, Range] = {
    "bend": (-0.2, 0.1),
    "aperture": (0.0, 0.01),
    "missed_focus": (0.1, 20.0),
    "motion": (0.0, 0.5),
    "shutter": (1e-5, 1.0),
    "exposure": (-4.0, 4.0),
    "white_balance": (0.3, 3.0),
    "saturation": (0.0, 3.0),
    "contrast": (0.3, 3.0),
    "gamma": (0.4, 2.5),
    "haze": (0.0, 0.5),
    "vignette": (0.0, 1.0),
    "electrons": (10.0, 1e7),
    "read_noise": (0.0, 100.0),
    "grain": (0.0, 1.0),
    "sharpening": (0.0, 4.0),
    "shrink": (1.0, 8.0),
    "jpeg_quality": (1.0, 100.0),
}


@dataclass(frozen=True)
class SensorConfig:
    """What shots are like: ranges (least, most), and shares of shots between 0 and 1.

    Attributes:
        bend: relative shift of the image at 35 degrees off the axis; below 0 a barrel.
        corrected: share of shots whose camera has straightened its image, as phones do.
        fisheye: share of shots with the equidistant model.
        aperture: diameter of the lens's opening [m].
        missed_focus: focused distance over that of the hand, for shots with the focus elsewhere.
        missed: share of such shots; the others are within 8 % of the hand's distance.
        motion: of the hand in the image while the shutter is open, in picture widths.
        moving: share of shots in which it moves.
        shutter: how long the shutter is open [s].
        exposure: [stops].
        white_balance: gain of red and of blue over that of green.
        saturation: 0 is grey, 1 as it came.
        contrast: slope of the tone curve in its middle.
        gamma: exponent on the encoded picture.
        haze: light scattered in the lens: what black becomes, encoded.
        vignette: share of the light that is missing in the corner of the full image.
        electrons: a white pixel's; their count's noise is its root.
        read_noise: standard deviation of reading a pixel, in electrons.
        grain: share of the noise that is smeared over neighbours, as demosaicing does.
        denoised: share of shots whose camera smooths noise away, details with it.
        sharpening: gain on the difference to the blurred picture.
        shrink: how many pixels of the output one pixel of the sensor covers, per axis.
        coarse: share of shots with a shrink; the others have a pixel each.
        jpeg_quality: 1 to 100.
        compressed: share of shots that were compressed.
        grey: share of grey shots.
        infrared: share of shots of an infrared camera with its own lamp.
    """

    bend: Range = (-0.14, 0.04)
    corrected: float = 0.4
    fisheye: float = 0.03
    aperture: Range = (0.0005, 0.008)
    missed_focus: Range = (0.4, 6.0)
    missed: float = 0.25
    motion: Range = (0.004, 0.07)
    moving: float = 0.35
    shutter: Range = (0.002, 0.034)
    exposure: Range = (-1.3, 0.9)
    white_balance: Range = (0.78, 1.3)
    saturation: Range = (0.55, 1.35)
    contrast: Range = (0.8, 1.5)
    gamma: Range = (0.8, 1.2)
    haze: Range = (0.0, 0.09)
    vignette: Range = (0.0, 0.45)
    electrons: Range = (350.0, 40000.0)
    read_noise: Range = (0.7, 6.0)
    grain: Range = (0.2, 0.9)
    denoised: float = 0.2
    sharpening: Range = (0.0, 1.3)
    shrink: Range = (1.1, 3.2)
    coarse: float = 0.5
    jpeg_quality: Range = (35.0, 95.0)
    compressed: float = 0.85
    grey: float = 0.03
    infrared: float = 0.02

    def __post_init__(self) -> None:
        for name in (field.name for field in fields(self)):
            if name in _ALLOWED:
                self._check_range(name)
            elif not 0.0 <= getattr(self, name) <= 1.0:
                raise ConfigError(f"sensor {name} is {getattr(self, name)}; allowed are 0 to 1")
        if self.grey + self.infrared > 1.0:
            raise ConfigError(
                f"sensor grey + infrared is {self.grey + self.infrared}; at most 1 is allowed"
            )

    def _check_range(self, name: str) -> None:
        low, high = _ALLOWED[name]
        value = tuple(getattr(self, name))
        if len(value) != 2 or not low <= value[0] <= value[1] <= high:
            raise ConfigError(
                f"sensor {name} is {value}; it must be (least, most) within {low} to {high}"
            )


@dataclass(frozen=True)
class Shot:
    """All that is special about one shot; the same shot gives the same picture.

    Attributes are those of `SensorConfig`, as values, and:
        distortion, distortion_model: of the camera, see `hand.camera.Camera`.
        focus: focused distance over that of the hand.
        motion: (2,) x and y in picture widths; zeros where the hand stands still.
        gains: (3,) of red, green and blue: exposure and white balance, linear.
        centre: (2,) of the full image, in widths and heights of the picture about its middle.
        look: one of `LOOKS`.
        jpeg_quality: None where the shot is not compressed.
        chroma: how many pixels share a colour across and down: "444", "422" or "420".
        seed: of its noise.
    """

    distortion: tuple[float, ...] = ()
    distortion_model: str = "plumb_bob"
    aperture: float = 0.0
    focus: float = 1.0
    motion: tuple[float, float] = (0.0, 0.0)
    shutter: float = 0.01
    gains: tuple[float, float, float] = (1.0, 1.0, 1.0)
    saturation: float = 1.0
    contrast: float = 1.0
    gamma: float = 1.0
    haze: float = 0.0
    vignette: float = 0.0
    centre: tuple[float, float] = (0.0, 0.0)
    electrons: float = math.inf
    read_noise: float = 0.0
    grain: float = 0.0
    denoised: bool = False
    sharpening: float = 0.0
    shrink: float = 1.0
    jpeg_quality: int | None = None
    chroma: str = "420"
    look: str = "colour"
    seed: int = 0

    def __post_init__(self) -> None:
        for name, allowed in (("look", LOOKS), ("chroma", ("444", "422", "420"))):
            if getattr(self, name) not in allowed:
                raise InputError(
                    f"{name} of a shot is {getattr(self, name)!r}; it must be one of {allowed}"
                )

    def bend_camera(self, camera: Camera) -> Camera:
        """Return the camera with this shot's distortion."""
        return replace(camera, distortion=self.distortion, distortion_model=self.distortion_model)

    def blur_px(self, distance: float, hand_distance: float, focal_px: float) -> float:
        """Return the diameter [px] of the disc that a point becomes.

        Args:
            distance: of the point [m]; that of the hand for the hand, infinity for a landscape.
            hand_distance: of the hand [m].
            focal_px: focal length of the picture [px].
        """
        inverse = 1.0 / (self.focus * hand_distance) - 1.0 / distance
        return self.aperture * focal_px * abs(inverse)

    def motion_px(self, width: int) -> tuple[float, float]:
        """Return the hand's motion (x, y) [px] in a picture of that width, for `lens.smear`."""
        return self.motion[0] * width, self.motion[1] * width


def sample_shot(random: np.random.Generator, config: SensorConfig | None = None) -> Shot:
    """Return a shot drawn from the ranges; logarithmic where a range spans magnitudes."""
    config = config or SensorConfig()
    distortion, model = _sample_distortion(random, config)
    compressed = random.random() < config.compressed
    quality = round(random.uniform(*config.jpeg_quality))
    coarse = random.random() < config.coarse
    shrink = _log_uniform(random, config.shrink)
    x, y = random.uniform(-0.8, 0.8, 2)
    return Shot(
        distortion=distortion,
        distortion_model=model,
        aperture=_log_uniform(random, config.aperture),
        focus=_sample_focus(random, config),
        motion=_sample_motion(random, config),
        shutter=_log_uniform(random, config.shutter),
        gains=_sample_gains(random, config),
        **{name: random.uniform(*getattr(config, name)) for name in _UNIFORM},
        centre=(float(x), float(y)),
        electrons=_log_uniform(random, config.electrons),
        read_noise=_log_uniform(random, config.read_noise),
        denoised=bool(random.random() < config.denoised),
        shrink=shrink if coarse else 1.0,
        jpeg_quality=quality if compressed else None,
        chroma=str(random.choice(("420", "420", "422", "444"))),
        look=_sample_look(random, config),
        seed=int(random.integers(2**31)),
    )


_UNIFORM = ("saturation", "contrast", "gamma", "haze", "vignette", "grain", "sharpening")


def _sample_distortion(
    random: np.random.Generator, config: SensorConfig
) -> tuple[tuple[float, ...], str]:
    """Return the coefficients and their model.

    With k2 above 9/20 k1² the radius r + k1 r³ + k2 r⁵ grows everywhere, so nothing ever folds.
    """
    bend, share = random.uniform(*config.bend), random.uniform(0.6, 1.5)
    tangential = random.normal(0.0, 4e-4, 2)
    if random.random() < config.corrected:
        return (), "plumb_bob"
    if random.random() < config.fisheye:
        k1 = random.normal(0.0, 0.02)
        return (float(k1), float(share * k1 * k1), 0.0, 0.0), FISHEYE
    k1 = bend / _BEND_AT**2
    return (k1, share * k1 * k1, float(tangential[0]), float(tangential[1]), 0.0), "plumb_bob"


def _sample_focus(random: np.random.Generator, config: SensorConfig) -> float:
    missed, elsewhere = random.random() < config.missed, _log_uniform(random, config.missed_focus)
    near = random.uniform(0.92, 1.08)
    return elsewhere if missed else near


def _sample_motion(random: np.random.Generator, config: SensorConfig) -> tuple[float, float]:
    moving, length = random.random() < config.moving, _log_uniform(random, config.motion)
    angle = random.uniform(0.0, 2.0 * math.pi)
    if not moving:
        return 0.0, 0.0
    return length * math.cos(angle), length * math.sin(angle)


def _sample_gains(random: np.random.Generator, config: SensorConfig) -> tuple[float, float, float]:
    """Return linear gains; the middle of the exposure's range is more frequent than its ends."""
    gain = 2.0 ** random.uniform(*config.exposure, 2).mean()
    red, blue = (_log_uniform(random, config.white_balance) for _ in range(2))
    return float(gain * red), float(gain), float(gain * blue)


def _sample_look(random: np.random.Generator, config: SensorConfig) -> str:
    drawn = random.random()
    if drawn < config.grey:
        return "grey"
    return "infrared" if drawn < config.grey + config.infrared else "colour"


def _log_uniform(random: np.random.Generator, span: Range) -> float:
    low, high = (max(value, 1e-9) for value in span)
    return float(low * (high / low) ** random.random())
