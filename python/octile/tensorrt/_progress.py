"""`Progress`: tells an IProgressMonitor of a build's phases."""

from __future__ import annotations

from typing import Any, Optional

from ._types import Severity, emit

__all__: list = []

_WHOLE = "Building engine"
_STEPS = 3  # the network is complete, ranges are known, the engine is built
_TITLES = {
    "select tactics": "Timing graph nodes",
    "thresholds": "Computing calibration scales",
    "collect": "Calibrating network",
}


class Cancelled(Exception):
    """The monitor answered a step with False (or raised)."""


class Progress:
    """The phase "Building engine" as a context manager, and phases of Octile's within it."""

    def __init__(self, monitor: Any, told: Any):
        self._monitor, self._told = monitor, told
        self._done = 0
        self._phase: Optional[str] = None
        self._steps = 0

    def __enter__(self) -> "Progress":
        self._call("phase_start", _WHOLE, None, _STEPS)
        return self

    def __exit__(self, *exception: Any) -> None:
        self._finish()
        self._call("phase_finish", _WHOLE)

    def step(self) -> None:
        """One of the steps of the whole is done. Raises Cancelled."""
        self._finish()
        self._complete(_WHOLE, self._done)
        self._done += 1

    def report(self, phase: str, done: int, total: int) -> None:
        """Octile's progress. Raises Cancelled, which comes out of octile.build() again."""
        if self._monitor is None:
            return
        title = _TITLES.get(phase, phase)
        if title != self._phase:
            self._finish()
            self._phase, self._steps = title, 0
            self._call("phase_start", title, _WHOLE, max(total, 1))
        while self._steps < min(done, total):
            self._steps += 1
            self._complete(title, self._steps - 1)

    def _finish(self) -> None:
        if self._phase is not None:
            self._call("phase_finish", self._phase)
            self._phase = None

    def _complete(self, phase: str, step: int) -> None:
        if self._monitor is not None and not self._call("step_complete", phase, step):
            raise Cancelled(phase)

    def _call(self, method: str, *arguments: Any) -> Any:
        if self._monitor is None:
            return None
        try:
            return getattr(self._monitor, method)(*arguments)
        except Exception as error:
            emit(
                self._told._logger,
                Severity.ERROR,
                f"Exception caught in {method}() of {type(self._monitor).__name__}: "
                f"{type(error).__name__}: {error}",
            )
            return False
