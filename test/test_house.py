"""The house itself: metadata that agrees, light imports, the command line's manners, resources."""

from __future__ import annotations

import argparse
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import types
import zipfile
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml

import hand_pose_ros
from hand_pose_ros import errors, resources
from hand_pose_ros.cli import main as cli
from hand_pose_ros.cli import models as models_verb

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parent.parent
PINS = [
    line
    for line in (ROOT / "requirements" / "lock.txt").read_text().splitlines()
    if not line.startswith("#")
]


def _python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run code in a Python of its own, with the checkout first on its path."""
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )


def _tool(name: str) -> types.ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# --- metadata ---------------------------------------------------------------------------------


def test_package_xml_and_python_package_agree() -> None:
    package = ElementTree.parse(ROOT / "package.xml").getroot()
    assert package.findtext("version") == hand_pose_ros.__version__
    assert package.findtext("name") == "hand_pose_ros"
    project = (ROOT / "pyproject.toml").read_text()
    assert f'description = "{package.findtext("description", "").rstrip(".")}"' in project


def test_changelog_has_forthcoming_on_top() -> None:
    titles = re.findall(r"^(\S.*)\n-{3,}$", (ROOT / "CHANGELOG.rst").read_text(), re.MULTILINE)
    assert titles[0] == "Forthcoming"


def test_every_pin_is_exact_and_one_opencv_is_pinned() -> None:
    exact = re.compile(r'^[\w.-]+==[\w.]+( ; python_version == "3\.\d+".*)?$')
    assert [pin for pin in PINS if not exact.match(pin)] == []
    assert [pin.split("==")[0] for pin in PINS if "opencv" in pin] == ["opencv-python-headless"]


def test_every_direct_dependency_is_pinned() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    extras.pop("bake")  # only for making the surface anew, see its script
    extras.pop("timm")  # needs torchvision, of which there is no build to go with a pinned torch
    wanted = project["dependencies"] + [each for extra in extras.values() for each in extra]
    names = {_distribution(pin) for pin in PINS}
    assert [each for each in wanted if _distribution(each) not in names] == []


def _distribution(requirement: str) -> str:
    return re.split(r"[=<>;\[ ]", requirement)[0].lower().replace("_", "-")


def test_pre_commit_runs_what_make_lint_runs() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    makefile = (ROOT / "Makefile").read_text()
    recipe = makefile[makefile.index("\nlint:") :].split("\n\n")[0].splitlines()[2:]
    commands = [line.strip().replace("$(BIN)", ".venv/bin") for line in recipe]
    assert commands == [hook["entry"] for hook in hooks]


def test_readme_names_the_two_commands_that_the_makefile_has() -> None:
    readme, makefile = (ROOT / "README.md").read_text(), (ROOT / "Makefile").read_text()
    for command in ("run", "test"):
        assert f"    make {command} " in readme
        assert re.search(rf"^{command}:", makefile, re.MULTILINE)


# --- imports ----------------------------------------------------------------------------------


@pytest.mark.parametrize("module", ["hand_pose_ros", "hand_pose_ros.cli.main"])
def test_import_loads_nothing_heavy(module: str) -> None:
    heavy = ["torch", "numpy", "cv2", "mediapipe", "rclpy", "rosbags", "scipy"]
    done = _python(f"import sys, {module}; print([m for m in {heavy} if m in sys.modules])")
    assert done.stdout.strip() == "[]", done.stderr


ROOMS = ["hand", "models", "data", "training", "evaluation", "runtime", "ros", "cli"]


def test_imports_point_one_way() -> None:
    """A room imports from itself and from rooms before it, never from a later one."""
    wrong = []
    for path in sorted((ROOT / "hand_pose_ros").rglob("*.py")):
        room = path.relative_to(ROOT / "hand_pose_ros").parts[0]
        if room not in ROOMS:
            continue
        for other in re.findall(r"(?:from|import) hand_pose_ros\.(\w+)", path.read_text()):
            if other in ROOMS and ROOMS.index(other) > ROOMS.index(room):
                wrong.append(f"{path.relative_to(ROOT)} imports {other}")
    assert wrong == []


def test_no_source_folder_hides_the_generated_messages() -> None:
    assert not (ROOT / "hand_pose_ros" / "msg").exists()


def test_shapes_are_checked_while_the_tests_run() -> None:
    """The hook of conftest.py is in force: what it stands for would pass unnoticed without it."""
    import torch
    from jaxtyping import TypeCheckError

    from hand_pose_ros.hand import rotations

    rotations.matrix_from_euler(torch.zeros(5, 3))
    with pytest.raises(TypeCheckError):
        rotations.matrix_from_euler(torch.zeros(5, 4))


# --- command line -----------------------------------------------------------------------------


@pytest.mark.parametrize("verb", [verb.name for verb in cli.VERBS if verb.exists])
def test_every_verb_has_help_with_its_example(
    verb: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        cli.main([verb, "--help"])
    assert stopped.value.code == 0
    example = next(each.example for each in cli.VERBS if each.name == verb)
    assert example in capsys.readouterr().out


@pytest.mark.parametrize("verb", [verb for verb in cli.VERBS if verb.exists], ids=lambda v: v.name)
def test_every_example_is_accepted_by_its_parser(verb: cli.Verb) -> None:
    words = verb.example.split()[1:]
    assert cli.build_parser(words[0]).parse_args(words).verb == verb.name


def test_verbs_without_a_module_are_not_offered(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["--help"])
    listed = re.findall(r"^    (\w+)  ", capsys.readouterr().out, re.MULTILINE)
    assert listed == [verb.name for verb in cli.VERBS if verb.exists]


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        cli.main(["--version"])
    assert stopped.value.code == 0
    assert capsys.readouterr().out == f"hand-pose {hand_pose_ros.__version__}\n"


@pytest.mark.parametrize("arguments", [[], ["nonsense"], ["models", "--nonsense"]])
def test_wrong_arguments_end_with_2(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        cli.main(arguments)
    assert stopped.value.code == 2


@pytest.mark.parametrize(
    ("raised", "code"),
    [
        (errors.InputError("the bag is\nempty"), 2),
        (errors.ConfigError("steps is 0"), 2),
        (errors.UnavailableError("mediapipe is missing"), 1),
        (errors.OutputError("the disk is full"), 1),
        (PermissionError(13, "not allowed", "bag"), 1),
        (KeyboardInterrupt(), 130),
    ],
)
def test_errors_become_one_line_and_an_exit_code(
    raised: BaseException,
    code: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(models_verb, "run", _raiser(raised))
    assert cli.main(["models"]) == code
    shown = capsys.readouterr()
    assert shown.out == ""
    assert re.fullmatch(r"hand-pose models: .+\n", shown.err)


def test_a_bug_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models_verb, "run", _raiser(ZeroDivisionError()))
    with pytest.raises(ZeroDivisionError):
        cli.main(["models"])


def _raiser(error: BaseException) -> Callable[[argparse.Namespace], int]:
    def run(args: argparse.Namespace) -> int:
        raise error

    return run


def test_a_closed_pipe_is_no_error() -> None:
    code = (
        "import os, sys; reader, writer = os.pipe(); os.close(reader); os.dup2(writer, 1)\n"
        "from hand_pose_ros.cli import main, models\n"
        "models.run = lambda args: print('x' * 100_000)\n"
        "sys.exit(main.main(['models']))"
    )
    done = _python(code)
    assert (done.returncode, done.stderr) == (0, "")


def test_print_table_aligns_the_names(capsys: pytest.CaptureFixture[str]) -> None:
    models_verb.print_table("model", {"a": "first", "keypoints": "second"})
    lines = capsys.readouterr().out.splitlines()
    assert lines == ["model      what it is", "a          first", "keypoints  second", ""]


def test_models_lists_every_model_and_engine(capsys: pytest.CaptureFixture[str]) -> None:
    from hand_pose_ros.models.registry import DETECTORS, MODELS
    from hand_pose_ros.runtime.engine import AUTO, ENGINES

    assert cli.main(["models"]) == 0
    shown = capsys.readouterr().out
    listed = [line.split()[0] for line in shown.splitlines() if line]
    assert listed == ["model", *MODELS, "detector", *DETECTORS, "engine", AUTO, *ENGINES]


# --- resources --------------------------------------------------------------------------------


def test_the_interfaces_are_those_of_the_checkout() -> None:
    folder = resources.interface_folder()
    assert folder == ROOT / "msg"
    assert (folder / "HandPose.msg").is_file()


@pytest.mark.parametrize("place", ["package", "share"])
def test_installed_interfaces_are_found(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "lib" / "python3" / "site-packages" / "hand_pose_ros"
    places = {
        "package": package / "ros" / "interfaces",
        "share": tmp_path / "share" / "hand_pose_ros" / "msg",
    }
    # A stranger's folder beside an installed package is not ours.
    for folder in (places[place], package.parent / "msg"):
        folder.mkdir(parents=True)
        (folder / "HandPose.msg").touch()
    monkeypatch.setattr(resources, "_PACKAGE", package)
    assert resources.interface_folder() == places[place]


def test_missing_resources_say_where_they_were_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resources, "_PACKAGE", tmp_path / "hand_pose_ros")
    with pytest.raises(errors.UnavailableError, match=r"'samples'.*looked in .*samples"):
        resources.samples_folder()
    with pytest.raises(errors.UnavailableError, match="'msg'"):
        resources.interface_folder()


# --- the file check ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content", "fault"),
    [
        ("a.yaml", b"a: [1\n", "does not parse"),
        ("a.xml", b"<a>\n", "does not parse"),
        ("a.json", b"{\n", "does not parse"),
        ("a.txt", b"end", "no newline at the end"),
        ("a.txt", b"one \n", "line 1: trailing space"),
        ("a.txt", b"<" * 7 + b" ours\n", "line 1: merge marker"),
        ("a.txt", b"\xff\n", "not UTF-8"),
        ("a.npz", b"0" * 10_000_001, "10000001 bytes"),
    ],
)
def test_check_files_names_the_fault(
    name: str, content: bytes, fault: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    assert _tool("check_files").main([str(path)]) == 1
    assert f"{path}: {fault}" in capsys.readouterr().out


def test_check_files_accepts_what_is_well_formed(tmp_path: Path) -> None:
    for name, text in {"a.yaml": "a: 1\n", "a.xml": "<a/>\n", "a.json": "{}\n", "a": "\n"}.items():
        (tmp_path / name).write_text(text)
    assert _tool("check_files").main([str(path) for path in tmp_path.iterdir()]) == 0


# --- the wheel --------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_wheel_carries_messages_data_and_licence(tmp_path: Path) -> None:
    source = tmp_path / "source"
    ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
    for name in ("hand_pose_ros", "msg", "samples"):
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, source / name, ignore=ignored)
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy2(ROOT / name, source)
    options = ["--no-deps", "--no-build-isolation", "--no-index", "--quiet"]
    command = [sys.executable, "-m", "pip", "wheel", *options, "--wheel-dir", str(tmp_path), "."]
    subprocess.run(command, cwd=source, check=True, timeout=120, capture_output=True)

    (wheel,) = tmp_path.glob("*.whl")
    site = tmp_path / "lib" / "python3" / "site-packages"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    data = {
        path.relative_to(ROOT)
        for path in (ROOT / "hand_pose_ros").rglob("*.*")
        if path.suffix not in {".py", ".pyc"} and path.is_file()
    }
    assert {path for path in data if not (site / path).is_file()} == set()
    assert list(site.glob("hand_pose_ros-*.dist-info/licenses/LICENSE"))
    code = "from hand_pose_ros import resources as r; print(r.__file__, r.interface_folder())"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split()[0].startswith(str(site))
    assert done.stdout.split()[1] == str(site / "hand_pose_ros" / "ros" / "interfaces")
