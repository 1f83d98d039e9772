"""Write requirements/lock.txt: one version of every package for every Python we support.

    python requirements/lock.py python3.10 python3.11 python3.12

The oldest Python comes first and binds the others, so that all run the same versions wherever
they can. Run it with Python 3.11 or later and a pip (25 or later) that resolves from metadata.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

import tomllib

ROOT = Path(__file__).resolve().parent.parent
EXTRAS = ("opencv", "onnx", "openvino", "render", "video", "train", "report", "test")
# Kept at these versions on purpose; everything else is the newest that fits.
CHOSEN = ("torch==2.13.0", "numpy==1.26.4", "opencv-python-headless==4.11.0.86")
MEDIAPIPE = "mediapipe==0.10.21"
# What mediapipe.solutions.hands imports. Its metadata also asks for jax, jaxlib, sounddevice and
# sentencepiece, which it never imports here, and for an OpenCV that needs libGL.
MEDIAPIPE_NEEDS = (
    "absl-py",
    "attrs>=19.1.0",
    "flatbuffers>=2.0",
    "matplotlib",
    "protobuf>=4.25.3,<5",
)
BUILD = ("setuptools>=77",)
# The build of torch decides which of these it wants; pip asks it.
OF_TORCH = re.compile(r"^(nvidia-|cuda-|triton$)")
HEADER = """\
# Every package of the environment, written by requirements/lock.py; do not edit.
# Installed by requirements/install.sh with --no-deps, because mediapipe asks for packages that we
# replace (OpenCV with a display) or never import (jax, jaxlib, sounddevice, sentencepiece).
"""


def main(pythons: list[str]) -> None:
    """Resolve for each interpreter and write the union."""
    pins: dict[str, dict[str, str]] = {}
    for python in pythons:
        bound = {name: version for found in pins.values() for name, version in found.items()}
        pins[_minor(python)] = _resolve(python, bound)
    lines = [*_lines(pins), MEDIAPIPE]
    text = HEADER + "\n".join(sorted(lines, key=str.lower)) + "\n"
    (ROOT / "requirements" / "lock.txt").write_text(text)


def _direct() -> list[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = [each for name in EXTRAS for each in project["optional-dependencies"][name]]
    return [*project["dependencies"], *extras, *CHOSEN, *MEDIAPIPE_NEEDS, *BUILD]


def _minor(python: str) -> str:
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    return subprocess.check_output([python, "-c", code], text=True).strip()


def _resolve(python: str, bound: dict[str, str]) -> dict[str, str]:
    """Name to version for one interpreter; nothing is installed."""
    with tempfile.TemporaryDirectory() as folder:
        constraints = Path(folder, "constraints.txt")
        constraints.write_text("".join(f"{name}=={pin}\n" for name, pin in bound.items()))
        report = Path(folder, "report.json")
        command = [sys.executable, "-m", "pip", "--python", python, "install", "--dry-run"]
        command += [
            "--ignore-installed",
            "--only-binary=:all:",
            "--quiet",
            "--report",
            str(report),
        ]
        subprocess.run([*command, "-c", str(constraints), *_direct()], check=True)
        found = json.loads(report.read_text())["install"]
    pins = {each["metadata"]["name"]: each["metadata"]["version"] for each in found}
    return {
        name: version.partition("+")[0]
        for name, version in pins.items()
        if not OF_TORCH.match(name.lower())
    }


def _lines(pins: dict[str, dict[str, str]]) -> Iterable[str]:
    """One line a package; a marker where not every Python has it."""
    for name in sorted({name for found in pins.values() for name in found}):
        minors = [minor for minor, found in pins.items() if name in found]
        version = pins[minors[0]][name]
        if len(minors) == len(pins):
            yield f"{name}=={version}"
        else:
            marker = " or ".join(f'python_version == "{minor}"' for minor in minors)
            yield f"{name}=={version} ; {marker}"


if __name__ == "__main__":
    main(sys.argv[1:])
