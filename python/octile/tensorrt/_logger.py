"""Loggers, error recorders and profilers: what a program hands in to be told things."""

from __future__ import annotations

import time
from typing import Any

from ._enums import APILanguage, ErrorCodeTRT, Severity
from ._functions import common_enter, common_exit


def abstract(method: Any) -> Any:
    """Marks a method that a subclass has to bring: the base's raises NotImplementedError."""

    def missing(self: Any, *arguments: Any, **named: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__} does not bring {method.__name__}()")

    missing.__name__ = method.__name__
    missing.__qualname__ = method.__qualname__
    missing.__doc__ = method.__doc__
    return missing


class InterfaceInfo:
    """Name and version of an interface."""

    __module__ = "octile.tensorrt"

    def __init__(self, kind: str, major: int, minor: int) -> None:
        self.kind, self.major, self.minor = kind, major, minor

    def __repr__(self) -> str:
        return f"InterfaceInfo(kind={self.kind!r}, major={self.major}, minor={self.minor})"


class IVersionedInterface:
    """Base of the interfaces that a program may implement."""

    __module__ = "octile.tensorrt"
    _interface = ("IVersionedInterface", 1, 0)

    @property
    def api_language(self) -> APILanguage:
        """The language of the implementation: Python."""
        return APILanguage.PYTHON

    @property
    def interface_info(self) -> InterfaceInfo:
        """Name and version of the interface."""
        return InterfaceInfo(*self._interface)


class ILogger:
    """Base of loggers: `log(severity, msg)` is called with every message, whatever its severity."""

    __module__ = "octile.tensorrt"
    Severity = Severity
    INTERNAL_ERROR = Severity.INTERNAL_ERROR
    ERROR = Severity.ERROR
    WARNING = Severity.WARNING
    INFO = Severity.INFO
    VERBOSE = Severity.VERBOSE
    min_severity = Severity.VERBOSE  # for loggers that compare with it without having set it
    __enter__ = common_enter
    __exit__ = common_exit

    @abstract
    def log(self, severity: Severity, msg: str) -> None:
        """Takes one message."""


class Logger(ILogger):
    """Prints what is at least as serious as `min_severity` to the standard output.

    A line is `[MM/DD/YYYY-HH:MM:SS] [TRT] [E] message` (F: internal error, E, W, I, V).
    """

    __module__ = "octile.tensorrt"
    _letters = "FEWIV"

    def __init__(self, min_severity: Severity = Severity.WARNING) -> None:
        self.min_severity = min_severity

    @property
    def min_severity(self) -> Severity:
        """The least serious severity that is printed."""
        return self._min_severity

    @min_severity.setter
    def min_severity(self, value: Severity) -> None:
        if not isinstance(value, Severity):
            raise TypeError(f"Logger.min_severity takes a Logger.Severity, not {value!r}")
        self._min_severity = value

    def log(self, severity: Severity, msg: str) -> None:
        """Prints `msg` unless it is less serious than `min_severity`."""
        if severity <= self._min_severity:
            stamp = time.strftime("%m/%d/%Y-%H:%M:%S")
            print(f"[{stamp}] [TRT] [{self._letters[severity]}] {msg}", flush=True)


class IErrorRecorder(IVersionedInterface):
    """Base of error recorders, which get the errors that would else go to the log."""

    __module__ = "octile.tensorrt"
    _interface = ("IErrorRecorder", 1, 0)

    @property
    def MAX_DESC_LENGTH(self) -> int:
        """Characters of a description that a recorder should be able to keep."""
        return 127

    @abstract
    def num_errors(self) -> int:
        """The number of errors recorded."""

    @abstract
    def get_error_code(self, arg0: int) -> ErrorCodeTRT:
        """The kind of the error numbered `arg0`."""

    @abstract
    def get_error_desc(self, arg0: int) -> str:
        """The text of the error numbered `arg0`."""

    @abstract
    def has_overflowed(self) -> bool:
        """Whether errors were left out for want of room."""

    @abstract
    def clear(self) -> None:
        """Forgets all errors."""

    @abstract
    def report_error(self, arg0: ErrorCodeTRT, arg1: str) -> bool:
        """Takes an error's kind and text."""


class IProfiler(IVersionedInterface):
    """Base of profilers: told the time of every layer after an inference."""

    __module__ = "octile.tensorrt"
    _interface = ("IProfiler", 1, 0)

    @abstract
    def report_layer_time(self, layer_name: str, ms: float) -> None:
        """Takes the milliseconds of one layer."""


class Profiler(IProfiler):
    """Prints `layer: time ms` for every layer."""

    __module__ = "octile.tensorrt"

    def report_layer_time(self, layer_name: str, ms: float) -> None:
        """Prints the milliseconds of one layer, with six digits."""
        print(f"{layer_name}: {ms:g}ms", flush=True)


__all__ = [
    "IErrorRecorder",
    "ILogger",
    "IProfiler",
    "IVersionedInterface",
    "InterfaceInfo",
    "Logger",
    "Profiler",
]
