"""The estimator on a recording: `ros2 launch hand_pose_ros replay.launch.py bag:=my_bag`.

Plays the images of a bag into the node, records the hands that come out into another bag, and
scores them as `hand-pose evaluate` does: which images were answered, how late, how steady, and
the errors where the bag has true hands on `/truth/hand_poses`. The table is printed and, with a
report of curves over time, written into the folder `scores`.
"""

import tempfile
from pathlib import Path

import rosbag2_py
import yaml
from launch import LaunchDescription
from launch.actions import (
    DeclareLaunchArgument,
    EmitEvent,
    ExecuteProcess,
    OpaqueFunction,
    RegisterEventHandler,
    Shutdown,
    TimerAction,
)
from launch.event_handlers import OnProcessExit
from launch.events import matches_action
from launch.events.process import ShutdownProcess
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import LifecycleNode
from launch_ros.event_handlers import OnStateTransition
from launch_ros.events.lifecycle import ChangeState
from launch_ros.substitutions import FindPackageShare
from lifecycle_msgs.msg import Transition

NODE = "hand_pose_estimator"
RECORDED = f"^/{NODE}/(hand_poses|markers|.*/joint_states)$|^/tf$"
SETTINGS = PathJoinSubstitution([FindPackageShare("hand_pose_ros"), "config", "estimator.yaml"])
RAW, COMPRESSED = "sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage"
TRUTH = "/truth/hand_poses"
SETTLE_S = 1.5
"""Time for publishers and subscriptions to find one another, and for the last hands to come."""

ARGUMENTS = {
    "bag": (None, "the recording: a rosbag2"),
    "out": ("hand_pose_replay", "the bag to record; must not exist"),
    "image": ("", "which image topic of the bag; needed where there are several"),
    "camera_info": ("", "its calibration; default: the one that goes with the images"),
    "rate": ("1.0", "speed of playing; below 1 where the estimator cannot keep up"),
    "queue_size": ("100", "images that may wait for the estimator; 1: the newest wins, as live"),
    "truth": ("", "true hands, a bag or a folder; default: the recording, where it has some"),
    "scores": ("", "the folder of scores.json and report.html; default: out and _scores"),
    "params_file": (SETTINGS, "parameters"),
    "log_level": ("info", "debug, info, warn, error or fatal"),
}


def topics_of(bag):
    """Return the types of the topics of a bag that have messages, by name."""
    # Not with our own reader: launch may run in a Python that does not have the packages from pip.
    metadata = rosbag2_py.Info().read_metadata(bag, "")
    found = [(t.topic_metadata, t.message_count) for t in metadata.topics_with_message_count]
    return {topic.name: topic.type for topic, count in found if count}


def only_image_topic(bag, topics):
    """Return the one topic of a bag that has images."""
    images = sorted(name for name, kind in topics.items() if kind in (RAW, COMPRESSED))
    if len(images) != 1:
        raise ValueError(f"{bag} has {len(images)} image topics; name one with image:= {images}")
    return images[0]


def generate_launch_description():
    """Return the arguments, and what is made of them."""
    declared = [
        DeclareLaunchArgument(name, default_value=default, description=text)
        for name, (default, text) in ARGUMENTS.items()
    ]
    return LaunchDescription([*declared, OpaqueFunction(function=replay)])


def reliable_qos(topics):
    """Return the path of a file that lets topics be played as reliable, however recorded."""
    profile = {"reliability": "reliable", "history": "keep_last", "depth": 10}
    with tempfile.NamedTemporaryFile("w", suffix=".yaml", delete=False) as file:
        yaml.safe_dump(dict.fromkeys(topics, profile), file)
    return file.name


def end_with_the_estimator(event, context):
    """Return what ends the launch, unless that is why the estimator ended."""
    return [] if context.is_shutdown else [Shutdown(reason="the estimator ended")]


def replay(context):
    """Return estimator, recorder, player and score, each started when the one before is ready."""
    value = {name: LaunchConfiguration(name).perform(context) for name in ARGUMENTS}
    bag, out = value["bag"], value["out"]
    if Path(out).exists():
        raise FileExistsError(f"{out} exists; name another bag to record with out:=")
    topics = topics_of(bag)
    image = value["image"] or only_image_topic(bag, topics)
    is_compressed = topics.get(image) == COMPRESSED
    beside = f"{image.removesuffix('/compressed').rpartition('/')[0]}/camera_info"
    info = value["camera_info"] or (beside if beside in topics else "")
    truth = value["truth"] or (bag if TRUTH in topics else "")
    settings = {
        "use_sim_time": True,
        "input.reliability": "reliable",
        "input.queue_size": int(value["queue_size"]),
        "input.image_transport": "compressed" if is_compressed else "raw",
    }
    estimator = LifecycleNode(
        package="hand_pose_ros",
        executable="estimator",
        name=NODE,
        namespace="",
        parameters=[value["params_file"], settings],
        remappings=[
            ("image/compressed" if is_compressed else "image", image),
            ("camera_info", info or "camera_info"),
        ],
        arguments=["--ros-args", "--log-level", value["log_level"]],
        output="screen",
    )
    record = ["ros2", "bag", "record", "--use-sim-time", "-o", out, "-e", RECORDED]
    recorder = ExecuteProcess(cmd=record, output="screen")
    play = ["ros2", "bag", "play", bag, "--rate", value["rate"], "--clock", "200"]
    play += ["--delay", str(SETTLE_S), "--disable-keyboard-controls"]
    # By default a thousand images are read before the first is sent, while the clock already runs.
    play += ["--read-ahead-queue-size", "20"]
    played = [image, *([info] if info else [])]
    play += ["--topics", *played, "--qos-profile-overrides-path", reliable_qos(played)]
    player = ExecuteProcess(cmd=play, output="screen")
    command = ["ros2", "run", "hand_pose_ros", "evaluate", out, "--topic", f"/{NODE}/hand_poses"]
    command += ["--source", bag, "--image-topic", image]
    command += ["--out", value["scores"] or f"{out.rstrip('/')}_scores"]
    score = ExecuteProcess(cmd=[*command, *(["--truth", truth] if truth else [])], output="screen")
    enough = EmitEvent(event=ShutdownProcess(process_matcher=matches_action(recorder)))
    finish = EmitEvent(
        event=ChangeState(
            lifecycle_node_matcher=matches_action(estimator),
            transition_id=Transition.TRANSITION_DEACTIVATE,
        )
    )
    steps = (
        OnStateTransition(
            target_lifecycle_node=estimator, goal_state="active", entities=[recorder, player]
        ),
        OnProcessExit(
            target_action=player, on_exit=[TimerAction(period=SETTLE_S, actions=[finish])]
        ),
        OnStateTransition(
            target_lifecycle_node=estimator,
            start_state="deactivating",
            goal_state="inactive",
            entities=[TimerAction(period=SETTLE_S, actions=[enough])],
        ),
        OnProcessExit(target_action=recorder, on_exit=[score]),
        OnProcessExit(target_action=score, on_exit=[Shutdown(reason="done")]),
        OnProcessExit(target_action=estimator, on_exit=end_with_the_estimator),
    )
    return [*map(RegisterEventHandler, steps), estimator]
