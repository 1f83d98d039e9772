# `make run` and `make test` do all the set-up; `make help` lists the rest.
#
#   make run INPUT=my.mp4 OUT=out/mine     VENV=/elsewhere     PYTHON=python3.11 (for a new environment)

VENV ?= .venv
INPUT ?= samples/gestures.mcap
OUT ?=
ARGS ?=
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

# A sourced ROS must not load its pytest plugins into our tests.
export PYTEST_DISABLE_PLUGIN_AUTOLOAD := 1
export INPUT OUT

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup run test lint format pytest train bench ros lock hooks clean distclean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

setup: $(STAMP) ## Make the environment (the other targets do it when it is needed)

$(STAMP): requirements/lock.txt requirements/install.sh pyproject.toml setup.py
	@requirements/install.sh "$(VENV)"
	@touch $@

run: $(STAMP) ## Replay INPUT (a video or a bag; default: the sample) into OUT
	@out="$$OUT"; \
	if [ -z "$$out" ]; then name=$$(basename "$$INPUT"); out="out/$${name%.*}"; fi; \
	"$(BIN)/hand-pose" replay "$$INPUT" --out "$$out" $(ARGS)

test: lint pytest ## Check style, types and files, then run the tests

lint: $(STAMP) ## The checks that pre-commit runs too
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/python scripts/check_files.py

pytest: $(STAMP) ## Only the tests; ARGS="-k camera" chooses
	$(BIN)/python -m pytest $(ARGS)

format: $(STAMP) ## Let ruff rewrite the code
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

train: $(STAMP) ## Train the keypoint lifter that ships
	$(BIN)/hand-pose train --out "$${OUT:-runs/keypoints}" $(ARGS)

bench: $(STAMP) ## Time the pipeline beside MediaPipe
	$(BIN)/hand-pose bench --peer mediapipe $(ARGS)

ros: ## In a sourced ROS 2: build the package, to be sourced as install/setup.bash
	colcon --log-base build/log build --paths . --build-base build --install-base install \
	    --event-handlers console_direct- --cmake-args -DBUILD_TESTING=OFF \
	    -DPython3_EXECUTABLE="$$($${PYTHON:-python3} -c 'import sys; print(sys.executable)')"

lock: $(STAMP) ## Resolve the pins anew (needs python3.10, 3.11 and 3.12)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python requirements/lock.py python3.10 python3.11 python3.12

hooks: $(STAMP) ## Run the checks before every commit
	$(BIN)/pre-commit install

clean: ## Remove what was built, not the environment
	rm -rf build install log out runs .pytest_cache .ruff_cache .mypy_cache .hypothesis *.egg-info
	find hand_pose_ros test scripts requirements -name __pycache__ -type d -prune -exec rm -rf {} +

distclean: clean ## Remove the environment too
	rm -rf "$(VENV)"
