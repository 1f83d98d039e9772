"""The estimator on a camera: `ros2 launch hand_pose_ros estimator.launch.py image:=/my/image`.

Topics are remapped by `image`, `camera_info`, `depth` and `boxes`; everything else is a parameter
of the node, in a file like `config/estimator.yaml`.
"""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, RegisterEventHandler, Shutdown
from launch.conditions import IfCondition
from launch.event_handlers import OnProcessExit
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution, PythonExpression
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare

SHARE = FindPackageShare("hand_pose_ros")
NODE = "hand_pose_estimator"
SHOWN = ("markers", "debug_image")
RVIZ_CONFIG = PathJoinSubstitution([SHARE, "config", "hand_pose.rviz"])
ARGUMENTS = {
    "image": ("/camera/image_raw", "topic of the images"),
    "camera_info": ("", "topic of the calibration; default: camera_info beside the images"),
    "depth": ("depth", "topic of registered depth images; see the parameter input.use_depth"),
    "boxes": ("boxes", "topic of a Detection2DArray; see the parameter input.use_boxes"),
    "temporal": (
        "none",
        "none, or causal: see each hand beside its earlier frames; params_file goes before it",
    ),
    "params_file": (PathJoinSubstitution([SHARE, "config", "estimator.yaml"]), "parameters"),
    "namespace": (
        "",
        "namespace of the node, one for each camera; goes before its TF frames, too",
    ),
    "use_sim_time": ("false", "take the time from /clock, for bags that are played"),
    "rviz": ("false", "show the hands in RViz"),
    "rviz_frame": ("camera_optical_frame", "what RViz takes as fixed: the frame of the images"),
    "log_level": ("info", "debug, info, warn, error or fatal"),
}


def end_with_the_estimator(event, context):
    """Return what ends the launch, unless that is why the estimator ended."""
    return [] if context.is_shutdown else [Shutdown(reason="the estimator ended")]


def generate_launch_description():
    """Return the node and, where it is wanted, RViz."""
    value = {name: LaunchConfiguration(name) for name in ARGUMENTS}
    image, info = value["image"], value["camera_info"]
    beside = PythonExpression(["'", info, "' or '", image, "'.rsplit('/', 1)[0] + '/camera_info'"])
    prefix = PythonExpression(["'", value["namespace"], "/'.lstrip('/')"])
    estimator = Node(
        package="hand_pose_ros",
        executable="estimator",
        namespace=value["namespace"],
        parameters=[
            {"output.tf_prefix": ParameterValue(prefix, value_type=str)},
            {"estimator.temporal.mode": ParameterValue(value["temporal"], value_type=str)},
            value["params_file"],
            {"use_sim_time": value["use_sim_time"]},
        ],
        remappings=[
            ("image", image),
            ("image/compressed", [image, "/compressed"]),
            ("camera_info", beside),
            ("depth", value["depth"]),
            ("boxes", value["boxes"]),
        ],
        arguments=["--ros-args", "--log-level", value["log_level"]],
        output="screen",
    )
    rviz = Node(
        package="rviz2",
        executable="rviz2",
        arguments=["-d", RVIZ_CONFIG, "-f", value["rviz_frame"]],
        remappings=[(f"/{NODE}/{topic}", ["/", prefix, f"{NODE}/{topic}"]) for topic in SHOWN],
        condition=IfCondition(value["rviz"]),
    )
    declared = [
        DeclareLaunchArgument(name, default_value=default, description=text)
        for name, (default, text) in ARGUMENTS.items()
    ]
    ends_with_it = RegisterEventHandler(
        OnProcessExit(target_action=estimator, on_exit=end_with_the_estimator)
    )
    return LaunchDescription([*declared, estimator, rviz, ends_with_it])
