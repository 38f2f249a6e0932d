"""`Told`: the base of Builder, Runtime, ICudaEngine …, which have a logger and a recorder."""

from __future__ import annotations

from typing import Any

import octile

from ._native_values import ApiError
from ._types import ErrorCodeTRT, IErrorRecorder, Severity, UnsupportedError, emit, error

__all__: list = []

_CODES = {
    "invalid-argument": ErrorCodeTRT.INVALID_ARGUMENT,
    "invalid-file": ErrorCodeTRT.INVALID_ARGUMENT,
    "io": ErrorCodeTRT.FAILED_INITIALIZATION,
    "unsupported": ErrorCodeTRT.UNSUPPORTED_STATE,
    "internal": ErrorCodeTRT.INTERNAL_ERROR,
}


def checked_recorder(recorder: Any) -> Any:
    """`recorder`, which must be an IErrorRecorder or None; TypeError else."""
    if recorder is not None and not isinstance(recorder, IErrorRecorder):
        raise TypeError(f"error_recorder takes an IErrorRecorder, not {type(recorder).__name__}")
    return recorder


class Told:
    """Has `_logger` and `_recorder`; failing calls are told there and return TensorRT's value."""

    _logger: Any = None
    _recorder: Any = None

    @property
    def logger(self) -> Any:
        """The logger that was given at first."""
        return self._logger

    @property
    def error_recorder(self) -> Any:
        """Who is told errors instead of the logger; None for nobody."""
        return self._recorder

    @error_recorder.setter
    def error_recorder(self, recorder: Any) -> None:
        self._recorder = checked_recorder(recorder)

    def _log(self, severity: Severity, message: str) -> None:
        emit(self._logger, severity, message)

    def _fail(
        self,
        place: str,
        reason: Any,
        result: Any = None,
        code: ErrorCodeTRT = ErrorCodeTRT.INVALID_ARGUMENT,
    ) -> Any:
        """Tells why `place` ("IRuntime::deserializeCudaEngine") failed and returns `result`.

        `reason` is a text or an exception of Octile's; what has no counterpart is raised on.
        """
        if isinstance(reason, UnsupportedError):
            raise reason
        if isinstance(reason, ApiError):
            code = reason.code
        elif isinstance(reason, octile.Error):
            code = _CODES.get(reason.code, code)
        error(self._logger, self._recorder, place, str(reason), code)
        return result
