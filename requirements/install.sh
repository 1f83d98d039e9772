#!/usr/bin/env bash
# Bring a virtual environment to what requirements/lock.txt says, with this package in place.
#   requirements/install.sh [FOLDER]        PYTHON=python3.11 chooses the interpreter
set -euo pipefail
cd "$(dirname "$0")/.."
venv=${1:-.venv}
lock=requirements/lock.txt
unset PYTHONPATH PYTHONHOME # a sourced ROS must not look like an installed package
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_DEFAULT_TIMEOUT=${PIP_DEFAULT_TIMEOUT:-60}

fail() {
    printf 'hand_pose_ros set-up: %s\n' "$*" >&2
    exit 1
}

usable() { # a supported Python that can make an environment with pip in it
    "$1" -c 'import ensurepip, sys, venv; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 12))' \
        >/dev/null 2>&1
}

find_python() {
    local each
    if [ -n "${PYTHON:-}" ]; then
        usable "$PYTHON" || fail "PYTHON=$PYTHON is not a Python 3.10, 3.11 or 3.12 with the venv module"
        echo "$PYTHON"
        return
    fi
    for each in python3 python3.12 python3.11 python3.10; do
        usable "$each" && echo "$each" && return
    done
    fail "needs Python 3.10, 3.11 or 3.12 with its venv module;" \
        "on Debian or Ubuntu: apt-get install python3 python3-venv"
}

if ! "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
    python=$(find_python)
    echo "Making $venv with $("$python" --version) ..."
    "$python" -m venv --clear "$venv"
fi
pip() { "$venv/bin/python" -m pip "$@"; }

# Two builds of OpenCV write the same files; only the one of the lock may stay.
for other in opencv-python opencv-contrib-python opencv-contrib-python-headless; do
    if pip show --quiet "$other" >/dev/null 2>&1; then
        pip uninstall --quiet --yes "$other" opencv-python-headless
    fi
done

echo "Installing the pinned packages into $venv (the first time downloads torch) ..."
# Each build of torch has libraries of its own, so torch alone may bring what it asks for.
pip install --quiet --constraint "$lock" "$(grep '^torch==' "$lock")"
pip install --quiet --no-deps --requirement "$lock"
pip install --quiet --no-deps --no-build-isolation --editable .

"$venv/bin/python" -c 'import cv2, mediapipe, torch' 2>"$venv/import.log" >/dev/null ||
    fail "an installed library does not load: $(tail -n 1 "$venv/import.log")"
