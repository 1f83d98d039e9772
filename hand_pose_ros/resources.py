"""Where the files that ship with the package lie: a checkout, a wheel or a ROS workspace."""

from __future__ import annotations

from pathlib import Path

from hand_pose_ros.errors import UnavailableError

_PACKAGE = Path(__file__).resolve().parent


def interface_folder() -> Path:
    """Folder of our `.msg` files, the source of every message class.

    Raises:
        UnavailableError: the installation carries none.
    """
    return _find("msg", "ros/interfaces", "*.msg")


def samples_folder() -> Path:
    """Folder of the recorded samples that ship with the project.

    Raises:
        UnavailableError: the installation carries none.
    """
    return _find("samples", "samples", "*")


def weights_folder() -> Path:
    """Folder of the trained networks: safetensors and a model card each."""
    return _PACKAGE / "weights"


def _find(name: str, installed_name: str, pattern: str) -> Path:
    """Look in the checkout, in the installed package, then in the share folder of a workspace."""
    places = [_PACKAGE / installed_name]
    if (_PACKAGE.parent / "package.xml").is_file():
        places.insert(0, _PACKAGE.parent / name)
    # <prefix>/lib/python3.X/site-packages/hand_pose_ros beside <prefix>/share/hand_pose_ros
    if len(_PACKAGE.parents) > 3:
        places.append(_PACKAGE.parents[3] / "share" / "hand_pose_ros" / name)
    for place in places:
        if any(place.glob(pattern)):
            return place
    looked = ", ".join(str(place) for place in places)
    raise UnavailableError(f"the folder '{name}' of hand_pose_ros is missing; looked in {looked}")
