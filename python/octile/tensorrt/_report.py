"""How octile.tensorrt tells what went wrong.

Failing calls log a line in TensorRT's form to the logger (or tell the error recorder, which takes
the log's place) and return TensorRT's None, False or −1. Only what Octile has no counterpart for
raises: UnsupportedError, which names it.
"""

from __future__ import annotations

import sys
from typing import Any, NoReturn

import octile

from ._enums import ErrorCodeTRT, Severity


class UnsupportedError(octile.Unsupported):
    """Octile has no counterpart for what was asked of its TensorRT API; the text names it."""

    __module__ = "octile.tensorrt"
    code = "unsupported"


class UnsupportedName(UnsupportedError, AttributeError):
    """A name of TensorRT's module that octile.tensorrt lacks; an AttributeError for hasattr()."""


def unsupported(what: str, advice: str = "") -> NoReturn:
    """Raises UnsupportedError for `what` ("INetworkDefinition.add_loop") and what to do."""
    text = f"{what} has no counterpart in Octile"
    raise UnsupportedError(f"{text}: {advice}" if advice else text)


_API_USAGE = (
    ErrorCodeTRT.INVALID_ARGUMENT,
    ErrorCodeTRT.INVALID_CONFIG,
    ErrorCodeTRT.INVALID_STATE,
)
_LEVELS = {
    "error": Severity.ERROR,
    "warning": Severity.WARNING,
    "info": Severity.INFO,
    "debug": Severity.VERBOSE,
    "verbose": Severity.VERBOSE,
}


def severity_of(level: str) -> Severity:
    """The severity for a level of the native log ("error", "warning", "info", "debug")."""
    return _LEVELS.get(str(level).lower(), Severity.INFO)


def error_text(code: ErrorCodeTRT, place: str, message: str) -> str:
    """`place: Error Code 3: API Usage Error (message)`, the form of TensorRT's errors."""
    title = "API Usage Error" if code in _API_USAGE else "Internal Error"
    return f"{place}: Error Code {int(code)}: {title} ({message})"


def emit(logger: Any, severity: Severity, message: str) -> None:
    """Hands one line to `logger` (None: nobody listens); what a logger raises is printed."""
    if logger is None:
        return
    try:
        logger.log(severity, message)
    except Exception as error:  # a user's logger must not end what TensorRT would go on with
        print(f"octile.tensorrt: {type(logger).__name__}.log() raised {error!r}", file=sys.stderr)


def report(
    logger: Any,
    recorder: Any,
    severity: Severity,
    code: ErrorCodeTRT | None,
    place: str,
    message: str,
) -> None:
    """Tells `message` about `place` ("INetworkDefinition::addConvolutionNd").

    With a code the line has TensorRT's error form; an error (severity ERROR or worse) goes to
    `recorder` if there is one, else to `logger`, as in TensorRT. Without a code the message is
    logged as it is. Nothing is raised.
    """
    text = message if code is None else error_text(code, place, message)
    if code is None or recorder is None or severity > Severity.ERROR:
        emit(logger, severity, text)
        return
    try:
        recorder.report_error(code, text)
    except Exception as error:
        name = type(recorder).__name__
        print(f"octile.tensorrt: {name}.report_error() raised {error!r}", file=sys.stderr)


def error(
    logger: Any, recorder: Any, place: str, message: str, code: ErrorCodeTRT | None = None
) -> None:
    """`report` for the usual case: severity ERROR, code INVALID_ARGUMENT (3) unless given."""
    code = ErrorCodeTRT.INVALID_ARGUMENT if code is None else code
    report(logger, recorder, Severity.ERROR, code, place, message)


__all__ = ["UnsupportedError"]
