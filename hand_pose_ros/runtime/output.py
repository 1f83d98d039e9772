"""A folder of results that is either whole or absent, and never harms what was there before."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path

from hand_pose_ros.errors import InputError, OutputError


class OutputFolder:
    """Collects files beside their destination, and takes their place there at the end.

    A complete run replaces an earlier one. An incomplete one goes to the destination only if that
    is free, and else beside it as NAME.partial. A folder that is not one of ours is not touched.

    Args:
        path: the destination.
        marker: name of the file by which a folder is known to be ours.

    Attributes:
        work: where to write until `finish`.

    Raises:
        InputError: the destination is a file, or a folder with other things in it.
        OutputError: there can be no folder.
    """

    def __init__(self, path: str | Path, marker: str) -> None:
        # Not resolved: a link to a folder stays a link.
        self.path, self._marker = Path(os.path.abspath(path)), marker
        self._check(self.path)
        self.work = self.path.with_name(f".{self.path.name}.{os.getpid()}.new")
        try:
            shutil.rmtree(self.work, ignore_errors=True)
            self.work.mkdir(parents=True)
        except OSError as error:
            raise OutputError(
                f"cannot make a folder in {self.path.parent}: {error.strerror}"
            ) from error

    def finish(self, complete: bool) -> Path:
        """Put the files where they belong and return where that is.

        Raises:
            OutputError: they could not be moved; the message says where they are.
        """
        try:
            free = not self.path.exists() or not any(self.path.iterdir())
            target = self.path if complete or free else self._partial()
            return self._replace(target)
        except OSError as error:
            raise OutputError(
                f"the results stay in {self.work}: moving them to {self.path} failed: "
                f"{error.strerror}"
            ) from error

    def discard(self) -> None:
        """Leave no trace."""
        shutil.rmtree(self.work, ignore_errors=True)

    def _check(self, path: Path) -> None:
        if path.is_dir():
            ours = not any(path.iterdir()) or (path / self._marker).is_file()
            if not ours:
                raise InputError(
                    f"{path} holds other things (no {self._marker}); choose another folder"
                )
        elif path.exists() or path.is_symlink():
            raise InputError(f"{path} is not a folder")

    def _partial(self) -> Path:
        partial = self.path.with_name(f"{self.path.name}.partial")
        with contextlib.suppress(InputError):
            self._check(partial)
            return partial
        raise OSError(0, f"{partial} holds other things")

    def _replace(self, target: Path) -> Path:
        before = self.work.with_suffix(".old")
        if target.exists():
            shutil.rmtree(before, ignore_errors=True)
            target.rename(before)
        try:
            self.work.rename(target)
        except OSError:
            if before.exists():
                before.rename(target)
            raise
        shutil.rmtree(before, ignore_errors=True)
        return target
