"""The detector's networks: equal to the originals, anchors and cells where they belong."""

import dataclasses

import numpy as np
import pytest
import torch

from hand_pose_ros.data.frames import Frame
from hand_pose_ros.errors import ConfigError, InputError
from hand_pose_ros.evaluation.calibration import calibrate
from hand_pose_ros.models.detector import (
    NUMBERS,
    STRIDE,
    UNIT,
    HandBranch,
    HandDetector,
    cell_middles,
    peaks,
    read_cells,
)
from hand_pose_ros.models.palm_network import ANCHORS, SIDE, STRIDES, PalmNetwork, anchors
from hand_pose_ros.runtime.weights import load_hand_networks
from hand_pose_ros.training import pretrained, tflite
from hand_pose_ros.training.checkpoint import export_hand_networks, read_weights
from hand_pose_ros.training.detector import (
    DetectorTraining,
    DetectorTrainingConfig,
    Targets,
    detector_loss,
    targets_of,
)


@pytest.fixture(scope="module")
def picture():
    from hand_pose_ros.runtime.warm_up import SIZE, drawn_hand

    return drawn_hand()[: SIZE // SIDE * SIDE, : SIZE // SIDE * SIDE]


def as_tensor(picture):
    return torch.from_numpy(np.ascontiguousarray(picture)).permute(2, 0, 1).unsqueeze(0) / 255.0


def test_the_palm_network_gives_what_the_file_gives_when_executed(picture):
    pytest.importorskip("mediapipe", reason="the weights are read from the mediapipe wheel")
    interpreter = pytest.importorskip(
        "ai_edge_litert.interpreter", reason="executes the .tflite beside us"
    )
    path = pretrained._package_folder() / pretrained._PALMS
    original = interpreter.Interpreter(str(path), num_threads=1)
    original.allocate_tensors()
    original.set_tensor(
        original.get_input_details()[0]["index"], picture[None].astype(np.float32) / 255.0
    )
    original.invoke()
    theirs = {
        d["shape"][-1]: original.get_tensor(d["index"]) for d in original.get_output_details()
    }
    with torch.inference_mode():
        scores, numbers = pretrained.palm_network()(as_tensor(picture))
    np.testing.assert_allclose(scores.numpy(), theirs[1][..., 0], atol=1e-3)
    np.testing.assert_allclose(numbers.numpy(), theirs[18], atol=1e-3)


def test_what_ships_is_what_the_wheel_has():
    """Half precision loses nothing: the wheel's weights are of that precision."""
    pytest.importorskip("mediapipe", reason="the weights are read from the mediapipe wheel")
    detector, landmarks = load_hand_networks()
    for ours, theirs in (
        (detector.palms, pretrained.palm_network()),
        (landmarks, pretrained.landmark_network()),
    ):
        for name, tensor in theirs.state_dict().items():
            assert torch.equal(ours.state_dict()[name], tensor), name


def test_the_files_of_the_two_networks_are_not_mistaken_for_each_other():
    pytest.importorskip("mediapipe", reason="the weights are read from the mediapipe wheel")
    layers = list(tflite.read_layers(pretrained._package_folder() / pretrained._LANDMARKS))
    with pytest.raises(InputError, match="the network has 51 layers; ours has"):
        pretrained.load_layers(pretrained.palm_places(PalmNetwork()), layers)


def test_every_anchor_is_the_middle_of_its_cell():
    places = anchors()
    counts = [(SIDE // stride) ** 2 * many for stride, many in zip(STRIDES, ANCHORS, strict=True)]
    assert len(places) == sum(counts) == 2016
    assert places.min() == STRIDES[0] / 2
    assert places.max() == SIDE - STRIDES[0] / 2
    # Golden: the second cell of the coarse map, row by row, is one stride to the right.
    first = counts[0]
    assert places[first + ANCHORS[1]].tolist() == [1.5 * STRIDES[1], 0.5 * STRIDES[1]]


def test_a_palm_moves_with_its_picture():
    """Shifted by a cell of the coarsest map, everything that is seen of the inside shifts."""
    torch.manual_seed(0)
    network, image = HandDetector().eval(), torch.zeros(1, 3, 256, 256)
    image[..., 96:128, 96:128] = torch.rand(3, 32, 32)
    with torch.inference_mode():
        at = network.palms.trunk.stages[0](network.palms.trunk.stem(image))
        moved = network.palms.trunk.stages[0](
            network.palms.trunk.stem(torch.roll(image, (32, 32), (2, 3)))
        )
    torch.testing.assert_close(
        torch.roll(at, (16, 16), (2, 3))[..., 40:90, 40:90], moved[..., 40:90, 40:90]
    )


def test_our_branch_begins_as_the_palms_way_up():
    detector = HandDetector()
    for name, tensor in detector.hands.state_dict().items():
        if not name.startswith("read."):
            assert torch.equal(detector.palms.trunk.state_dict()[name], tensor)


def frame(points=None, right=True, ignored=()):
    points = np.zeros((0, 21, 2)) if points is None else points
    return Frame(
        np.zeros((SIDE, SIDE, 3), np.uint8),
        points,
        np.full(len(points), right),
        np.array(ignored, float).reshape(-1, 4),
    )


def a_hand(x=101.0, y=83.0, size=60.0):
    points = np.random.default_rng(0).uniform(-0.5, 0.5, (21, 2)) * size + (x, y)
    points[[0, 9]] = (x - 10.0, y), (x + 10.0, y)
    return points[None]


def maps_of(true: Targets):
    """Return the maps of a branch that tells exactly what is true, everywhere."""
    middle = cell_middles(*true.heat.shape)
    maps = torch.empty(1, NUMBERS, *true.heat.shape)
    maps[0, 0] = torch.where(true.heat >= 1.0, 20.0, -20.0)
    maps[0, 1] = torch.where(true.right > 0.5, 20.0, -20.0)
    maps[0, 2:4] = ((true.box[..., :2] - middle) / UNIT).movedim(-1, 0)
    maps[0, 4:6] = (true.box[..., 2:] / UNIT).log().movedim(-1, 0)
    maps[0, 6:8] = ((true.wrist - middle) / UNIT).movedim(-1, 0)
    maps[0, 8:10] = ((true.knuckle - middle) / UNIT).movedim(-1, 0)
    return maps


def test_what_is_true_of_cells_is_read_again():
    """Reading is the inverse of telling, and one cell, that at the palm's middle, is the peak."""
    points = a_hand()
    true = targets_of(frame(points))
    cells = read_cells(maps_of(true))
    (row, column) = np.argwhere((true.heat >= 1.0).numpy())[0]
    assert (true.heat >= 1.0).sum() == 1
    assert (
        np.abs(
            cell_middles(SIDE // STRIDE, SIDE // STRIDE)[row, column]
            - 0.5
            - points[0, [0, 9]].mean(0)
        ).max()
        <= STRIDE / 2
    )
    low, high = points[0].min(0), points[0].max(0)
    np.testing.assert_allclose(
        cells.box[0, row, column], [*(low + high) / 2, *(high - low)], atol=1e-3
    )
    np.testing.assert_allclose(cells.wrist[0, row, column], points[0, 0], atol=1e-3)
    np.testing.assert_allclose(cells.knuckle[0, row, column], points[0, 9], atol=1e-3)


def stacked(true):
    return Targets(*(part[None] for part in vars(true).values()))


@pytest.mark.parametrize("points", [None, a_hand()])
def test_the_truth_costs_nothing_and_anything_else_something(points):
    true = targets_of(frame(points))
    maps = maps_of(true)
    exact = {name: float(part) for name, part in detector_loss(maps, stacked(true)).items()}
    assert max(exact.values()) < 1e-3
    wrong = detector_loss(maps + 0.5, stacked(true))
    if points is not None:
        assert all(float(wrong[name]) > exact[name] for name in ("middle", "extent", "points"))
    flipped = maps.clone()
    flipped[:, 0] *= -1.0
    assert float(detector_loss(flipped, stacked(true))["score"]) > 1.0


def test_where_hands_do_not_matter_a_false_one_costs_nothing():
    place = (40.0, 40.0, 64.0, 64.0)
    maps = maps_of(targets_of(frame()))
    maps[0, 0, 8, 8] = 20.0
    costly = detector_loss(maps, stacked(targets_of(frame())))["score"]
    free = detector_loss(maps, stacked(targets_of(frame(ignored=[place]))))["score"]
    assert float(costly) > 1.0
    assert float(free) < 1e-3


def test_a_peak_has_no_higher_neighbour():
    score = torch.zeros(1, 5, 6)
    score[0, 1, 1], score[0, 1, 2], score[0, 3, 4] = 2.0, 1.0, 0.5
    found = peaks(score)
    assert found[0, 1, 1]
    assert found[0, 3, 4]
    assert not found[0, 1, 2]


@pytest.fixture
def config():
    return DetectorTrainingConfig(frames=8, batch=4, fresh=2, kept=4, warmup=1)


def many():
    while True:
        yield frame(a_hand())


def test_training_teaches_the_branch_and_leaves_the_trunk(tmp_path, config):
    torch.manual_seed(0)
    training = DetectorTraining(HandDetector(), config, tmp_path)
    before = {name: t.clone() for name, t in training.detector.state_dict().items()}
    first = training.train_on([frame(a_hand()), frame()])
    for _ in range(3):
        last = training.train_on([frame(a_hand()), frame()])
    assert sum(last.values()) < sum(first.values())
    for name, tensor in training.result().state_dict().items():
        is_ours = name.startswith("hands.")
        assert torch.equal(tensor, before[name]) != is_ours, name


def test_training_goes_on_where_it_was(tmp_path, config):
    torch.manual_seed(0)
    training = DetectorTraining(HandDetector(), config, tmp_path)
    training.run(many(), report_every=1)
    assert training.step == config.steps == 4
    again = DetectorTraining(HandDetector(), config, tmp_path)
    again.resume()
    assert again.step == 4
    for one, other in zip(again.average.parameters(), training.average.parameters(), strict=True):
        assert torch.equal(one, other)


def test_a_run_without_room_for_its_batches_is_refused():
    with pytest.raises(ConfigError, match="fresh, batch, kept are 9, 4, 4"):
        DetectorTrainingConfig(fresh=9, batch=4, kept=4)


def test_weights_come_back_from_their_file(tmp_path):
    detector = HandDetector()
    path = tmp_path / "hands.safetensors"
    export_hand_networks(path, detector, HandBranch())
    _, tensors = read_weights(path)
    for name, tensor in detector.state_dict().items():
        assert torch.equal(tensors[f"detector.{name}"], tensor.half().float())


@pytest.mark.parametrize(("text", "match"), [(None, "are missing"), (b"other", "has checksum")])
def test_weights_that_are_not_those_that_ship_are_refused(tmp_path, monkeypatch, text, match):
    monkeypatch.setattr("hand_pose_ros.runtime.weights.weights_folder", lambda: tmp_path)
    if text is not None:
        (tmp_path / "hands.safetensors").write_bytes(text)
    with pytest.raises(InputError, match=match):
        load_hand_networks()


def test_targets_are_picked_by_rows():
    true = stacked(targets_of(frame(a_hand())))
    assert true.rows(torch.tensor([0, 0])).heat.shape[0] == 2
    assert len(dataclasses.fields(true)) == 8


class Oracle(HandDetector):
    """Finds one peak in each image, of log odds that the image's brightness says."""

    def forward(self, image):
        maps = torch.full((1, NUMBERS, 24, 24), -20.0)
        maps[0, 1:] = 0.0
        level = float(image[0, 0, 0, 0])
        feature = torch.zeros(1, 128, 1, 1)
        feature[0, 0] = 4.0 * level - 1.0
        maps[0, 0, 10, 7] = self.hands.read(feature)[0, 0, 0, 0]
        return None, None, maps


def test_a_calibrated_score_is_the_chance_of_a_hand():
    """At each brightness another share of the peaks are hands; the score comes to say which."""
    oracle, shares = Oracle(), {0.2: 0.1, 0.5: 0.5, 0.8: 0.9}
    with torch.no_grad():
        oracle.hands.read.weight.zero_()
        oracle.hands.read.bias.zero_()
        oracle.hands.read.weight[0, 0] = 1.0
    there = a_hand(60.0 - 0.5, 84.0 - 0.5, 32.0)
    there[0, 1], there[0, 2] = there[0].mean(0) - 16.0, there[0].mean(0) + 16.0
    images = []
    for level, share in shares.items():
        for number in range(20):
            one = frame(there if number < share * 20 else None)
            one.image_rgb[:] = round(level * 255)
            images.append(one)
    scale, _ = calibrate(oracle, images)
    assert scale > 0.0
    for level, share in shares.items():
        image = torch.full((1, 3, SIDE, SIDE), level)
        chance = torch.sigmoid(read_cells(oracle(image)[2]).score).max().detach()
        assert float(chance) == pytest.approx(share, abs=0.06)
    with pytest.raises(InputError, match="both kinds are needed"):
        calibrate(oracle, images[-1:])
