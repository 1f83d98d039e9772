"""The build step that pyproject.toml cannot say: folders beside the package go into the wheel.

`msg/` must stay at the top for ROS, and a source folder `hand_pose_ros/msg` would hide the module
that ROS generates under that name. So a wheel carries a copy in a place of its own, which
`hand_pose_ros/resources.py` finds.
"""

from pathlib import Path
from shutil import copy2

from setuptools import setup
from setuptools.command.build_py import build_py

# Folder of the checkout, what to take from it, where it goes inside the installed package.
COPIED_FOLDERS = (
    ("msg", "*.msg", "ros/interfaces"),
    ("samples", "*.mcap", "samples"),
)


class BuildWithResources(build_py):
    """`build_py` that also copies the folders above; an editable install reads them in place."""

    def run(self) -> None:
        """Build the package, then lay the copies beside its modules."""
        super().run()
        if self.editable_mode:
            return
        for folder, pattern, target in COPIED_FOLDERS:
            destination = Path(self.build_lib, "hand_pose_ros", target)
            for source in sorted(Path(folder).glob(pattern)):
                destination.mkdir(parents=True, exist_ok=True)
                copy2(source, destination)


setup(cmdclass={"build_py": BuildWithResources})
