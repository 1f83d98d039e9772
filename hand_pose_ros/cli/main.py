"""The entry point `hand-pose`: the table of verbs, exit codes and one-line errors."""

from __future__ import annotations

import argparse
import importlib.util
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module

from hand_pose_ros import __version__
from hand_pose_ros.errors import HandPoseError, InputError

EXIT_OK = 0
EXIT_FAILURE = 1
EXIT_BAD_INPUT = 2
EXIT_INTERRUPTED = 130


@dataclass(frozen=True)
class Verb:
    """One verb; its module offers `add_arguments(parser)` and `run(args) -> int`."""

    name: str
    summary: str
    example: str

    @property
    def module(self) -> str:
        """Where the verb lives."""
        return f"hand_pose_ros.cli.{self.name}"

    @property
    def exists(self) -> bool:
        """True where this installation has the verb; nothing is imported to find out."""
        return importlib.util.find_spec(self.module) is not None


VERBS = (
    Verb(
        "replay",
        "a video or a rosbag2 in; a bag, an overlay video and a summary out",
        "hand-pose replay my.mp4 --out out/my",
    ),
    Verb(
        "predict",
        "a folder of images in, hands as JSON out",
        "hand-pose predict photos --out hands.json",
    ),
    Verb(
        "evaluate",
        "measure errors on a dataset with known hands, or of the hands in bags",
        "hand-pose evaluate my_dataset --format folder --peer mediapipe",
    ),
    Verb(
        "train",
        "train a model from sampled and, for images, rendered hands",
        "hand-pose train --model fused --out runs/fused",
    ),
    Verb("synth", "render a dataset of hands", "hand-pose synth --count 1000 --seed 1 --out data"),
    Verb(
        "export",
        "write a model as a file that runs elsewhere",
        "hand-pose export --model fused --engine onnx --out out/fused",
    ),
    Verb("bench", "time the pipeline", "hand-pose bench --peer mediapipe --json bench.json"),
    Verb("models", "list what --model, --detector and --engine take", "hand-pose models"),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb; its exit code, or 2 for bad input, 1 for a failure, 130 after Ctrl-C."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        args = build_parser(arguments[0] if arguments else None).parse_args(arguments)
        code = _run(args)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader (`| head`) has seen enough. Python flushes once more at its end: into nothing.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_OK
    return code


def build_parser(chosen: str | None) -> argparse.ArgumentParser:
    """The parser; only the chosen verb's module is imported to add its arguments."""
    parser = argparse.ArgumentParser(
        prog="hand-pose",
        description="From a hand in any camera to typed, metric, kinematically valid hands.",
        epilog="hand-pose VERB --help shows the options of a verb and an example.",
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    for verb in VERBS:
        if not verb.exists:
            continue
        subparser = verbs.add_parser(
            verb.name,
            help=verb.summary,
            description=_sentence(verb.summary),
            epilog=f"example:\n  {verb.example}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        if verb.name == chosen:
            module = import_module(verb.module)
            module.add_arguments(subparser)
            subparser.set_defaults(run=module.run)
    return parser


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


def _run(args: argparse.Namespace) -> int:
    """Run the verb; what it raises on purpose becomes one line and an exit code."""
    try:
        return int(args.run(args) or EXIT_OK)
    except BrokenPipeError:
        raise
    except KeyboardInterrupt:
        return _complain(args.verb, "interrupted", EXIT_INTERRUPTED)
    except InputError as error:
        return _complain(args.verb, str(error), EXIT_BAD_INPUT)
    except (HandPoseError, OSError) as error:
        return _complain(args.verb, str(error), EXIT_FAILURE)


def _complain(verb: str, message: str, code: int) -> int:
    print(f"hand-pose {verb}: {' '.join(message.split())}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
