"""Smooth edges: what was shaded once per pixel, laid out on several depth samples per pixel.

Shading costs far more than depth, so hands are shaded at pixel centres and only their depth is
drawn finer. A sample takes its colour from that of the four pixels around it whose depth is most
like its.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from hand_pose_ros.data.synthetic.render.projection import window_from_depth

_STEP = 0.00004
"""A sample this far off in the depth buffer, 1.3 mm at 1 m, may be of another surface."""

Image = npt.NDArray[np.uint8]
Depth = npt.NDArray[np.float32]
Index = npt.NDArray[np.int64]


def smoothed(colour: Image, depth: Depth, window: Depth) -> Image:
    """Return (H, W, 4) premultiplied colour with partly covered edge pixels.

    Args:
        colour: (H, W, 4) shaded at pixel centres, zero where nothing is.
        depth: (H, W) [m] there, 0 where nothing is.
        window: (H * factor, W * factor) depth buffer of the same scene, 1 where nothing is.
    """
    factor = len(window) // len(depth)
    box = _filled(depth)
    result = colour.copy()
    part = tuple(slice(side.start * factor, side.stop * factor) for side in box)
    colour, depth, window = colour[box], depth[box], window[part]
    # One row per sample of a pixel: plain arrays are far faster than strided views.
    height, width = depth.shape
    blocks = window.reshape(height, factor, width, factor).transpose(1, 3, 0, 2)
    samples = np.ascontiguousarray(blocks).reshape(factor * factor, height, width)
    centre = window_from_depth(depth)
    rows, columns = np.nonzero(_on_edge(depth, centre, samples))
    if len(rows):
        inside = samples[:, rows, columns]
        result[box][rows, columns] = _mixed(colour, centre, inside, rows, columns)
    return result


def _filled(depth: Depth) -> tuple[slice, slice]:
    """Return the rows and columns of what is drawn, and two more around it."""
    sides = []
    for axis in (1, 0):
        there = np.flatnonzero(depth.any(axis=axis))
        low, high = (there[0], there[-1]) if len(there) else (0, 0)
        sides.append(slice(max(int(low) - 2, 0), int(high) + 3))
    rows, columns = sides
    return slice(rows.start, min(rows.stop, depth.shape[0])), slice(
        columns.start, min(columns.stop, depth.shape[1])
    )


def _on_edge(depth: Depth, centre: Depth, samples: Depth) -> npt.NDArray[np.bool_]:
    """Return (H, W), True where not all samples belong to the surface at the pixel's centre."""
    lowest = np.minimum(samples.min(axis=0), centre)
    highest = np.maximum(samples.max(axis=0), centre)
    # A step in z is a step in the buffer over z squared; where nothing is, any sample is one.
    allowed = _STEP / np.maximum(depth, 0.1) ** 2
    return np.asarray(highest - lowest > allowed)


def _mixed(colour: Image, centre: Depth, samples: Depth, rows: Index, columns: Index) -> Image:
    """Return (E, 4): the mean over the samples (S, E) of edge pixels."""
    width = centre.shape[1] + 2
    places = (rows + 1) * width + columns + 1
    window = np.pad(np.where(centre < 1.0, centre, np.float32(np.inf)), 1, constant_values=np.inf)
    colours = np.pad(colour.view(np.uint32)[..., 0], 1).ravel()  # four bytes at once
    everywhere = np.arange(len(rows))
    total = np.zeros((len(rows), 4), np.uint16)
    for sample, (down, right) in zip(samples, _sides(len(samples)), strict=True):
        # The pixel itself wins a tie, then its sides, then its corner.
        steps = np.array((0, down * width, right, down * width + right))
        near = places + steps[:, None]
        best = np.abs(window.ravel()[near] - sample).argmin(axis=0)
        taken = np.where(sample < 1.0, colours[near[best, everywhere]], np.uint32(0))
        total += taken.view(np.uint8).reshape(-1, 4)
    return np.asarray((total + len(samples) // 2) // len(samples)).astype(np.uint8)


def _sides(samples: int) -> list[tuple[int, int]]:
    """Return to which side (down, right) of the middle of its pixel each sample lies."""
    factor = math.isqrt(samples)
    away = [int(np.sign(2 * place + 1 - factor)) for place in range(factor)]
    return [(down, right) for down in away for right in away]
