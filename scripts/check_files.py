"""Check the files that no linter reads: they parse, end in a newline and are not too big.

python scripts/check_files.py [FILE ...]      without files: everything in the checkout
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from xml.etree import ElementTree

import yaml

LARGEST_BYTES = 10_000_000
GENERATED = {"build", "install", "log", "out", "runs", "__pycache__"}
OURS_WITH_A_DOT = {".ci", ".gitignore", ".pre-commit-config.yaml"}
PARSERS: dict[str, Callable[[str], object]] = {
    ".yaml": lambda text: list(yaml.compose_all(text, Loader=yaml.SafeLoader)),
    ".yml": lambda text: list(yaml.compose_all(text, Loader=yaml.SafeLoader)),
    ".xml": ElementTree.fromstring,
    ".urdf": ElementTree.fromstring,
    ".rviz": yaml.safe_load,
    ".json": json.loads,
}
BINARY = {".npz", ".safetensors", ".mcap", ".png", ".jpg", ".mp4"}


def main(names: list[str]) -> int:
    """Print one line for each fault; 1 when there was any."""
    paths = [Path(name) for name in names] or list(_walk(Path()))
    faults = [f"{path}: {fault}" for path in paths if path.is_file() for fault in _faults(path)]
    print("\n".join(faults) or f"{len(paths)} files are well-formed")
    return 1 if faults else 0


def _walk(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        hidden = path.name.startswith(".") and path.name not in OURS_WITH_A_DOT
        if hidden or path.name in GENERATED or path.suffix == ".egg-info":
            continue
        if path.is_dir():
            yield from _walk(path)
        else:
            yield path


def _faults(path: Path) -> Iterator[str]:
    if path.stat().st_size > LARGEST_BYTES:
        yield f"{path.stat().st_size} bytes, at most {LARGEST_BYTES} are kept in the repository"
    if path.suffix in BINARY:
        return
    try:
        text = path.read_bytes().decode()
    except UnicodeDecodeError as error:
        yield f"not UTF-8: {error}"
        return
    yield from _text_faults(text)
    try:
        PARSERS.get(path.suffix, str)(text)
    except (yaml.YAMLError, ElementTree.ParseError, ValueError) as error:
        yield "does not parse: " + " ".join(str(error).split())


def _text_faults(text: str) -> Iterator[str]:
    if text and not text.endswith("\n"):
        yield "no newline at the end"
    for number, line in enumerate(text.splitlines(), start=1):
        if line != line.rstrip():
            yield f"line {number}: trailing space"
        if line.startswith(("<" * 7 + " ", ">" * 7 + " ")):
            yield f"line {number}: merge marker"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
