"""Where a run is computed: one CPU, one GPU or many processes together, by Lightning Fabric."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any

import torch

from hand_pose_ros.errors import ConfigError, UnavailableError

if TYPE_CHECKING:
    from lightning_fabric import Fabric

ACCELERATORS = ("auto", "cpu", "cuda", "mps")


def make_fabric(accelerator: str, devices: int) -> Fabric:
    """Return what a run is launched with.

    With several devices each is used by a process of its own, which runs the same command again;
    they average their gradients (DistributedDataParallel).

    Args:
        accelerator: one of `ACCELERATORS`; auto takes a GPU where there is one.
        devices: how many of them; of CPUs: how many processes.

    Raises:
        UnavailableError: Lightning Fabric is not installed.
        ConfigError: there are no such devices, or not so many.
    """
    try:
        from lightning_fabric import Fabric
        from lightning_fabric.strategies import DDPStrategy
        from lightning_fabric.utilities.exceptions import MisconfigurationException
    except ImportError as error:
        raise UnavailableError(
            "training needs lightning-fabric: pip install 'hand_pose_ros[train]'"
        ) from error
    # A batch may use only some of the weights, such as those for hands without an image.
    strategy = DDPStrategy(find_unused_parameters=True) if devices > 1 else "auto"
    try:
        return Fabric(accelerator=accelerator, devices=devices, strategy=strategy)
    except (MisconfigurationException, RuntimeError, ValueError) as error:
        raise ConfigError(
            f"cannot train with accelerator {accelerator!r} and {devices} devices: {error}"
        ) from error


class Whole:
    """A batch on a device, as it goes into a module: a dataclass Fabric would take apart."""

    def __init__(self, batch: Any, device: torch.device) -> None:
        self.batch = to_device(batch, device)


def to_device(value: Any, device: torch.device) -> Any:
    """Return a tensor, or a dataclass of tensors and such dataclasses, on a device."""
    if isinstance(value, torch.Tensor):
        return value.to(device)
    if not is_dataclass(value) or isinstance(value, type):
        return value
    parts = {part.name: to_device(getattr(value, part.name), device) for part in fields(value)}
    return type(value)(**parts)
