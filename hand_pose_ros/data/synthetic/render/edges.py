"""Smooth edges: what was shaded once per pixel, laid out on several depth samples per pixel.

Shading costs far more than depth, so hands are shaded at pixel centres and only their depth is
drawn finer. A sample takes its colour from the neighbouring pixel whose depth is most like its.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from hand_pose_ros.data.synthetic.render.projection import window_from_depth

_STEP = 0.00004
"""A sample this far off in the depth buffer, 1.3 mm at 1 m, may be of another surface."""
_NEIGHBOURS = np.array([(row, column) for row in (0, -1, 1) for column in (0, -1, 1)])
"""The pixel itself wins a tie, then its sides, then its corners."""

Image = npt.NDArray[np.uint8]
Depth = npt.NDArray[np.float32]


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
        result[box][rows, columns] = _mixed(colour, depth, centre, inside, rows, columns)
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


def _mixed(
    colour: Image,
    depth: Depth,
    centre: Depth,
    samples: Depth,
    rows: npt.NDArray[np.int64],
    columns: npt.NDArray[np.int64],
) -> Image:
    """Return (E, 4): the mean over the samples (S, E) of edge pixels."""
    height, width = depth.shape
    near_rows = np.clip(rows + _NEIGHBOURS[:, :1], 0, height - 1)
    near_columns = np.clip(columns + _NEIGHBOURS[:, 1:], 0, width - 1)
    place = near_rows * width + near_columns
    found = np.where(depth.ravel()[place] > 0, centre.ravel()[place], np.float32(np.inf))
    best = np.abs(found - samples[:, None]).argmin(axis=1)
    everywhere = np.arange(len(rows))
    use = (samples < 1.0) & np.isfinite(found[best, everywhere])
    taken = colour.reshape(-1, 4)[place[best, everywhere]] * use[..., None]
    total = taken.sum(axis=0, dtype=np.uint16)
    return np.asarray((total + len(samples) // 2) // len(samples)).astype(np.uint8)
