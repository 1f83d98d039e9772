"""Draw what the studio makes as contact sheets: samples of all kinds, fists, pairs, every skin.

Writes `docs/images/synth_*.jpg`. Needs the extra `render`.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from hand_pose_ros.data.synthetic.config import preset
from hand_pose_ros.data.synthetic.studio import Studio
from hand_pose_ros.data.synthetic.threads import use_one_thread

FOLDER = Path(__file__).parents[1] / "docs" / "images"
COLUMNS, SHOWN_PX, QUALITY = 8, 160, 88
SHEETS = {"train": 64, "fists": 32, "two_hands": 32}
TONES = 24


def sheet(pictures: Iterable[npt.NDArray[np.uint8]]) -> npt.NDArray[np.uint8]:
    """Return pictures (RGB) side by side, `COLUMNS` in a row."""
    shown = [cv2.resize(p, (SHOWN_PX, SHOWN_PX), interpolation=cv2.INTER_AREA) for p in pictures]
    rows = [shown[start : start + COLUMNS] for start in range(0, len(shown), COLUMNS)]
    return np.vstack([np.hstack(row) for row in rows])


def samples_of(name: str, count: int, seed: int) -> list[npt.NDArray[np.uint8]]:
    """Return images of a preset."""
    with Studio(preset(name).config) as studio:
        blocks = (studio.block(seed, number) for number in itertools.count())
        samples = itertools.chain.from_iterable(blocks)
        return [sample.image_rgb for sample in itertools.islice(samples, count)]


def tones(count: int, seed: int) -> list[npt.NDArray[np.uint8]]:
    """Return frontal hands from the lightest skin to the darkest: each the nearest of many."""
    config = replace(preset("frontal").config, families=("open", "relaxed"))
    with Studio(config) as studio:
        found = [s for number in range(4) for s in studio.block(seed, number)]
    bare = [(s, studio_tone(s.hands[0].identity)) for s in found]
    wanted = np.linspace(0.0, 1.0, count)
    chosen = []
    for tone in wanted:
        bare.sort(key=lambda pair, tone=tone: abs(pair[1] - tone))
        chosen.append(bare.pop(0)[0].image_rgb)
    return chosen


def studio_tone(number: int) -> float:
    """Return the skin tone of a person, 2 for one who wears gloves."""
    from hand_pose_ros.data.synthetic.body.people import person

    look = person(number).look
    return 2.0 if look.worn.glove else look.skin.tone


def main() -> None:
    """Write the sheets."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=FOLDER)
    parser.add_argument("--seed", type=int, default=11)
    arguments = parser.parse_args()
    use_one_thread()
    pictures = {name: samples_of(name, n, arguments.seed) for name, n in SHEETS.items()}
    pictures["tones"] = tones(TONES, arguments.seed)
    for name, images in pictures.items():
        path = arguments.out / f"synth_{name}.jpg"
        cv2.imwrite(str(path), sheet(images)[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
        print(path)


if __name__ == "__main__":
    main()
