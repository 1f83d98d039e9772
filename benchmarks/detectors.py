"""Our own detector beside MediaPipe Hands: found hands, sides, 2D errors, time.

On rendered whole images of people that nothing was trained on, and where given on a folder of real
images with known hands and on a real video with one hand in every frame.
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from hand_pose_ros.cli.progress import use_threads
from hand_pose_ros.data.boxes import box_around
from hand_pose_ros.data.folder import read_folder, read_image
from hand_pose_ros.data.frames import Frame, Picture, compose
from hand_pose_ros.data.synthetic.config import preset
from hand_pose_ros.data.synthetic.stream import studio_dataset
from hand_pose_ros.evaluation.detection import SIZES, DetectionScore
from hand_pose_ros.models.registry import DETECTORS
from hand_pose_ros.runtime.config import DetectorConfig
from hand_pose_ros.runtime.detect import Detection
from hand_pose_ros.runtime.detectors import make_detector
from hand_pose_ros.runtime.finders import Finder, make_finder

SIDE = 640
"""Of the rendered whole images [px]."""
SEED = 72
MARGIN_PX = 64
"""Black pixels around each real image, which a hand nearly fills."""
MISSED = 0.3
"""Mean 2D error, in sides of the hand's box, from which a hand counts as not found."""
EMPTY_SHARE = 0.2
"""Share of whole images made of pictures without a hand."""


def rendered_frames(count: int, pictures: int) -> list[Frame]:
    """Return whole images of people of the test split."""
    samples = studio_dataset(preset("frames").config, split="test", seed=SEED)
    bar = tqdm(samples, total=pictures, desc="render", unit="image", disable=None)
    drawn = [Picture.of_sample(sample) for sample in itertools.islice(bar, pictures)]
    random = np.random.default_rng(SEED)

    def draw_empty() -> Picture:
        """Return a part of a picture that shows no hand."""
        while True:
            picture = drawn[int(random.integers(len(drawn)))]
            if (part := without_hands(picture)) is not None:
                return part

    def draw() -> Picture:
        return drawn[int(random.integers(len(drawn)))]

    ways = [draw_empty if random.random() < EMPTY_SHARE else draw for _ in range(count)]
    return [compose(way, random, SIDE) for way in ways]


