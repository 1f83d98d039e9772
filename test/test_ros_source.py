"""Images out of bags, videos and folders."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from ros_samples import CAMERA, STAMP_NS, image_message, picture, write_bag
from rosbags.rosbag2 import StoragePlugin

from hand_pose_ros.errors import InputError
from hand_pose_ros.hand.camera import Camera
from hand_pose_ros.ros.bag import BagMessage
from hand_pose_ros.ros.camera_info import camera_info
from hand_pose_ros.ros.source import Frame, open_source
from hand_pose_ros.ros.typestore import rosbags_types

TYPES = rosbags_types()
SMALL = CAMERA.crop(0.0, 0.0, 640.0, 480.0, 32, 24)
"""The camera of `picture()`."""


def frames_of(path: Path, **options: Any) -> list[Frame]:
    source = open_source(path, **options)
    try:
        return list(source)
    finally:
        source.close()


def images(topic: str, count: int = 3, **options: Any) -> list[tuple[str, Any, int]]:
    """Return messages taken every 10 ns and recorded 5 ns later."""
    return [
        (
            topic,
            image_message(picture(i), "rgb8", **{"stamp_ns": STAMP_NS + 10 * i, **options}),
            STAMP_NS + 10 * i + 5,
        )
        for i in range(count)
    ]


def info(topic: str, camera: Camera = SMALL, at_ns: int = 0, frame_id: str = "camera_optical"):
    stamp_ns = STAMP_NS + at_ns
    return (topic, camera_info(camera, TYPES, stamp_ns, frame_id), stamp_ns)


@pytest.mark.parametrize("storage", list(StoragePlugin))
def test_a_bag_gives_its_images_with_stamp_frame_and_camera(
    tmp_path: Path, storage: StoragePlugin, caplog: pytest.LogCaptureFixture
) -> None:
    messages = [info("/cam/camera_info"), *images("/cam/image_raw")]
    bag = write_bag(tmp_path / "bag", messages, storage)
    source = open_source(bag)
    assert source.expected_frames == 3
    for _ in range(2):
        frames = list(source)
        assert [frame.stamp_ns for frame in frames] == [STAMP_NS + 10 * i for i in range(3)]
        assert [frame.recorded_ns for frame in frames] == [STAMP_NS + 10 * i + 5 for i in range(3)]
        for index, frame in enumerate(frames):
            np.testing.assert_array_equal(frame.image_rgb, picture(index))
            assert frame.frame_id == "camera_optical"
            assert frame.message is not None
            assert frame.message.topic.name == "/cam/image_raw"
            np.testing.assert_allclose(frame.camera.K, SMALL.K)
            assert not frame.camera.assumed
    source.close()
    assert caplog.text == ""


def test_compressed_images_find_the_calibration_of_the_raw_ones(tmp_path: Path) -> None:
    data = np.asarray(cv2.imencode(".png", picture()[..., ::-1])[1]).ravel()
    message = TYPES.CompressedImage(format="png", data=data)
    messages = [info("/cam/camera_info"), ("/cam/image_raw/compressed", message, STAMP_NS)]
    (frame,) = frames_of(write_bag(tmp_path / "bag", messages))
    np.testing.assert_array_equal(frame.image_rgb, picture())
    assert not frame.camera.assumed


def test_without_calibration_a_field_of_view_is_assumed_and_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bag = write_bag(tmp_path / "bag", images("/image"))
    frames = frames_of(bag, horizontal_fov_deg=90.0)
    assert all(frame.camera.assumed for frame in frames)
    assert frames[0].camera.K[0, 0] == pytest.approx(16.0)
    assert caplog.text.count("no calibration; a horizontal field of view of 90 degrees") == 1


def test_a_calibration_of_zeros_is_none(tmp_path: Path) -> None:
    nothing = TYPES.CameraInfo(width=32, height=24)
    bag = write_bag(tmp_path / "bag", [("/camera_info", nothing, STAMP_NS), *images("/image")])
    assert all(frame.camera.assumed for frame in frames_of(bag))


def test_a_calibration_that_is_not_finite_ends_it(tmp_path: Path) -> None:
    topic, message, stamp = info("/camera_info")
    message.k[0] = np.nan
    bag = write_bag(tmp_path / "bag", [(topic, message, stamp), *images("/image")])
    with pytest.raises(InputError, match=r"CameraInfo has the intrinsics .*nan.* finite"):
        frames_of(bag)


def test_images_before_the_first_calibration_have_it_too(tmp_path: Path) -> None:
    bag = write_bag(tmp_path / "bag", [*images("/image"), info("/camera_info", at_ns=100)])
    assert not any(frame.camera.assumed for frame in frames_of(bag))


def test_a_zoom_changes_the_camera_of_what_follows(tmp_path: Path) -> None:
    zoomed = Camera(np.array([[99.0, 0, 16], [0, 99, 12], [0, 0, 1]]), 32, 24)
    messages = [
        *images("/image", 4),
        info("/camera_info"),
        info("/camera_info", zoomed, at_ns=20),
    ]
    focal = [frame.camera.K[0, 0] for frame in frames_of(write_bag(tmp_path / "bag", messages))]
    assert focal == pytest.approx([SMALL.K[0, 0]] * 2 + [99.0] * 2)


def test_a_rectified_image_is_straight(tmp_path: Path) -> None:
    bent = Camera(SMALL.K, 32, 24, (-0.3, 0.1, 0.0, 0.0), "plumb_bob")
    for name, distorted in (("image_raw", True), ("image_rect", False)):
        messages = [info("/camera_info", bent), *images(f"/{name}", 1)]
        (frame,) = frames_of(write_bag(tmp_path / name, messages))
        assert frame.camera.is_distorted == distorted


@pytest.mark.parametrize("frame_id", ["camera_optical", "another"])
def test_a_calibration_elsewhere_counts_if_its_frame_is_that_of_the_images(
    tmp_path: Path, frame_id: str
) -> None:
    messages = [info("/odd/calibration", frame_id=frame_id), *images("/image", 1)]
    bag = write_bag(tmp_path / "bag", messages)
    (frame,) = frames_of(bag)
    assert frame.camera.assumed == (frame_id == "another")
    (frame,) = frames_of(bag, camera_info_topic="/odd/calibration")
    assert not frame.camera.assumed


def test_a_bag_without_images_is_refused_with_what_it_has(tmp_path: Path) -> None:
    bag = write_bag(tmp_path / "bag", [info("/camera_info")])
    with pytest.raises(InputError, match=r"no image topic in .*bag; its topics: /camera_info"):
        open_source(bag)
    empty = write_bag(tmp_path / "empty", [], empty_topics={"/image": "Image"})
    with pytest.raises(InputError, match=r"no images in .*; empty or depth: /image"):
        open_source(empty)
    with pytest.raises(InputError, match=r"no images in .*; empty or depth: /image"):
        open_source(empty, image_topic="/image")


def test_of_two_image_topics_one_has_to_be_named(tmp_path: Path) -> None:
    bag = write_bag(tmp_path / "bag", [*images("/left/image"), *images("/right/image", 1)])
    with pytest.raises(InputError, match="has 2 image topics; name one of: /left/image, /right"):
        open_source(bag)
    assert len(frames_of(bag, image_topic="/right/image")) == 1
    with pytest.raises(InputError, match=r"no image topic /up in .*; it has /left/image, /right"):
        open_source(bag, image_topic="/up")
    with pytest.raises(InputError, match=r"no CameraInfo on /up in .*; it has none"):
        open_source(bag, image_topic="/left/image", camera_info_topic="/up")


def test_depth_images_do_not_count(tmp_path: Path) -> None:
    depth = image_message(np.ones((4, 4, 1), "<u2"), "16UC1")
    bag = write_bag(tmp_path / "bag", [("/depth", depth, STAMP_NS), *images("/color")])
    assert len(frames_of(bag)) == 3


def bad_image(**changes: Any) -> Any:
    message = image_message(picture(), "rgb8")
    for name, value in changes.items():
        setattr(message, name, value)
    return message


BAD = pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"encoding": "bayer_x"}, "encoding is 'bayer_x'; it must be one of rgb8"),
        ({"width": 0}, "0 x 24 px"),
        ({"step": 10}, "step is 10 bytes"),
        ({"data": np.zeros(5, np.uint8)}, "has 5 bytes of data"),
    ],
)


@BAD
def test_a_bad_first_image_ends_it(tmp_path: Path, changes: dict, reason: str) -> None:
    bag = write_bag(tmp_path / "bag", [("/image", bad_image(**changes), STAMP_NS)])
    with pytest.raises(InputError, match=f"bag, /image: .*{reason}"):
        frames_of(bag)


@BAD
def test_a_later_bad_image_is_left_out(
    tmp_path: Path, changes: dict, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    bad = [("/image", bad_image(**changes), STAMP_NS + 7 + i) for i in range(2)]
    source = open_source(write_bag(tmp_path / "bag", [*images("/image"), *bad]))
    assert len(list(source)) == 3
    assert source.skipped == 2
    source.close()
    assert caplog.text.count(reason) == 1
    assert "2 of 5 images left out" in caplog.text


def test_images_without_stamp_and_frame_get_some(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bag = write_bag(tmp_path / "bag", images("/image", 2, stamp_ns=0, frame_id=""))
    frames = frames_of(bag)
    assert [frame.stamp_ns for frame in frames] == [STAMP_NS + 5, STAMP_NS + 15]
    assert {frame.frame_id for frame in frames} == {"camera"}
    assert caplog.text.count("no stamp") == caplog.text.count("no frame_id") == 1


def test_every_message_can_be_seen_in_order(tmp_path: Path) -> None:
    seen: list[BagMessage] = []
    messages = [*images("/image"), info("/camera_info"), info("/other/camera_info", at_ns=999)]
    frames_of(write_bag(tmp_path / "bag", messages), on_message=seen.append)
    names = [message.topic.name for message in seen]
    assert names == ["/camera_info", *["/image"] * 3, "/other/camera_info"]


def write_video(path: Path, count: int = 12, rate: float = 25.0) -> Path:
    video = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), rate, (64, 48))
    for index in range(count):
        video.write(picture(index, 64, 48)[..., ::-1])
    video.release()
    return path


def test_a_video_gives_its_frames_and_times(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    source = open_source(write_video(tmp_path / "a.avi"))
    assert source.expected_frames == 12
    for _ in range(2):
        frames = list(source)
        np.testing.assert_allclose([f.stamp_ns for f in frames], np.arange(12) * 40e6, atol=1e3)
        for index, frame in enumerate(frames):
            wanted = picture(index, 64, 48).astype(int)
            assert np.abs(frame.image_rgb.astype(int) - wanted).mean() < 6.0
            assert frame.camera.assumed
            assert (frame.frame_id, frame.message) == ("camera", None)
            assert frame.recorded_ns == frame.stamp_ns
    source.close()
    assert caplog.text.count("no calibration") == 1


def test_a_video_that_lost_its_end_is_read_and_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = write_video(tmp_path / "a.avi", 60)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    frames = frames_of(path)
    assert 10 < len(frames) < 50
    assert f"ends after {len(frames)} of 60 frames: it is cut off" in caplog.text


def test_a_video_that_lost_its_index_is_refused(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(InputError, match=r"a\.mp4 is no video that can be read, or it is cut off"):
        open_source(path)


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.mp4", b"", r"a\.mp4 is empty \(0 bytes\)"),
        ("a.mp4", b"some text", r"a\.mp4 is text, no video"),
        ("a.mp4", bytes(range(256)) * 20, r"a\.mp4 is no video"),
        ("a.mcap", b"", r"a\.mcap is empty"),
        ("a.bag", b"#ROSBAG V2.0", "is a bag of ROS 1; convert it first"),
        ("a/readme.txt", b"", "holds no bag .* and no images"),
        ("a/metadata.yaml", b"", "is no rosbag2"),
    ],
)
def test_what_is_no_recording_is_refused(
    tmp_path: Path, name: str, content: bytes, reason: str
) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    with pytest.raises(InputError, match=reason):
        open_source(path if path.parent == tmp_path else path.parent)


def test_a_missing_recording_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere\.mp4 does not exist"):
        open_source(tmp_path / "nowhere.mp4")


@pytest.mark.parametrize("option", ["image_topic", "camera_info_topic"])
def test_only_bags_have_topics(tmp_path: Path, option: str) -> None:
    with pytest.raises(InputError, match=f"{option} is '/image', but .* is no bag"):
        open_source(write_video(tmp_path / "a.avi"), **{option: "/image"})


def test_a_folder_gives_its_images_by_name(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for index, name in enumerate(("b.png", "a.png")):
        cv2.imwrite(str(tmp_path / name), picture(index)[..., ::-1])
    (tmp_path / "c.jpg").write_bytes(b"no image")
    source = open_source(tmp_path)
    frames = list(source)
    assert [frame.name for frame in frames] == ["a.png", "b.png"]
    assert frames[1].stamp_ns == 33_333_333
    np.testing.assert_array_equal(frames[0].image_rgb, picture(1))
    assert (source.expected_frames, source.skipped) == (3, 1)
    assert "c.jpg is no image" in caplog.text


def test_a_folder_without_one_good_image_is_refused(tmp_path: Path) -> None:
    (tmp_path / "c.jpg").write_bytes(b"no image")
    with pytest.raises(InputError, match="not one of 1 images can be read"):
        frames_of(tmp_path)


def test_an_impossible_field_of_view_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="horizontal_fov_deg is 180"):
        frames_of(write_video(tmp_path / "a.avi"), horizontal_fov_deg=180.0)
