"""Hands come and go for a while: memory stays, and nothing is compiled on the way."""

import gc
import importlib.util
from pathlib import Path

import pytest

from hand_pose_ros.hand.camera import Camera
from hand_pose_ros.runtime.config import DetectorConfig, EstimatorConfig
from hand_pose_ros.runtime.detectors import make_detector
from hand_pose_ros.runtime.engine import table
from hand_pose_ros.runtime.estimator import Estimator
from hand_pose_ros.runtime.lift import ModelLift

ROUNDS = 2
MOST_GROWTH_MB = 12.0


def long_run():
    path = Path(__file__).resolve().parents[1] / "benchmarks" / "long_run.py"
    spec = importlib.util.spec_from_file_location("long_run", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
def test_hands_come_and_go_without_growth_or_compilation(monkeypatch):
    script = long_run()
    lift = ModelLift.from_name("image")
    settings = EstimatorConfig(detector=DetectorConfig(2, name="own"))
    estimator = Estimator(settings, make_detector(settings.detector, lift.engine), lift)
    camera = Camera.from_field_of_view(script.WIDTH, script.HEIGHT, 60.0)
    scenes, length = script.Scenes(), 4 * script.SCENE
    counts = set()
    monkeypatch.setattr(table, "ENGINES", {})  # nothing can be built any more

    def one_round(start):
        for number in range(start, start + length):
            frame = estimator.estimate(scenes.at(number), camera, number * script.STEP_NS)
            counts.add((number // script.SCENE % 4, len(frame.hands)))
        gc.collect()
        return script.resident_mb()

    before = one_round(0)
    after = [one_round(length * each) for each in range(1, ROUNDS + 1)]
    assert {(0, 0), (1, 1), (2, 2), (3, 1)} <= counts
    assert after[-1] - before < MOST_GROWTH_MB