def without_hands(picture: Picture) -> Picture | None:
    """Return the largest half of a picture in which no hand is, or None where there is none."""
    height, width = picture.image_rgb.shape[:2]
    points, slack = picture.keypoints_px.reshape(-1, 2), 0.06 * width
    halves = (
        (picture.image_rgb[:, : width // 2], points[:, 0] > width // 2 + slack),
        (picture.image_rgb[:, width // 2 :], points[:, 0] < width // 2 - slack),
        (picture.image_rgb[: height // 2], points[:, 1] > height // 2 + slack),
        (picture.image_rgb[height // 2 :], points[:, 1] < height // 2 - slack),
    )
    free = [part for part, is_outside in halves if is_outside.all()]
    return Picture(free[0], np.zeros((0, 21, 2)), np.zeros(0, bool)) if free else None


def score_frames(finder: Finder, frames: Iterable[Frame]) -> tuple[DetectionScore, list[float]]:
    """Return the counts and the time of each image [ms]."""
    score, times = DetectionScore(), []
    for frame in frames:
        start = time.perf_counter()
        hands = sorted(finder.find(frame.image_rgb), key=lambda hand: -hand.score)
        times.append((time.perf_counter() - start) * 1e3)
        seen = [(hand.keypoints_px, hand.side == "right") for hand in hands]
        true = list(zip(frame.keypoints_px, frame.right, strict=True))
        score.add(seen, true, frame.ignored, SIDE)
    return score, times


def print_frames(name: str, score: DetectionScore, times: list[float]) -> None:
    """Print a row for each number."""
    classes = zip(itertools.pairwise(SIZES), score.recall, score.hands, strict=True)
    recall = ", ".join(
        f"{low:.0%}-{min(high, 1.0):.0%} {share:.1%} of {hands}"
        for (low, high), share, hands in classes
    )
    print(
        f"{name}: rendered, {score.images} images: recall {sum(score.found)} of "
        f"{sum(score.hands)} ({recall}); precision {score.precision:.1%}; "
        f"side {score.right_side:.1%}; a hand in {score.false_in_empty} of {score.empty} images "
        f"without; 2D error median {np.median(score.errors):.1%}; {np.median(times):.1f} ms"
    )


def print_folder(name: str, finder: Finder, folder: Path) -> None:
    """Print what is found in real images, by one look at each."""
    found, right, errors = 0, 0, []
    samples = read_folder(folder, require=("keypoints",))
    for sample in samples:
        image = read_image(sample.path)
        true = sample.camera(image.shape[1], image.shape[0]).project(sample.keypoints)
        margin = ((MARGIN_PX, MARGIN_PX), (MARGIN_PX, MARGIN_PX), (0, 0))
        hands = finder.find(np.pad(image, margin))
        if not hands:
            continue
        hand = max(hands, key=lambda hand: hand.score)
        apart = np.linalg.norm(hand.keypoints_px - MARGIN_PX - true, axis=-1).mean()
        error = apart / max(box_around(true)[2:])
        if error < MISSED:
            found, right = found + 1, right + (hand.side == sample.side)
            errors.append(error)
    print(
        f"{name}: {folder.name}, {len(samples)} images: found {found}, right side {right}, "
        f"2D error {np.mean(errors):.2%} of the hand's box, median {np.median(errors):.2%}"
    )


def run_video(names: list[str], video: Path, max_hands: int) -> None:
    """Print what is followed in a video; the detectors take turns, frame by frame.

    On a machine that does other work, too, the time of all cores says more than that of a clock.
    """
    detectors = {name: make_detector(DetectorConfig(max_hands, name=name)) for name in names}
    hands: dict[str, list[list[Detection]]] = {name: [] for name in names}
    times: dict[str, list[float]] = {name: [] for name in names}
    worked: dict[str, list[float]] = {name: [] for name in names}
    capture, number = cv2.VideoCapture(str(video)), 0
    while True:
        is_read, image = capture.read()
        if not is_read:
            break
        image_rgb = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
        for name in names[:: 1 if number % 2 else -1]:
            start, started = time.perf_counter(), time.process_time()
            hands[name].append(detectors[name].detect(np.asarray(image_rgb, np.uint8)))
            times[name].append((time.perf_counter() - start) * 1e3)
            worked[name].append((time.process_time() - started) * 1e3)
        number += 1
    for name in names:
        sides = Counter(hand.side for seen in hands[name] for hand in seen)
        print(
            f"{name}: {video.name}, {number} frames, {max_hands} looked for: a hand in "
            f"{sum(map(bool, hands[name]))}, two in {sum(len(seen) > 1 for seen in hands[name])}, "
            f"sides {dict(sides)}, jitter {jitter(hands[name]):.2f} px a frame squared, "
            f"{np.mean(times[name]):.1f} ms, median {np.median(times[name]):.1f} ms, "
            f"of all cores {np.mean(worked[name]):.1f} ms"
        )


def jitter(hands: list[list[Detection]]) -> float:
    """Return the mean acceleration of the keypoints of the surest hand [px a frame squared]."""
    best = [
        max(seen, key=lambda hand: hand.score).keypoints_px if seen else None for seen in hands
    ]
    runs = zip(best, best[1:], best[2:], strict=False)
    accelerations = [
        np.linalg.norm(before - 2.0 * now + after, axis=-1).mean()
        for before, now, after in runs
        if before is not None and now is not None and after is not None
    ]
    return float(np.mean(accelerations))


def main() -> int:
    """Print everything that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--detector", nargs="+", choices=DETECTORS, default=list(DETECTORS))
    parser.add_argument("--frames", type=int, default=400, help="rendered images; 0 for none")
    parser.add_argument("--pictures", type=int, default=896, help="of which they are made")
    parser.add_argument("--folder", type=Path, help="real images with known hands")
    parser.add_argument("--video", type=Path, help="a video with one hand in every frame")
    arguments = parser.parse_args()
    use_threads()
    if arguments.frames:
        frames = rendered_frames(arguments.frames, arguments.pictures)
        for name in arguments.detector:
            finder = make_finder(DetectorConfig(8, name=name))
            print_frames(name, *score_frames(finder, tqdm(frames, desc=name, disable=None)))
    if arguments.folder:
        for name in arguments.detector:
            print_folder(name, make_finder(DetectorConfig(1, name=name)), arguments.folder)
    if arguments.video:
        for max_hands in (1, 2):
            run_video(arguments.detector, arguments.video, max_hands)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
