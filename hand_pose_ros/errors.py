"""The one tree of errors that this package raises on purpose."""

from __future__ import annotations


class HandPoseError(Exception):
    """Anything that went wrong and is worth one clear line to the user."""


class InputError(HandPoseError, ValueError):
    """What came in (a file, a message, an argument) cannot be used; the message says why."""


class ShapeError(InputError):
    """An array has another shape than its place in the model demands."""


class ConfigError(InputError):
    """A configuration value is outside what is allowed."""


class UnavailableError(HandPoseError):
    """Something optional (a library, a device) is needed here and missing."""


class OutputError(HandPoseError):
    """Writing a result failed; what was written before stays readable."""
