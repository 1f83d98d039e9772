"""Write `urdf/left_hand.urdf` and `urdf/right_hand.urdf`, the hands that the package installs.

python scripts/write_urdf.py
"""

from __future__ import annotations

from pathlib import Path

from hand_pose_ros.hand import skeleton
from hand_pose_ros.ros.urdf import hand_urdf

FOLDER = Path(__file__).resolve().parent.parent / "urdf"


def main() -> None:
    """Write both files."""
    for side in skeleton.SIDES:
        path = FOLDER / f"{side}_hand.urdf"
        path.write_text(f"{hand_urdf(side)}\n", encoding="utf-8")
        print(path)


if __name__ == "__main__":
    main()
