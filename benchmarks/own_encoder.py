"""Errors of image models whose encoder is ours, on labelled images, with no other network near.

The first look is at the image's box, or at all of it where it has none; each next one where the
keypoints of the one before say. With `--frame true` the only look is where the true keypoints say:
what a detector that errs in nothing would make of it.

    python benchmarks/own_encoder.py DATASET WEIGHTS.safetensors [MORE.safetensors] [--looks 3]
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import torch

from hand_pose_ros.data.folder import FolderSample, read_folder, read_image
from hand_pose_ros.errors import HandPoseError, InputError
from hand_pose_ros.evaluation.looking import (
    Scene,
    Views,
    as_rays,
    look_again,
    views_of_boxes,
    views_of_rays,
)
from hand_pose_ros.evaluation.metrics import mpjpe_scaled, pa_mpjpe
from hand_pose_ros.models.encoders import OwnLook
from hand_pose_ros.models.image import ImageEncoder
from hand_pose_ros.models.lifter import METHODS, SamplingConfig
from hand_pose_ros.runtime.lift import NOISE_SEED, balanced_noise
from hand_pose_ros.runtime.weights import load_weights


def scenes_of(samples: list[FolderSample]) -> list[Scene]:
    """Return the images with their cameras."""
    images = [read_image(sample.path) for sample in samples]
    return [
        Scene(image, sample.camera(image.shape[1], image.shape[0]), sample.side == "left")
        for sample, image in zip(samples, images, strict=True)
    ]


def first_views(samples: list[FolderSample], scenes: list[Scene], frame: str) -> Views:
    """Return where to look first."""
    if frame == "true":
        return views_of_rays(torch.stack([*map(true_rays, samples, scenes)]))
    whole = [(0.0, 0.0, scene.camera.width, scene.camera.height) for scene in scenes]
    boxes = np.array([sample.box or box for sample, box in zip(samples, whole, strict=True)])
    return views_of_boxes(scenes, boxes)


def true_rays(sample: FolderSample, scene: Scene) -> torch.Tensor:
    """Return where the true keypoints are seen (21, 2), of a left hand in a mirror."""
    points = np.asarray(sample.keypoints) * ((-1.0 if scene.is_left else 1.0), 1.0, 1.0)
    return torch.from_numpy(points[:, :2] / points[:, 2:]).float()


def errors(path: Path, dataset: Path, looks: int, frame: str) -> dict[str, float]:
    """Return the errors of one file of weights."""
    encoder, lifter = load_weights(path)
    if not (isinstance(encoder, ImageEncoder) and isinstance(encoder.look, OwnLook)):
        raise InputError(f"{path} has no encoder of ours")
    samples = read_folder(dataset, require=("keypoints", "side"))
    scenes = scenes_of(samples)
    first = first_views(samples, scenes, frame)
    views, pooled, reading = look_again(encoder.look, scenes, first, looks)
    truth = np.stack([np.asarray(sample.keypoints) for sample in samples])
    flip = np.array([(-1.0 if scene.is_left else 1.0, 1.0, 1.0) for scene in scenes])[:, None]
    row = image_errors(scenes, truth, as_rays(reading.places, views).numpy() * flip[..., :2])
    row["side_right"] = float((reading.left < 0).float().mean())
    row["present"] = float((reading.present > 0).float().mean())
    noise = balanced_noise(8, torch.Generator().manual_seed(NOISE_SEED))
    with torch.inference_mode():
        condition = encoder.condition(pooled, views.half_width)
        lifted = {
            method: lifter(condition, SamplingConfig(method=method), noise).points
            for method in METHODS
        }
    for name, points in {"heads": reading.world, **lifted}.items():
        turned = (points @ views.R_view_camera).double().numpy() * flip
        row[f"{name}_pa_mm"] = float(np.mean(pa_mpjpe(turned, truth)))
        row[f"{name}_scaled_mm"] = float(np.mean(mpjpe_scaled(turned, truth)))
    return row


def image_errors(scenes: list[Scene], truth: np.ndarray, rays: np.ndarray) -> dict[str, float]:
    """Return the mean distance in the image [px], and over the longer side of the true box."""
    apart, relative = [], []
    for scene, points, found in zip(scenes, truth, rays, strict=True):
        true = scene.camera.project(points)
        placed = scene.camera.project_rays(found)
        apart.append(np.linalg.norm(placed - true, axis=1).mean())
        relative.append(apart[-1] / np.ptp(true, axis=0).max())
    return {"keypoints_px": float(np.mean(apart)), "keypoints_of_box": float(np.mean(relative))}


def main() -> int:
    """Print a row of JSON for each file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dataset", type=Path)
    parser.add_argument("weights", type=Path, nargs="+")
    parser.add_argument("--looks", type=int, default=3)
    parser.add_argument("--frame", choices=("box", "true"), default="box")
    args = parser.parse_args()
    try:
        for path in args.weights:
            looks = 1 if args.frame == "true" else args.looks
            row = errors(path, args.dataset, looks, args.frame)
            print(json.dumps({"weights": str(path), "frame": args.frame, "looks": looks, **row}))
    except HandPoseError as error:
        print(f"own_encoder: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
