"""Ranges and means of all parameters of the hand in one object, anatomical or measured."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from hand_pose_ros.errors import InputError, ShapeError
from hand_pose_ros.hand import skeleton

Range = tuple[float, float]

_COUNTS = {
    "articulation": len(skeleton.ARTICULATION),
    "offsets": len(skeleton.OFFSETS),
    "ratios": len(skeleton.BONES),
    "default_offsets": len(skeleton.OFFSETS),
    "default_ratios": len(skeleton.BONES),
}


@dataclass(frozen=True)
class HandLimits:
    """What a hand can be: limits and means in the shapes of the constants of `skeleton`.

    Attributes:
        articulation: 23 (min, max) [rad], order `skeleton.ARTICULATION`.
        offsets: 15 (min, max) [rad], order `skeleton.OFFSETS`.
        ratios: 20 (min, max) of bone over anchor bone, order `skeleton.BONES`.
        default_offsets: 15 [rad], within `offsets`.
        default_ratios: 20, within `ratios`.
        anchor_length: mean length of the anchor bone [m].

    Raises:
        ShapeError: a field has another number of entries.
        InputError: a range is empty or not finite, a mean outside its range, or no anchor length.
    """

    articulation: tuple[Range, ...] = skeleton.ARTICULATION_LIMITS
    offsets: tuple[Range, ...] = skeleton.OFFSET_LIMITS
    ratios: tuple[Range, ...] = skeleton.RATIO_LIMITS
    default_offsets: tuple[float, ...] = skeleton.DEFAULT_OFFSETS
    default_ratios: tuple[float, ...] = skeleton.DEFAULT_RATIOS
    anchor_length: float = skeleton.DEFAULT_ANCHOR_LENGTH

    def __post_init__(self) -> None:
        for name, count in _COUNTS.items():
            if len(getattr(self, name)) != count:
                raise ShapeError(f"{name} has {len(getattr(self, name))} entries, not {count}")
        for name in ("articulation", "offsets", "ratios"):
            for index, (low, high) in enumerate(getattr(self, name)):
                if not (math.isfinite(low) and math.isfinite(high) and low <= high):
                    raise InputError(
                        f"{name}[{index}] is ({low}, {high}); it must rise and be finite"
                    )
        for name in ("offsets", "ratios"):
            ranges, means = getattr(self, name), getattr(self, f"default_{name}")
            for index, ((low, high), mean) in enumerate(zip(ranges, means, strict=True)):
                if not low - 1e-9 <= mean <= high + 1e-9:
                    raise InputError(f"default_{name}[{index}] is {mean}, not in ({low}, {high})")
        if not (math.isfinite(self.anchor_length) and self.anchor_length > 0.0):
            raise InputError(f"anchor_length is {self.anchor_length}; it must be above 0")

    def widened(self, angle: float, ratio: float) -> HandLimits:
        """Return limits with `angle` [rad] more at each end, and a share `ratio` of each ratio."""
        return HandLimits(
            tuple((low - angle, high + angle) for low, high in self.articulation),
            tuple((low - angle, high + angle) for low, high in self.offsets),
            tuple(
                (low, high) if low == high else (low * (1.0 - ratio), high * (1.0 + ratio))
                for low, high in self.ratios
            ),
            self.default_offsets,
            self.default_ratios,
            self.anchor_length,
        )

    def tensor(self, name: str, like: Tensor) -> Float[Tensor, "..."]:
        """Return a field as a tensor of the dtype and device of `like`."""
        return torch.tensor(getattr(self, name), dtype=like.dtype, device=like.device)

    def save(self, path: str | Path) -> None:
        """Write the limits as JSON or, for .yaml and .yml, as YAML."""
        path, content = Path(path), _plain(asdict(self))
        if _is_yaml(path):
            import yaml

            text = yaml.safe_dump(content, sort_keys=False, default_flow_style=None)
        else:
            text = json.dumps(content, indent=1) + "\n"
        path.write_text(text, encoding="utf-8")

    @classmethod
    def load(cls, path: str | Path) -> HandLimits:
        """Return the limits that `save` wrote.

        Raises:
            InputError: the file is missing or broken; the message names it.
        """
        path = Path(path)
        try:
            content = _parse(path)
        except (OSError, ValueError) as error:
            raise InputError(f"{path} is not a readable file of limits: {error}") from error
        names = {field.name for field in fields(cls)}
        if not isinstance(content, dict) or set(content) != names:
            raise InputError(f"{path} must hold exactly {sorted(names)}")
        try:
            return cls(**{name: _frozen(value) for name, value in content.items()})
        except (TypeError, ValueError) as error:
            raise InputError(f"{path}: {error}") from error


def _is_yaml(path: Path) -> bool:
    return path.suffix.lower() in (".yaml", ".yml")


def _parse(path: Path) -> Any:
    text = path.read_text(encoding="utf-8")
    if not _is_yaml(path):
        return json.loads(text)
    import yaml

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, tuple) else value


def _frozen(value: Any) -> Any:
    return tuple(_frozen(item) for item in value) if isinstance(value, list) else float(value)
