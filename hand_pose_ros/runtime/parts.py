"""Where the time of a followed hand goes: its parts by themselves, each as an engine runs it."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch

from hand_pose_ros.errors import InputError
from hand_pose_ros.hand.camera import Camera
from hand_pose_ros.models.image import ImageEncoder
from hand_pose_ros.models.landmark_network import SIDE
from hand_pose_ros.runtime.config import EstimatorConfig
from hand_pose_ros.runtime.detect import Detection
from hand_pose_ros.runtime.engine import Program, compile_network
from hand_pose_ros.runtime.glimpse import WIDER, view_of
from hand_pose_ros.runtime.hand_networks import VIEW_SMOOTH_FROM
from hand_pose_ros.runtime.hand_state import HandState, place_hand, pose_hands
from hand_pose_ros.runtime.lift import ModelLift
from hand_pose_ros.runtime.lift_network import PoolNetwork
from hand_pose_ros.runtime.lift_program import SeenNetwork, compile_sampler
from hand_pose_ros.runtime.track import Tracked

SAMPLER, FRAME = "sampler, IK and FK", "a frame as a whole"
CALLS, WARM_UP = 150, 10
STEP_NS = 33_333_333


def time_parts(
    lift: ModelLift,
    hand: Detection,
    image_rgb: npt.NDArray[np.uint8],
    camera: Camera,
    frame: Callable[[], object],
) -> dict[str, list[float]]:
    """Return how long each part takes for one hand, call after call [ms of the process].

    The parts and whole frames take turns, so that a machine that gets slower does so for all.

    Args:
        lift: the model.
        hand: what is seen.
        image_rgb: (H, W, 3) where it is seen.
        camera: of the image.
        frame: estimates the image as a whole.

    Raises:
        InputError: the lift says nothing of the hand.
    """
    view = view_of(hand.keypoints_px, hand.side, camera).wider(WIDER)
    patch = view.camera.see(image_rgb, camera, SIDE, VIEW_SMOOTH_FROM)[None]
    encoder, network = lift.network.encoder, lift.network
    seen = [np.zeros((1, *shape), np.float32) for shape in network.shapes]
    R = view.R_view_camera.astype(np.float32)[None]
    parts: dict[str, Callable[[], object]] = {
        "crop": lambda: view.camera.see(image_rgb, camera, SIDE, VIEW_SMOOTH_FROM)
    }

    def program(module: torch.nn.Module, *arrays: npt.NDArray[np.generic]) -> Program:
        example = tuple(torch.from_numpy(np.concatenate((a, a))) for a in arrays)
        return compile_network(lift.engine, module.eval(), example)

    if isinstance(encoder, ImageEncoder):
        pool = program(PoolNetwork(encoder.look), patch)
        parts["image network"] = lambda: pool(patch)
        seen[:3] = pool(patch)[0], np.array([view.half_width], np.float32), R
    condition = program(SeenNetwork(network), *seen)
    example = tuple(torch.from_numpy(np.concatenate((a, a))) for a in condition(*seen))
    sampler = compile_sampler(lift.engine, network, example)
    made = condition(*seen)
    lifted = lift([hand], camera, image_rgb)
    if not lifted:
        raise InputError("the model says nothing of the hand")
    state, stamps = HandState(EstimatorConfig()), iter(range(10**6))
    tracked = Tracked("0", hand.side, hand.side_score, hand, is_new=False)

    def place() -> object:
        (pose,) = pose_hands([hand.side], [state], lifted, next(stamps) * STEP_NS)
        return place_hand(tracked, state, pose, camera, None)

    parts["condition"] = lambda: condition(*seen)
    parts[SAMPLER] = lambda: sampler(*made)
    parts["filters, FK and root"] = place
    parts[FRAME] = frame
    return _timed(parts)


def _timed(parts: dict[str, Callable[[], object]]) -> dict[str, list[float]]:
    times: dict[str, list[float]] = {name: [] for name in parts}
    for number in range(CALLS + WARM_UP):
        for name, call in parts.items():
            start = time.process_time()
            call()
            if number >= WARM_UP:
                times[name].append((time.process_time() - start) * 1e3)
    return times
